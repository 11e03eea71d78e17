"""A server: any client of the OpenAI Realtime protocol talks to models on this machine.

```python
import uvicorn
from rxvoice import serve

models = serve.Models(stt=..., llm=..., tts=...)
uvicorn.run(serve.app(models), port=8321, ws_max_size=serve.MAX_MESSAGE_BYTES)
```

| what | |
|---|---|
| `app`, `_models`, `_observer` | the app, what it is given, and whom it tells |
| `_lobby`, `_turn_away`, `_http`, `_keys` | who may come in |
| `_drain`, `_health`, `_metrics`, `_access_log`, `_content_log`, `_traces` | for whoever runs it |
| `_lag`, `_garbage` | what holds up the event loop, and what of that can be chosen |
| `_workers` | where models run |
| `session` | one session, without a word of the protocol |
| `realtime` | the protocol |
"""

from __future__ import annotations

from rxvoice.serve._models import Models, Workers
from rxvoice.serve._observer import Observer
from rxvoice.serve._workers import StageWorkers, WaitingThreads
from rxvoice.serve.app import MAX_MESSAGE_BYTES, app

__all__ = [
    "MAX_MESSAGE_BYTES",
    "Models",
    "Observer",
    "StageWorkers",
    "WaitingThreads",
    "Workers",
    "app",
]
