"""Samples on their way to the loudspeaker."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from rxvoice._audio.samples import Samples


@dataclass(slots=True)
class _Signal:
    """Pieces that were converted as one signal.

    `at` and `device_at` say where it begins: among the samples as written, and among the device's.
    """

    rate: int
    device_rate: int
    at: int
    device_at: int
    written: int = 0
    converted: int = 0
    is_open: bool = True

    def heard(self, index: int) -> int:
        """How many samples, as written, were heard when the device has played up to `index`."""
        if not self.is_open and index >= self.device_at + self.converted:
            return self.written
        return min(self.written, (index - self.device_at) * self.rate // self.device_rate)


class InFlight:
    """Keeps samples, as they were written, until the device has played them.

    A sample was heard when the device has played all that it was converted to. A position counts
    samples as they were written. An index counts samples of the device. Neither counts the samples
    that `cut` removed.
    """

    def __init__(self) -> None:
        self._runs: deque[_Signal] = deque()
        self._pieces: deque[tuple[int, int, Samples]] = deque()
        self._written = 0
        self._converted = 0
        self._position = 0

    def add(self, samples: Samples, converted: int, rate: int, device_rate: int) -> None:
        """Add samples at `rate`, which were converted to `converted` samples of the device."""
        if not self._runs or not self._runs[-1].is_open:
            self._runs.append(_Signal(rate, device_rate, self._written, self._converted))
        run = self._runs[-1]
        self._pieces.append((self._written, rate, samples))
        run.written += len(samples)
        self._written += len(samples)
        self._convert(run, converted)

    def close(self, converted: int) -> None:
        """End the signal. Its end was `converted` more samples of the device."""
        if self.is_open:
            self._convert(self._runs[-1], converted)
            self._runs[-1].is_open = False

    def _convert(self, run: _Signal, converted: int) -> None:
        run.converted += converted
        self._converted += converted

    @property
    def is_open(self) -> bool:
        """Whether there is a signal that may go on."""
        return bool(self._runs) and self._runs[-1].is_open

    @property
    def written(self) -> int:
        """How many samples were written, without those that were removed."""
        return self._written

    def position(self, index: int) -> int:
        """How many samples were heard when the device has played up to `index`.

        Never less than before. Forgets the samples that were heard.
        """
        while self._runs:
            run = self._runs[0]
            self._position = max(self._position, run.at + run.heard(index))
            if run.is_open or index < run.device_at + run.converted:
                break
            self._runs.popleft()
        while self._pieces and self._pieces[0][0] + len(self._pieces[0][2]) <= self._position:
            self._pieces.popleft()
        return self._position

    def left_ms(self, position: int) -> float:
        """How many milliseconds of sound follow `position`, as the method tells it."""
        return sum(
            1000 * (run.at + run.written - max(position, run.at)) / run.rate for run in self._runs
        )

    def cut(self, index: int) -> list[tuple[int, Samples]]:
        """Remove what the device plays after `index`. Returns the pieces, each with its rate."""
        heard = max(
            (run.at + run.heard(index) for run in self._runs if run.device_at <= index),
            default=self._written,
        )
        while self._runs and self._runs[-1].at >= heard and self._runs[-1].device_at >= index:
            self._runs.pop()
        if self._runs:
            last = self._runs[-1]
            last.written = heard - last.at
            last.converted = index - last.device_at
            last.is_open = False
        taken = [
            (rate, samples[max(0, heard - at) :])
            for at, rate, samples in self._pieces
            if at + len(samples) > heard
        ]
        self._pieces = deque(
            (at, rate, samples[: heard - at]) for at, rate, samples in self._pieces if at < heard
        )
        self._written, self._converted = heard, index
        return taken
