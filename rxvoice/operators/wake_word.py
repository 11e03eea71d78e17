"""`wake_word`: let speech count only after a word has woken the assistant."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import SupportsFloat

from rxvoice._answers.pieces import raise_if_ctrl_c
from rxvoice._answers.shapes import named, yes_or_no
from rxvoice._audio.samples import Samples
from rxvoice._boundary import calling
from rxvoice._check import method, milliseconds, unjudged, whole
from rxvoice.chunks import AudioChunk
from rxvoice.errors import ConfigError
from rxvoice.events import Event, WakeWord
from rxvoice.operators._detector import misfit_of, own_detector
from rxvoice.operators._failures import Failures
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful
from rxvoice.slots import WakeWordSlot

__all__ = ["wake_word"]


def wake_word(
    detector: WakeWordSlot,
    *,
    open_ms: float = 8_000,
    playing: Callable[[], bool] | None = None,
    tail_ms: float = 200,
    max_failures: int = 10,
) -> Operator[AudioChunk | Event, AudioChunk | Event]:
    """Let speech count only after a word has woken the assistant.

    It is closed until the detector spots the word: no chunk counts as speech, so that no turn
    opens. Then it is open, and speech is speech, until nobody has spoken for ``open_ms``. While the
    reply plays it stays open: an interruption and the next question need no word.

    Put it between `vad` and `preroll`. There it is asked for each chunk, and what the user says
    right behind the word comes back as the ``lead_in`` of the turn. A detector is up to 350 ms
    late, and ``tail_ms`` comes on top of that: use ``preroll(600)``.

    Emits: each chunk. While it is closed, a chunk of speech has ``speech=False`` and
        ``barge_in=False``; all else of it stays, so that time and sample counts are exact. A
        `WakeWord` before the chunk in which the word was spotted, also while it is open. Events
        from upstream pass. When the detector or ``playing`` raises, or gives something else, a
        `Notice` with the `StageError` as its ``detail``: then that chunk has no word, or nothing
        plays.
    Completes: with the source.
    Errors: with the source; with the `StageError` at the ``max_failures``-th failure in a row, or
        if the detector cannot begin; with an `AudioFormatError` for a chunk that no `vad` has
        judged, or that does not have the detector's ``chunk_size`` or ``sample_rate``; with a
        `ConfigError` for a chunk with a ``lead_in``, which is lost on a word.
    Drops: nothing.
    Runs on: the thread of the source, which calls the detector once per chunk, in order.

    Args:
        detector: an object with ``spot(samples) -> str | None``, or a callable of that shape. It
            gives the word, or None. ``samples`` is float32 of shape ``(n,)``. At each
            subscription, `wake_word` calls its ``fresh()`` for a detector of its own, or else its
            ``reset()``, if it has them. If it has a ``score``, that goes into the event.
        open_ms: milliseconds of audio, 1 or more, that it stays open after the word, after the last
            chunk of speech, and after the end of the reply. It must be longer than the silence that
            ends a turn.
        playing: called for a chunk while it is open; says whether the assistant is being heard, as
            ``lambda: speaker.is_running``. If the reply begins only after ``open_ms``, it opens
            again for it. None: ``open_ms`` counts from the last speech alone.
        tail_ms: milliseconds, 0 or more, in which speech that goes on from the word is still the
            rest of the word. Speech that goes on for longer is what follows it.
        max_failures: how many failures in a row are an error, 1 or more.
    """
    method(detector, "spot")
    milliseconds("wake_word open_ms", open_ms, 1)
    milliseconds("wake_word tail_ms", tail_ms, 0)
    if playing is not None and not callable(playing):
        raise ConfigError(
            f"wake_word playing must be a callable that gives a bool, or None, got {playing!r}"
        )
    whole("wake_word max_failures", max_failures, 1, "failures")

    def start(out: Subscription[AudioChunk | Event]) -> Handlers[AudioChunk]:
        own = own_detector("wake_word", detector)
        spot: Callable[[Samples], object] = method(own, "spot")
        misfit = misfit_of(own)
        call = calling(out.scheduler)
        spot_failures = Failures("wake_word", out, max_failures)
        playing_failures = Failures("wake_word", out, max_failures)
        before: str | None = None
        left = 0  # samples that it stays open
        tail = 0  # samples of speech that are still the rest of the word
        unanswered = False  # the user has spoken, and the assistant has not since
        raised: list[BaseException] = []  # in this step

        def spotted(chunk: AudioChunk) -> str | None:
            nonlocal before
            word: str | None = None
            try:
                word = call("wake_word", lambda: _word(spot(chunk.samples)), None)
            except BaseException as error:
                spot_failures.pardon(error, "the word is not spotted in this chunk")
                raised.append(error)
            else:
                spot_failures.over()
            again, before = word == before, word
            return None if again else word

        def is_playing() -> bool:
            if playing is None or not (left > 0 or unanswered):
                return False
            try:
                plays = call("playing", partial(_says, playing), False)
            except BaseException as error:
                playing_failures.pardon(error, "nothing plays")
                raised.append(error)
                return False
            playing_failures.over()
            return plays

        def step(chunk: AudioChunk) -> None:
            raised.clear()
            judge(chunk)
            for error in raised:  # the chunk has gone on before
                raise_if_ctrl_c(error)

        def judge(chunk: AudioChunk) -> None:
            nonlocal left, tail, unanswered
            if chunk.partial:
                out.emit(chunk)
                return
            if wrong := _misplaced(chunk) or misfit(chunk):
                out.fail(wrong)
                return
            size = len(chunk.samples)
            stay = int(chunk.sample_rate * open_ms // 1000)
            word = spotted(chunk)
            if word is not None:
                if left <= 0:
                    tail = size + int(chunk.sample_rate * tail_ms // 1000)
                left = size + stay
                score = call("wake_word_score", lambda: _score(own), None)
                out.emit(WakeWord(word, chunk.start + size, score))
            if is_playing():
                left = size + stay
                unanswered = False
            is_open = left > 0
            if not chunk.speech:
                tail = 0
                left -= size
            else:
                tail -= size
                if is_open:
                    left = stay
                if is_open and tail <= 0:
                    unanswered = True
                else:
                    chunk = _no_speech(chunk)
            out.emit(chunk)

        return step, None, None

    return stateful(start, takes=("wake_word", AudioChunk, "chunk()"))


def _says(playing: Callable[[], bool]) -> bool:
    return yes_or_no(playing(), "playing()")


def _misplaced(chunk: AudioChunk) -> Exception | None:
    if chunk.speech is None:
        return unjudged("wake_word")
    if chunk.lead_in is not None:
        return ConfigError(
            "wake_word() got a chunk with a lead_in: put preroll() after wake_word()"
        )
    return None


def _word(answer: object) -> str | None:
    if answer is None or (isinstance(answer, str) and answer):
        return answer
    raise TypeError(f"spot() must give the word, a str, or None, got {named(answer)}")


def _score(detector: object) -> float | None:
    score = getattr(detector, "score", None)
    return float(score) if isinstance(score, SupportsFloat) else None


def _no_speech(chunk: AudioChunk) -> AudioChunk:
    # For every chunk of speech while it is closed: dataclasses.replace() costs several times more.
    return AudioChunk(
        chunk.samples,
        chunk.sample_rate,
        chunk.start,
        False,
        chunk.probability,
        time=chunk.time,
    )
