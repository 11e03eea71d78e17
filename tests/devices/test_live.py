"""A conversation from a microphone to a loudspeaker: it answers, lets go, and outlives devices."""

from __future__ import annotations

import gc
import subprocess
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from devices.live_kit import PATIENCE_S, demo_phrases, likeness, reading, resampled, talking
from devices.virtual_audio import VirtualAudio
from offline.prompts_kit import errors, words

from rxvoice import devices, events, offline

pytestmark = [pytest.mark.devices, pytest.mark.models]

ANSWER = "I am the voice of this machine. What would you like to know?"
SILENCE_MS = 600


@pytest.fixture(autouse=True)
def busy_machine(audio: VirtualAudio, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sound server keeps 100 ms: what is tested is not how busy the machine is."""
    monkeypatch.setenv("PULSE_LATENCY_MSEC", "100")


def test_what_is_said_is_answered_aloud_and_measured(audio: VirtualAudio, tmp_path: Path) -> None:
    phrase = demo_phrases()[0]
    options: Any = {"silence_ms": SILENCE_MS, "trace": tmp_path / "trace"}
    with talking(audio, lambda _: ANSWER, echo="off", **options) as talk:
        turn = talk.ask(phrase)
        measured = talk.heard.until(events.TurnMetrics)
        talk.listener.until(0.5)
        recorded = talk.listener.samples
    names = (events.TurnOpened, events.Transcribed, events.Speaking, events.Finished)
    told = talk.heard.of(names)
    assert [type(it) for it in told] == list(names)
    assert all(it.turn is turn for it in told)
    assert errors(words(phrase.text), words(told[1].text)) <= 2
    assert told[3].text == ANSWER

    voice = offline.tts("espeak:en-us")
    spoken = np.concatenate(list(voice.synthesize_stream(ANSWER.partition(" What")[0])))
    _, alike = likeness(resampled(spoken, voice.sample_rate), recorded)
    assert alike > 0.9 or talk.heard.of(events.Underrun)

    assert measured.turn is turn
    moments = [it.name for it in fields(measured) if it.name != "memory_bytes"]
    assert None not in [getattr(measured, it) for it in moments]
    assert not measured.interrupted
    assert (
        SILENCE_MS
        <= measured.turn_ended_ms
        <= measured.transcript_ms
        <= measured.first_token_ms
        <= measured.first_audio_ms
        <= measured.first_heard_ms
        <= measured.over_ms
    )
    assert measured.queued_ms > 0


def test_disposed_in_mid_sentence_it_lets_go_of_devices_and_threads(audio: VirtualAudio) -> None:
    before = set(threading.enumerate())
    with talking(audio, lambda _: reading(10), echo="off", silence_ms=SILENCE_MS) as talk:
        talk.ask(demo_phrases()[0])
        begun = set(threading.enumerate()) - before
    gc.collect()  # the recogniser may be in a cycle with an error of its threads
    assert {"rxvoice-conversation", "rxvoice-speaker"} <= {it.name for it in begun}
    for thread in begun:
        thread.join(PATIENCE_S)
    assert not [it.name for it in begun if it.is_alive()]
    assert not devices.is_open()


def test_a_microphone_that_is_lost_in_mid_sentence_is_heard_when_it_returns(
    audio: VirtualAudio,
) -> None:
    def suspend(how: str) -> None:
        subprocess.run(
            ["pactl", "suspend-source", "mic_in", how], env=audio._environment, check=True
        )

    phrases = demo_phrases()
    with talking(audio, lambda _: ANSWER, echo="off", silence_ms=SILENCE_MS) as talk:
        # In mid-word: as soon as a turn opens.
        player = talk.say(phrases[0].audio)
        cut = talk.heard.until(events.TurnOpened).turn
        suspend("1")
        try:
            lost = talk.heard.until(events.DeviceLost)
            over = threading.Event()
            cut.subscribe(on_completed=over.set, on_error=lambda _: over.set())
            player.kill()
        finally:
            suspend("0")
        restored = talk.heard.until(events.DeviceRestored)
        assert over.wait(PATIENCE_S)
        # Half a question may have been a question.
        talk.heard.until((events.Finished, events.Dropped), lambda it: it.turn is cut)
        after = len(talk.heard.log)
        again = talk.ask(phrases[0])
        finished = talk.heard.until(events.Finished, lambda it: it.turn is again)
        said = talk.heard.until(events.Transcribed, lambda it: it.turn is again, after=after)
    assert (lost.kind, restored.kind) == ("microphone", "microphone")
    assert cut.ended_by == "policy"  # silence went on meanwhile
    assert finished.text == ANSWER
    assert "hello" in words(said.text)
