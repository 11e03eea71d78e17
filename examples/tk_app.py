"""A window with level, state, transcript and a push-to-talk button.

    python examples/tk_app.py      a recording; with --live, microphone and loudspeaker

Prints each turn with its reply. The window closes after the recording.
"""

import sys
import tkinter
from pathlib import Path
from threading import Event

from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import events, offline, tk
from rxvoice import operators as vox

LIVE, DEMO = "--live" in sys.argv, Path(rxv.__file__).parent / "data" / "demo.wav"
STATES = {events.TurnOpened: "listening", events.Speaking: "speaking", events.Finished: "ready"}
INK, GREY, DARK, PANEL, BLUE = "#e8eaf0", "#8f98ad", "#14171f", "#1e2330", "#2f6fed"
window, talking = tkinter.Tk(className="rxvoice"), Event()
window.tk_setPalette(background=DARK, foreground=GREY, highlightBackground=DARK)
state = tkinter.Label(text="ready", anchor="w")
said = tkinter.Text(bg=PANEL, fg=INK, wrap="word", bd=0, padx=12, pady=4, width=48, height=22)
said.config(font="TkDefaultFont")
said.tag_config("you", foreground=GREY, spacing1=12)
level = tkinter.Canvas(height=6, bg=PANEL, highlightthickness=0)
bar = level.create_rectangle(0, 0, 0, 6, fill="#43c59e", width=0)
button = tkinter.Button(text="Hold to talk", bg=BLUE, fg="white", bd=0, pady=12)
[part.pack(fill="both", padx=12, pady=6) for part in (state, said, level, button)]
button.bind("<ButtonPress>", lambda _: talking.set())
button.bind("<ButtonRelease>", lambda _: talking.clear())


def gate(block):  # silence while the button is up: it ends the turn
    muted = LIVE and isinstance(block, rxv.AudioChunk) and not talking.is_set()
    return rxv.AudioChunk(block.samples * 0, block.sample_rate) if muted else block


def show(event):
    state.config(text=STATES.get(type(event), state["text"]))
    if isinstance(event, events.Level):
        level.coords(bar, 0, 0, 3 * event.rms * level.winfo_width(), 6)
    elif isinstance(event, rxv.FinishedTurn):
        said.insert("end", f"{event.user_text}\n", "you", f"{event.assistant_text}\n")
        said.see("end")
        print(f"{event.user_text}: {event.assistant_text}")


sink = rxv.speaker() if LIVE else rxv.sinks.null()
source = rxv.microphone() if LIVE else rxv.sources.wav(DEMO)
turns = vox.vad(offline.silero()), vox.preroll(), vox.turn_window(rxv.silence(800))
listen, think = vox.transcribe(offline.stt()), vox.respond(offline.llm())
talk = vox.converse(listen, think, vox.synthesize(offline.tts()), sink=sink)
pipe = source.pipe(ops.map(gate), vox.chunk(), vox.meter(), *turns, talk)
session = rxv.live(pipe, deliver_on=tk.scheduler(window)).subscribe(show, print, window.destroy)
window.mainloop()
session.dispose()
