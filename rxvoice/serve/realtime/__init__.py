"""The OpenAI Realtime protocol, over a `rxvoice.serve.session.Dialogue`.

It translates, and decides nothing about turns and replies.

| file | what |
|---|---|
| `_socket` | one client: receives, sends, ends |
| `_client_events`, `_session_config` | what clients send, checked |
| `_commands`, `_settings` | their events and configuration become commands and settings |
| `_server_events`, `_items` | what happens becomes events |
| `_audio` | 16-bit samples and G.711 |
| `_errors` | what clients are told of their mistakes |
| `_outbox` | the messages that wait for a client |
| `_beta` | the names of the beta, for old clients |

What clients may notice:

- ``speech_started`` during a reply comes once the user has spoken for 180 ms in one go, or has said
  a word. It is never taken back, so a cough stops nobody's playback. With the session's
  ``x_rxvoice.interrupt_on: "words"`` only words interrupt, and those that the assistant is saying
  do not count.
- A reply that is interrupted, or truncated, keeps the words that were heard. Until a client
  truncates, playback in real time from the first delta on is assumed.
- A committed turn gets a reply only by ``response.create``. The response begins at once, and its
  text once the words of all committed turns are known.
- ``input_audio_transcription.delta`` has only words that the recogniser has added at the end.
- A call of a function is told when the spoken message before it is complete.
- ``usage`` is null where the model does not count tokens. Pictures are refused, and so is audio
  within an item that has no transcript. Unknown voices and models are the server's own.
- ``x_rxvoice`` has more: in a session the ``voices`` and the ``version``; in the first delta of a
  sentence which text it speaks (``text_start``, ``text_end``); in the first delta of a response
  how long each step took (``moments``, ms from the end of the user's speech); in ``truncated`` the
  words ``heard``. A session with ``x_rxvoice.voice_activity`` gets ``x_rxvoice.voice_activity``
  events, ten a second.
"""

from __future__ import annotations

from rxvoice.serve.realtime._beta import to_beta
from rxvoice.serve.realtime._commands import updated
from rxvoice.serve.realtime._errors import ClientError
from rxvoice.serve.realtime._session_config import first_session
from rxvoice.serve.realtime._socket import RealtimeSession

__all__ = ["ClientError", "RealtimeSession", "first_session", "to_beta", "updated"]
