"""The network for several streams at once: the weights are read once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import numpy as np
from numpy.lib.stride_tricks import as_strided

from rxvoice._audio.samples import Samples
from rxvoice._silero.network import Layout, Network

_FRAMES = 4
_HIDDEN = 128

_PAIR = 2
"""How many streams share a product.

OpenBLAS computes a product of up to 2**18 steps on one thread. A larger one is divided among
threads that wait for each other, for milliseconds where a model keeps the cores busy.
"""


class Remembered:
    """What is remembered of one stream of chunks."""

    __slots__ = ("state",)

    def __init__(self, layout: Layout) -> None:
        self.state = np.zeros(layout.context_size + 2 * _HIDDEN, np.float32)


class Together:
    """Evaluates the next chunks of several streams, at most `most` at once.

    Any thread may call it.
    """

    def __init__(self, network: Network, most: int) -> None:
        self._network = network
        self._lock = Lock()
        self.most = most
        layout, rows = network.layout, -(-most // _PAIR) * _PAIR
        context, chunk, pad = layout.context_size, layout.chunk_size, layout.pad

        def empty(*shape: int) -> Samples:
            return np.zeros((rows, *shape), np.float32)

        self._states = empty(context + 2 * _HIDDEN)
        # Context, chunk, and the chunk's end mirrored about its last sample.
        self._sound = empty(context + chunk + pad)
        self._overlapping = _windows(self._sound, _FRAMES, layout.filter_length, layout.hop_length)
        self._frames = empty(_FRAMES, layout.filter_length)
        self._spectra = np.zeros((2, rows, _FRAMES, layout.cutoff), np.float32)
        # With a frame of zeros on each side, as the convolutions pad.
        self._magnitudes = empty(_FRAMES + 2, layout.cutoff)
        self._windows1 = _windows(self._magnitudes, _FRAMES, 3 * layout.cutoff, layout.cutoff)
        self._taps1 = empty(_FRAMES, 3 * layout.cutoff)
        self._hidden1 = empty(_FRAMES + 1, 128)
        self._windows2 = _windows(self._hidden1, 2, 3 * 128, 2 * 128)
        self._taps2 = empty(2, 3 * 128)
        self._hidden2 = empty(2, 64)
        self._hidden3 = empty(64)
        # The LSTM reads the encoder's output and its own last output.
        self._joined = empty(2 * _HIDDEN)
        self._gates = empty(4 * _HIDDEN)

    def probabilities(
        self, streams: Sequence[Remembered], chunks: Sequence[Samples]
    ) -> list[float]:
        """The probability of speech in the next chunk of each stream; each may be there once."""
        with self._lock:
            return self._probabilities(streams, chunks)

    def _probabilities(
        self, streams: Sequence[Remembered], chunks: Sequence[Samples]
    ) -> list[float]:
        net, layout = self._network, self._network.layout
        context, chunk, pad = layout.context_size, layout.chunk_size, layout.pad
        n = len(streams)
        rows = n if n == 1 else -(-n // _PAIR) * _PAIR
        states, sound = self._states[:rows], self._sound[:rows]
        end = context + chunk
        for row, (stream, samples) in enumerate(zip(streams, chunks, strict=True)):
            states[row] = stream.state
            sound[row, context:end] = samples
        sound[:, :context] = states[:, :context]
        sound[:, end:] = sound[:, end - 2 : end - 2 - pad : -1]
        states[:, :context] = sound[:, chunk:end]

        frames, spectra = self._frames[:rows], self._spectra[:, :rows]
        frames[:] = self._overlapping[:rows]
        np.matmul(frames, net.basis[:, None], out=spectra)
        np.multiply(spectra, spectra, out=spectra)
        magnitudes = self._magnitudes[:rows, 1:-1]
        np.add(spectra[0], spectra[1], out=magnitudes)
        np.sqrt(magnitudes, out=magnitudes)

        taps1, hidden1 = self._taps1[:rows], self._hidden1[:rows, 1:]
        taps1[:] = self._windows1[:rows]
        _relu(np.matmul(taps1, net.conv1, out=hidden1), net.bias1)
        taps2, hidden2 = self._taps2[:rows], self._hidden2[:rows]
        taps2[:] = self._windows2[:rows]
        _relu(_product(taps2, net.conv2, hidden2), net.bias2)
        hidden3, joined = self._hidden3[:rows], self._joined[:rows]
        _relu(_product(hidden2.reshape(rows, -1), net.conv3, hidden3), net.bias3)
        encoded = joined[:, :_HIDDEN]
        encoded[:] = _relu(_product(hidden3, net.conv4), net.bias4)
        joined[:, _HIDDEN:] = states[:, context : context + _HIDDEN]

        gates = _product(joined, net.gates, self._gates[:rows])
        gates += net.gates_bias
        np.tanh(gates, out=gates)
        sigmoids = gates[:, : 3 * _HIDDEN]
        sigmoids *= 0.5
        sigmoids += 0.5
        i, f, o, g = (gates[:, at : at + _HIDDEN] for at in range(0, 4 * _HIDDEN, _HIDDEN))
        hidden = states[:, context : context + _HIDDEN]
        cell = states[:, context + _HIDDEN :]
        cell *= f
        i *= g
        cell += i
        np.multiply(o, np.tanh(cell), out=hidden)
        for row, stream in enumerate(streams):
            stream.state[:] = states[row]
        scores = np.maximum(hidden[:n], 0) @ net.final + net.final_bias
        return (0.5 + 0.5 * np.tanh(0.5 * scores)).tolist()


def _product(values: Samples, weights: Samples, out: Samples | None = None) -> Samples:
    """Multiply each row by weights of shape ``(out, in)``, a pair of streams at a time."""
    width = weights.shape[1]
    pairs = -(-len(values) // _PAIR)
    product = np.matmul(
        values.reshape(pairs, -1, width),
        weights.T,
        out=None if out is None else out.reshape(pairs, -1, len(weights)),
    )
    return product.reshape(*values.shape[:-1], len(weights))


def _relu(values: Samples, bias: Samples) -> Samples:
    values += bias
    return np.maximum(values, 0, out=values)


def _windows(buffer: Samples, count: int, width: int, step: int) -> Samples:
    """A view of `count` windows of each row, each `step` values after the one before."""
    size = buffer.itemsize
    return as_strided(
        buffer,
        (len(buffer), count, width),
        (buffer.strides[0], step * size, size),
        writeable=False,
    )
