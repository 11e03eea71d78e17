"""`end_word`: a policy that waits for a word."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import reactivex as rx
from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable

from rxvoice._answers.deliver import deliver
from rxvoice._answers.shapes import Text, text
from rxvoice._audio.samples import Samples
from rxvoice._check import method, whole
from rxvoice._text.words import words
from rxvoice.errors import ConfigError
from rxvoice.events import Notice
from rxvoice.slots import Answer, TranscriberSlot, Worded

__all__ = ["EndWord", "end_word"]


class EndWord:
    """An end-of-turn policy; made by `end_word`.

    It remembers the silence that it was last asked about, so each subscription has one of its own,
    by `fresh`.
    """

    def __init__(
        self,
        word: list[str],
        transcribe: Callable[[Samples], Answer[Worded | Notice]],
        after_ms: int,
        worker: abc.SchedulerBase | None,
    ) -> None:
        self._word = word
        self._transcribe = transcribe
        self._after_ms = after_ms
        self._worker = worker
        self._silence_ms: float = math.inf  # of the last question; none was asked yet

    def fresh(self) -> EndWord:
        """The same policy with the same recogniser, for another subscription."""
        return EndWord(self._word, self._transcribe, self._after_ms, self._worker)

    def ends(self, transcript: str) -> bool:
        """Whether a text ends with the word."""
        return words(transcript)[-len(self._word) :] == self._word

    def user_finished(self, audio: Samples, silence_ms: int, /) -> bool | Observable[bool]:
        """Whether the turn ends with the word: False, or the recogniser's verdict later.

        Subscribing to the verdict asks the recogniser; disposing the subscription makes it void.
        The audio is not copied, so it must not change.

        Args:
            audio: float32 of shape ``(n,)``, the turn so far.
            silence_ms: the silence at its end, in milliseconds.
        """
        was_asked = self._after_ms <= self._silence_ms < silence_ms  # in this silence
        self._silence_ms = silence_ms
        if was_asked or silence_ms < self._after_ms:
            return False
        return self._verdict(audio)

    def _verdict(self, audio: Samples) -> Observable[bool]:
        def subscribe(
            observer: abc.ObserverBase[bool], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            life = CompositeDisposable()
            said = Text()

            def on_piece(piece: str) -> None:
                said.add(piece)

            def on_end() -> None:
                observer.on_next(self.ends(str(said)))
                observer.on_completed()

            def on_error(error: BaseException) -> None:
                observer.on_error(cast("Exception", error))

            deliver(
                lambda: self._transcribe(audio),
                on_piece,
                on_end,
                on_error,
                life=life,
                worker=self._worker,
                scheduler=scheduler,
                convert=_text,
            )
            return life

        return rx.create(subscribe)


def end_word(
    word: str,
    stt: TranscriberSlot,
    *,
    after_ms: int = 200,
    worker: abc.SchedulerBase | None = None,
) -> EndWord:
    """End a turn whose last word is this one, as "over" on the radio.

    ```python
    vox.turn_window(rxv.any_of(rxv.end_word("over", stt), rxv.silence(10_000)))
    ```

    When the user's silence reaches `after_ms`, the recogniser transcribes the turn so far, once in
    each silence. The turn ends if the text ends with the word. Case and punctuation do not matter:
    "Over." is "over", and "moreover" is not. The verdict is void if the user speaks before it
    comes. A recogniser that raises fails the turn.

    The policy transcribes for itself, since a whole recogniser gives no text before the turn ends,
    and the partial transcript of one that streams may lag behind the audio. The word stays in the
    transcript.

    Without another policy beside it, only the word, ``max_duration_ms`` and the end of the source
    end a turn.

    Args:
        word: the word, or several that come in this order.
        stt: an object with ``transcribe_turn(audio)``, or such a callable: what `transcribe` takes,
            except for one that has only ``session()``.
        after_ms: milliseconds of silence before the recogniser is asked, 1 or more.
        worker: the scheduler on which the recogniser is called: the same as in `transcribe`. The
            verdict comes on the scheduler given to ``subscribe``. None: the recogniser is called in
            place, and the microphone waits.

    Raises:
        ConfigError: an argument is out of range, `word` has no word, or `stt` is no such object.
    """
    wanted = words(word) if isinstance(cast("object", word), str) else []
    if not wanted:
        raise ConfigError(f'end_word word must be a word such as "over", got {word!r}')
    whole("end_word after_ms", after_ms, 1, "ms")
    return EndWord(wanted, method(stt, "transcribe_turn"), after_ms, worker)


def _text(piece: Worded | Notice) -> str:
    return "" if isinstance(piece, Notice) else text(piece)
