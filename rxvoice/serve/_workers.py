"""Where a server's models run, a worker for each stage."""

from __future__ import annotations

from dataclasses import dataclass

from reactivex import abc
from reactivex.scheduler import ThreadPoolScheduler


@dataclass(frozen=True, kw_only=True)
class StageWorkers:
    """A worker for each stage, for a server some of whose models are elsewhere.

    ```python
    mlx = rxv.mlx.MlxScheduler()
    workers = StageWorkers(listening=mlx.listening, text=waiting(64), speech=mlx.speech)
    ```

    Args:
        listening: runs the recogniser.
        text: runs the language model.
        speech: runs the synthesizer.
    """

    listening: abc.SchedulerBase | None = None
    text: abc.SchedulerBase | None = None
    speech: abc.SchedulerBase | None = None


def waiting(sessions: int) -> abc.SchedulerBase:
    """A worker for a model behind a server: threads that wait, one for each session at most."""
    return ThreadPoolScheduler(sessions)
