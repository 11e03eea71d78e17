"""Every delay at once, in MLX, against one delay after the other."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rxvoice import echo
from rxvoice.echo import _alike
from rxvoice.errors import AudioFormatError
from rxvoice.mlx.correlation import correlations

Array = NDArray[np.float32]
rng = np.random.default_rng(4)


def sound(n: int) -> Array:
    """Noise that comes and goes, as speech does."""
    swell = np.abs(np.sin(np.arange(n) / 1500)) ** 3
    return (rng.standard_normal(n) * 0.3 * swell + 0.01).astype(np.float32)


def one_by_one(samples: Array, reference: Array) -> Array:
    n = len(samples)
    a = samples.astype(np.float64) - samples.mean(dtype=np.float64)
    alike = []
    energies = []
    for at in range(len(reference) - n + 1):
        b = reference[at : at + n].astype(np.float64)
        b = b - b.mean()
        energies.append(b @ b)
        alike.append(abs(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b)))
    # Nearly silent stretches are nothing to compare with.
    return np.where(np.array(energies) > 1e-4 * max(energies), alike, 0).astype(np.float32)


def envelope(samples: Array) -> Array:
    return np.convolve(np.abs(samples), np.ones(16) / 16, "same").astype(np.float32)


@pytest.mark.parametrize(("n", "delays"), [(512, 4000), (4096, 2000), (300, 1), (512, 3585)])
def test_as_one_by_one(n: int, delays: int) -> None:
    reference = sound(n + delays - 1)
    at = delays // 3
    samples = (0.3 * reference[at : at + n] + 0.02 * sound(n)).astype(np.float32)
    raw, env = correlations(samples, reference)
    assert raw.shape == env.shape == (delays,)
    assert raw.dtype == env.dtype == np.float32
    loud = one_by_one(samples, reference)
    np.testing.assert_allclose(raw[loud > 0], loud[loud > 0], atol=5e-3)
    wanted = one_by_one(envelope(samples), envelope(reference))
    np.testing.assert_allclose(env[wanted > 0], wanted[wanted > 0], atol=5e-3)
    assert int(raw.argmax()) == at


def test_as_numpy() -> None:
    reference = sound(12_096)
    samples = (0.2 * reference[5000:9096] + 0.05 * sound(4096)).astype(np.float32)
    for ours, theirs in zip(
        correlations(samples, reference), _alike.correlations(samples, reference), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=5e-3)


def test_silence_is_like_nothing() -> None:
    silent = np.zeros(2000, np.float32)
    for raw in (*correlations(silent[:512], sound(2000)), *correlations(sound(512), silent)):
        assert not raw.any()


def test_the_backend_of_the_detector() -> None:
    played = sound(16_000)
    judged = [
        echo.correlation(
            echo.recorded(played, 16_000), backend=backend, window_ms=0, clock=lambda: 1.0
        ).measure(played[13_000:13_512])
        for backend in ("numpy", "mlx")
    ]
    assert judged[0].delay_ms == judged[1].delay_ms == (16_000 - 13_512) / 16
    assert judged[1].raw == pytest.approx(judged[0].raw, abs=1e-3)
    assert judged[1].envelope == pytest.approx(judged[0].envelope, abs=1e-3)
    assert judged[1].raw > 0.99


def test_not_audio() -> None:
    with pytest.raises(AudioFormatError, match="wanted float32 samples of shape"):
        correlations(np.zeros(512), sound(2000))  # type: ignore[arg-type]
