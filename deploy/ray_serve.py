"""Replicas of rxvoice's server as a Ray Serve deployment; the models are elsewhere.

    pip install 'ray[serve]' 'rxvoice[serve,remote]'
    LLM_URL=http://gpu1:8000/v1 STT_URL=... TTS_URL=... serve run deploy.ray_serve:app

Ray starts a replica when those that there are have many sessions, and lets the sessions of one that
goes come to their end.
"""

from __future__ import annotations

import os
from typing import Any

from ray import serve

MOST = 200  # sessions of a replica


def build() -> Any:
    """Make the server of one replica; called there."""
    import rxvoice as rxv
    from rxvoice.serve import Models, StageWorkers, WaitingThreads
    from rxvoice.serve import app as realtime

    def urls(name: str) -> list[str]:
        return os.environ[name].split(",")

    llm = rxv.remote.llm(os.environ.get("LLM", "qwen3-4b"), base_url=urls("LLM_URL"))
    threads = WaitingThreads(3 * MOST)
    return realtime(
        Models(
            stt=rxv.remote.stt(os.environ.get("STT", "whisper-1"), base_url=urls("STT_URL")),
            llm=llm.fresh,
            tts=rxv.remote.tts(
                os.environ.get("TTS", "kokoro"),
                base_url=urls("TTS_URL"),
                voice=os.environ.get("VOICE", "af_heart"),
            ),
            scheduler=StageWorkers(
                make_listening=threads.worker,
                make_text=threads.worker,
                make_speech=threads.worker,
            ),
        ),
        api_key=os.environ.get("RXVOICE_API_KEY"),
        max_sessions=MOST,
    )


deployment = serve.deployment(
    serve.ingress(build)(),
    name="rxvoice",
    # A WebSocket is one request for as long as it lasts.
    max_ongoing_requests=MOST,
    autoscaling_config={
        "min_replicas": int(os.environ.get("REPLICAS", "2")),
        "max_replicas": 20,
        "target_ongoing_requests": 0.6 * MOST,
        "downscale_delay_s": 600,
    },
    graceful_shutdown_timeout_s=300,
    ray_actor_options={"num_cpus": float(os.environ.get("CPUS", "1"))},
)

app = deployment.bind()
