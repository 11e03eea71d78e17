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
"""

from __future__ import annotations

from rxvoice.serve.realtime._beta import to_beta
from rxvoice.serve.realtime._commands import updated
from rxvoice.serve.realtime._errors import ClientError
from rxvoice.serve.realtime._session_config import first_session
from rxvoice.serve.realtime._socket import RealtimeSession

__all__ = ["ClientError", "RealtimeSession", "first_session", "to_beta", "updated"]
