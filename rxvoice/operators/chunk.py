"""`chunk`: cut blocks of any size into chunks of one size."""

from __future__ import annotations

import numpy as np

from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._check import whole
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError
from rxvoice.events import Event
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful

__all__ = ["chunk"]


def chunk(
    size: int = 512, *, sample_rate: int = 16_000
) -> Operator[Samples | AudioChunk | Event, AudioChunk | Event]:
    """Cut a microphone's blocks of any size into chunks of one size.

    Emits: an `AudioChunk` of ``size`` samples as soon as they have come, several for a large block.
        On completion, the samples that are left, as a shorter chunk with ``partial=True``.
        ``start`` counts samples from the subscription, ``time`` goes on from the block's. Samples
        are copied once, so that the source may reuse its block. Events from upstream pass.
    Completes: with the source, after the partial chunk.
    Errors: with the source; with an `AudioFormatError` for a block that is not mono float32 in
        [-1, 1], or that has another sample rate.
    Drops: nothing. On an error, the samples that do not fill a chunk.
    Runs on: the thread of the source.

    Args:
        size: samples per chunk, 1 or more. Silero VAD takes 512 at 16 kHz and 256 at 8 kHz.
        sample_rate: Hz, 1 or more. A plain array counts as audio at this rate, and an `AudioChunk`
            must have it.

    It does what ``FixedSizeAudioChunker`` in mlx-audio's voice pipeline does, which drops the tail.
    """
    whole("chunk size", size, 1, "samples")
    whole("chunk sample_rate", sample_rate, 1, "Hz")

    def start(out: Subscription[AudioChunk | Event]) -> Handlers[Samples | AudioChunk]:
        held = np.empty(size, np.float32)
        used = 0
        position = 0
        time: float | None = None  # of the first sample in `held`

        def samples_of(block: AudioChunk) -> Samples:
            if block.sample_rate != sample_rate:
                raise AudioFormatError(
                    f"wanted audio at {sample_rate} Hz, got a chunk at {block.sample_rate} Hz: "
                    f"resample it first, or use chunk({size}, sample_rate={block.sample_rate})"
                )
            return audio_samples(block.samples)

        def emit(samples: Samples, *, partial: bool = False) -> None:
            nonlocal position
            samples.setflags(write=False)
            start, position = position, position + len(samples)
            out.emit(
                AudioChunk(samples, sample_rate, start, None, None, False, None, partial, time)
            )

        def step(block: Samples | AudioChunk) -> None:
            nonlocal held, used, time
            captured = None
            try:
                if isinstance(block, AudioChunk):
                    samples, captured = samples_of(block), block.time
                else:
                    samples = audio_samples(block)
            except AudioFormatError as error:
                out.fail(error)
                return
            if not used and len(samples) == size:  # as most microphones give them
                time = captured
                emit(samples.copy())
                return
            taken = 0
            while taken < len(samples):
                if not used:
                    time = None if captured is None else captured + taken / sample_rate
                n = min(size - used, len(samples) - taken)
                held[used : used + n] = samples[taken : taken + n]
                used, taken = used + n, taken + n
                if used == size:
                    full, held, used = held, np.empty(size, np.float32), 0
                    emit(full)

        def flush() -> None:
            if used:
                emit(held[:used], partial=True)
            out.complete()

        return step, flush, None

    return stateful(start)
