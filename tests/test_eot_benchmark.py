"""The scores of `benchmarks.eot`, on turns made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import rxvoice as rxv
from benchmarks import _eot_data as data
from benchmarks import eot
from benchmarks._eot_score import Example, Score, ended_after, quickest, safest, score


def turn(*silences: tuple[float, float], speaker: str = "") -> Example:
    seconds = silences[-1][0] + 4
    return Example("x", np.zeros(round(seconds * 16_000), np.float32), silences, speaker)


TURNS = [
    turn((1.0, 1.3), (2.0, 2.05), (3.0, 3.5), (4.0, 4.2)),  # 50 ms is no decision
    turn((1.0, 1.7), (2.5, 2.6)),
]


@pytest.mark.parametrize(
    ("ms", "cut", "mean_ms"),
    [
        (100, 1.0, 100),
        (300, 1.0, 300),  # the pause of 300 ms is over when it has lasted 300 ms
        (320, 2 / 3, 320),
        (600, 1 / 3, 600),
        (720, 0.0, 720),
        (9000, 0.0, 4000),  # it never ends a turn
    ],
)
def test_silence_is_scored_at_each_pause_and_each_end(ms: int, cut: float, mean_ms: int) -> None:
    got = score("silence", f"{ms}", rxv.silence(ms), TURNS)
    assert got == Score("silence", f"{ms}", cut, mean_ms, mean_ms, pauses=3, ends=2)


def test_a_policy_gets_the_audio_until_then_and_no_more() -> None:
    asked: list[tuple[int, int]] = []

    def policy(audio: rxv.Samples, silence_ms: int) -> bool:
        asked.append((len(audio), silence_ms))
        return silence_ms == 60

    audio = np.zeros(32_000, np.float32)
    assert ended_after(policy, audio, 1.0, 100) == 60
    assert asked == [(16_320, 20), (16_640, 40), (16_960, 60)]
    assert ended_after(policy, audio, 1.0, 59) is None


def test_a_policy_that_learns_does_so_from_each_speaker_by_itself() -> None:
    # 500, then (500 + 300) / 2 = 400 at the pause of 500 ms, which cuts it, then 450.
    policy = rxv.adaptive_silence(100, 1000, factor=2, weight=0.5)
    turns = [turn((1.0, 1.1), (2.0, 2.6), (3.0, 4.0), speaker=name) for name in "ab"]
    got = score("adaptive", "", policy, turns)
    # Its waits are 1000, 600 (300 twice: cut after 600 of 600 ms) and 900.
    assert (got.cut, got.mean_ms) == (0.5, 900)


def test_later_answers_count_when_they_come_at_once() -> None:
    asked: list[int] = []

    def predict(audio: rxv.Samples, rate: int, threshold: float) -> Any:
        asked.append(len(audio))
        return SimpleNamespace(probability=0.4, prediction=0)

    scores = list(eot.smart_turns(predict, TURNS))
    by = {it.setting: it for it in scores}
    assert (by["0.3, 400, 1600"].cut, by["0.3, 400, 1600"].mean_ms) == (2 / 3, 400)
    assert (by["0.4, 400, 1600"].cut, by["0.4, 400, 1600"].mean_ms) == (0, 1600)
    assert len(asked) < 100  # each audio once, whatever the threshold


def test_the_best_are_those_within_a_budget() -> None:
    curve = [
        Score("p", f"{n}", cut, ms, ms, 9, 9)
        for n, (cut, ms) in enumerate([(0.3, 300), (0.05, 900), (0.04, 800), (0.0, 1600)])
    ]
    assert [it and it.setting for it in (quickest(curve, 0.05), quickest(curve, 0.01))] == [
        "2",
        "3",
    ]
    assert quickest(curve[:1], 0.05) is None
    assert [it and it.setting for it in (safest(curve, 900), safest(curve, 100))] == ["2", None]
    rows = eot.table({"silence": curve})
    assert [(row.value, row.ratio) for row in rows] == [(800, 1), (800, 1), (30, 1), (30, 1)]


def test_there_must_be_pauses() -> None:
    with pytest.raises(ValueError, match="wanted pauses and ends of turns, got 0 and 1"):
        score("silence", "", rxv.silence(9), [turn((1.0, 2.0))])


def test_rows_in_the_schema_of_eot_bench_are_read(tmp_path: Path) -> None:
    with rxv.sinks.wav(tmp_path / "a.wav", sample_rate=16_000) as out:
        out.write_samples(np.full(16_000, 0.5, np.float32))
    row: dict[str, Any] = {
        "id": 7,
        "language": "en",
        "audio": "a.wav",
        "words": [],
        "messages": None,
    }
    spans = [{"start": 0.2, "end": 0.4}, {"start": 0.9, "end": 1.0}]
    (tmp_path / "rows.jsonl").write_text(
        json.dumps({**row, "silence_spans": spans})
        + "\n\n"
        + json.dumps({**row, "silence_spans": spans, "audio": {"path": "a.wav"}, "speaker": "ann"})
    )
    first, second = data.read(tmp_path)
    assert (first.id, first.language, first.speaker, second.speaker) == ("7", "en", "", "ann")
    assert first.silences == [(0.2, 0.4), (0.9, 1.0)]
    assert len(first.audio) == round(4.9 * 16_000)
    assert first.audio[15_999] == pytest.approx(0.5, abs=1e-3)
    assert not first.audio[16_000:].any()

    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    with pytest.raises(ValueError, match=r"rows.jsonl:1: no silence_spans"):
        list(data.read(tmp_path))
    (tmp_path / "rows.jsonl").write_text(json.dumps({**row, "silence_spans": []}))
    with pytest.raises(ValueError, match=r"rows.jsonl:1: silence_spans is empty"):
        list(data.read(tmp_path))


def test_pauses_are_as_long_as_those_that_are_published() -> None:
    durations = data.pauses_ms(np.random.default_rng(3).standard_normal(1000).tolist())
    for share, ms in data.LONGER[1:-1]:
        assert sum(it > ms for it in durations) == pytest.approx(1000 * share, abs=1)
    assert data.pauses_ms([3.0, 1.0, 2.0])[0] == max(data.pauses_ms([3.0, 1.0, 2.0]))


def test_a_sentence_is_cut_at_a_gap_between_words() -> None:
    word, gap = np.full(8000, 0.5, np.float32), np.zeros(1600, np.float32)
    sound = np.concatenate([word, gap, word])
    assert data.word_gaps(sound) == [8800]
    audio, silences = data.hesitating(sound, [8800], [500])
    assert silences == [(0.55, 1.05), (1.6, 5.6)]
    assert len(audio) == round(5.6 * 16_000)
    assert np.abs(audio[8800:16_800]).max() < 0.01
    assert data.trimmed(np.concatenate([gap, sound, gap])).tolist() == sound.tolist()
