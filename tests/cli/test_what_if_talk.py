"""What would have been different in a conversation with interruptions; recorded in virtual time."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import reactivex as rx
import soundfile
from reactivex import operators as ops
from reactivex.testing import TestScheduler

import rxvoice.trace._recorder
import rxvoice.trace._recording
from rxvoice import echo, sources
from rxvoice._boundary import recorded
from rxvoice.cli._parts import Parts
from rxvoice.cli._plain_talk import plain_talk
from rxvoice.cli._settings import CommandSettings
from rxvoice.cli._talk_pipe import Controls, conversation
from rxvoice.cli._traced import command_of
from rxvoice.cli._what_if import RecordedTalk, told
from rxvoice.testing import FakeSpeaker
from rxvoice.trace import read
from rxvoice.trace._recording import Recording

RATE = 16_000
LEVEL = 0.5


class Streaming:
    """A recogniser that streams: a word for each half second of speech."""

    def __init__(self) -> None:
        self.loud = 0
        self.done = False
        self.closed = False

    def session(self) -> Streaming:
        return Streaming()

    def feed(self, samples: Any) -> None:
        self.loud += int((np.abs(samples) > 0.1).sum())

    def step(self) -> str:
        self.done = self.closed
        return " ".join(f"word{n}" for n in range(-(-self.loud // (RATE // 2))))

    def close(self) -> None:
        self.closed = True


def whole(audio: Any) -> Any:
    """A recogniser of whole turns, which takes 200 ms."""
    count = -(-int((np.abs(audio) > 0.1).sum()) // (RATE // 2))
    return rx.timer(0.2).pipe(ops.map(lambda _: " ".join(f"word{n}" for n in range(count))))


def llm(text: str) -> Any:
    """A reply after 300 ms."""
    return rx.timer(0.3).pipe(ops.map(lambda _: "I heard you. And so on, and so on."))


def tts(text: str) -> Any:
    """Sound after 100 ms: 50 ms for each character."""
    sound = np.full(1_200 * len(text), 0.25, np.float32)
    return rx.timer(0.1).pipe(ops.map(lambda _: sound))


def sound(*parts: tuple[float, float]) -> Any:
    """So many seconds at a level."""
    return np.concatenate([np.full(int(s * RATE), level, np.float32) for level, s in parts])


def recorded_talk(
    directory: Path,
    samples: Any,
    monkeypatch: pytest.MonkeyPatch,
    stt: Any,
    policy: Any = None,
    **options: Any,
) -> RecordedTalk:
    """Hold a conversation in virtual time, and record it."""
    clock = TestScheduler()
    virtual = SimpleNamespace(monotonic=lambda: clock.clock)
    monkeypatch.setattr(rxvoice.trace._recorder, "time", virtual)
    monkeypatch.setattr(rxvoice.trace._recording, "time", virtual)
    settings = CommandSettings(echo="off", **options)
    parts = Parts(lambda it: float(it.max()), stt, llm, tts, smart_turn=policy)
    recording = Recording(directory, clock, command=command_of(settings, "talk", parts))
    microphone = recorded("microphone", sources.array(samples, RATE, realtime=True))
    pipe = conversation(
        microphone,
        parts,
        echo.tap(FakeSpeaker(clock)),
        settings,
        models=None,
        controls=Controls(),
    )

    errors: list[Exception] = []

    def subscribe(*_: Any) -> None:
        recording.follow(pipe, lambda _: None, errors.append, lambda: None)

    clock.schedule(subscribe)
    clock.advance_to(len(samples) / RATE + 20)
    assert recording.join(60)
    assert not errors
    return RecordedTalk.of(read(directory))


QUESTION_AND_INTERRUPTION = ((LEVEL, 1.0), (0, 2.0), (LEVEL, 0.4), (0, 6.0))
"""A question of two words; 0.4 s of one word over its reply."""


@pytest.fixture(params=[Streaming(), whole], ids=["streaming", "whole"])
def talk(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> RecordedTalk:
    samples = sound(*QUESTION_AND_INTERRUPTION)
    return recorded_talk(tmp_path / "talk", samples, monkeypatch, request.param)


def fates(turns: Any) -> list[tuple[str, str]]:
    return [(it.text, it.fate) for it in turns if it.counts]


def test_without_a_change_it_is_the_same_to_the_millisecond(talk: RecordedTalk) -> None:
    would = talk.with_settings({})
    assert fates(would.turns) == fates(talk.turns)
    assert fates(talk.turns) == [("word0 word1", "interrupted"), ("word0", "answered")]
    assert [it.latency_ms for it in would.turns] == pytest.approx(
        [it.latency_ms for it in talk.turns], abs=1
    )
    assert [it.reply for it in would.turns] == [it.reply for it in talk.turns]
    assert would.notes == {}


def test_more_words_to_interrupt(talk: RecordedTalk) -> None:
    would = talk.with_settings({"min_words": 2})
    assert fates(would.turns) == [("word0 word1", "answered")]
    lines = "\n".join(told(talk.turns, would, 110))
    assert "its reply would not have been interrupted" in lines
    assert "would have been missed" in lines


def test_without_interruptions_the_reply_is_heard_to_its_end(talk: RecordedTalk) -> None:
    would = talk.with_settings({"interruptions": False})
    assert [it.fate for it in would.turns if it.counts] == ["answered", "answered"]


def test_another_silence_moves_the_latency_by_the_difference(talk: RecordedTalk) -> None:
    would = talk.with_settings({"silence_ms": 480})
    change = (would.turns[0].latency_ms or 0) - (talk.turns[0].latency_ms or 0)
    assert change == pytest.approx(480 - 800, abs=33)


def test_a_turn_that_is_cut_has_the_words_of_its_own_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = sound((LEVEL, 1.0), (0, 0.6), (LEVEL, 1.0), (0, 4.0))
    for name, stt in {"streaming": Streaming(), "whole": whole}.items():
        talk = recorded_talk(tmp_path / name, samples, monkeypatch, stt)
        assert [it.text for it in talk.turns] == ["word0 word1 word2 word3"]
        would = talk.with_settings({"silence_ms": 200, "min_speech_ms": 100})
        assert [it.text for it in would.turns] == ["word0 word1", "word2 word3"]
        assert any("words are those recorded" in it for it in would.notes[2])


def test_a_recording_and_a_transcript_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = sound((LEVEL, 1.0), (0, 0.6), (LEVEL, 1.0), (0, 4.0))
    talk = recorded_talk(tmp_path / "talk", said, monkeypatch, whole)
    stereo = np.stack([said, np.zeros_like(said)], axis=1)
    soundfile.write(tmp_path / "talk.wav", stereo, RATE)
    out = (tmp_path / "talk/trace.jsonl").read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "talk.jsonl").write_text(
        "".join(it for it in out if '"out"' in it or "schema" in it)
    )
    (tmp_path / "made").mkdir()
    detector = lambda it: float(it.max())  # noqa: E731
    plain = plain_talk(tmp_path / "talk.wav", tmp_path / "talk.jsonl", tmp_path / "made", detector)
    assert [(it.text, it.speech) for it in plain.turns] == [
        (it.text, it.speech) for it in talk.turns
    ]
    assert plain.turns[0].latency_ms == pytest.approx(talk.turns[0].latency_ms, abs=50)
    would = plain.with_settings({"silence_ms": 200, "min_speech_ms": 100})
    assert [it.text for it in would.turns] == ["word0 word1", "word2 word3"]


def test_a_recording_alone_has_turns_without_words(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "talk.wav", sound((LEVEL, 1.0), (0, 2), (LEVEL, 1), (0, 2)), RATE)
    (tmp_path / "made").mkdir()
    plain = plain_talk(tmp_path / "talk.wav", None, tmp_path / "made", lambda it: float(it.max()))
    assert [it.fate for it in plain.turns] == ["unknown", "unknown"]
    assert len(plain.with_settings({"silence_ms": 2_500}).turns) == 1


class Verdict:
    """A policy that is asked after 320 ms of silence, and says yes after 100 ms."""

    def fresh(self, *, worker: Any = None) -> Verdict:
        return self

    def user_finished(self, audio: Any, silence_ms: int) -> Any:
        return rx.timer(0.1).pipe(ops.map(lambda _: True)) if silence_ms == 320 else False


def test_the_verdicts_of_a_model_on_the_end_of_a_turn_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = sound(*QUESTION_AND_INTERRUPTION)
    options: dict[str, Any] = {"policy": Verdict(), "smart_turn": "a/b"}
    talk = recorded_talk(tmp_path / "talk", samples, monkeypatch, whole, **options)
    assert [it.fate for it in talk.turns] == ["interrupted", "answered"]
    # 320 ms until it is asked, 100 ms for its verdict; then the other models.
    assert talk.turns[0].latency_ms == pytest.approx(320 + 100 + 600, abs=40)
    would = talk.with_settings({"min_words": 3})
    assert fates(would.turns) == [("word0 word1", "answered")]
    assert would.turns[0].latency_ms == pytest.approx(talk.turns[0].latency_ms, abs=2)
