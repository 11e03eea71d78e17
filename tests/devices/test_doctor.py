"""The checks of ``rxvoice doctor`` on real, virtual devices."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from devices.virtual_audio import VirtualAudio

from rxvoice.cli._doctor import loudspeaker, microphone, sound_devices, sound_system, tone
from rxvoice.cli._doctor.finding import Asked, Finding

ROOT = Path(__file__).parents[2]

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


def test_a_tone_without_an_echo_is_not_found(audio: VirtualAudio) -> None:
    assert only(tone.check(Asked())).facts == {"found": False}


def test_the_command_finds_a_tone_where_there_is_an_echo(audio: VirtualAudio) -> None:
    audio.echo(120, 0.3)
    command = [sys.executable, "-m", "rxvoice", "doctor", "--tone", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = {it["check"]: it for it in json.loads(done.stdout)["findings"]}
    assert found["loudspeaker"]["state"] == "ok"
    assert found["tone"]["facts"]["found"] is True
    assert found["tone"]["facts"]["level_db"] == pytest.approx(-28, abs=3)
