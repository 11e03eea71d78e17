from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Subject

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.errors import ConfigError
from rxvoice.testing import FakeSynthesizer, marbles
from rxvoice.testing.check import check_operator

RATE = 24_000


def tone(text: str) -> rxv.Samples:
    """As many samples as the text has characters."""
    return np.full(len(text), 0.5, np.float32)


def test_passes_the_battery() -> None:
    check_operator(
        lambda: vox.speak(FakeSynthesizer()),
        elements=["Good morning.", "It is five. Are you there?"],
        name="speak",
    )


def test_a_text_is_heard_by_the_sink() -> None:
    sink = rxv.sinks.memory()
    rx.of("Hello.").pipe(vox.speak(tone)).subscribe(sink)
    assert sink.sample_rate == RATE
    assert np.array_equal(sink.samples, tone("Hello."))


def test_each_text_is_whole_and_spoken_sentence_by_sentence() -> None:
    texts: Subject[str] = Subject()
    got: list[Any] = []
    texts.pipe(vox.speak(tone)).subscribe(got.append)
    texts.on_next("Welcome")  # no full stop, and nothing need follow
    assert [(it.text, it.final) for it in got] == [("Welcome", False), ("", True)]
    texts.on_next("One. Two.")
    assert [it.text for it in got[2:]] == ["One.", "Two.", ""]


def test_the_turn_of_a_text_is_one_in_which_nobody_said_anything() -> None:
    got: list[Any] = []
    rx.of("One.", "Two.").pipe(vox.speak(tone)).subscribe(got.append)
    assert [it.turn.id for it in got] == [1, 1, 2, 2]
    for it in got:
        assert len(it.turn.audio) == 0
        assert not it.turn.is_open
        assert it.reply.transcript == rxv.Transcript(it.turn, "")
    assert [it.reply.text for it in got if it.final] == ["One.", "Two."]


def test_play_logs_what_the_app_has_said() -> None:
    got: list[Any] = []
    rx.of("Hello.").pipe(vox.speak(tone), vox.play(rxv.sinks.null())).subscribe(got.append)
    assert got == [rxv.FinishedTurn(0, "", "Hello.")]


def test_a_voice_that_fails_costs_its_text_and_not_the_next() -> None:
    def voice(text: str) -> rxv.Samples:
        if text == "Two.":
            raise RuntimeError("no breath")
        return tone(text)

    got: list[Any] = []
    rx.of("One.", "Two.", "Three.").pipe(vox.speak(voice)).subscribe(got.append)
    assert [type(it).__name__ for it in got] == [
        "Speech",
        "Speech",
        "TurnFailed",
        "Speech",
        "Speech",
    ]
    assert got[2].turn.id == 2


@pytest.mark.parametrize("thing", [None, 5, b"Hello."])
def test_what_is_no_text_is_an_error(thing: Any) -> None:
    errors: list[Exception] = []
    rx.of(thing).pipe(vox.speak(tone)).subscribe(on_error=errors.append)
    (error,) = errors
    assert isinstance(error, ConfigError)
    assert str(error).startswith("speak() takes str, which your app gives, got ")


def test_synthesize_given_text_names_speak() -> None:
    errors: list[Exception] = []
    rx.of("Hello.").pipe(vox.synthesize(tone)).subscribe(on_error=errors.append)
    (error,) = errors
    assert str(error) == (
        "synthesize() takes Reply, which respond() gives, got str: speak(tts) takes text"
    )


def test_a_sink_does_not_keep_the_error_of_a_stream_to_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # RxPY's `of` swallows what a subscriber raises at an error of its own.
    with caplog.at_level(logging.ERROR, "rxvoice"):
        rx.of("Hello.").pipe(vox.synthesize(tone)).subscribe(rxv.sinks.memory())
    (told,) = caplog.records
    assert "speak(tts) takes text" in told.getMessage()


def test_a_jingle_then_a_text_on_one_loudspeaker() -> None:
    jingle = np.linspace(-1, 1, 1000, dtype=np.float32)
    source = rxv.sources.array(jingle, 16_000)
    sound = rx.concat(source, rx.of("Hello.").pipe(vox.speak(tone, sample_rate=16_000)))
    sound.subscribe(sink := rxv.sinks.memory())
    assert np.array_equal(sink.samples, np.concatenate([jingle, tone("Hello.")]))


def test_a_text_is_played_to_its_end_before_its_loudspeaker_stops() -> None:
    m = marbles()
    speaker = rxv.sinks.null(realtime=True, sample_rate=1000, scheduler=m.scheduler)
    rx.of("Hello.").pipe(vox.speak(tone, sample_rate=1000)).subscribe(speaker)
    m.scheduler.advance_by(0.005)
    assert (speaker.position, speaker.is_running) == (5, True)
    m.scheduler.advance_by(0.005)
    assert speaker.position == 6
    with pytest.raises(rxv.SinkStalled):
        speaker.write_samples(tone("more"))
