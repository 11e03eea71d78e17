"""How near the numbers of two ways to one result must be."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
from numpy.typing import ArrayLike

ON_A_GPU = mx.default_device().type == mx.gpu


def near(on_a_cpu: float) -> float:
    """The largest difference: as given on a CPU. On a GPU sums have an order of their own."""
    return max(on_a_cpu, 1e-4) if ON_A_GPU else on_a_cpu


def check_same(found: ArrayLike, wanted: ArrayLike) -> None:
    """Check that two sounds are one, on a CPU to the last bit."""
    np.testing.assert_allclose(found, wanted, rtol=0, atol=near(0.0))
