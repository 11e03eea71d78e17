"""`rxvoice replay --change` and `--sweep`: what would have been different."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

import rxvoice.cli.replay
import rxvoice.cli.run
import rxvoice.trace._recorder
import rxvoice.trace._recording
import rxvoice.trace._what_if
from rxvoice.cli import main
from rxvoice.cli._parts import Chosen, Parts
from rxvoice.cli._what_if import RecordedTalk
from rxvoice.trace import read

RATE = 16_000


def loud(samples: Any) -> float:
    return min(1.0, 2 * float(samples.max()))


def stt(audio: Any) -> str:
    """One word for each stretch of speech, so that the words have a place."""
    speech = np.concatenate([[0], (np.abs(audio) > 0.1).astype(int)])
    return " ".join(["hello"] * int((np.diff(speech) > 0).sum()))


def llm(text: str) -> Iterator[str]:
    yield f"You said {len(text.split())}. "
    yield "Is that all?"


def tts(text: str) -> list[Any]:
    return [np.full(2_400, 0.25, np.float32)] * (len(text) // 4)


def sound(*parts: tuple[float, float]) -> Any:
    """So many seconds at a level."""
    return np.concatenate([np.full(int(s * RATE), level, np.float32) for level, s in parts])


def record(name: str, samples: Any, *options: str) -> None:
    soundfile.write("said.wav", samples, RATE)
    command = ["run", "said.wav", "-o", "reply.wav", "--trace", name, "--silence-ms", "800"]
    assert main([*command, *options]) == 0


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    chosen = Chosen(Parts(loud, stt, llm, tts), "", "", "")
    monkeypatch.setattr(rxvoice.cli.run, "choose", lambda _: chosen)
    monkeypatch.setattr(rxvoice.cli.run, "warm_up", lambda _: None)
    # Models that are called in place take little time, however busy the machine is.
    calls = count()
    quick = SimpleNamespace(monotonic=lambda: 100 + next(calls) / 10_000)
    monkeypatch.setattr(rxvoice.trace._recorder, "time", quick)
    monkeypatch.setattr(rxvoice.trace._recording, "time", quick)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


TWO_WITH_A_PAUSE = ((0.5, 0.5), (0, 0.5), (0.5, 0.5), (0, 3), (0.5, 0.5), (0, 3))
"""Two turns. The first has a pause of half a second."""


def replayed(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    capsys.readouterr()
    assert main(["replay", *options]) == 0
    return capsys.readouterr().out


def test_the_same_settings_give_the_same_conversation(capsys: pytest.CaptureFixture[str]) -> None:
    record("talk", sound(*TWO_WITH_A_PAUSE))
    said = replayed(capsys, "talk", "--change", "silence-ms=800")
    assert "2 of 2 the same" in said
    recorded = RecordedTalk.of(read("talk"))
    again = recorded.with_settings({})
    assert [it.text for it in again.turns] == ["hello hello", "hello"]
    assert [it.speech for it in again.turns] == [it.speech for it in recorded.turns]
    assert [it.latency_ms for it in again.turns] == pytest.approx([800, 800], abs=40)
    assert again.notes == {}


def test_a_model_that_was_called_in_place_took_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    virtual = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr(rxvoice.trace._recorder, "time", virtual)
    monkeypatch.setattr(rxvoice.trace._recording, "time", virtual)

    def slow(text: str) -> str:
        nonlocal now
        now += 0.4
        return "So be it."

    chosen = Chosen(Parts(loud, stt, slow, tts), "", "", "")
    monkeypatch.setattr(rxvoice.cli.run, "choose", lambda _: chosen)
    record("talk", sound(*TWO_WITH_A_PAUSE))
    would = RecordedTalk.of(read("talk")).with_settings({"silence_ms": 600})
    assert [it.latency_ms for it in would.turns] == pytest.approx([600 + 400] * 2, abs=40)


def test_a_shorter_silence_cuts_a_turn_and_says_what_stands_in(
    capsys: pytest.CaptureFixture[str],
) -> None:
    record("talk", sound(*TWO_WITH_A_PAUSE))
    said = replayed(capsys, "talk", "--change", "silence-ms=300")
    assert "> would have been cut" in said
    assert "(the words are those recorded within it)" in said
    assert "1 of 2 the same; 1 would have been cut" in said
    would = RecordedTalk.of(read("talk")).with_settings({"silence_ms": 300})
    assert [it.text for it in would.turns] == ["hello", "hello", "hello"]
    # "hello" alone was answered in the recording: the answer to the same text is known.
    assert [it.reply for it in would.turns] == ["You said 1. Is that all?"] * 3
    assert would.turns[2].latency_ms == pytest.approx(300, abs=40)


def test_a_longer_silence_joins_turns(capsys: pytest.CaptureFixture[str]) -> None:
    record("talk", sound((0.5, 0.5), (0, 1.2), (0.5, 0.5), (0, 3)))
    said = replayed(capsys, "talk", "--change", "silence-ms=1500")
    assert "> would have been joined" in said
    assert "you: hello hello" in said
    assert "the reply of turn 2 stands in, for another text" in said


def test_another_threshold_misses_a_turn_or_finds_one(capsys: pytest.CaptureFixture[str]) -> None:
    record("talk", sound((0.5, 0.5), (0, 2), (0.3, 0.5), (0, 2)), "--vad-start", "0.5")
    said = replayed(capsys, "talk", "--change", "vad-start=0.7")
    assert "would have been missed" in said
    record("quiet", sound((0.5, 0.5), (0, 2), (0.3, 0.5), (0, 2)), "--vad-start", "0.7")
    said = replayed(capsys, "quiet", "--change", "vad-start=0.5")
    assert "> would have been a turn" in said
    assert "(no word of it is known)" in said


def test_the_end_of_the_sound_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rxvoice.trace._what_if._AFTER_S", 1.0)
    record("talk", sound(*((0.5, 0.5), (0, 1.5)) * 4))
    recorded = RecordedTalk.of(read("talk"))
    assert len(recorded.turns) == len(recorded.with_settings({"silence_ms": 300}).turns) == 4


def test_the_models_may_be_asked_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record("talk", sound(*TWO_WITH_A_PAUSE))
    now = 0.0
    virtual = SimpleNamespace(perf_counter=lambda: now)
    monkeypatch.setattr(rxvoice.trace._what_if, "time", virtual)

    def respond(text: str) -> Iterator[str]:
        nonlocal now
        now += 0.5
        yield f"Now I say {text}."

    chosen = Chosen(Parts(loud, lambda audio: "something else", respond, tts), "", "", "")
    monkeypatch.setattr(rxvoice.cli.replay, "choose", lambda _: chosen)
    monkeypatch.setattr(rxvoice.cli.replay, "warm_up", lambda _: None)
    said = replayed(capsys, "talk", "--change", "silence-ms=300", "--models", "live")
    assert said.count("Now I say something else.") == 3
    would = RecordedTalk.of(read("talk")).with_settings({"silence_ms": 300}, parts=chosen.parts)
    assert would.turns[2].latency_ms == pytest.approx(300 + 500, abs=40)
    assert would.notes == {}


def test_models_are_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    record("talk", sound(*TWO_WITH_A_PAUSE))
    monkeypatch.setattr(rxvoice.cli.run, "choose", None)
    assert main(["replay", "talk", "--change", "silence-ms=300"]) == 0


def test_a_sweep_counts_cut_offs_against_latency_and_draws_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    record("monday", sound(*TWO_WITH_A_PAUSE))
    record("tuesday", sound(*TWO_WITH_A_PAUSE, (0.5, 0.5), (0, 2)))
    capsys.readouterr()
    command = ["replay", "--sweep", "silence-ms=300:1100:400", "monday", "tuesday", "-o", "c.svg"]
    assert main(command) == 0
    head, *rows, _, last, wrote = capsys.readouterr().out.splitlines()
    assert head.split() == ["silence-ms", "cut", "off", "joined", "interrupted", *head.split()[5:]]
    assert [row.split()[:4] for row in rows] == [
        ["300", "2", "(40", "%)"],
        ["700", "0", "(0", "%)"],
        ["1100", "0", "(0", "%)"],
    ]
    waited = [float(row.split()[-4]) for row in rows]
    assert waited == pytest.approx([0.3, 0.7, 1.1], abs=0.06)
    assert last == "5 utterances of 2 recorded conversations, with silence-ms 800"
    assert wrote == "wrote c.svg"
    drawn = ET.parse("c.svg").getroot()
    assert len(drawn.findall("{*}circle")) == 3
    assert "silence-ms: cut off against latency" in drawn.attrib["aria-label"]


def test_a_recording_of_before_and_its_transcript(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rxvoice.offline.silero", lambda: loud)
    record("talk", sound(*TWO_WITH_A_PAUSE), "--transcript", "said.jsonl")
    command = ["said.wav", "--transcript", "said.jsonl"]
    said = replayed(capsys, *command, "--change", "silence-ms=300")
    assert "> would have been cut" in said
    assert "2 utterances" in replayed(capsys, *command, "--sweep", "silence-ms=300:700:400")
    assert main(["replay", *command]) == 2
    assert "said.wav is a recording, in which nothing can be" in capsys.readouterr().err
    assert main(["replay", "talk", "--transcript", "said.jsonl", "--change", "min-words=2"]) == 2
    assert "--transcript is of one recording" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--change", "silence-ms"], "--change wants NAME=VALUE"),
        (["--change", "silense-ms=3"], "the setting 'silense-ms' does not exist: there are"),
        (["--change", "llm=a/b"], "the setting 'llm' cannot be changed afterwards"),
        (["--change", "silence-ms=soon"], "silence-ms = 'soon': wanted a whole number"),
        (["--change", "vad-start=2"], "wanted a number, 0 to 1"),
        (["--sweep", "silence-ms=5"], "--sweep wants NAME=FIRST:LAST:STEP"),
        (["--sweep", "silence-ms=200:100:50"], "--sweep wants NAME=FIRST:LAST:STEP"),
        (["--sweep", "silence-ms=1:1000:1"], "up to 100 values"),
        (["--sweep", "silence-ms=1:2:0.5"], "wanted a whole number of milliseconds"),
        (["--models", "live"], "--models live asks the models again after a --change"),
        (["-o", "c.svg"], "-o draws the curve of --sweep"),
        (
            ["--sweep", "silence-ms=1:2:1", "--change", "silence-ms=3"],
            "--change and --sweep both set silence-ms",
        ),
    ],
)
def test_a_mistake_is_told_in_a_line(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record("talk", sound((0.5, 0.1), (0, 1)))
    capsys.readouterr()
    assert main(["replay", "talk", *options]) == 2
    assert message in capsys.readouterr().err
