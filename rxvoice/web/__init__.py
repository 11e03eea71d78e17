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
            vox.respond(llm.fresh(), worker=models.text),  # the model of all, a history of its own
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

The client sends its microphone as binary frames of 16-bit little-endian mono samples, at the rate
it says in the query (``/talk?sample_rate=48000``, else 16000) or in a first message
``{"type": "start", "sample_rate": 48000}``. It may also send, as JSON text:

- ``{"type": "interrupt"}``: be quiet; ``{"type": "text", "text": "..."}``: be quiet, and answer
  this;
- ``{"type": "end"}``: nothing more will be said; the answer is still spoken, then it is closed;
- ``{"type": "played", "samples": n, "clears": k}``: how many samples of speech its loudspeaker
  has played in all, and the number of the last ``clear`` it saw, 0 before one. Some ten times a
  second, or never: then the clock is taken to play what was sent.

It receives speech as binary frames of the same kind, half a second ahead of its playback, and
JSON: what happens, as `Event.as_json` has it, and

- ``{"event": "format", "sample_rate": 24000}`` before the first speech, and when that changes;
- ``{"event": "clear", "position": p, "clears": k}``: drop what was not played; ``samples`` goes
  on from ``p``. ``pause``, ``resume`` and ``duck`` (``gain``) say what else to do with it;
- ``{"event": "turn", ...}``: a `FinishedTurn`;
- ``{"event": "error", "code": "...", "message": "..."}`` before it is closed for a reason:
  ``full`` or ``address`` (1013), ``bad_message`` (1007), ``too_big`` (1009), ``flood``,
  ``questions``, ``idle``, ``time`` or ``slow_reader`` (1008), ``failed`` (1011).

A web page of another origin, and whom ``sessions(authenticate=...)`` does not let in, are refused
with HTTP's 403 before there is a WebSocket.
"""

from __future__ import annotations

from rxvoice.web._session import Client
from rxvoice.web._sessions import Sessions, sessions
from rxvoice.web._speaker import RemoteSpeaker

__all__ = ["Client", "RemoteSpeaker", "Sessions", "sessions"]
