"""Models behind a server with OpenAI's interface: mlx_lm.server, mlx-audio's, vLLM, a cloud.

``pip install 'rxvoice[remote]'`` brings the client, which loads with the first use. The
environment's ``OPENAI_API_KEY`` is not read, and a server on this machine is asked without a proxy.

``llm``, ``stt`` and ``tts`` each hold one kind of model. All of them ask through ``_server``,
within the time that ``_limits`` allows, and ``_failures`` says what went wrong. Where a model has
several servers, ``_pool`` chooses one for each call; each is a ``_host``. ``_chat`` reads the
stream of a reply, and ``_context`` estimates how much of a conversation fits.
"""

from __future__ import annotations

from rxvoice._language.options import LlmOptions
from rxvoice.remote._failures import RemoteError
from rxvoice.remote._host import ServerState
from rxvoice.remote._options import ServerOptions
from rxvoice.remote.llm import RemoteLlm, RemoteLlmOptions, llm
from rxvoice.remote.stt import RemoteStt, stt
from rxvoice.remote.tts import RemoteTts, tts

__all__ = [
    "LlmOptions",
    "RemoteError",
    "RemoteLlm",
    "RemoteLlmOptions",
    "RemoteStt",
    "RemoteTts",
    "ServerOptions",
    "ServerState",
    "llm",
    "stt",
    "tts",
]
