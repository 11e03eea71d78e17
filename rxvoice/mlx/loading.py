"""Fetches, loads and warms up models before the conversation begins."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

import mlx.core as mx
from reactivex import abc

from rxvoice._blas import advice, load_openblas
from rxvoice._check import at_least
from rxvoice._silero import Silero
from rxvoice.errors import ConfigError, RxvoiceError
from rxvoice.mlx._families import WHAT, Kind, check_family
from rxvoice.mlx._hub import Remote, weights_in
from rxvoice.mlx._opening import patterns, reason
from rxvoice.mlx._precision import Dtype, check_dtype
from rxvoice.mlx._progress import Progress, ProgressLine, gigabytes, no_bars
from rxvoice.mlx._warm_up import warm_up
from rxvoice.mlx.llm import Llm
from rxvoice.mlx.smart_turn import SmartTurn
from rxvoice.mlx.stt import Stt
from rxvoice.mlx.tts import Tts

__all__ = ["Kind", "Loadable", "Loaded", "Progress", "ProgressLine", "load"]

_LARGE = 20_000_000  # bytes of weights; smaller models are fast anyway

_LOG = logging.getLogger("rxvoice")


@runtime_checkable
class Loadable(Protocol):
    """A part that can load its model on request, as those of `rxvoice.mlx` can.

    Optional: ``prepare(progress)``, which makes files that the model needs, once on a machine, and
    tells each step in words; ``warm_up()``, which runs the model once, in one go or as a generator
    of steps; and ``model``, the directory or the name on the hub.
    """

    def load(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready.

    Attributes:
        name: its directory or its name on the hub; for a part without one, the part's type.
        kind: the slot that it is for.
        load_s: how long reading it took, in seconds, without fetching it.
        warm_up_s: how long its first step took, in seconds.
        bytes: the size of its weights on the disk; 0 if that is not known.
    """

    name: str
    kind: Kind
    load_s: float
    warm_up_s: float
    bytes: int


def load(
    *parts: object,
    worker: abc.SchedulerBase | None = None,
    progress: Callable[[Progress], None] | None = None,
    memory: int | None = None,
    dtype: Dtype | None = None,
    trust_remote_code: bool = False,
) -> list[Loaded]:
    """Fetch, load and warm up the models of these parts, and return when all are ready.

    ```python
    rxv.mlx.load(stt, llm, tts, worker=worker)
    ```

    After it, the first turn waits for nothing. On a Linux CPU without OpenBLAS, a warning names the
    command that installs it.

    Any part of a conversation may be given; one without
    ``load()`` is skipped. First, what is missing is fetched, one model after the other. So a fault
    of one (no such model, an unknown architecture, too little memory or disk) shows before another
    is loaded. Then each model is loaded and makes one step: a language model one token, a
    recogniser half a second of faint noise, a voice the first piece of a word, a policy one
    verdict. A part with a ``warm_up()`` of its own gets that call. No conversation changes.

    Runs on: the worker, for loading and warming up, where other work gets in between the steps;
        this thread, for fetching. Do not call it on the worker's thread, which would wait for
        itself.

    Args:
        parts: such as ``rxv.mlx.llm(...)``, in the order in which to load them.
        worker: the scheduler that will run the models, such as an `MlxScheduler`; None for this
            thread.
        progress: called as a download goes on, and on the worker as a model is made ready for its
            first use on this machine; None for a `ProgressLine`.
        memory: how many bytes the weights of all these models may take. None for what MLX
            recommends on this machine, or three quarters of its memory.
        dtype: as if each part of `rxvoice.mlx` that has the option had been made with it:
            ``"float32"``, ``"bfloat16"`` or ``"float16"``. None leaves each as it is. A model that
            is loaded already stays as it is.
        trust_remote_code: as if each part had been made with it: the models' own code and pickles
            are fetched and may run. Without it, a model that has any is refused, unless its part
            was made with it.

    Returns:
        One entry for each part that was loaded, in their order.

    Raises:
        ConfigError: a model cannot be fetched or loaded, or is too large; says what to do.
        MissingDependency: a model needs a package that is not installed.
        RxvoiceError: the worker was shut down before all were loaded.
    """
    if memory is not None:
        at_least("memory", memory, 1, "bytes")
    given = [part for part in parts if isinstance(part, Loadable)]
    check_dtype(dtype)
    for part in given:
        if dtype is not None and isinstance(part, Stt | Llm | Tts):
            part.dtype = dtype
    if trust_remote_code:
        for part in given:
            if hasattr(part, "trust_remote_code"):
                part.trust_remote_code = True  # pyright: ignore[reportAttributeAccessIssue]
    wanted = [_Part(part) for part in given]
    _check_memory(wanted, memory)
    tell_of_blas(sum(part.bytes for part in wanted))
    line = ProgressLine()
    report = line if progress is None else progress
    loaded: list[Loaded] = []
    try:
        for part in wanted:
            part.fetch(report)
        _run((step for part in wanted for step in part.steps(loaded, report)), worker)
    finally:
        line.close()
    return loaded


def tell_of_blas(size: int) -> None:
    """Log what would make models of this size, in bytes, faster on this machine."""
    if size >= _LARGE and (told := advice(load_openblas())):
        _LOG.warning("%s", told)


class _Part:
    """A part, and the source of its model."""

    def __init__(self, part: Loadable) -> None:
        self._part = part
        self.kind: Kind = _kind(part)
        named = _model_of(part)
        self.name = named or type(part).__name__
        self._remote: Remote | None = None
        self.bytes = 0
        if named is None:
            return
        if Path(named).exists():
            self.bytes = weights_in(Path(named))
        elif self.kind != "other":
            trust = getattr(part, "trust_remote_code", False)
            wanted = _patterns(self.kind, trust=trust)
            self._remote = Remote(named, WHAT[self.kind], wanted, trust_remote_code=trust)
            self.bytes = self._remote.weights

    def fetch(self, report: Callable[[Progress], None]) -> None:
        if self._remote is not None:
            self._remote.fetch(lambda config: check_family(self.kind, self.name, config), report)

    def steps(
        self, loaded: list[Loaded], report: Callable[[Progress], None]
    ) -> Generator[None, None, None]:
        """Load the model and warm it up, in steps."""
        prepare = cast(
            "Callable[[Callable[[str], None]], None] | None", getattr(self._part, "prepare", None)
        )
        if prepare is not None:
            with self._failures("prepared"):
                prepare(lambda step: report(Progress(self.name, step, 0, 0, 0.0)))
            yield
        began = time.perf_counter()
        with no_bars(), self._failures("loaded"):
            self._part.load()
        read = time.perf_counter()
        yield
        warming = time.perf_counter()
        with self._failures("warmed up"):
            yield from warm_up(self._part)
        done = time.perf_counter()
        loaded.append(Loaded(self.name, self.kind, read - began, done - warming, self.bytes))

    @contextmanager
    def _failures(self, done: str) -> Generator[None, None, None]:
        """Turn what a model raises into `ConfigError`, but not the exceptions of other parts."""
        try:
            yield
        except (RxvoiceError, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            if self.kind == "other" and isinstance(error, Exception):
                raise
            raise ConfigError(
                f"the model of {self.name!r} could not be {done} ({reason(error)}): its files do "
                "not fit together, or what it needs is missing; see what the error says, or use "
                "another conversion of it"
            ) from error


def _kind(part: object) -> Kind:
    kinds: list[tuple[type, Kind]] = [
        (Silero, "vad"),
        (SmartTurn, "turn"),
        (Stt, "stt"),
        (Llm, "llm"),
        (Tts, "tts"),
    ]
    for of, kind in kinds:
        if isinstance(part, of):
            return kind
    return "other"


def _model_of(part: object) -> str | None:
    """The directory or name of the part's model; None if it has none."""
    value = getattr(part, "model", None)
    return str(value) if isinstance(value, str | Path) else None


def _patterns(kind: Kind, *, trust: bool) -> list[str]:
    """The files that are fetched of a model of this kind."""
    if kind == "vad":
        return ["config.json", "model.safetensors"]
    return patterns("mlx_lm" if kind == "llm" else "mlx_audio", trust_remote_code=trust)


def _check_memory(parts: list[_Part], memory: int | None) -> None:
    usable = _usable_memory() if memory is None else memory
    needed = sum(part.bytes for part in parts)
    if usable is None or needed <= usable:
        return
    each = ", ".join(f"{part.name!r} {gigabytes(part.bytes)}" for part in parts if part.bytes)
    raise ConfigError(
        f"the models take {gigabytes(needed)} of memory ({each}), and {gigabytes(usable)} can be "
        "used for them: choose smaller ones, such as `rxvoice models` lists by the size of the "
        "machine, or pass memory= if you know better (bytes)"
    )


def _usable_memory() -> int | None:
    """In bytes; None if the system does not tell."""
    info = cast("dict[str, object]", mx.device_info())
    recommended = info.get("max_recommended_working_set_size")
    if isinstance(recommended, int):
        return recommended
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4
    except (ValueError, OSError):
        return None


def _run(steps: Generator[None, None, None], worker: abc.SchedulerBase | None) -> None:
    """Take all the steps, here or on the worker. Raises what they raise."""
    if worker is None:
        for _ in steps:
            pass
        return
    over = threading.Event()
    given_up = False
    outcome: list[BaseException | None] = []

    def watched() -> Generator[bool, None, None]:
        """Take the steps, and set `over` even if the worker drops the generator."""
        try:
            yield True
            for _ in steps:
                yield True
            outcome.append(None)
        except GeneratorExit:
            raise
        except BaseException as error:
            outcome.append(error)
        finally:
            over.set()

    def step(scheduler: abc.SchedulerBase, job: Generator[bool, None, None] | None) -> None:
        assert job is not None
        if given_up:
            job.close()
        elif next(job, False):
            scheduler.schedule(step, job)

    job = watched()
    next(job)
    worker.schedule(step, job)
    try:
        over.wait()
    except BaseException:
        given_up = True
        raise
    if not outcome:
        raise RxvoiceError(
            "the models were not all loaded: the worker was shut down before; shut it down later"
        )
    if outcome[0] is not None:
        raise outcome[0]
