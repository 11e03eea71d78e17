"""`mixer` on a virtual loudspeaker, which is recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soxr
from devices.test_speaker import RATE, found, loudspeaker, noise, recorded, undisturbed
from devices.virtual_audio import VirtualAudio

import rxvoice as rxv
from rxvoice import sinks

pytestmark = pytest.mark.devices


@pytest.fixture(autouse=True)
def busy_machine(audio: VirtualAudio, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sound server keeps 100 ms: what is tested is not how busy the machine is."""
    monkeypatch.setenv("PULSE_LATENCY_MSEC", "100")


@pytest.fixture
def told() -> list[rxv.Event]:
    """What the loudspeaker told."""
    return []


@undisturbed
def test_music_under_speech(audio: VirtualAudio, tmp_path: Path, told: list[rxv.Event]) -> None:
    music, speech = 0.5 * noise(2.0, RATE), 0.5 * noise(0.5, 16_000, seed=6)
    with (
        recorded(audio, tmp_path / "heard.raw") as end,
        loudspeaker(told) as speaker,
        sinks.mixer(speaker, ahead_ms=300) as mixer,
    ):
        under, voice = mixer.bus("music", duck_to=0.2), mixer.bus("voice")
        voice.set_sample_rate(16_000)
        under.set_sample_rate(RATE)
        under.write_samples(music)
        voice.write_samples(speech)
        voice.end_reply()
        voice.flush()
        assert (voice.position, voice.queued_ms) == (len(speech), 0)
        assert 0 < under.position < len(music)
        under.flush()
        assert under.position == len(music)
        heard = end()
    # The voice begins when 300 ms of music are in the loudspeaker already.
    clear = slice(int(1.3 * RATE), int(1.9 * RATE))
    at, alike = found(music[clear], heard)
    assert alike > 0.999
    begin = at - clear.start
    spoken = soxr.resample(speech, 16_000, RATE)
    voice_at, _ = found(spoken, heard)
    both = slice(int(0.1 * RATE), int(0.4 * RATE))  # of the voice
    heard_of_both = heard[voice_at + both.start : voice_at + both.stop]
    of_music = music[voice_at - begin + both.start : voice_at - begin + both.stop]
    parts = np.stack([of_music, spoken[both]], axis=1)
    gains, *_ = np.linalg.lstsq(parts, heard_of_both, rcond=None)
    assert gains == pytest.approx([0.2, 1.0], abs=0.01)
    assert np.abs(heard_of_both - parts @ gains).max() < 0.01
