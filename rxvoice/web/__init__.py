"""A conversation for each WebSocket of a Starlette or FastAPI app.

```python
models = rxv.mlx.MlxScheduler()  # the one model thread
stt, llm, tts = rxv.offline.stt(), rxv.offline.llm(), rxv.offline.tts()


def converse(client: rxv.web.Client):
    return client.microphone.pipe(
        vox.chunk(512),
        vox.vad(rxv.silero()),
        vox.preroll(250),
        vox.turn_window(rxv.silence(800)),
        vox.converse(
            vox.transcribe(stt, worker=models.listening),
            vox.respond(llm.fresh(), worker=models.text),  # one model for all, a history for each
            vox.synthesize(tts, worker=models.speech),
            sink=client.speaker,
            interrupts=client.interrupts,
        ),
    )


sessions = rxv.web.sessions(converse)


@app.websocket("/talk")
async def talk(socket: WebSocket) -> None:
    await sessions.serve(socket)
```

The client sends its microphone as binary frames of 16-bit little-endian mono samples. Their rate is
16 kHz, unless the query (``/talk?sample_rate=48000``) or a first message
``{"type": "start", "sample_rate": 48000}`` gives another. It may also send these messages, as JSON
text:

- ``{"type": "interrupt"}``: stop speaking.
- ``{"type": "text", "text": "..."}``: stop speaking, and reply to this text.
- ``{"type": "end"}``: no more audio comes. The last reply is still spoken; then the socket is
  closed.
- ``{"type": "played", "samples": n, "clears": k}``: how many samples of speech the client has
  played in all, and the number of the last ``clear`` that it saw, 0 before the first. Send it about
  ten times a second, or never: then what was sent counts as played in real time.

The client receives speech as binary frames of the same kind, half a second ahead of its playback.
It also receives these messages, as JSON text:

- Each event of the conversation, as `Event.as_json` writes it.
- ``{"event": "turn", ...}``: a `FinishedTurn`.
- ``{"event": "format", "sample_rate": 24000}``: the rate of the speech that follows; sent before
  the first speech, and when the rate changes.
- ``{"event": "clear", "position": p, "clears": k}``: drop what was not played. ``samples`` goes on
  from ``p``.
- ``{"event": "pause"}``, ``{"event": "resume"}``, ``{"event": "duck", "gain": g}``: change the
  playback.
- ``{"event": "error", "code": "...", "message": "..."}``: why the socket is about to be closed:
  ``full`` or ``address`` (1013), ``bad_message`` (1007), ``too_big`` (1009), ``flood``,
  ``questions``, ``idle``, ``time`` or ``slow_reader`` (1008), ``failed`` (1011).

A web page of another origin, and a client that ``sessions(authenticate=...)`` does not let in, are
refused with HTTP's 403 before the WebSocket is opened.
"""

from __future__ import annotations

from rxvoice.web._client import Client
from rxvoice.web._limits import Limits
from rxvoice.web._sessions import Sessions, sessions
from rxvoice.web._speaker import RemoteSpeaker

__all__ = ["Client", "Limits", "RemoteSpeaker", "Sessions", "sessions"]
