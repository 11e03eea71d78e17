"""A sink, as a conversation sees it: what it was given, what was heard, and holding it back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from reactivex import Observable

from rxvoice._audio.samples import Samples
from rxvoice._writing import SpeechWriter
from rxvoice.elements import Speech
from rxvoice.events import Event
from rxvoice.slots import AudioSink

T = TypeVar("T")


class Playback:
    """What one subscription writes to a sink, counted from its first sample.

    No method raises what the sink raises, but for `flush`: it is kept for `take_error`, so that no
    caller is left half way.

    Args:
        duck: the gain at which to play while held; None to pause instead. A sink that cannot pause
            is cleared, and given the rest again when playback goes on.
    """

    def __init__(self, sink: AudioSink, duck: float | None) -> None:
        self._sink = sink
        self._duck = duck
        self._writer = SpeechWriter(sink)
        self._error: Exception | None = None
        self._rate = 0
        self._kept: deque[tuple[Samples, int]] = deque()
        """Sound with its rate, taken back from a sink that cannot pause, or kept from it."""
        self._can_pause = callable(getattr(sink, "pause", None))
        self._knows_position = hasattr(sink, "position")
        # Sound of somebody else may be queued still: it is not this conversation's.
        self._origin = self._ask(lambda: self._number("written", "position"), 0)
        self.written = 0
        """Samples that are the sink's to play, or kept for it; without those that were dropped."""
        self.held = False
        self.played: Observable[int] | None = getattr(sink, "played", None)
        self.events: Observable[Event] | None = getattr(sink, "events", None)

    # What was heard

    @property
    def position(self) -> int:
        """How many samples have been heard; all that it has, where the sink does not say."""
        given = self.written - sum(samples.shape[0] for samples, _ in self._kept)
        if not self._knows_position:
            return given
        position = self._ask(lambda: self._number("position"), self._origin)
        return max(0, min(given, position - self._origin))

    def passed(self, position: int) -> bool:
        """Whether all before this position was heard, as far as the sink says when it is."""
        if self.played is not None:
            return self.position >= position
        return self.written >= position and not self._kept

    # What it is given

    def write(self, speech: Speech) -> bool:
        """Give it a piece, or keep it for when playback goes on; whether it was taken."""
        self._rate = speech.sample_rate
        if not self._keeps:
            return self._put(speech.samples, speech.sample_rate)
        self._kept.append((speech.samples, speech.sample_rate))
        self.written += speech.samples.shape[0]
        return True

    def _put(self, samples: Samples, sample_rate: int) -> bool:
        try:
            self.written += self._writer.put(samples, sample_rate)
        except Exception as error:
            self._error = error
            return False
        return True

    def end_reply(self) -> None:
        """Say that all of a reply has been written: its last words need not wait for more."""
        self._call("end_reply")

    def clear(self) -> int:
        """Drop what was not heard; the position at which it was dropped."""
        position = self.position
        self.written -= sum(samples.shape[0] for samples, _ in self._kept)
        self._kept.clear()
        self._take_back()
        if not self._knows_position:
            return self.written
        if self.written < 0:  # sound of somebody else was queued before this conversation's
            self._origin += self.written
            self.written = 0
        return min(position, self.written)

    def flush(self) -> None:
        """Wait until all of it was heard."""
        self._sink.flush()

    # Holding it back

    def hold(self) -> bool:
        """Pause or duck, until it is released; whether nothing is heard now."""
        self.held = True
        if self._duck is not None:
            self._call("duck", self._duck)
            return False
        if self._can_pause:
            return self._call("pause")
        unheard = self._take_back()
        if unheard is not None and unheard.shape[0]:
            self.written += unheard.shape[0]
            self._kept.append((unheard, self._rate))
        return unheard is not None

    def release(self) -> None:
        """Go on, at full gain, with the next sample that was not heard; it may be tried again."""
        if not self.held:
            return
        self.held = False
        if self._duck is not None:
            self.held = not self._call("duck", 1.0)
        elif self._can_pause:
            self.held = not self._call("resume")
        kept, self._kept = self._kept, deque()
        for samples, rate in kept:
            self.written -= samples.shape[0]
            self._put(samples, rate)

    def take_error(self) -> Exception | None:
        """What a method of the sink has raised since this was last asked."""
        error, self._error = self._error, None
        return error

    @property
    def _keeps(self) -> bool:
        return self.held and self._duck is None and not self._can_pause

    def _take_back(self) -> Samples | None:
        """What the sink had not played; it will not."""
        unheard = self._ask(self._sink.clear, None)
        if unheard is not None:
            self.written -= unheard.shape[0]
        return unheard

    def _number(self, *names: str) -> int:
        """The first of these that the sink has; 0 where it has none."""
        found = (getattr(self._sink, name) for name in names if hasattr(self._sink, name))
        return next(found, 0)

    def _call(self, name: str, *args: float) -> bool:
        """Call this method where there is one; whether it did what it does."""
        found: Callable[..., Any] | None = getattr(self._sink, name, None)
        return found is not None and self._ask(lambda: (found(*args), True)[1], False)

    def _ask(self, ask: Callable[[], T], otherwise: T) -> T:
        try:
            return ask()
        except Exception as error:
            self._error = error
            return otherwise
