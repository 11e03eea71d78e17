"""A window with level, state, transcript and a push-to-talk button.

python examples/qt_app.py      a recording, whose turns it prints; with --live, microphone
"""

import sys
from pathlib import Path
from threading import Event

try:
    from PySide6 import QtWidgets as qw
except ImportError as error:
    raise SystemExit(f"{error}: pip install 'rxvoice[offline,qt]'") from error

from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import events, offline, qt, sinks, sources
from rxvoice import operators as vox

LIVE, DEMO = "--live" in sys.argv, Path(rxv.__file__).parent / "data" / "demo.wav"
STATES = {events.TurnOpened: "listening", events.Speaking: "speaking", events.Finished: "ready"}
STYLE = """* { border: 0; background: #14171f; color: #e8eaf0; font-size: 15px; }
QTextEdit, QPushButton { border-radius: 8px; padding: 9px; background: #1e2330; }
QScrollBar { width: 0; } QLabel { color: #8f98ad; } QPushButton { background: #2f6fed; }
QPushButton:pressed { background: #d13a3f; } QProgressBar::chunk { background: #43c59e; }
QProgressBar { max-height: 6px; background: #1e2330; }"""
app, talking = qw.QApplication([]), Event()
window = qw.QWidget(windowTitle="rxvoice", styleSheet=STYLE, minimumWidth=420, minimumHeight=520)
state, said = qw.QLabel("ready"), qw.QTextEdit(readOnly=True)
level, button = qw.QProgressBar(maximum=100, textVisible=False), qw.QPushButton("Hold to talk")
layout = qw.QVBoxLayout(window)
[layout.addWidget(part) for part in (state, said, level, button)]
button.pressed.connect(talking.set)
button.released.connect(talking.clear)


def gate(block):  # silence while the button is up: it ends the turn
    muted = LIVE and isinstance(block, rxv.AudioChunk) and not talking.is_set()
    return rxv.AudioChunk(block.samples * 0, block.sample_rate) if muted else block


def show(event):
    state.setText(STATES.get(type(event), state.text()))
    if isinstance(event, events.Level):
        level.setValue(int(300 * event.rms))
    elif isinstance(event, rxv.FinishedTurn):
        said.append(f"<font color='#8f98ad'>{event.user_text}</font><br>{event.assistant_text}<br>")
        print(f"{event.user_text}: {event.assistant_text}")


source, sink = (rxv.microphone(), rxv.speaker()) if LIVE else (sources.wav(DEMO), sinks.null())
turns = vox.vad(offline.silero()), vox.preroll(), vox.turn_window(rxv.silence(800))
listen, think = vox.transcribe(offline.stt()), vox.respond(offline.llm())
talk = vox.converse(listen, think, vox.synthesize(offline.tts()), sink=sink)
pipe = source.pipe(ops.map(gate), vox.chunk(), vox.meter(), *turns, talk)
session = rxv.live(pipe, deliver_on=qt.scheduler()).subscribe(show, print, window.close)
window.show()
app.exec()
session.dispose()
