"""Models behind a server that speaks OpenAI's interface: mlx_lm.server, mlx-audio's, vLLM, a cloud.

``pip install 'rxvoice[remote]'`` brings the client, which is loaded with the first use. Nothing is
taken from the environment's ``OPENAI_API_KEY``, and what is on this machine is asked without a
proxy.
"""

from __future__ import annotations

from rxvoice.remote._failures import RemoteError
from rxvoice.remote.llm import RemoteLlm, llm
from rxvoice.remote.stt import RemoteStt, stt
from rxvoice.remote.tts import RemoteTts, tts

__all__ = ["RemoteError", "RemoteLlm", "RemoteStt", "RemoteTts", "llm", "stt", "tts"]
