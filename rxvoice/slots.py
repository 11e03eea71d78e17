"""The slots a conversation has for models and devices: what each must offer.

Every model slot takes an object with the method named here or a plain callable of the same shape.
A stage's answer may be a value, an awaitable of any of these, an iterable of pieces (a generator,
say), an async iterable of pieces, or an `Observable` of pieces, which is how a test gives a model a
virtual duration. Among the pieces there may be a `Notice`, for the app.

What is taken is what can mean only one thing:

- *transcribe* and *respond*: a str; a mapping with a str as its ``"text"``, as Whisper's libraries
  give; an object with a str as its ``text``, as mlx-audio and mlx-lm give.
- *transcribe*: a `Recognised`, which is kept. Of a mapping or an object of a library it keeps what
  it says of ``language``, ``speaker``, ``confidence`` (or ``avg_logprob``), and the times of its
  ``words``, those of its ``segments``, or else the segments' own.
- *synthesize*: a one-dimensional array of floats (float16, bfloat16, float32, float64) from numpy,
  MLX, PyTorch or another library, with values in [-1, 1]; `TimedSamples` of one; an object with one
  as its ``audio``, as mlx-audio gives, where its ``sample_rate`` is the synthesizer's.
- *answer*: what *synthesize* takes, a str, and a `Recognised`; a result with ``audio`` may have a
  ``sample_rate`` of its own and a ``text``.
- *vad*: a bool, or a number from 0 to 1.
- *end-of-turn policy, barge-in and echo detectors, ``playing``*: a bool.

A bool or a number may be an array of one element. Half a character (a surrogate) at the end of a
text's piece is joined to the other half at the beginning of the next; one that stays alone becomes
U+FFFD. An array is evaluated where it was made, and goes on as numpy's float32; MLX's float32 goes
on as it is.

Everything else fails the turn, and the error says what came and what was wanted: None, bytes, a
number for a text; a set, which has no order, and any other mapping; for sound integers, which have
no scale, two dimensions, NaN, a plain number or list, a pair of samples and sample rate. A bad
answer of what is asked at every chunk (vad, echo and barge-in detectors, ``playing``) costs that
chunk, a bad answer of a policy its turn.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from inspect import signature
from typing import Any, Protocol, TypeAlias, TypeVar, cast

from reactivex import Observable

from rxvoice._audio.samples import Samples
from rxvoice.elements import Recognised, TimedSamples
from rxvoice.errors import ConfigError
from rxvoice.events import Notice

__all__ = [
    "Answer",
    "AudioSink",
    "BargeInDetector",
    "DetectorSlot",
    "EchoDetector",
    "EchoSlot",
    "HasAudio",
    "HasText",
    "PolicySlot",
    "ProbabilityDetector",
    "RecognitionSession",
    "Responder",
    "ResponderSlot",
    "SoundArray",
    "SpeechToSpeech",
    "SpeechToSpeechSlot",
    "StreamingTranscriber",
    "Synthesizer",
    "SynthesizerSlot",
    "Transcriber",
    "TranscriberSlot",
    "TurnPolicy",
    "VadSlot",
    "VoiceActivityDetector",
    "Worded",
    "method",
]

T = TypeVar("T")

Answer: TypeAlias = (
    T
    | Iterable[T]
    | AsyncIterable[T]
    | Awaitable[T]
    | Awaitable[Iterable[T]]
    | Awaitable[AsyncIterable[T]]
    | Observable[T]
)


class HasText(Protocol):
    """A result that carries text, such as those of mlx-audio and mlx-lm."""

    @property
    def text(self) -> str: ...


Worded: TypeAlias = str | Mapping[str, object] | HasText
"""A piece of text: a str, or what has one as its ``text``, a mapping's key or an attribute."""


class VoiceActivityDetector(Protocol):
    """Judges chunks: speech or not.

    Optional: ``chunk_size`` and ``sample_rate`` (checked against every chunk), ``reset()`` (called
    at each subscription), ``fresh()`` (gives each subscription a detector of its own; wanted of
    one with state that two subscriptions may use at once).
    """

    def is_speech(self, samples: Samples, /) -> bool: ...


class ProbabilityDetector(Protocol):
    """Judges chunks by the probability of speech, 0 to 1; options as `VoiceActivityDetector`'s."""

    def probability(self, samples: Samples, /) -> float: ...


class Transcriber(Protocol):
    """Writes down a turn.

    An answer in pieces is new text each time; the transcript is all of it. Optional:
    ``recognise_turn(audio)``, which is then asked instead, and gives `Recognised`.
    """

    def transcribe_turn(self, audio: Samples, /) -> Answer[Worded | Notice]: ...


class RecognitionSession(Protocol):
    """One turn being recognised while it is spoken, as in ``mlx_audio.stt.streaming``."""

    @property
    def done(self) -> bool:
        """Whether the last of the text has been given."""
        ...

    def feed(self, samples: Samples, /) -> None:
        """Take audio, without decoding it."""
        ...

    def step(self) -> Sequence[Worded | Notice] | Worded | None:
        """Decode some. A list is new text; a str, or what has one, replaces all text so far; None
        is no news."""
        ...

    def close(self) -> None:
        """There is no more audio; `step` goes on until `done`."""
        ...


class StreamingTranscriber(Protocol):
    """Listens while the user speaks."""

    def session(self) -> RecognitionSession: ...


class Responder(Protocol):
    """Answers a text, whole or in pieces of new text.

    An empty piece is a step that was taken without new text, such as part of a long prompt read or
    a tool called; it is dropped. It lets other work of the same worker in.

    Optional: ``heard(text)``, told what was spoken of an answer before it was interrupted;
    ``forget()``, told that the last question was not asked after all, and its answer not given;
    ``said(text)``, told what the assistant has said without a question, as the app wanted it;
    ``fresh()``, another conversation on the same model, which the app asks for: `respond` does not.
    """

    def respond(self, text: str, /) -> Answer[Worded | Notice]: ...


class SoundArray(Protocol):
    """Samples in an array of whatever library, such as numpy's or an ``mx.array``."""

    @property
    def shape(self) -> tuple[int, ...]: ...


class HasAudio(Protocol):
    """A result that carries sound, such as those of mlx-audio."""

    @property
    def audio(self) -> SoundArray | None: ...


class Synthesizer(Protocol):
    """Speaks a text in pieces of mono samples, floats in [-1, 1] at ``sample_rate`` Hz.

    A piece may be `TimedSamples` instead, which say where its words end. Optional:
    ``synthesize_timed(text)``, which is then asked, and gives only such.
    """

    @property
    def sample_rate(self) -> int: ...

    def synthesize_stream(self, text: str, /) -> Answer[SoundArray | TimedSamples | Notice]: ...


class SpeechToSpeech(Protocol):
    """Answers the audio of a turn by sound, in one call, as speech-to-speech models do.

    Pieces of sound are as a `Synthesizer`'s; a str is new text of the answer, whose sound follows;
    a result may have its own ``sample_rate``, and ``text``; a `Recognised` is what the user has
    said. Optional: ``sample_rate``, in Hz.
    """

    def answer_turn(
        self, audio: Samples, /
    ) -> Answer[SoundArray | TimedSamples | HasAudio | str | Recognised | Notice]: ...


class TurnPolicy(Protocol):
    """Says whether the user has finished, given the turn's audio and the silence at its end.

    Optional: ``sample_rate`` (checked against every chunk) and ``fresh()`` (gives each
    subscription a policy of its own; wanted of one with state).
    """

    def user_finished(self, audio: Samples, silence_ms: int, /) -> bool | Observable[bool]: ...


class BargeInDetector(Protocol):
    """Says whether a chunk of speech interrupts the assistant."""

    def detect(self, samples: Samples, playing: bool, /) -> bool: ...


class EchoDetector(Protocol):
    """Says whether a chunk is what the loudspeaker has just played.

    One whose ``is_echo`` has a parameter ``time`` is told when the first sample was captured, as
    `AudioChunk.time` has it.
    """

    def is_echo(self, samples: Samples, /) -> bool: ...


class AudioSink(Protocol):
    """Where speech goes.

    Optional:

    - ``set_sample_rate(hz)``, told the rate of the samples that follow when it changes.
    - ``end_reply()``, told that all of a reply has been written.
    - ``position``, how many of the samples it took have been heard so far. What `clear` has
      dropped is not among them: when the sound has faded it is the samples taken, less those.
    - ``written``, how many samples it took, without those that `clear` has dropped. A conversation
      on a sink that is still playing something else begins to count there.
    - ``played``, an ``Observable[int]`` of `position`: from time to time while sound is played, and
      at its end; from any thread. Never completes before `stop`.
    - ``pause()`` and ``resume()``: playback stops at once, and goes on with the next sample that
      was not heard; ``duck(gain)``, plays at that gain, 1 again for none.
    - ``queued_ms``: milliseconds of sound taken and not yet heard.
    - ``events``, an ``Observable[Event]`` of what befell it; from any thread.
    - ``convert_ahead(samples, hz, signal)``, called on a `paced` worker with each piece that will
      be written, so that a conversion that takes long runs there; see `Speaker.convert_ahead`.
    """

    @property
    def is_running(self) -> bool:
        """Whether sound is being played."""
        ...

    def write_samples(self, samples: Samples, /) -> int:
        """Take samples, and say how many were taken; the rest is offered again."""
        ...

    def flush(self) -> None:
        """Block until everything taken has been played."""
        ...

    def clear(self) -> Samples:
        """Drop what is queued, with a short fade; returns what was never heard."""
        ...

    def stop(self) -> None:
        """End it for good: the device is released, the file finished."""
        ...


VadSlot: TypeAlias = VoiceActivityDetector | ProbabilityDetector | Callable[[Samples], bool | float]
TranscriberSlot: TypeAlias = (
    Transcriber | StreamingTranscriber | Callable[[Samples], Answer[Worded | Notice]]
)
ResponderSlot: TypeAlias = Responder | Callable[[str], Answer[Worded | Notice]]
SynthesizerSlot: TypeAlias = (
    Synthesizer
    | Callable[[str], Answer[SoundArray | Notice]]
    | Callable[[str], Answer[SoundArray | TimedSamples | Notice]]
)
SpeechToSpeechSlot: TypeAlias = (
    SpeechToSpeech
    | Callable[[Samples], Answer[SoundArray | TimedSamples | HasAudio | str | Recognised | Notice]]
)
PolicySlot: TypeAlias = TurnPolicy | Callable[[Samples, int], bool | Observable[bool]]
EchoSlot: TypeAlias = EchoDetector | Callable[[Samples], bool]
DetectorSlot: TypeAlias = BargeInDetector | Callable[[Samples, bool], bool]


def method(slot: object, *names: str) -> Callable[..., Any]:
    """The first of these methods that the slot has, or the slot itself where it is a callable.

    Raises:
        ConfigError: it is neither, or what makes the thing was given in its place.
    """
    if isinstance(slot, type):
        raise ConfigError(f"got the class {slot.__name__}; pass an instance: {slot.__name__}()")
    for name in names:
        found = getattr(slot, name, None)
        if callable(found):
            return cast("Callable[..., Any]", found)
    shapes = " or ".join(f"{name}(...)" for name in names)
    wanted = f"wanted an object with {shapes} or a callable of that shape, got"
    if not callable(slot):
        raise ConfigError(f"{wanted} {slot!r}")
    if _makes(slot, names, max(_TAKES.get(name, 1) for name in names)):
        called = getattr(getattr(slot, "func", slot), "__name__", repr(slot))
        raise ConfigError(f"{wanted} the function {called}: pass what it gives, {called}(...)")
    return slot


_TAKES = {"user_finished": 2, "detect": 2, "at": 3}
"""Arguments of the methods that take more than one."""


def _makes(slot: Callable[..., Any], names: tuple[str, ...], takes: int) -> bool:
    """Whether this callable makes a slot's thing, rather than being one."""
    try:
        gives = getattr(slot, "__annotations__", {}).get("return")
    except NameError:  # one that is there for type checkers only
        gives = None
    if isinstance(gives, str):
        first, *rest = gives.split(".")
        gives = getattr(slot, "__globals__", {}).get(first)
        for name in rest:
            gives = getattr(gives, name, None)
    if isinstance(gives, type) and any(callable(getattr(gives, name, None)) for name in names):
        return True
    try:
        parameters = signature(slot).parameters.values()
    except ValueError:  # of a function written in C
        return False
    if any(it.kind is it.VAR_POSITIONAL for it in parameters):
        return False
    # A model is asked about something; what can be called without it, or cannot take it, makes one.
    places = [it for it in parameters if it.kind in (it.POSITIONAL_ONLY, it.POSITIONAL_OR_KEYWORD)]
    required = [it for it in parameters if it.default is it.empty and it.kind is not it.VAR_KEYWORD]
    return len(places) < takes or not required
