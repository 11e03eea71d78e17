"""The arithmetic of the network: one chunk in, one probability out, in few matrix products.

A chunk is always four frames of a short-time Fourier transform. The second and the third
convolution halve them to one, so every convolution is a product with a fixed matrix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from rxvoice._audio.samples import Samples

_FRAMES = 4
_HIDDEN = 128
# Arrays, since a Python number costs a ufunc up to 1 µs more, seven times a chunk.
_ZERO = np.zeros((), np.float32)
_HALF = np.full((), 0.5, np.float32)


@dataclass(frozen=True, slots=True)
class Layout:
    """The sizes of the network at one rate, in samples."""

    sample_rate: int
    chunk_size: int
    context_size: int
    filter_length: int
    hop_length: int
    pad: int

    @property
    def cutoff(self) -> int:
        """How many frequencies a frame has."""
        return self.filter_length // 2 + 1

    @property
    def branch(self) -> str:
        """mlx-audio's name for this rate, as in ``branch_16k`` and ``vad_16k``."""
        return f"{self.sample_rate // 1000}k"

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of mlx-audio's weights; that of a convolution is ``(out, taps, in)``."""
        return {
            "stft_conv.weight": (2 * self.cutoff, self.filter_length, 1),
            "conv1.weight": (128, 3, self.cutoff),
            "conv1.bias": (128,),
            "conv2.weight": (64, 3, 128),
            "conv2.bias": (64,),
            "conv3.weight": (64, 3, 64),
            "conv3.bias": (64,),
            "conv4.weight": (128, 3, 64),
            "conv4.bias": (128,),
            "lstm.Wx": (4 * _HIDDEN, 128),
            "lstm.Wh": (4 * _HIDDEN, _HIDDEN),
            "lstm.bias": (4 * _HIDDEN,),
            "final_conv.weight": (1, 1, _HIDDEN),
            "final_conv.bias": (1,),
        }


LAYOUTS = {
    16_000: Layout(16_000, 512, 64, 256, 128, 64),
    8_000: Layout(8_000, 256, 32, 128, 64, 32),
}


class Network:
    """The weights as the matrices that `Pass` multiplies by. Shared by detectors, never written."""

    def __init__(self, layout: Layout, weights: dict[str, Samples]) -> None:
        self.layout = layout

        # Real and imaginary parts are apart, so that their squares add as whole arrays.
        basis = weights["stft_conv.weight"].reshape(2, layout.cutoff, layout.filter_length)
        self.basis = _matrix(basis.transpose(0, 2, 1))

        self.conv1 = _matrix(weights["conv1.weight"].reshape(128, -1).T)
        self.bias1 = weights["conv1.bias"]
        self.conv2 = _matrix(weights["conv2.weight"].reshape(64, -1))
        self.bias2 = weights["conv2.bias"]
        # One frame comes out: from two frames and the padding before them, then from one between.
        self.conv3 = _matrix(weights["conv3.weight"][:, 1:].reshape(64, -1))
        self.bias3 = weights["conv3.bias"]
        self.conv4 = _matrix(weights["conv4.weight"][:, 1])
        self.bias4 = weights["conv4.bias"]

        # The gates are in the order i, f, o, g. The first three are halved, since their sigmoid is
        # (1 + tanh(x / 2)) / 2; so one tanh serves all four.
        gates = np.hstack([weights["lstm.Wx"], weights["lstm.Wh"], weights["lstm.bias"][:, None]])
        i, f, g, o = np.split(gates, 4)
        gates = np.vstack([_HALF * i, _HALF * f, _HALF * o, g])
        self.gates = _matrix(gates[:, :-1])
        self.gates_bias = _matrix(gates[:, -1])

        self.final = _matrix(weights["final_conv.weight"].reshape(-1))
        self.final_bias = float(weights["final_conv.bias"][0])


class Pass:
    """One stream through a network: what it remembers, and its buffers."""

    def __init__(self, network: Network) -> None:
        self._network = network
        layout = network.layout
        context, pad, chunk = layout.context_size, layout.pad, layout.chunk_size

        # Context, chunk, and the chunk's end mirrored about its last sample.
        self._sound = sound = np.zeros(context + chunk + pad, np.float32)
        self._chunk = sound[context : context + chunk]
        self._context = sound[:context]
        self._next_context = sound[chunk : context + chunk]
        self._mirror = sound[context + chunk :]
        self._mirrored = sound[context + chunk - 2 : context + chunk - 2 - pad : -1]
        self._overlapping = _rows(sound, _FRAMES, layout.filter_length, layout.hop_length)
        self._frames = np.empty((_FRAMES, layout.filter_length), np.float32)

        self._spectra = np.empty((2, _FRAMES, layout.cutoff), np.float32)
        # With a frame of zeros on each side, as the convolutions pad.
        magnitudes = np.zeros((_FRAMES + 2, layout.cutoff), np.float32)
        self._magnitudes = magnitudes[1:-1]
        self._windows1 = _rows(magnitudes, _FRAMES, 3 * layout.cutoff, layout.cutoff)
        self._taps1 = np.empty((_FRAMES, 3 * layout.cutoff), np.float32)

        hidden1 = np.zeros((_FRAMES + 1, 128), np.float32)
        self._hidden1 = hidden1[1:]
        self._taps2 = [hidden1[0:3].reshape(-1), hidden1[2:5].reshape(-1)]
        self._hidden2 = np.empty((2, 64), np.float32)
        self._taps3 = self._hidden2.reshape(-1)
        self._hidden3 = np.empty(64, np.float32)

        # The LSTM reads the encoder's output and its own last output.
        self._joined = np.zeros(2 * _HIDDEN, np.float32)
        self._encoded, self._hidden = self._joined[:_HIDDEN], self._joined[_HIDDEN:]
        self._cell = np.zeros(_HIDDEN, np.float32)
        self._gates = np.empty(4 * _HIDDEN, np.float32)
        self._sigmoids = self._gates[: 3 * _HIDDEN]
        self._i, self._f, self._o, self._g = self._gates.reshape(4, _HIDDEN)
        self._squashed = np.empty(_HIDDEN, np.float32)

    def reset(self) -> None:
        """Forget the chunks so far."""
        self._sound.fill(0)
        self._hidden.fill(0)
        self._cell.fill(0)

    def probability(self, samples: Samples) -> float:
        """The probability of speech, 0 to 1, in the next chunk."""
        net = self._network

        self._context[:] = self._next_context
        self._chunk[:] = samples
        self._mirror[:] = self._mirrored
        # A copy, because BLAS takes no rows that overlap.
        self._frames[:] = self._overlapping
        spectra = np.matmul(self._frames, net.basis, out=self._spectra)
        np.multiply(spectra, spectra, out=spectra)
        np.add(spectra[0], spectra[1], out=self._magnitudes)
        np.sqrt(self._magnitudes, out=self._magnitudes)

        self._taps1[:] = self._windows1
        _relu(np.dot(self._taps1, net.conv1, out=self._hidden1), net.bias1)
        for taps, frame in zip(self._taps2, self._hidden2, strict=True):
            np.dot(net.conv2, taps, out=frame)
        _relu(self._hidden2, net.bias2)
        _relu(np.dot(net.conv3, self._taps3, out=self._hidden3), net.bias3)
        _relu(np.dot(net.conv4, self._hidden3, out=self._encoded), net.bias4)

        gates = np.dot(net.gates, self._joined, out=self._gates)
        np.add(gates, net.gates_bias, out=gates)
        np.tanh(gates, out=gates)
        np.multiply(self._sigmoids, _HALF, out=self._sigmoids)
        np.add(self._sigmoids, _HALF, out=self._sigmoids)
        np.multiply(self._cell, self._f, out=self._cell)
        np.multiply(self._i, self._g, out=self._i)
        np.add(self._cell, self._i, out=self._cell)
        np.tanh(self._cell, out=self._squashed)
        np.multiply(self._o, self._squashed, out=self._hidden)

        np.maximum(self._hidden, _ZERO, out=self._squashed)
        score = float(np.dot(net.final, self._squashed)) + net.final_bias
        return 0.5 + 0.5 * math.tanh(0.5 * score)


def _relu(values: Samples, bias: Samples) -> None:
    np.add(values, bias, out=values)
    np.maximum(values, _ZERO, out=values)


def _matrix(values: Samples) -> Samples:
    own = np.array(values, np.float32, order="C")
    own.flags.writeable = False
    return own


def _rows(buffer: Samples, rows: int, width: int, step: int) -> Samples:
    """A view of `rows` rows of `width` values, each `step` values after the one before."""
    size = buffer.itemsize
    return as_strided(buffer, (rows, width), (step * size, size), writeable=False)
