"""What a sink keeps of the samples that are written to it."""

from __future__ import annotations

from typing import cast

import numpy as np

from rxvoice._audio.samples import Samples, audio_samples
from rxvoice.sinks._ahead import is_mlx


def as_written(samples: Samples) -> Samples:
    """Return a copy, as a numpy array. An ``mx.array`` that is not yet evaluated is, here.

    Raises:
        AudioFormatError: for samples that are not mono audio in [-1, 1].
    """
    if is_mlx(samples):
        from rxvoice.mlx._samples import as_samples

        samples = cast("Samples", as_samples(samples))
    return audio_samples(np.array(samples, np.float32))
