"""Sinks that offer less than a loudspeaker.

The user says something from 0 to 20 ms, and the turn is over at 40 ms. The reply takes no time to
make: "One two." is heard from 40 to 120 ms, "Three four." to 230 ms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from converse_kit import HI, pad
from interruption_kit import RATE, VOICE, Scene, Talk, Voice, clock

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.testing import (
    FakeSink,
    FakeSpeaker,
    FakeStreamingTranscriber,
    FakeTranscriber,
)


class Bare:
    """A sink that plays nothing and says nothing: all it keeps was heard."""

    def __init__(self, unheard: int = 0) -> None:
        self.taken: list[float] = []
        self.unheard = unheard
        self.is_running = False

    def write_samples(self, samples: rxv.Samples, /) -> int:
        self.taken.extend(samples.tolist())
        return len(samples)

    def clear(self) -> rxv.Samples:
        n = len(self.taken)
        kept, self.taken = self.taken[n - self.unheard :], self.taken[: n - self.unheard]
        return np.array(kept, np.float32)

    def flush(self) -> None: ...
    def stop(self) -> None: ...


class Timed(Bare):
    """A sink with a position, a reply of which counts as heard when given."""

    position = 0


def test_a_sink_without_played_has_heard_what_it_was_given() -> None:
    m = clock()
    for sink in (Bare(), Timed(), FakeSink()):
        operator = vox.converse(
            vox.transcribe(FakeTranscriber("hi")),
            vox.respond(Talk("One.")),
            vox.synthesize(VOICE),
            sink=sink,
        )
        mic = m.cold(HI + "|").pipe(vox.turn_window(rxv.silence(30)), operator)
        names = [(it.ms, type(it.value).__name__) for it in m.record(mic)]
        assert names[5:] == [
            (40, "Speech"),
            (40, "Speaking"),
            (40, "Speech"),
            (40, "FinishedTurn"),
            (40, "Finished"),
            (50, "NoneType"),
        ]


def test_a_sink_without_position_has_heard_what_clear_does_not_return() -> None:
    m = clock()
    sink = Bare(unheard=60)
    llm = Talk(["One two.\n", "Three four."], every_ms=100)
    operator = vox.converse(
        vox.transcribe(FakeTranscriber("hi", "no")),
        vox.respond(llm),
        vox.synthesize(VOICE),
        sink=sink,
        min_speech_ms=20,
    )
    mic = m.cold(HI + pad(120) + "~~~~___|")
    m.record(mic.pipe(vox.turn_window(rxv.silence(30)), operator), dispose_at=200)
    assert llm.told == [""]  # 20 of the 80 samples: "On", no whole word


class Unpausable(FakeSpeaker):
    pause = None  # type: ignore[assignment]
    resume = None  # type: ignore[assignment]


def test_a_sink_without_pause_plays_on_while_a_candidate_is_judged() -> None:
    scene = Scene(
        HI + pad(50) + "~~~~~___" + pad(400) + "|",
        "hi",
        "stop",
        min_speech_ms=40,
        sink=lambda m: Unpausable(m.scheduler, sample_rate=RATE),
    )
    assert scene.only("Candidate", "Paused", "Interrupted") == [
        "100 Candidate 2",
        "100 Paused 1",
        "170 Interrupted 1 'One'",
    ]


def test_a_sink_without_pause_begins_to_play_while_a_candidate_is_judged() -> None:
    """It has spoken long enough: it is confirmed with the first sample that is heard."""
    scene = Scene(
        HI + "~" * 30 + "___" + pad(300) + "|",
        "hi",
        "stop",
        llm=Talk("One.", every_ms=100),
        min_speech_ms=50,
        sink=lambda m: Unpausable(m.scheduler, sample_rate=RATE),
    )
    assert scene.only("Speaking", "Interrupted", "Confirmed")[:3] == [
        "370 Interrupted 1 ''",
        "370 Confirmed 2",
        "471 Speaking 2",
    ]


def test_events_of_the_sink_travel_with_the_others() -> None:
    event = rxv.events.Underrun(1, 1, "")
    scene = Scene(HI + pad(200) + "|", at=[(100, lambda it: it.speaker.events.on_next(event))])
    assert (100, event) in [(it.ms, it.value) for it in scene.recorded]


def test_a_sink_without_pause_that_plays_sound_of_another_conversation() -> None:
    """It is held, and goes on at the rate that it had; nothing fails."""
    chime = VOICE.sound("ping pong.")

    def busy(m: Any) -> Unpausable:
        speaker = Unpausable(m.scheduler, sample_rate=RATE)
        speaker.write_samples(chime)
        return speaker

    scene = Scene(
        HI + "~~~~___" + pad(400) + "|",
        "hi",
        "",
        llm=Talk("One.", every_ms=300),
        min_speech_ms=20,
        sink=busy,
    )
    assert scene.only("Paused", "Resumed", "TurnFailed", "Notice") == [
        "50 Paused 1",
        "110 Resumed 1 no_words",
    ]
    assert scene.heard == "ping pong.One."


@pytest.mark.parametrize(
    ("fails", "wanted"),
    [
        ("pause", ["90 Candidate 2", "90 TurnFailed 1 converse"]),
        ("resume", ["90 Candidate 2", "90 Paused 1", "130 TurnFailed 1 converse"]),
    ],
)
def test_a_sink_that_fails_to_pause_or_to_go_on_fails_the_reply_at_once(
    fails: str, wanted: list[str]
) -> None:
    class Failing(FakeSpeaker):
        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(*given, **options)
            self.broken = False

        def _fail_once(self, name: str) -> None:
            if name == fails and not self.broken:
                self.broken = True
                raise OSError(name)

        def pause(self) -> None:
            self._fail_once("pause")
            super().pause()

        def resume(self) -> None:
            self._fail_once("resume")
            super().resume()

    scene = Scene(
        HI + pad(40) + "~~" + pad(300) + "|",
        *("hi", ""),
        sink=lambda m: Failing(m.scheduler, sample_rate=RATE),
    )
    assert scene.only("Candidate", "Paused", "TurnFailed")[: len(wanted)] == wanted


def test_a_reply_begun_early_writes_no_more_to_a_sink_that_fails() -> None:
    class Failing(FakeSpeaker):
        asked = 0

        def write_samples(self, samples: rxv.Samples, /) -> int:
            self.asked += 1
            raise OSError("full")

    scene = Scene(
        "~~~~" + pad(400) + "|",
        stt=FakeStreamingTranscriber("what is it", ""),
        tts=Voice(pieces=3),
        sink=lambda m: Failing(m.scheduler, sample_rate=RATE),
        silence_ms=200,
        preempt_after_ms=30,
    )
    assert scene.speaker.asked == 1
    assert len(scene.only("TurnFailed")) == 1
