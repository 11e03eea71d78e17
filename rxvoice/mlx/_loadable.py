"""A model that `load` loads: where its files are, what memory they take, and its steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from rxvoice._silero import Silero
from rxvoice.errors import ConfigError, RxvoiceError
from rxvoice.mlx._families import WHAT, Kind, check_family
from rxvoice.mlx._hub import Remote, weights_in
from rxvoice.mlx._memory import memory_use
from rxvoice.mlx._opening import patterns, reason
from rxvoice.mlx._precision import wanted
from rxvoice.mlx._progress import Progress, gigabytes, no_bars
from rxvoice.mlx._tts_model import family_of, needs_of
from rxvoice.mlx._warm_up import warm_up
from rxvoice.mlx._weight_size import growth
from rxvoice.mlx.llm import Llm
from rxvoice.mlx.smart_turn import SmartTurn
from rxvoice.mlx.stt import Stt
from rxvoice.mlx.tts import Tts


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
        memory: how many bytes it has added to what MLX holds, with what its first step left.
        streams: of a voice: whether it gives speech while it makes more. If not, the model thread
            does nothing else until a clause is spoken. None for other models.
    """

    name: str
    kind: Kind
    load_s: float
    warm_up_s: float
    bytes: int
    memory: int = 0
    streams: bool | None = None


class LoadablePart:
    """A part, and the source of its model."""

    def __init__(self, part: Loadable) -> None:
        self._part = part
        self.kind: Kind = _kind(part)
        named = _model_of(part)
        self.name = named or type(part).__name__
        self._remote: Remote | None = None
        self._directory: Path | None = None
        self.bytes = self._growth = 0
        self.cache = 0
        """How many bytes its conversations may take, as far as that is known."""
        if named is None:
            return
        if Path(named).exists():
            self.bytes = weights_in(Path(named))
            self._directory = Path(named)
            self._look_into(self._directory)
        elif self.kind != "other":
            trust = getattr(part, "trust_remote_code", False)
            wanted = _patterns(self.kind, trust=trust)
            self._remote = Remote(named, WHAT[self.kind], wanted, trust_remote_code=trust)
            self.bytes = self._remote.weights

    @property
    def memory(self) -> int:
        """How many bytes the weights take in memory, as far as that is known."""
        return self.bytes + self._growth

    @property
    def told(self) -> str:
        """The name and the memory, for people."""
        more = f", {gigabytes(self.bytes)} on the disk" if self._growth else ""
        cache = f" and {gigabytes(self.cache)} for its cache" if self.cache else ""
        return f"{self.name!r} {gigabytes(self.memory)}{more}{cache}"

    def fetch(self, report: Callable[[Progress], None]) -> None:
        """Fetch what is missing, also of other repositories."""
        if self._remote is not None:
            self._directory = self._remote.fetch(self._check, report)
            self._look_into(self._directory)
        if not isinstance(self._part, Tts) or self._directory is None:
            return
        for it in needs_of(self.name, self._directory, self._part.options):
            if it.here() is None:
                files = Remote(
                    it.repository,
                    f"repository that {self.name!r} needs,",
                    it.patterns,
                    revision=it.revision,
                    weights=False,
                )
                files.fetch(lambda _: None, report)

    def _check(self, config: dict[str, object]) -> None:
        """Refuse a model by its config, before its weights are fetched."""
        check_family(self.kind, self.name, config)
        if self.kind == "tts":
            family_of(self.name, config)

    def _look_into(self, directory: Path) -> None:
        """See what the weights become when they are loaded."""
        if self.kind not in ("vad", "other"):  # those are not converted
            dtype = getattr(self._part, "dtype", None)
            self._growth = growth(directory, wanted(dtype))
        if isinstance(self._part, Llm):
            self.cache = self._part.cache_need(directory)

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
        began, before = time.perf_counter(), memory_use().active
        with no_bars(), self._failures("loaded"):
            self._part.load()
        read = time.perf_counter()
        yield
        warming = time.perf_counter()
        with self._failures("warmed up"):
            yield from warm_up(self._part)
        done = time.perf_counter()
        added = max(0, memory_use().active - before)
        streams = self._part.streams if isinstance(self._part, Tts) else None
        took = read - began, done - warming
        loaded.append(Loaded(self.name, self.kind, *took, self.bytes, added, streams))

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
