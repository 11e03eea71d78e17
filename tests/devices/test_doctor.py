"""The checks of ``rxvoice doctor`` on real, virtual devices."""

from __future__ import annotations

import numpy as np
import pytest
from devices.virtual_audio import VirtualAudio

from rxvoice.cli._doctor import loudspeaker, microphone, sound_devices, sound_system, tone
from rxvoice.cli._doctor.finding import Asked, Finding

pytestmark = pytest.mark.devices


def only(found: list[Finding]) -> Finding:
    (one,) = found
    return one


def test_the_sound_server_and_its_devices_are_told(audio: VirtualAudio) -> None:
    assert [it.state for it in sound_system.check()] == ["ok", "ok"]
    assert [it.state for it in sound_devices.check(Asked())] == ["ok", "ok", "ok"]


def test_a_silent_microphone_is_a_problem_and_a_loud_one_is_not(audio: VirtualAudio) -> None:
    silent = only(microphone.check(Asked(seconds=0.3)))
    assert (silent.state, silent.facts["zeros"]) == ("problem", True)
    sound = np.random.default_rng(0).normal(0, 0.05, 3 * 16_000).astype(np.float32)
    playing = audio.say(sound, 16_000)
    heard = microphone.check(Asked(seconds=1.0))[0]
    playing.wait()
    assert heard.state == "ok"
    assert heard.facts["loudest_db"] == pytest.approx(-26, abs=3)


def test_a_loudspeaker_plays_silence(audio: VirtualAudio) -> None:
    assert only(loudspeaker.check(Asked())).state == "ok"


def test_a_tone_is_found_where_there_is_an_echo(audio: VirtualAudio) -> None:
    assert only(tone.check(Asked())).facts == {"found": False}
    audio.echo(120, 0.3)
    found = only(tone.check(Asked()))
    assert found.facts["found"] is True
    assert found.facts["level_db"] == pytest.approx(-28, abs=3)
