"""Loading models before the conversation begins: fetched, loaded and run once."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Literal, Protocol, TextIO, TypeAlias, cast, runtime_checkable

import mlx.core as mx
import numpy as np
from reactivex import abc

from rxvoice._check import at_least
from rxvoice._silero import Silero
from rxvoice.conversation import Conversation
from rxvoice.errors import ConfigError, RxvoiceError
from rxvoice.mlx._hub import Progress, Remote, gigabytes, weights_in
from rxvoice.mlx.llm import Llm
from rxvoice.mlx.smart_turn import SmartTurn
from rxvoice.mlx.stt import Stt
from rxvoice.mlx.tts import Tts

__all__ = ["Kind", "Loadable", "Loaded", "Progress", "ProgressLine", "load"]

Kind: TypeAlias = Literal["vad", "turn", "stt", "llm", "tts", "other"]
"""What a model is for; ``"other"`` where its family does not say."""


@runtime_checkable
class Loadable(Protocol):
    """A part that loads its model when it is told to, as those of `rxvoice.mlx` do.

    Optional: ``warm_up()``, which runs the model once, in one go or as a generator with a step for
    each `next`; ``model``, the directory or the name on the hub.
    """

    def load(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready.

    Attributes:
        name: its directory or its name on the hub; where a part has none, the part's type.
        kind: which slot it is for.
        load_s: how long it took to read it, in seconds; fetching it is not counted.
        warm_up_s: how long its first step took, in seconds.
        bytes: the size of its weights on the disk; 0 where that is not known.
    """

    name: str
    kind: Kind
    load_s: float
    warm_up_s: float
    bytes: int


class ProgressLine:
    """Draws the progress of downloads as one line that changes; only on a terminal.

    Args:
        stream: where to; None for ``sys.stderr``.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._drawn = False

    def __call__(self, progress: Progress) -> None:
        """Draw how far it has come."""
        if not self._stream.isatty():
            return
        columns = max(20, _columns(self._stream) - 1)
        self._stream.write(f"\r\x1b[K{_line(progress)[:columns]}")
        self._stream.flush()
        self._drawn = True

    def close(self) -> None:
        """Leave the line as it is, and go on below it."""
        if self._drawn:
            self._stream.write("\n")
            self._stream.flush()
        self._drawn = False


def load(
    *parts: object,
    worker: abc.SchedulerBase | None = None,
    progress: Callable[[Progress], None] | None = None,
    memory: int | None = None,
) -> list[Loaded]:
    """Fetch, load and warm up the models of these parts, and return when all are ready.

    So the first turn waits for nothing. Parts that have no ``load()`` are passed over: any slot's
    may be given. What is missing is fetched first, one model after the other, so that
    what is wrong with one (no such model, an unknown architecture, too little memory or disk) shows
    before another is loaded. Then each is loaded and makes one step: a language model one token, a
    recogniser half a second of faint noise, a voice the first piece of a word, a policy one
    judgement. No conversation is changed by it. A part with a ``warm_up()`` of its own gets that.

    Runs on: the worker for loading and warming up, with other work let in between the steps; this
        thread for fetching. Not to be called on the worker's thread, which would wait for itself.

    Args:
        parts: such as ``rxv.mlx.llm(...)``, in the order in which to load them.
        worker: the scheduler that is going to run the models, such as an `MlxScheduler`; None to
            do it here.
        progress: told how a download goes; None for a `ProgressLine`.
        memory: bytes that the weights of all these models may take; None for what MLX recommends
            on this machine, or three quarters of what it has.

    Returns:
        One for each part that was loaded, in their order.

    Raises:
        ConfigError: a model cannot be had, loaded or held; says what to do.
        MissingDependency: a model needs a package that is not installed.
        RxvoiceError: the worker was shut down before all were loaded.
    """
    if memory is not None:
        at_least("memory", memory, 1, "bytes")
    wanted = [_Part(part) for part in parts if isinstance(part, Loadable)]
    _check_memory(wanted, memory)
    line = ProgressLine()
    try:
        for part in wanted:
            part.fetch(line if progress is None else progress)
    finally:
        line.close()
    loaded: list[Loaded] = []
    _run((step for part in wanted for step in part.steps(loaded)), worker)
    return loaded


class _Part:
    """A part, and where its model comes from."""

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
            self._remote = Remote(named, _WHAT[self.kind], _patterns(self.kind))
            self.bytes = self._remote.weights

    def fetch(self, report: Callable[[Progress], None]) -> None:
        if self._remote is not None:
            self._remote.fetch(lambda config: _check_family(self.kind, self.name, config), report)

    def steps(self, loaded: list[Loaded]) -> Generator[None, None, None]:
        """Load it, then warm it up; each a step or more."""
        began = time.perf_counter()
        with _no_bars():
            self._part.load()
        read = time.perf_counter()
        yield
        warming = time.perf_counter()
        yield from _warm_up(self._part)
        done = time.perf_counter()
        loaded.append(Loaded(self.name, self.kind, read - began, done - warming, self.bytes))


_WHAT: dict[Kind, str] = {
    "vad": "voice activity model",
    "turn": "end-of-turn model",
    "stt": "recogniser",
    "llm": "language model",
    "tts": "speech model",
}


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
    """The directory or name that it was given."""
    value = getattr(part, "model", None)
    return str(value) if isinstance(value, str | Path) else None


def _patterns(kind: Kind) -> list[str]:
    """What the library of such models fetches."""
    if kind == "vad":
        return ["config.json", "model.safetensors"]
    library = "mlx_lm.utils" if kind == "llm" else "mlx_audio.utils"
    return cast("list[str]", import_module(library).DEFAULT_ALLOW_PATTERNS)


def _check_family(kind: Kind, model: str, config: dict[str, object]) -> None:
    """Refuse a model of a family that its library does not have."""
    if kind == "llm":
        _check_llm_family(model, config)
        return
    registry = import_module("mlx_audio.registry")
    family = cast("object", registry.model_type_from_config(config))
    section = "vad" if kind in ("vad", "turn") else kind
    known: frozenset[str] = registry.supported_model_types(section)
    # mlx-audio also takes a family from the model's name.
    hints = model.lower().replace("/", "-").replace("_", "-").split("-")
    if not isinstance(family, str) or family.lower() in known or known.intersection(hints):
        return
    other = next(
        (it for it in ("stt", "tts", "vad") if family in registry.supported_model_types(it)), None
    )
    remedy = (
        f"that is a family for {other}, so give it to that slot"
        if other
        else f"use one of {', '.join(sorted(known))}, or a newer mlx-audio"
    )
    raise ConfigError(
        f"{model!r} is no {_WHAT[kind]} that the installed mlx-audio can load: its config.json has "
        f"the model_type {family!r}; {remedy}"
    )


def _check_llm_family(model: str, config: dict[str, object]) -> None:
    utils = import_module("mlx_lm.utils")
    modules = iter_modules(import_module("mlx_lm.models").__path__)
    known = {module.name for module in modules} | set(utils.MODEL_REMAPPING)
    family = config.get("model_type")
    if family in known or "model_file" in config:
        return
    raise ConfigError(
        f"{model!r} is no language model that the installed mlx-lm can load: its config.json has "
        f"the model_type {family!r}, which it does not know: use a newer mlx-lm, or a model of "
        "another family; `rxvoice models` lists some"
    )


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
    """Bytes; None where the system does not tell."""
    info = cast("dict[str, object]", mx.device_info())
    recommended = info.get("max_recommended_working_set_size")
    if isinstance(recommended, int):
        return recommended
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4
    except (ValueError, OSError):
        return None


def _warm_up(part: object) -> Generator[None, None, None]:
    """One step of the model, with a `next` for each of its own."""
    own = cast("object", getattr(part, "warm_up", None))
    if callable(own):
        steps = own()
        if isinstance(steps, Iterator):
            yield from cast("Iterator[None]", steps)
    elif isinstance(part, Llm):
        yield from _first_token(part)
    elif isinstance(part, Stt):
        yield from _half_a_second(part)
    elif isinstance(part, Tts):
        with closing(part.synthesize_stream("Hello.")) as pieces:
            next(pieces, None)
    elif isinstance(part, Silero):
        part.fresh().probability(np.zeros(part.chunk_size, np.float32))


def _first_token(part: Llm) -> Generator[None, None, None]:
    """With the system prompt it has, which it need not be fed again then."""
    kept = part.conversation
    part.conversation = Conversation(system=kept.system)
    try:
        with closing(part.respond("Hello.")) as pieces:
            for _ in pieces:
                if part.stats.generated_tokens:
                    break
                yield
    finally:
        part.conversation = kept


def _half_a_second(part: Stt) -> Generator[None, None, None]:
    # Of digital silence the model would not be asked.
    session = part.session()
    session.feed(_noise(0.5))
    session.close()
    while not session.done:
        session.step()
        yield


def _noise(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """At 16 kHz, too faint to be heard."""
    size = int(16_000 * seconds)
    return np.random.default_rng(0).uniform(-1e-3, 1e-3, size).astype(np.float32)


def _run(steps: Generator[None, None, None], worker: abc.SchedulerBase | None) -> None:
    """Take all the steps, here or on the worker, and raise what they raise."""
    if worker is None:
        for _ in steps:
            pass
        return
    over = threading.Event()
    given_up = False
    outcome: list[BaseException | None] = []

    def watched() -> Generator[bool, None, None]:
        """Notices even when the worker drops it: a generator that has begun runs its finally."""
        try:
            yield True
            for _ in steps:
                yield True
            outcome.append(None)
        except Exception as error:
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


@contextmanager
def _no_bars() -> Generator[None, None, None]:
    """The libraries look again whether all was fetched, and would draw bars for nothing."""
    from huggingface_hub import constants
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    # Where the environment decides, it cannot be changed.
    if constants.HF_HUB_DISABLE_PROGRESS_BARS is not None or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _line(progress: Progress) -> str:
    model = progress.model.rpartition("/")[2]
    percent = 100 * progress.done // progress.total if progress.total else 100
    told = f"{model}  {gigabytes(progress.done)} of {gigabytes(progress.total)}  {percent} %"
    if progress.rate:
        left = round((progress.total - progress.done) / progress.rate)
        told += f"  {gigabytes(round(progress.rate))}/s  {left // 60}:{left % 60:02} left"
    return f"{told}  {progress.file}"


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
