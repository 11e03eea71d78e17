"""What a device plays next: filled on one side, rendered on the other."""

from __future__ import annotations

import math
from collections import deque
from threading import Lock

import numpy as np

from rxvoice._audio.samples import Samples

_LOGGED = 512
"""How many callbacks are remembered. The device plays each long before so many have followed."""


class PlayQueue:
    """A queue of samples at a device's rate, with fades, pauses and a clock.

    An index counts the samples that are played, from the first on. It does not count those that
    `cut` removes. `render` and `late` belong to the audio thread, and wait for nothing. All other
    methods are for the thread that fills the queue, one call at a time.

    Playing begins when `start_samples` are queued, when the first sample has waited for as long as
    those last, at `end` or at `start`. It stops when the queue is empty, and then begins in the
    same way.

    Args:
        sample_rate: Hz, of the device.
        start_samples: how many samples are queued before playing begins, 0 or more.
        fade_samples: the length of a fade from full loudness to silence, 1 or more.
        gap_limit: the longest silence within a reply, in samples.
        index: the index of the first sample.
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
        self.is_ended = False
        """Whether `end` was called after the last samples."""
        self._rate = sample_rate
        self._start_samples = start_samples
        self._ramp = np.arange(1, fade_samples + 1, dtype=np.float32) / fade_samples
        self._gains = np.empty(fade_samples, np.float32)
        # None marks the end of a reply.
        self._blocks: deque[Samples | None] = deque()
        self._block: Samples | None = None
        self._at: int  # in `_block`
        self._put = index
        self._ends_put = 0
        self._ends_seen = 0
        self._asked = False
        self._paused = False
        self._loudness = 1.0
        # `render` only tries this lock. `cut` holds it for a moment.
        self._cutting = Lock()
        self._read = index
        self._playing = False
        self._gain: float  # while it plays
        self._waited = 0
        self._gap: int | None = None  # since it last played; None: no reply is in progress
        self._silent = 0
        self._late = 0
        self._log: list[tuple[float, int, int]] = [(-math.inf, index, 0)] * _LOGGED
        self._logged = 0

    def append(self, samples: Samples) -> None:
        """Add samples at the end. They are not copied: the caller must not change them."""
        if len(samples):
            self._blocks.append(samples)
            self._put += len(samples)
            self.is_ended = False

    def end(self) -> None:
        """Mark the end of a reply. Silence after it does not count as an underrun."""
        self.is_ended = True
        # Counted last, so that `render` finds every end that is counted.
        self._blocks.append(None)
        self._ends_put += 1

    def start(self) -> None:
        """Play what is queued, without waiting for more."""
        self._asked = self._put > self._read

    def pause(self) -> None:
        """Stop playing, after a fade. The samples of the fade count as played."""
        self._paused = True

    def resume(self) -> None:
        """Go on with the next sample, after a fade."""
        self._paused = False

    def duck(self, gain: float) -> None:
        """Fade to this gain, 0 to 1, and play on at it."""
        self._loudness = gain

    def cut(self, *, fade: bool = True) -> int:
        """Remove what has not been rendered. Returns the index at which playing ends.

        Args:
            fade: whether to keep the samples of a fade.
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
        """The next samples of the current reply, `count` at most, faded to silence."""
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
        """Fill `out` with the next samples. Returns whether playing begins in it.

        Args:
            out: of shape ``(n,)``.
            time: when its first sample leaves the loudspeaker, in seconds.
        """
        if not self._cutting.acquire(blocking=False):
            out.fill(0)  # `cut` is at work
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
            count = self._copy(block[self._at :][: len(out) - done], out[done:], target)
            done += count
            self._read += count
            self._at += count
            if self._at == len(block):
                self._block = None
        if self._read > first:
            self._log[self._logged % _LOGGED] = (time, first, self._read - first)
            self._logged += 1
        silence = len(out) - done
        out[done:].fill(0)
        if not paused:
            if self._gap is not None:
                self._gap += silence
            if self._put > self._read:
                self._waited += silence
        return begun

    def _may_begin(self, paused: bool) -> bool:
        while self._blocks and self._blocks[0] is None:
            self._blocks.popleft()
            self._over()
        if paused or not self._blocks:
            return False
        if not self._waited and self._gap is not None and self._gap > self.gap_limit:
            self._gap = None  # the silence was so long that the reply had ended
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
        self._silent += self._gap or 0

    def _over(self) -> None:
        self._playing = False
        self._ends_seen += 1
        self._gap = None

    def _copy(self, block: Samples, out: Samples, target: float) -> int:
        """Copy a part of the block at the wanted gain, or on the way to it. Returns its length."""
        gain = self._gain
        if gain == target:
            np.multiply(block, gain, out=out[: len(block)])
            return len(block)
        size = len(self._ramp)
        steps = math.ceil(abs(target - gain) * size)
        count = min(len(block), steps)
        gains = self._gains[:count]
        np.multiply(self._ramp[:count], math.copysign(1, target - gain), out=gains)
        gains += gain
        if count == steps:
            gains[-1] = self._gain = target
        else:
            self._gain = float(gains[-1])
        np.multiply(block[:count], gains, out=out[:count])
        return count

    def late(self, time: float) -> None:
        """Note that the device had to wait: the next block to render is heard at `time`."""
        if self._playing:  # so a callback is logged
            due, _, count = self._log[(self._logged - 1) % _LOGGED]
            self._late += max(1, round((time - due) * self._rate) - count)

    @property
    def rendered(self) -> int:
        """The index up to which samples were rendered."""
        return self._read

    @property
    def left(self) -> int:
        """How many samples are not rendered yet."""
        return self._put - self._read

    @property
    def is_playing(self) -> bool:
        """Whether `render` gives sound now."""
        return self._playing and not (self._paused and self._gain == 0)

    @property
    def is_paused(self) -> bool:
        """Whether it is paused."""
        return self._paused

    @property
    def loudness(self) -> float:
        """The gain that `duck` was last called with."""
        return self._loudness

    @property
    def silent(self) -> int:
        """Samples of silence in the middle of replies. Counted once the reply goes on."""
        return self._silent

    @property
    def lost(self) -> int:
        """Samples of silence because the device was not served in time."""
        return self._late

    def heard(self, now: float) -> int:
        """The index up to which samples had left the loudspeaker at `now`."""
        logged = self._logged
        _, first, _ = self._log[0]
        # Without the oldest one, which `render` may be overwriting.
        for at in range(logged - 1, max(-1, logged - _LOGGED), -1):
            time, first, count = self._log[at % _LOGGED]
            if time <= now:
                return first + min(count, int((now - time) * self._rate + 1e-6))
        return first

    def time_of(self, index: int) -> float:
        """When the sample at `index` leaves the loudspeaker; `math.inf` if not rendered yet."""
        logged = self._logged
        for at in range(logged - 1, max(-1, logged - _LOGGED), -1):
            time, first, count = self._log[at % _LOGGED]
            if first <= index < first + count:
                return time + (index - first) / self._rate
            if first + count <= index:  # all the others are older
                break
        return math.inf if index >= self._read else -math.inf
