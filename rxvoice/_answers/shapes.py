"""Which values a model may answer with, and what is said of others.

`rxvoice.slots` lists them for users. MLX is not imported: its arrays are recognised by protocol.
"""

from __future__ import annotations

import inspect
import math
import re
import reprlib
from array import array
from collections.abc import Mapping, Sequence, Set
from operator import index
from typing import Any, Final, SupportsFloat, SupportsIndex, cast

import numpy as np

from rxvoice._audio.samples import Samples, audio_samples, wrong_dtype, wrong_shape
from rxvoice._check import BOOLS
from rxvoice._text.unicode import Joined
from rxvoice.elements import TimedSamples
from rxvoice.errors import AudioFormatError

# These can be iterated, or look as if they could, but their elements are not pieces.
_WHOLE: Final = (str, bytes, bytearray, memoryview, array, Mapping, Set, BaseException, type)
_FLOAT: Final = re.compile(r"b?float(16|32|64|80|96|128)|longdouble")


def is_whole(answer: object) -> bool:
    """Whether an answer is one piece, even if it can be iterated."""
    return (
        isinstance(answer, _WHOLE)
        or hasattr(answer, "shape")
        or isinstance(_worded(answer), str)
        or _attribute(answer, "audio") is not None
        or _is_sound_and_rate(answer)
    )


def text(piece: object) -> str:
    """Return the text of a piece: a str, or its ``text``.

    Raises:
        TypeError: it has none.
    """
    found = _worded(piece)
    if isinstance(found, str):
        return str.__str__(found)  # a plain str, also of a subclass such as numpy's
    error = TypeError(f"wanted a str or pieces of str, got {named(piece)}{_help(piece)}")
    raise error from (piece if isinstance(piece, BaseException) else None)


def sound(piece: object, sample_rate: int) -> TimedSamples:
    """Return the sound of a piece, as numpy's float32, or MLX's if the piece is MLX's.

    An array of another library is evaluated here, which is the thread that made it.

    Args:
        sample_rate: the synthesizer's, in Hz.

    Raises:
        AudioFormatError: the piece has no sound, or another sample rate.
    """
    if isinstance(piece, TimedSamples):
        return TimedSamples(_mono(piece.samples), _word_ends(piece.words))
    audio = _attribute(piece, "audio")
    if hasattr(audio, "shape"):
        rate = getattr(piece, "sample_rate", sample_rate)
        if rate is not None and rate != sample_rate:
            raise AudioFormatError(
                f"wanted sound at {sample_rate} Hz, which is the synthesizer's sample_rate, got a "
                f"{type(piece).__name__} at {rate} Hz: give the synthesizer that sample_rate"
            )
        return TimedSamples(_mono(audio))
    return TimedSamples(_mono(piece))


def judgement(answer: object) -> bool | float:
    """Return what a detector says of a chunk: a bool or a probability.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(answer, bool):
        return answer
    if isinstance(answer, float) and 0 <= answer <= 1:
        return float(answer)  # numpy has a subclass
    value = _single(answer)
    if isinstance(value, BOOLS):
        return bool(cast("bool", value))
    number = isinstance(value, SupportsFloat) and _shape(value) is None
    probability = float(cast("SupportsFloat", value)) if number else math.nan
    if not 0 <= probability <= 1:
        raise ValueError(f"wanted a bool or a probability from 0 to 1, got {named(answer)}")
    return probability


def yes_or_no(answer: object, asked: str) -> bool:
    """Return an answer that is a bool.

    Args:
        asked: what was called, for the message.

    Raises:
        TypeError: it is not a bool.
    """
    if isinstance(answer, bool):
        return answer
    value = _single(answer)
    if isinstance(value, BOOLS):
        return bool(cast("bool", value))
    raise TypeError(f"{asked} must give a bool, got {named(answer)}{_help(answer)}")


class Text:
    """Text that comes in pieces. A character whose halves come in two pieces is joined.

    A half that stays alone, which no file, server or voice accepts, becomes U+FFFD.
    """

    __slots__ = ("_joined", "_pieces", "length")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._joined = Joined()
        self.length = 0
        """Characters so far."""

    def add(self, piece: str) -> str:
        """Add a piece; returns the new text, without a last half of a character."""
        return self._keep(self._joined.feed(piece))

    def end(self) -> str:
        """End the text; returns what `add` held back."""
        return self._keep(self._joined.end())

    def __str__(self) -> str:
        """All of the text so far."""
        self._pieces = ["".join(self._pieces)]
        return self._pieces[0]

    def _keep(self, piece: str) -> str:
        if piece:
            self._pieces.append(piece)
            self.length += len(piece)
        return piece


def named(value: object) -> str:
    """Describe a value for a message: its type, with dtype and shape, or a short repr."""
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if inspect.iscoroutine(value):
        value.close()  # otherwise Python warns that it was never awaited
    kind = type(value)
    shape = _shape(value)
    if shape is not None:
        name = f"{kind.__module__}.{kind.__qualname__}"
        return f"a {name} of {_dtype(value) or 'unknown dtype'}, shape {shape}"
    return f"{_short(value)} ({kind.__name__})"


def _short(value: object) -> str:
    try:
        return _SHORT.repr(value)
    except Exception:  # such as for a number of thousands of digits
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
    """Return an attribute of a result object; None for a plain value."""
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
    # An MLX array, evaluated by now, goes on as it is: a sink may convert it with MLX.
    is_mlx = dtype == "float32" and type(given).__module__.startswith("mlx.")
    return cast("Samples", given) if is_mlx else samples


def _float32(given: Any, dtype: str) -> Samples:
    found: np.ndarray[Any, Any] | None = None
    if dtype != "bfloat16":  # numpy does not know it
        try:
            found = np.asarray(given)
        except (TypeError, ValueError, RuntimeError):
            if not hasattr(given, "tolist"):
                raise
    with np.errstate(over="ignore"):  # a float64 that is too large becomes inf, and is refused
        if found is None or found.dtype == object:
            # Slow, 60 ns a sample, but every library has it, for every device and dtype.
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
    count = index(cast("SupportsIndex", value))
    if count < 0:
        raise ValueError
    return count


def _single(answer: object) -> object:
    """Return the number of an array that has only one, whatever its shape."""
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
    """Return the name of a dtype of any library, such as "float32"."""
    dtype = getattr(value, "dtype", "")
    name = getattr(dtype, "name", None)
    return name if isinstance(name, str) else str(dtype).rpartition(".")[2]


def _is_sound_and_rate(answer: object) -> bool:
    """Whether it is ``(samples, sample_rate)`` or ``(sample_rate, samples)``, as libraries give."""
    if not isinstance(answer, tuple) or len(cast("tuple[object, ...]", answer)) != 2:
        return False
    pair = cast("tuple[object, object]", answer)
    return any(_shape(it) and isinstance(other, int | float) for it, other in (pair, pair[::-1]))


def _help(value: object, *, sound: bool = False) -> str:
    """Return the end of a message that says what to do, where that is known."""
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
