"""Whisper tiny.en on MLX, where MLX is the faster: on Apple silicon."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Generator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rxvoice._audio.samples import Samples
from rxvoice.elements import Recognised
from rxvoice.errors import ConfigError
from rxvoice.offline._whisper import NOTHING, BackendName, Job, believed
from rxvoice.offline.weights import WHISPER_TINY

if TYPE_CHECKING:
    from rxvoice.mlx.stt import Stt

__all__ = ["OnMlx", "converted"]

_log = logging.getLogger("rxvoice")

_AT_ONCE_S = 0.024
"""How long the steps go on that are taken at once. A chunk lasts 0.032 s."""

_LAYOUT = 1
"""Counts up when the conversion writes something else."""


class OnMlx:
    """Runs each job on the thread that asks for it, a few steps at a time."""

    name: BackendName = "mlx"

    def __init__(self) -> None:
        self._whisper: _OnMlx | None = None

    def prepare(self, progress: Callable[[str], None]) -> None:
        """Convert the weights, unless that was done before."""
        converted(progress)

    def load(self) -> None:
        """Load the network, on this thread."""
        self._loaded()

    def begin(self, job: Job) -> _Steps:
        """Begin a job, which runs where it is asked whether it is over."""
        return _Steps(self._run(job))

    def _run(self, job: Job) -> Generator[None, None, Recognised]:
        return (yield from job(self._loaded()))

    def _loaded(self) -> _OnMlx:
        if self._whisper is None:
            self._whisper = _OnMlx()
        return self._whisper


class _OnMlx:
    def __init__(self) -> None:
        from rxvoice.mlx import stt

        self._stt: Stt = stt(converted(_tell))
        self._stt.load()

    def decode(self, audio: Samples, *, timed: bool) -> Generator[None, None, Recognised]:
        if not audio.any():
            return NOTHING
        found = yield from self._stt.decoding(audio, word_times=timed)
        return believed(found.text, found.log_probability, found.no_speech, lambda: found.words)


class _Steps:
    """A job without a thread of its own."""

    def __init__(self, steps: Generator[None, None, Recognised]) -> None:
        self._steps = steps
        self._found: Recognised | Exception | None = None

    def is_over(self, *, wait: bool) -> bool:
        until = time.perf_counter() + _AT_ONCE_S
        while self._found is None:
            self._take()
            if time.perf_counter() >= until:
                break
        return self._found is not None

    def result(self) -> Recognised:
        while self._found is None:
            self._take()
        if isinstance(self._found, Exception):
            raise self._found
        return self._found

    def cancel(self) -> None:
        self._steps.close()

    def _take(self) -> None:
        try:
            next(self._steps)
        except StopIteration as end:
            self._found = cast("Recognised", end.value)
        except Exception as error:
            self._found = error


def converted(progress: Callable[[str], None]) -> Path:
    """The weights as MLX reads them. The first call on a machine converts them into a cache.

    Errors: as `Weights.path`; `ConfigError` if they cannot be written.
    """
    source = WHISPER_TINY.path()
    known = hashlib.sha256("".join(WHISPER_TINY.sha256.values()).encode()).hexdigest()[:12]
    cache = cast("Callable[..., Path]", import_module("huggingface_hub").cached_assets_path)
    target = cache("rxvoice", "whisper-tiny.en") / f"{known}-{_LAYOUT}"
    if not _is_complete(target):
        from rxvoice.mlx import convert

        progress(f"converting {WHISPER_TINY.name} for MLX, once: {target}")
        try:
            convert(source, target, progress=progress)
        except (OSError, ConfigError) as error:
            # Another process may have been faster. `convert` leaves all or nothing.
            if not _is_complete(target):
                raise ConfigError(
                    f"{WHISPER_TINY.name} could not be converted for MLX into {target} ({error}): "
                    "HF_HOME names another directory for the cache"
                ) from error
    return target


def _is_complete(target: Path) -> bool:
    return (target / "model.safetensors").is_file()


def _tell(step: str) -> None:
    _log.info("%s", step)
