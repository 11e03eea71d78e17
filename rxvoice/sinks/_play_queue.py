"""What a loudspeaker plays next, without the loudspeaker: called by its callback, or by hand."""

from __future__ import annotations

import math
from collections import deque
from threading import Lock

import numpy as np

from rxvoice._audio.samples import Samples

__all__ = ["PlayQueue"]

_LOGGED = 512
"""Callbacks that are remembered: the device plays each long before as many have followed."""


class PlayQueue:
    """Samples at the device's rate: put in on one side, rendered on the other.

    An index counts the samples that are played, from the first on; those that `cut` takes out are
    not among them. `render` belongs to the device's thread and waits for nothing. All others are
    for the other side, which calls them one at a time.

    Playing begins when `start_samples` are there, when the first of them has waited for as long as
    those take, or when more will not come (`end`) or need not (`start`). It ends when there is
    nothing left, and then begins in the same way.

    Args:
        sample_rate: Hz, of the device.
        start_samples: to have before playing begins, 0 or more.
        fade_samples: that a fade from full loudness to silence takes, 1 or more.
        gap_limit: the longest silence within one reply, in samples.
        index: of the first sample.
    """

    def __init__(
        self,
        sample_rate: int,
        start_samples: int,
        fade_samples: int,
        gap_limit: float,
        index: int = 0,
    ) -> None:
        self.gap_limit = gap_limit
        self._rate = sample_rate
        self._start_samples = start_samples
        self._ramp = np.arange(1, fade_samples + 1, dtype=np.float32) / fade_samples
        self._gains = np.empty(fade_samples, np.float32)
        # None: a reply is over there.
        self._blocks: deque[Samples | None] = deque()
        self._block: Samples | None = None
        self._at = 0
        self._put = index
        self._ends_put = 0
        self._ends_seen = 0
        self._asked = False
        self._paused = False
        self._loudness = 1.0
        # Only `cut` ever holds it for as long as it takes to look at, and `render` only tries it.
        self._cutting = Lock()
        self._read = index
        self._playing = False
        self._gain = 1.0
        self._waited = 0
        self._gap = -1
        self._silent = 0
        self._late = 0
        self._log: list[tuple[float, int, int]] = [(-math.inf, index, 0)] * _LOGGED
        self._logged = 0

    def append(self, samples: Samples) -> None:
        """Put samples at the end; they are not copied, and stay as they are."""
        if len(samples):
            self._blocks.append(samples)
            self._put += len(samples)

    def end(self) -> None:
        """What was put in is the end of a reply: the silence after it is none in the middle."""
        # Counted after, so that an end which is counted is there to be seen.
        self._blocks.append(None)
        self._ends_put += 1

    def start(self) -> None:
        """Play what is there, without waiting for more."""
        self._asked = self._put > self._read

    def pause(self) -> None:
        """Play no more, after a fade; what fades is played."""
        self._paused = True

    def resume(self) -> None:
        """Go on with the next sample."""
        self._paused = False

    def duck(self, gain: float) -> None:
        """Play at that gain, once the sound has faded to it."""
        self._loudness = gain

    def cut(self, *, fade: bool = True) -> int:
        """Take out what has not been rendered; the index at which playing ends.

        Args:
            fade: whether that much of what is being played stays.
        """
        fresh: deque[Samples | None] = deque()
        with self._cutting:
            if fade and self._playing and self._gain > 0:
                tail = self._faded(math.ceil(self._gain * len(self._ramp)))
                fresh.append(tail)
                self._put = self._read + len(tail)
            else:
                self._put = self._read
            fresh.append(None)
            self._blocks, self._block = fresh, None
            self._ends_seen = self._ends_put
            self._ends_put += 1
            self._asked = False
            self._waited = 0
            return self._put

    def _faded(self, count: int) -> Samples:
        """The next samples of the reply that is played, `count` at most, and fading."""
        parts: list[Samples] = []
        wanted = count
        ahead = [] if self._block is None else [self._block[self._at :]]
        for block in (*ahead, *self._blocks):
            if block is None or not wanted:
                break
            parts.append(block[:wanted])
            wanted -= len(parts[-1])
        tail = np.concatenate([*parts, np.empty(0, np.float32)])
        return tail * np.linspace(1, 0, len(tail) + 1, dtype=np.float32)[1:]

    def render(self, out: Samples, time: float) -> bool:
        """Fill `out` with what comes next; whether playing has begun with it.

        Args:
            out: of shape ``(n,)``.
            time: at which its first sample leaves the loudspeaker, in seconds.
        """
        if not self._cutting.acquire(blocking=False):
            out.fill(0)  # it is being cleared at this moment
            return False
        try:
            return self._render(out, time)
        finally:
            self._cutting.release()

    def _render(self, out: Samples, time: float) -> bool:
        paused, first, done, begun = self._paused, self._read, 0, False
        target = 0.0 if paused else self._loudness
        while done < len(out):
            if not self._playing:
                if not self._may_begin(paused):
                    break
                self._begin(target)
                begun = True
            if paused and self._gain == 0:
                break
            block = self._block
            if block is None:
                if not self._blocks:
                    self._playing = False
                    self._gap = 0
                    break
                block = self._blocks.popleft()
                if block is None:
                    self._over()
                    continue
                self._block, self._at = block, 0
            count = min(len(out) - done, len(block) - self._at)
            count = self._copy(block[self._at : self._at + count], out[done:], target)
            done += count
            self._read += count
            self._at += count
            if self._at == len(block):
                self._block = None
        if self._read > first:
            self._log[self._logged % _LOGGED] = (time, first, self._read - first)
            self._logged += 1
        if done < len(out):
            silence = len(out) - done
            out[done:].fill(0)
            if not paused:
                self._gap += silence if self._gap >= 0 else 0
                self._waited += silence if self._put > self._read else 0
        return begun

    def _may_begin(self, paused: bool) -> bool:
        while self._blocks and self._blocks[0] is None:
            self._blocks.popleft()
            self._over()
        if paused or not self._blocks:
            return False
        if not self._waited and self._gap > self.gap_limit:
            self._gap = -1  # that was the end of a reply, of which nobody told
        return (
            self._asked
            or self._ends_put != self._ends_seen
            or self._put - self._read >= self._start_samples
            or self._waited >= self._start_samples
        )

    def _begin(self, gain: float) -> None:
        self._playing = True
        self._asked = False
        self._waited = 0
        self._gain = gain
        if self._gap > 0:
            self._silent += self._gap
        self._gap = -1

    def _over(self) -> None:
        self._playing = False
        self._ends_seen += 1
        self._gap = -1

    def _copy(self, block: Samples, out: Samples, target: float) -> int:
        """Copy some of the block, at the gain that is wanted or on the way to it."""
        gain = self._gain
        if gain == target:
            np.multiply(block, gain, out=out[: len(block)])
            return len(block)
        size = len(self._ramp)
        steps = math.ceil(abs(target - gain) * size)
        count = min(len(block), steps)
        gains = self._gains[:count]
        np.multiply(self._ramp[:count], 1.0 if target > gain else -1.0, out=gains)
        gains += gain
        if count == steps:
            gains[-1] = self._gain = target
        else:
            self._gain = float(gains[-1])
        np.multiply(block[:count], gains, out=out[:count])
        return count

    def late(self, time: float) -> None:
        """The device had to wait for `render`, whose next sound is heard at `time`."""
        if self._playing and self._logged:
            due, _, count = self._log[(self._logged - 1) % _LOGGED]
            self._late += max(1, round((time - due) * self._rate) - count)

    @property
    def rendered(self) -> int:
        """The index up to which samples were given to the device."""
        return self._read

    @property
    def left(self) -> int:
        """Samples that were not rendered yet."""
        return self._put - self._read

    @property
    def is_playing(self) -> bool:
        """Whether `render` gives sound."""
        return self._playing and not (self._paused and self._gain == 0)

    @property
    def is_paused(self) -> bool:
        """Whether it is told to play nothing."""
        return self._paused

    @property
    def loudness(self) -> float:
        """The gain that `duck` asked for."""
        return self._loudness

    @property
    def silent(self) -> int:
        """Samples of silence there were in the middle of replies, once they had gone on."""
        return self._silent

    @property
    def lost(self) -> int:
        """Samples of silence that the device played since it was not served in time."""
        return self._late

    def heard(self, now: float) -> int:
        """The index up to which samples have left the loudspeaker."""
        logged = self._logged
        _, first, _ = self._log[0]
        # One less than there are: the oldest may be written over meanwhile.
        for at in range(logged - 1, max(-1, logged - _LOGGED), -1):
            time, first, count = self._log[at % _LOGGED]
            if time <= now:
                return first + min(count, int((now - time) * self._rate + 1e-6))
        return first

    def time_of(self, index: int) -> float:
        """When the sample there leaves the loudspeaker; `math.inf` where it was not rendered."""
        logged = self._logged
        for at in range(logged - 1, max(-1, logged - _LOGGED), -1):
            time, first, count = self._log[at % _LOGGED]
            if first <= index < first + count:
                return time + (index - first) / self._rate
            if first + count <= index:
                break
        return math.inf if index >= self._read else -math.inf
