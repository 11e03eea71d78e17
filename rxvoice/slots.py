"""The slots of a conversation for models and devices, as protocols: what each must offer.

A model slot takes an object with the protocol's method, or a plain callable of the same shape.
A model's answer, `Answer`, is a value; an iterable of pieces, such as a generator; an async
iterable of pieces; an awaitable of any of these; or an `Observable` of pieces, which is how a test
gives a model a virtual duration. Among the pieces there may be a `Notice` for the app.

An answer must have one of these shapes, each of which can mean only one thing:

- *transcribe* and *respond*: a str; a mapping with a str as its ``"text"``, as Whisper's libraries
  give; an object with a str as its ``text``, as mlx-audio and mlx-lm give.
- *transcribe*: a `Recognised`, which is kept. From a library's mapping or object it keeps the
  ``language``, ``speaker``, ``confidence`` (or ``avg_logprob``), and the times of the ``words``, of
  the words of its ``segments``, or of the segments themselves.
- *synthesize*: a one-dimensional array of floats (float16, bfloat16, float32, float64) from numpy,
  MLX, PyTorch or another library, with values in [-1, 1]; `TimedSamples` of one; an object with one
  as its ``audio``, as mlx-audio gives, where its ``sample_rate`` is the synthesizer's.
- *answer*: what *synthesize* takes, a str, and a `Recognised`; a result with ``audio`` may have a
  ``sample_rate`` of its own and a ``text``.
- *vad*: a bool, or a number from 0 to 1.
- *wake word*: a str, the word; or None.
- *end-of-turn policy, barge-in and echo detectors, ``playing``*: a bool.

A bool or a number may be an array of one element. If a piece of text ends with half a character (a
surrogate), it is joined with the other half at the start of the next piece; a half that stays alone
becomes U+FFFD. An array is evaluated on the thread that made it and becomes numpy's float32; MLX's
float32 stays as it is.

Everything else fails the turn, with an error that says what came and what was wanted: for a text,
None, bytes or a number; a set, which has no order, and any other mapping; for sound, integers,
which have no scale, two dimensions, NaN, a plain number or list, or a pair of samples and sample
rate. The vad, the wake word, echo and barge-in detectors and ``playing`` are called for each chunk:
a wrong answer costs that chunk. A wrong answer of an end-of-turn policy fails its turn.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias, TypeVar

from reactivex import Observable

from rxvoice._audio.samples import Samples
from rxvoice.elements import Recognised, TimedSamples
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
    "WakeWordDetector",
    "WakeWordSlot",
    "Worded",
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
"""What a model may give back when it is called: one T, or T in pieces."""


class HasText(Protocol):
    """A result with text, such as those of mlx-audio and mlx-lm."""

    @property
    def text(self) -> str: ...


Worded: TypeAlias = str | Mapping[str, object] | HasText
"""A piece of text: a str, or a mapping or an object with a str as its ``text``."""


class VoiceActivityDetector(Protocol):
    """Judges whether a chunk is speech.

    Optional: ``chunk_size`` and ``sample_rate``, with which each chunk must agree; ``reset()``,
    called at each subscription; ``fresh()``, which makes a detector for one subscription: a
    detector with state needs it if several subscriptions use it at once.
    """

    def is_speech(self, samples: Samples, /) -> bool: ...


class ProbabilityDetector(Protocol):
    """Gives the probability, 0 to 1, that a chunk is speech.

    Optional: the same as in `VoiceActivityDetector`.
    """

    def probability(self, samples: Samples, /) -> float: ...


class WakeWordDetector(Protocol):
    """Spots a wake word: gives it with the chunk in which it is sure, and None with all others.

    The same word in chunks in a row counts once.

    Optional: ``score``, how sure it was of its last answer, 0 to 1; and the same as in
    `VoiceActivityDetector`.
    """

    def spot(self, samples: Samples, /) -> str | None: ...


class Transcriber(Protocol):
    """Transcribes a turn. In an answer in pieces, each piece is new text.

    Optional: ``recognise_turn(audio)``, which gives `Recognised` and is then called instead.
    """

    def transcribe_turn(self, audio: Samples, /) -> Answer[Worded | Notice]: ...


class RecognitionSession(Protocol):
    """Transcribes one turn while it is spoken, as in ``mlx_audio.stt.streaming``."""

    @property
    def done(self) -> bool:
        """Whether `step` has given the last of the text."""
        ...

    def feed(self, samples: Samples, /) -> None:
        """Take audio without decoding it."""
        ...

    def step(self) -> Sequence[Worded | Notice] | Worded | None:
        """Decode some audio.

        A list is new text. A str, or a mapping or an object with text, replaces all text so far.
        None: nothing new.
        """
        ...

    def close(self) -> None:
        """Say that there is no more audio. `step` is called until `done`."""
        ...


class StreamingTranscriber(Protocol):
    """Transcribes while the user speaks: each turn has its own session."""

    def session(self) -> RecognitionSession: ...


class Responder(Protocol):
    """Replies to a text, whole or in pieces of new text.

    An empty piece means a step without new text, such as part of a long prompt, or a call of a
    tool. It is dropped, and lets other work of the same worker run in between.

    Optional: ``heard(text)``, called with what was heard of a reply that was interrupted;
    ``forget()``, called when the last question and its reply are void; ``said(text)``, called with
    what the assistant has said for the app, without a question; ``fresh()``, which makes another
    conversation on the same model, for the app to call: `respond` does not call it.
    """

    def respond(self, text: str, /) -> Answer[Worded | Notice]: ...


class SoundArray(Protocol):
    """Samples in an array of any library, such as numpy's or an ``mx.array``."""

    @property
    def shape(self) -> tuple[int, ...]: ...


class HasAudio(Protocol):
    """A result with sound, such as those of mlx-audio."""

    @property
    def audio(self) -> SoundArray | None: ...


class Synthesizer(Protocol):
    """Speaks a text in pieces of mono samples, floats in [-1, 1] at ``sample_rate`` Hz.

    A piece may also be a `TimedSamples`, which says where its words end. Optional:
    ``synthesize_timed(text)``, which gives only `TimedSamples` and is then called instead.
    """

    @property
    def sample_rate(self) -> int: ...

    def synthesize_stream(self, text: str, /) -> Answer[SoundArray | TimedSamples | Notice]: ...


class SpeechToSpeech(Protocol):
    """Answers the audio of a turn with sound, in one call, as speech-to-speech models do.

    Pieces of sound are those of a `Synthesizer`. A str is new text of the reply; its sound follows.
    A result may have its own ``sample_rate`` and ``text``. A `Recognised` is what the user has
    said. Optional: ``sample_rate``, in Hz.
    """

    def answer_turn(
        self, audio: Samples, /
    ) -> Answer[SoundArray | TimedSamples | HasAudio | str | Recognised | Notice]: ...


class TurnPolicy(Protocol):
    """Says whether the user has finished, given the turn's audio and the silence at its end.

    Optional: ``sample_rate``, with which each chunk must agree; ``fresh()``, which makes a policy
    for one subscription: a policy with state needs it; ``user_spoke_again(silence_ms)``, called
    when the user speaks after a silence of this many milliseconds, counted in samples. The silence
    is within a turn, or between two.
    """

    def user_finished(self, audio: Samples, silence_ms: int, /) -> bool | Observable[bool]: ...


class BargeInDetector(Protocol):
    """Says whether a chunk of speech is barge-in: the user speaks over the assistant."""

    def detect(self, samples: Samples, playing: bool, /) -> bool: ...


class EchoDetector(Protocol):
    """Says whether a chunk is an echo of the loudspeaker.

    If ``is_echo`` has a parameter ``time``, it is called with the chunk's `AudioChunk.time`.
    """

    def is_echo(self, samples: Samples, /) -> bool: ...


class AudioSink(Protocol):
    """Where speech goes: the loudspeaker, a file, or another consumer of samples.

    Optional:

    - ``set_sample_rate(hz)``: called when the samples that follow have another sample rate.
    - ``end_reply()``: called when all of a reply has been written.
    - ``position``: how many of the samples that it took have been heard so far, without those that
      `clear` has dropped. Once all sound has been heard, it equals ``written``.
    - ``written``: how many samples it took, without those that `clear` has dropped. If the sink
      still plays something else, a conversation begins to count there.
    - ``played``: an ``Observable[int]`` of ``position``, which emits from time to time while sound
      is played, and at the end of the sound, on any thread. It does not complete before `stop`.
    - ``pause()`` and ``resume()``: stop playback at once, and go on with the first sample that was
      not heard.
    - ``duck(gain)``: play at that gain; 1 is the full volume.
    - ``queued_ms``: milliseconds of sound that it took and that have not been heard yet.
    - ``events``: an ``Observable[Event]`` of its events, on any thread.
    - ``convert_ahead(samples, hz, signal)``: called on a `paced` worker with each piece that will
      be written, so that a slow conversion runs there. See `Speaker.convert_ahead`.
    """

    @property
    def is_running(self) -> bool:
        """Whether sound is playing."""
        ...

    def write_samples(self, samples: Samples, /) -> int:
        """Take samples. Returns how many it took; the caller offers the rest again."""
        ...

    def flush(self) -> None:
        """Block until everything that it took has been played."""
        ...

    def clear(self) -> Samples:
        """Drop what is queued, with a short fade. Returns the samples that were never heard."""
        ...

    def stop(self) -> None:
        """Stop for good: release the device, finish the file."""
        ...


VadSlot: TypeAlias = VoiceActivityDetector | ProbabilityDetector | Callable[[Samples], bool | float]
WakeWordSlot: TypeAlias = WakeWordDetector | Callable[[Samples], str | None]
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
