"""What comes from outside, as JSON and back: pieces of answers, signals, events and errors."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from reactivex import Observable

from rxvoice import errors, events
from rxvoice._answers.pauses import FLUSH, Flush
from rxvoice._audio.pcm16 import from_pcm16, to_pcm16
from rxvoice._audio.samples import Samples
from rxvoice._pieces import AnswerPiece, News
from rxvoice.elements import Recognised, Say, TimedSamples, Word
from rxvoice.errors import ConfigError
from rxvoice.events import Event, Notice

__all__ = [
    "LATER",
    "SoundGiver",
    "SoundKeeper",
    "as_kept",
    "decoded",
    "encoded",
    "error_of",
    "named_error",
    "of_pcm16",
    "of_voice",
    "on_grid",
]

LATER: Observable[Any] = Observable()
"""Stands for an observable that answers later; its answers are lines of their own."""


class SoundKeeper(Protocol):
    """Where the sound of a trace goes."""

    def put(self, samples: Samples, sample_rate: int) -> dict[str, object]:
        """Keep sound that a voice gave, which is `on_grid`; returns where it is."""
        ...


class SoundGiver(Protocol):
    """Where the sound of a trace comes from."""

    def get(self, place: dict[str, Any]) -> Samples:
        """The sound that is there."""
        ...


def on_grid(samples: Samples) -> Samples:
    """The samples as 16 bits hold them, which is how they are kept."""
    return of_pcm16(to_pcm16(np.asarray(samples, np.float32)))


def of_pcm16(pcm: NDArray[np.int16]) -> Samples:
    """Samples as they are kept, for a pipe: read-only."""
    samples = from_pcm16(pcm)
    samples.setflags(write=False)
    return samples


def encoded(value: Any, sounds: SoundKeeper | None) -> Any:
    """The value as JSON. What is unknown becomes its `repr`, and cannot be replayed.

    Args:
        sounds: None to leave out all content, and keep lengths.
    """
    if isinstance(value, Observable):
        return {"later": True}
    if isinstance(value, Flush):
        return {"flush": True}
    if isinstance(value, str):
        return str(value) if sounds else {"chars": len(value)}
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, np.generic):
        return cast("object", value.item())
    if isinstance(value, Recognised):
        return _recognised(value, sounds)
    if isinstance(value, News):
        return {
            "pieces": [encoded(it, sounds) for it in value.pieces],
            "replaces": value.replaces,
            "last": value.last,
            "notices": [encoded(it, sounds) for it in value.notices],
        }
    if isinstance(value, AnswerPiece):
        return {
            "reply": encoded(value.text, sounds),
            "understood": encoded(value.understood, sounds),
            "sound": value.sound and _sound(value.sound, value.sample_rate, sounds),
        }
    if isinstance(value, Say):
        said = {"say": encoded(value.text, sounds)}
        return {**said, "interruptible": value.interruptible, "when": value.when}
    if isinstance(value, Event):
        return {"event": type(value).__name__, "fields": _fields(value, sounds)}
    if (piece := of_voice(value)) is not None:
        return _sound(*piece, sounds)
    return {"other": repr(value)} if sounds else {"other": type(value).__name__}


def of_voice(value: object) -> tuple[TimedSamples, int] | None:
    """The value, if it is a piece of sound of a voice, with its sample rate."""
    match value:
        case (TimedSamples() as timed, int() as rate):
            return timed, rate
        case _:
            return None


def as_kept(value: Any) -> Any:
    """A piece of an answer as it comes back from a trace."""
    if (piece := of_voice(value)) is not None:
        timed, rate = piece
        return replace(timed, samples=on_grid(timed.samples)), rate
    if isinstance(value, AnswerPiece) and value.sound is not None:
        return replace(value, sound=as_kept((value.sound, value.sample_rate))[0])
    if isinstance(value, News):
        return replace(value, pieces=tuple(map(as_kept, value.pieces)))
    if isinstance(value, Recognised):
        words = cast("Any", [(word, *map(float, times)) for word, *times in value.words])
        sure = value.confidence
        return replace(value, words=words, confidence=None if sure is None else float(sure))
    return value


def _recognised(value: Recognised, sounds: SoundKeeper | None) -> dict[str, object]:
    if sounds is None:
        return {"text": {"chars": len(value.text)}}
    known = {name: getattr(value, name) for name in ("language", "speaker", "confidence")}
    found = {name: it for name, it in known.items() if it is not None}
    words = [[*word] for word in value.words]
    return {"text": value.text, **({"words": words} if words else {}), **found}


def _sound(timed: TimedSamples, rate: int, sounds: SoundKeeper | None) -> dict[str, object]:
    count = timed.samples.shape[0]
    if sounds is None:
        return {"n": count, "rate": rate}
    words = [[*pair] for pair in timed.words]
    return {**sounds.put(timed.samples, rate), **({"words": words} if words else {})}


def _fields(event: Event, sounds: SoundKeeper | None) -> dict[str, object]:
    plain = event.as_json()
    names = [it.name for it in fields(cast("Any", event))]
    if sounds is None:
        return {name: it for name in names if not isinstance(it := plain[name], str)}
    return {name: plain[name] for name in names}


def decoded(value: Any, sounds: SoundGiver) -> Any:
    """What was `encoded`.

    Raises:
        ConfigError: the value has another form, or is none that can be replayed.
    """
    if not isinstance(value, dict):
        return value
    given = cast("dict[str, Any]", value)
    for name, make in _FORMS.items():
        if name in given:
            try:
                return make(given, sounds)
            except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
                raise ConfigError(f"the trace has {given!r:.200}: {error}") from error
    raise ConfigError(
        f"the trace has {given!r:.200}, which cannot be replayed: it is neither a text, a number "
        "nor anything else that rxvoice knows"
    )


def _to_news(given: dict[str, Any], sounds: SoundGiver) -> News:
    pieces, notices = given["pieces"], given.get("notices", [])
    return News(
        tuple(decoded(it, sounds) for it in pieces),
        bool(given["replaces"]),
        tuple(decoded(it, sounds) for it in notices),
        bool(given["last"]),
    )


def _to_answer_piece(given: dict[str, Any], sounds: SoundGiver) -> AnswerPiece:
    understood = decoded(given["understood"], sounds)
    sound, rate = decoded(given["sound"], sounds) or (None, 0)
    return AnswerPiece(understood, str(given["reply"]), sound, rate)


def _to_recognised(given: dict[str, Any], _: SoundGiver) -> Recognised:
    words = cast("Sequence[Word]", [tuple(it) for it in given.get("words", ())])
    known = {name: given.get(name) for name in ("language", "speaker", "confidence")}
    return Recognised(given["text"], words=words, **known)


def _to_event(given: dict[str, Any], _: SoundGiver) -> Event:
    made = getattr(events, str(given["event"]), None)
    if not (isinstance(made, type) and issubclass(made, Event)):
        raise ValueError(f"rxvoice.events has no {given['event']!r}")
    if issubclass(made, Notice):
        told = given["fields"]
        return Notice(told["message"], told.get("detail"), stage=told.get("stage"))
    return made(**given["fields"])


def _to_sound(given: dict[str, Any], sounds: SoundGiver) -> tuple[TimedSamples, int]:
    words = tuple((int(a), int(b)) for a, b in given.get("words", ()))
    return TimedSamples(sounds.get(given), words), int(given["rate"])


_FORMS: dict[str, Callable[[dict[str, Any], SoundGiver], Any]] = {
    "later": lambda _, __: LATER,
    "flush": lambda _, __: FLUSH,
    "say": lambda given, _: Say(
        given["say"], interruptible=given["interruptible"], when=given["when"]
    ),
    "pieces": _to_news,
    "reply": _to_answer_piece,
    "text": _to_recognised,
    "event": _to_event,
    "voice": _to_sound,
}


def named_error(error: BaseException, *, content: bool) -> dict[str, object]:
    """An error as JSON: the name of its class and its message."""
    return {"type": type(error).__name__, "message": str(error) if content else ""}


def error_of(given: Any) -> BaseException:
    """An error with the same name and message, of the same class where rxvoice or Python has it."""
    name, message = str(given.get("type", "Exception")), str(given.get("message", ""))
    found = getattr(errors, name, None) or getattr(builtins, name, None)
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        found = type(name, (Exception,), {}) if name.isidentifier() else Exception
    try:
        made = found.__new__(found, message)
    except TypeError:  # it wants more than a message, as a group of errors does
        return Exception(f"{name}: {message}")
    made.args = (message,)
    return made
