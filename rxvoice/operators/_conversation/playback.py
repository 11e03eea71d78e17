"""A sink as a conversation sees it: what was written to it, what was heard, and pausing it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from reactivex import Observable

from rxvoice._answers.shapes import named
from rxvoice._audio.samples import Samples, count_of
from rxvoice._writing import SpeechWriter
from rxvoice.elements import Speech
from rxvoice.events import Event
from rxvoice.slots import AudioSink

T = TypeVar("T")

_MOST_RATES = 64
"""How many changes of the sample rate are remembered: more than a sink holds sound of."""


class Playback:
    """What one subscription writes to a sink, counted from its own first sample.

    No method but `flush` raises what the sink raises. The error is kept for `take_error`, so that
    no caller stops half way.

    A sink that cannot pause is cleared instead, and given the rest again when playback goes on.

    Args:
        sink: where the speech goes.
        duck: the gain to play at while playback is held. None: pause instead.
    """

    def __init__(self, sink: AudioSink, duck: float | None) -> None:
        self._sink = sink
        self._duck = duck
        self._writer = SpeechWriter(sink)
        self._error: BaseException | None = None
        self._rates: deque[tuple[int, int | None]] = deque(maxlen=_MOST_RATES)
        """How many samples were written at which rate, in order; None: as the sink has it."""
        self._kept: deque[tuple[Samples, int | None]] = deque()
        """Sound and its rate that a sink without pause has still to get; None: as the sink has it.
        """
        self._can_pause = callable(getattr(sink, "pause", None))
        self._knows_position = hasattr(sink, "position")
        # The sink may still be playing sound of another conversation.
        self._origin = self._ask(lambda: self._number("written", "position"), 0)
        self.written = 0
        """Samples that were written or kept, without those that were dropped."""
        self.held = False
        self.played: Observable[int] | None = getattr(sink, "played", None)
        self.events: Observable[Event] | None = getattr(sink, "events", None)

    # What was heard

    @property
    def position(self) -> int:
        """How many samples were heard; all that were written, if the sink does not say."""
        given = self.written - sum(len(samples) for samples, _ in self._kept)
        if not self._knows_position:
            return given
        position = self._ask(lambda: self._number("position"), self._origin)
        return max(0, min(given, position - self._origin))

    def passed(self, position: int) -> bool:
        """Whether all before this position was heard; written, if the sink has no ``played``."""
        if self.played is not None:
            return self.position >= position
        return self.written >= position and not self._kept

    # What is written

    def write(self, speech: Speech) -> bool:
        """Write a piece, or keep it while playback is held. False if the sink raised."""
        if not self._keeps:
            return self._put(speech.samples, speech.sample_rate)
        self._kept.append((speech.samples, speech.sample_rate))
        self.written += len(speech.samples)
        return True

    def _put(self, samples: Samples, sample_rate: int | None) -> bool:
        try:
            count = self._writer.put(samples, sample_rate)
        except BaseException as error:
            self._error = error
            return False
        self.written += count
        if count:
            same = bool(self._rates) and self._rates[-1][1] == sample_rate
            before = self._rates.pop()[0] if same else 0
            self._rates.append((before + count, sample_rate))
        return True

    def end_reply(self) -> None:
        """Tell the sink that the reply is complete: its last words need not wait for more."""
        self._call("end_reply")

    def clear(self) -> int:
        """Drop what was not heard.

        Returns:
            The position at which the sound ends.
        """
        position = self.position
        self.written -= sum(len(samples) for samples, _ in self._kept)
        self._kept.clear()
        self._take_back()
        if not self._knows_position:
            return self.written
        if self.written < 0:  # sound of another conversation was queued before ours
            self._origin += self.written
            self.written = 0
        return min(position, self.written)

    def flush(self) -> None:
        """Wait until all of it was heard."""
        self._sink.flush()

    # Holding

    def hold(self) -> bool:
        """Pause, or duck, until `release`. True if it is silent now."""
        self.held = True
        if self._duck is not None:
            self._call("duck", self._duck)
            return False
        if self._can_pause:
            return self._call("pause")
        rates = [*self._rates]
        unheard = self._take_back()
        if unheard is None:
            return False
        self.written += len(unheard)
        self._kept.extendleft(_by_rate(unheard, rates))
        return True

    def release(self) -> None:
        """Go on at full gain with the first sample that was not heard. May be tried again."""
        if not self.held:
            return
        self.held = False
        if self._duck is not None:
            self.held = not self._call("duck", 1.0)
        elif self._can_pause:
            self.held = not self._call("resume")
        kept, self._kept = self._kept, deque()
        for samples, rate in kept:
            self.written -= len(samples)
            self._put(samples, rate)

    def take_error(self) -> BaseException | None:
        """Remove and return the error that the sink has raised; None if there is none."""
        error, self._error = self._error, None
        return error

    @property
    def _keeps(self) -> bool:
        return self.held and self._duck is None and not self._can_pause

    def _take_back(self) -> Samples | None:
        """Clear the sink. Returns what it had not played; None if it raised."""
        unheard = self._ask(self._clear, None)
        if unheard is not None:
            self.written -= len(unheard)
            self._rates.clear()  # the rest was heard
        return unheard

    def _clear(self) -> Samples:
        unheard: object = self._sink.clear()
        if count_of(unheard) is None:
            # How much it dropped is not known. What counts as written must not wait to be heard.
            self.written = self.position
            raise TypeError(
                "the sink's clear() must return the samples that were never heard, got "
                f"{named(unheard)}"
            )
        return unheard

    def _number(self, *names: str) -> int:
        """The first of these attributes that the sink has; 0 if it has none."""
        found = (getattr(self._sink, name) for name in names if hasattr(self._sink, name))
        return next(found, 0)

    def _call(self, name: str, *args: float) -> bool:
        """Call a method of the sink. False if the sink does not have it, or it raised."""
        found: Callable[..., Any] | None = getattr(self._sink, name, None)
        return found is not None and self._ask(lambda: (found(*args), True)[1], False)

    def _ask(self, ask: Callable[[], T], otherwise: T) -> T:
        try:
            return ask()
        except BaseException as error:
            self._error = error
            return otherwise


def _by_rate(
    samples: Samples, rates: list[tuple[int, int | None]]
) -> Iterator[tuple[Samples, int | None]]:
    """The last samples that were written, in pieces of one rate each, the last piece first.

    What another conversation has written comes before: its rate is the one that the sink has.
    """
    end = len(samples)
    while end:
        count, rate = rates.pop() if rates else (end, None)
        begin = max(0, end - count)
        yield samples[begin:end], rate
        end = begin
