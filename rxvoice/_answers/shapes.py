"""What a model may answer: the shapes that are taken, and what is said of all others.

`rxvoice.slots` lists them for people. MLX is never imported: its arrays are known by protocol.
"""

from __future__ import annotations

import inspect
import math
import re
import reprlib
from array import array
from collections.abc import Mapping, Sequence, Set
from typing import Any, Final, SupportsFloat, SupportsIndex, cast

import numpy as np

from rxvoice._audio.samples import Samples, audio_samples, wrong_dtype, wrong_shape
from rxvoice._check import BOOLS
from rxvoice._text.unicode import Joined
from rxvoice.elements import TimedSamples
from rxvoice.errors import AudioFormatError

__all__ = [
    "Text",
    "is_whole",
    "judgement",
    "named",
    "sound",
    "text",
    "yes_or_no",
]

# Iterable, or nearly, and no pieces of anything.
_WHOLE: Final = (str, bytes, bytearray, memoryview, array, Mapping, Set, BaseException, type)
_FLOAT: Final = re.compile(r"b?float(16|32|64|80|96|128)|longdouble")


def is_whole(answer: object) -> bool:
    """Whether an answer is one piece, however well it could be iterated."""
    return (
        isinstance(answer, _WHOLE)
        or hasattr(answer, "shape")
        or isinstance(_worded(answer), str)
        or _attribute(answer, "audio") is not None
        or _is_sound_and_rate(answer)
    )


def text(piece: object) -> str:
    """The text of a piece: a str, or the ``text`` that it carries; TypeError where it has none."""
    found = _worded(piece)
    if isinstance(found, str):
        return str.__str__(found)  # of a subclass, such as numpy's, the plain one
    error = TypeError(f"wanted a str, or pieces that are, got {named(piece)}{_help(piece)}")
    raise error from (piece if isinstance(piece, BaseException) else None)


def sound(piece: object, sample_rate: int) -> TimedSamples:
    """The sound of a piece; AudioFormatError where it has none.

    It is numpy's float32, or MLX's where the piece is. An array of another library is evaluated
    here, so on the thread that made it.

    Args:
        sample_rate: Hz, of the synthesizer.
    """
    if isinstance(piece, TimedSamples):
        return TimedSamples(_mono(piece.samples), _word_ends(piece.words))
    audio = _attribute(piece, "audio")
    if hasattr(audio, "shape"):
        rate = getattr(piece, "sample_rate", sample_rate)
        if rate != sample_rate:
            raise AudioFormatError(
                f"wanted sound at {sample_rate} Hz, which is the synthesizer's sample_rate, got a "
                f"{type(piece).__name__} at {rate} Hz: give the synthesizer that sample_rate"
            )
        return TimedSamples(_mono(audio))
    return TimedSamples(_mono(piece))


def judgement(answer: object) -> bool | float:
    """What a detector says of a chunk: a bool or a probability; ValueError for anything else."""
    value = _single(answer)
    if isinstance(value, BOOLS):
        return bool(cast("bool", value))
    number = isinstance(value, SupportsFloat) and _shape(value) is None
    probability = float(cast("SupportsFloat", value)) if number else math.nan
    if not 0 <= probability <= 1:
        raise ValueError(f"wanted a bool or a probability from 0 to 1, got {named(answer)}")
    return probability


def yes_or_no(answer: object, asked: str) -> bool:
    """A bool; TypeError for anything else.

    Args:
        asked: what was called, for the message.
    """
    value = _single(answer)
    if isinstance(value, BOOLS):
        return bool(cast("bool", value))
    raise TypeError(f"{asked} must give a bool, got {named(answer)}{_help(answer)}")


class Text:
    """Text that comes in pieces: joins what is left of a character whose halves come apart.

    A half that stays alone, which no file, server or voice would take, becomes U+FFFD.
    """

    __slots__ = ("_joined", "_pieces", "length")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._joined = Joined()
        self.length = 0
        """Characters so far."""

    def add(self, piece: str) -> str:
        """Take a piece; what is new of the text, up to a half of a character."""
        return self._keep(self._joined.feed(piece))

    def end(self) -> str:
        """There is no more; what is new of the text."""
        return self._keep(self._joined.end())

    def __str__(self) -> str:
        """All of it so far."""
        self._pieces = ["".join(self._pieces)]
        return self._pieces[0]

    def _keep(self, piece: str) -> str:
        if piece:
            self._pieces.append(piece)
            self.length += len(piece)
        return piece


def named(value: object) -> str:
    """What came, for a message: its type, with dtype and shape or the value in short."""
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if inspect.iscoroutine(value):
        value.close()  # nobody will await it, and Python would complain
    kind = type(value)
    shape = _shape(value)
    if shape is not None:
        name = f"{kind.__module__}.{kind.__qualname__}"
        return f"a {name} of {_dtype(value) or 'unknown dtype'}, shape {shape}"
    return f"{_short(value)} ({kind.__name__})"


def _short(value: object) -> str:
    try:
        return _SHORT.repr(value)
    except Exception:  # of a number with thousands of digits, say
        return "one"


_SHORT: Final = reprlib.Repr()
_SHORT.maxlevel = 2
_SHORT.maxdict = _SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxset = 3
_SHORT.maxstring = _SHORT.maxother = 60


def _worded(value: object) -> object:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return cast("Mapping[object, object]", value).get("text")
    return _attribute(value, "text")


def _attribute(value: object, name: str) -> object:
    """An attribute of a result; what is a value itself has none."""
    return None if isinstance(value, _WHOLE) else getattr(value, name, None)


def _mono(given: object) -> Samples:
    shape, dtype = _shape(given), _dtype(given)
    if shape is None or not dtype:
        wanted = "wanted pieces of float32 samples of shape (n,)"
        error = AudioFormatError(f"{wanted}, got {named(given)}{_help(given, sound=True)}")
        raise error from (given if isinstance(given, BaseException) else None)
    if not _FLOAT.fullmatch(dtype):
        raise wrong_dtype(dtype, "np.asarray(samples, np.float32)")
    if len(shape) != 1:
        raise wrong_shape(shape)
    samples = audio_samples(_float32(given, dtype))
    # MLX's own goes on as it is, evaluated by now: a sink may convert it by MLX.
    is_mlx = dtype == "float32" and type(given).__module__.startswith("mlx.")
    return cast("Samples", given) if is_mlx else samples


def _float32(given: Any, dtype: str) -> Samples:
    found: np.ndarray[Any, Any] | None = None
    if dtype != "bfloat16":  # which numpy does not know
        try:
            found = np.asarray(given)
        except (TypeError, ValueError, RuntimeError):
            if not hasattr(given, "tolist"):
                raise
    with np.errstate(over="ignore"):  # of float64; it is infinite then, and refused
        if found is None or found.dtype == object:
            # Slower, and every library has it, for every device and dtype: 60 ns a sample.
            return np.array(given.tolist(), np.float32)
        return found.astype(np.float32, copy=False)


def _word_ends(words: object) -> tuple[tuple[int, int], ...]:
    pairs = cast("Sequence[Sequence[object]]", words)
    try:
        return tuple((_count(in_text), _count(in_samples)) for in_text, in_samples in pairs)
    except (TypeError, ValueError):
        raise AudioFormatError(
            "wanted the ends of words as pairs of an index into the text and one into the samples, "
            f"got {named(words)}"
        ) from None


def _count(value: object) -> int:
    if not isinstance(value, SupportsIndex) or (index := value.__index__()) < 0:
        raise ValueError
    return index


def _single(answer: object) -> object:
    """The one number of an array that has no other, whatever its shape."""
    shape = _shape(answer)
    if shape is None or math.prod(shape) != 1:
        return answer
    item = getattr(answer, "item", None)
    return item() if callable(item) else answer


def _shape(value: object) -> tuple[int, ...] | None:
    shape = getattr(value, "shape", None)
    if isinstance(value, type) or not isinstance(shape, Sequence):
        return None
    return tuple(cast("Sequence[int]", shape))


def _dtype(value: object) -> str:
    """Such as "float32", whoever's it is."""
    dtype = getattr(value, "dtype", "")
    name = getattr(dtype, "name", None)
    return name if isinstance(name, str) else str(dtype).rpartition(".")[2]


def _is_sound_and_rate(answer: object) -> bool:
    """Whether it is ``(samples, sample_rate)``, or the other way round, as libraries give it."""
    if not isinstance(answer, tuple) or len(cast("tuple[object, ...]", answer)) != 2:
        return False
    pair = cast("tuple[object, object]", answer)
    return any(_shape(it) and isinstance(other, int | float) for it, other in (pair, pair[::-1]))


def _help(value: object, *, sound: bool = False) -> str:
    """What to do about it, where that is known."""
    if inspect.iscoroutine(value):
        return ": await it"
    if callable(value):
        return ": call it"
    if isinstance(value, BaseException):
        return ": raise it instead"
    if not sound:
        return ": decode it" if isinstance(value, bytes | bytearray) else ""
    if isinstance(value, bytes | bytearray | memoryview):
        return ": of 16-bit samples, np.frombuffer(data, '<i2').astype(np.float32) / 32768"
    if isinstance(value, Mapping) or _is_sound_and_rate(value):
        return ": give the samples alone, and their rate as the synthesizer's sample_rate"
    if isinstance(value, int | float | list | tuple | array):
        return ": make one array of them, np.asarray(samples, np.float32)"
    return ""
