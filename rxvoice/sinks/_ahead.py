"""Conversion by MLX, ahead of writing: on the thread that makes the samples."""

from __future__ import annotations

import copy
import weakref
from dataclasses import dataclass
from typing import cast

import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice.errors import ConfigError


def is_mlx(samples: object) -> bool:
    """Whether `samples` is an ``mx.array``. Does not import MLX."""
    return type(samples).__module__.partition(".")[0] == "mlx"


@dataclass(frozen=True, slots=True)
class _AheadPiece:
    """One piece, converted.

    Args:
        number: its place in the signal, from 0.
        start: how many samples the resampler gave before.
        held: how many of those that follow belong to the pieces before.
        converted: what the resampler gave for this piece.
        rest: what the resampler holds back after it.
    """

    signal: AheadSignal
    number: int
    start: int
    held: int
    converted: Samples
    rest: Samples


class AheadSignal:
    """One signal that MLX converts piece by piece.

    `convert` runs on the thread that makes the pieces. The other methods run on the thread that
    writes them, and need no MLX.

    Args:
        rate: Hz, of the pieces.
        device_rate: Hz, of what comes out.

    Raises:
        ConfigError: the rates have too little in common.
    """

    def __init__(self, rate: int, device_rate: int) -> None:
        from rxvoice.mlx.resample import MlxResampler

        self._resampler = MlxResampler(rate, device_rate)
        self._made = self._number = 0
        self._held: Samples = np.empty(0, np.float32)
        # For the thread that writes:
        self._next: _AheadPiece | None = None
        self._fed = -1
        self._given = 0
        self._rest: Samples = np.empty(0, np.float32)

    def convert(self, samples: Samples) -> _AheadPiece:
        """Convert the next piece of the signal."""
        converted = cast("Samples", np.asarray(self._resampler.feed(samples)))
        # MLX arrays never change, so a shallow copy of the resampler can end by itself.
        rest = cast("Samples", np.asarray(copy.copy(self._resampler).end()))
        piece = _AheadPiece(self, self._number, self._made, len(self._held), converted, rest)
        self._number += 1
        self._made += len(converted)
        self._held = rest
        return piece

    def choose(self, piece: _AheadPiece) -> None:
        """Say which piece `feed` is called with next."""
        self._next = piece

    def restart(self) -> None:
        """Begin with the next piece, whatever was fed before."""
        self._fed = -1

    def feed(self, samples: Samples) -> Samples:
        """Return what MLX has made of the chosen piece."""
        piece, self._next = self._next, None
        assert piece is not None
        if piece.number != self._fed + 1:
            self._given = piece.start + piece.held
        skip = self._given - piece.start
        end = piece.start + len(piece.converted)
        self._given = max(self._given, end)
        self._fed, self._rest = piece.number, piece.rest[self._given - end :]
        return piece.converted[skip:]

    def end(self) -> Samples:
        """Return what the resampler held back after the last piece."""
        rest, self._rest = self._rest, np.empty(0, np.float32)
        self._given += len(rest)
        return rest


class Ahead:
    """Pieces that were converted and not yet written. A piece that is let go of is forgotten."""

    def __init__(self) -> None:
        self._pieces: dict[int, tuple[weakref.ref[Samples], _AheadPiece, tuple[int, int]]] = {}
        self._signal: AheadSignal | None = None
        self._signal_of: tuple[object, int, int] | None = None

    def convert(self, samples: Samples, rate: int, device_rate: int, signal: object) -> None:
        """Convert a piece, on the thread that has made it.

        Args:
            samples: an ``mx.array``.
            rate: Hz, of the samples.
            device_rate: Hz, of what comes out.
            signal: pieces with the same object are one signal.
        """
        if (
            self._signal_of is None
            or self._signal_of[0] is not signal
            or (self._signal_of[1:] != (rate, device_rate))
        ):
            self._signal_of = signal, rate, device_rate
            try:
                self._signal = AheadSignal(rate, device_rate)
            except ConfigError:  # the rates have too little in common: soxr does it
                self._signal = None
        if self._signal is None:
            return
        key = id(samples)
        gone = weakref.ref(samples, lambda _: self._pieces.pop(key, None))
        self._pieces[key] = gone, self._signal.convert(samples), (rate, device_rate)

    def take(self, samples: object, rate: int, device_rate: int) -> AheadSignal | None:
        """Return the signal that has converted these samples between these rates, or None."""
        found = self._pieces.pop(id(samples), None)
        if found is None or found[2] != (rate, device_rate):
            return None
        piece = found[1]
        piece.signal.choose(piece)
        return piece.signal
