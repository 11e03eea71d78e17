"""The story of a conversation is what its lines say, and what the user waited for sums."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from trace_kit import HEADER, Talk, example

from rxvoice.trace import StoryTurn, TraceStory, read, story


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> TraceStory:
    return story(read(example().write(tmp_path_factory.mktemp("trace"))))


def of(told: TraceStory, id: int) -> StoryTurn:
    (found,) = [it for it in told.turns if it.id == id]
    return found


def about(ms: float) -> Any:
    return pytest.approx(ms, abs=40)


def test_the_turns_and_how_they_ended(told: TraceStory) -> None:
    assert [(it.id, it.candidate, it.over, it.why) for it in told.turns[:3]] == [
        (1, False, "interrupted", ""),
        (2, True, "finished", ""),
        (3, True, "dropped", "short"),
    ]
    assert (of(told, 4).over, "does not answer" in of(told, 4).why) == ("failed", True)
    assert of(told, 1).text == "What is the weather like in Lisbon today?"
    assert of(told, 1).reply.startswith("Let me look. It is sunny")
    assert of(told, 1).reply.startswith(of(told, 1).heard or "never")
    assert of(told, 5).reply == "You are welcome. Goodbye!"


def test_a_turn_has_its_preroll_its_speech_and_the_silence_that_ends_it(told: TraceStory) -> None:
    turn = of(told, 1)  # the user spoke from 0.6 s to 2.1 s
    assert turn.speech - turn.begin == pytest.approx(0.25)
    assert turn.speech == pytest.approx(0.65, abs=0.05)
    assert turn.speech_end == pytest.approx(2.1, abs=0.04)
    assert turn.ended == pytest.approx(2.9, abs=0.04)
    assert next(text for _, text in turn.partials) == "What is"


def test_each_part_of_the_latency_has_its_owner_and_they_sum(told: TraceStory) -> None:
    parts = of(told, 2).parts
    assert [(it.owner, it.ms) for it in parts] == [
        ("end-of-turn policy", about(800)),
        ("recogniser", about(120)),
        ("text model", about(210)),
        ("sentence cutting", about(190)),
        ("voice", about(95)),
        ("loudspeaker", about(25)),
    ]
    for turn in told.turns:
        if turn.latency_ms is not None:
            assert round(sum(it.ms for it in turn.parts), 3) == turn.latency_ms
    assert [it.id for it in told.turns if it.latency_ms is not None] == [1, 2, 5]


def test_what_was_heard_of_an_interrupted_reply_and_what_was_not(told: TraceStory) -> None:
    cut = of(told, 1).over_at or 0
    heard = [it for it in told.played if it.turn == 1 and it.heard]
    unheard = [it for it in told.played if it.turn == 1 and not it.heard]
    assert max(it.end for it in heard) == pytest.approx(cut, abs=0.02)
    assert min(it.start for it in unheard) == pytest.approx(cut, abs=0.02)
    # Together they are all that the voice made for it, in order, and each sample once.
    places = [(it.at, it.samples) for it in [*heard, *unheard]]
    assert [at for at, _ in places] == [sum(n for _, n in places[:k]) for k in range(len(places))]
    for it in heard:
        assert it.end - it.start == pytest.approx(it.samples / 24_000, rel=0.1)
    assert of(told, 1).speaking == pytest.approx(heard[0].start, abs=0.01)


def test_an_underrun_is_a_hole_in_what_was_heard(told: TraceStory) -> None:
    heard = [it for it in told.played if it.turn == 2 and it.heard]
    holes = [b.start - a.end for a, b in pairwise(heard) if b.start > a.end]
    assert max(holes) == pytest.approx(0.25, abs=0.02)


def test_a_pause_and_why_the_reply_went_on(told: TraceStory) -> None:
    (pause,) = of(told, 2).pauses
    assert pause.reason == "short"
    assert (pause.end or 0) - pause.start == pytest.approx(0.29, abs=0.05)


def test_what_else_happened(told: TraceStory) -> None:
    assert [(it.kind, it.turn) for it in told.marks] == [
        ("tool", 1),
        ("underrun", None),
        ("failed", 4),
        ("lost", None),
    ]
    (failed,) = of(told, 4).model
    assert failed.failed == "ConnectionError: the server at 127.0.0.1:8000 does not answer"


def test_without_metrics_the_moments_are_those_that_were_seen(tmp_path: Path) -> None:
    talk = Talk(6.0)
    turn, known = talk.user(0.5, 1.5, "Hello there.")
    talk.reply(turn, known, ["Hello!"])
    (it,) = story(read(talk.write(tmp_path))).turns
    assert [(p.name, p.ms) for p in it.parts] == [
        ("turn_ended", about(780)),
        ("transcript", about(115)),
        ("first_token", about(210)),
        ("first_sentence", about(28)),
        ("first_audio", about(85)),
        ("first_heard", about(30)),
    ]


def test_a_trace_without_content_has_the_same_times(told: TraceStory, tmp_path: Path) -> None:
    bare = story(read(example().write(tmp_path, content=False)))
    assert [it.parts for it in bare.turns] == [it.parts for it in told.turns]
    assert [it.start for it in bare.played] == [it.start for it in told.played]
    assert of(bare, 1).text == "·" * len(of(told, 1).text)


def test_an_app_may_have_no_preroll_and_lose_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HEADER, "command", None)
    talk = Talk(4.0)
    talk.user(0.5, 1.5, "Hello there.")
    talk.at(2.0, "lost", n=7)
    told = story(read(talk.write(tmp_path)))
    assert told.turns[0].begin == told.turns[0].speech
    assert [it.text for it in told.marks] == [
        "7 lines of this trace: the disk was too slow for them"
    ]


def test_what_else_happens_is_told_in_words(tmp_path: Path) -> None:
    talk = Talk(4.0)
    talk.out(0.1, "AudioLost", samples=160, cause="device")
    talk.out(0.2, "Underrun", samples=480)
    talk.out(0.3, "DeviceLost", kind="microphone", device="USB")
    talk.out(0.4, "DeviceRestored", kind="microphone", device="USB")
    talk.out(0.5, "DeviceChanged", kind="speaker", device="AirPods")
    talk.out(0.6, "Muted", muted=True)
    talk.out(0.7, "Muted", muted=False)
    talk.out(0.8, "WakeWord", word="hey")
    talk.out(0.9, "TurnFailed", 3, error="no such model")
    talk.out(1.0, "Notice", message="slow", detail="a thread")
    talk.out(1.1, "Notice", message="the time", detail="ToolCall(name='time')")
    talk.at(1.2, "in", name="says", v={"say": "A word of mine."})
    talk.at(1.3, "in", name="interrupts", v=None)
    talk.at(1.4, "in", name="sink.played", v=3)  # the sink, not the app
    talk.out(1.5, "Level", rms=0.1)
    told = story(read(talk.write(tmp_path)))
    assert [(it.kind, it.text, it.turn) for it in told.marks] == [
        ("lost", "160 samples of the microphone were lost", None),
        ("underrun", "the loudspeaker ran dry: 480 samples of silence", None),
        ("device", "microphone 'USB' is gone", None),
        ("device", "microphone 'USB' works again", None),
        ("device", "speaker is 'AirPods' from here on", None),
        ("muted", "muted", None),
        ("muted", "not muted", None),
        ("wake", "the wake word 'hey'", None),
        ("failed", "no such model", 3),
        ("notice", "slow", None),
        ("tool", "the time", None),
        ("app", "the app: says A word of mine.", None),
        ("app", "the app: interrupts", None),
    ]


def test_a_trace_that_was_cut_short_is_told_as_far_as_it_goes(tmp_path: Path) -> None:
    path = example().write(tmp_path) / "trace.jsonl"
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join(lines[: len(lines) // 4]) + '\n{"k": "blo', "utf-8")
    told = story(read(tmp_path))
    assert told.turns[0].text == "What is the weather like in Lisbon today?"
    assert told.turns[0].over == "open"


@pytest.mark.parametrize(
    "line",
    [
        {"k": "block", "src": 0, "n": 2**53, "rate": 1, "at": 0},
        {"k": "block", "src": 0, "n": "x", "rate": None},
        {"k": "vad", "p": "yes"},
        {"k": "ask", "id": 1, "stage": "synthesize", "turn": True, "input": []},
        {"k": "piece", "id": 1, "v": {"n": -5, "rate": 0, "voice": "x", "at": None}},
        {"k": "piece", "id": 1, "v": {"n": 2**60, "rate": 1, "voice": 10**9, "at": 2**60}},
        {"k": "sink", "m": "write_samples", "n": 2**50, "v": 2**53},
        {"k": "sink", "m": "clear", "v": 2**53},
        {"k": "sink", "m": "position", "v": 2**53},
        {"k": "out", "e": "TurnMetrics", "turn": 1, "v": {"first_heard_ms": "soon"}},
        {"k": "out", "e": "Resumed", "turn": 1, "v": []},
        {"k": "out", "e": ["TurnEnded"], "turn": 1},
        {"k": "out", "e": "TurnEnded", "turn": 10**12},
        {"k": "end", "id": 99},
    ],
)
def test_a_line_with_nonsense_in_it_does_no_harm(tmp_path: Path, line: dict[str, Any]) -> None:
    around = [
        {"k": "ask", "id": 1, "stage": "synthesize", "turn": 1, "t": 0.5, "input": "Hi."},
        {"k": "piece", "id": 1, "t": 0.6, "v": {"n": 240, "rate": 24_000, "voice": 1, "at": 0}},
        {"k": "sink", "m": "write_samples", "n": 240, "v": 240, "t": 0.6},
    ]
    last = {"k": "sink", "m": "position", "v": 240, "t": 0.7}
    lines = [HEADER, *around, {"t": 0.65, **line}, last]
    (tmp_path / "trace.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    told = story(read(tmp_path))
    assert told.turns[0].sentences[0].text == "Hi."
    assert sum(it.samples for it in told.played if it.turn == 1) <= 240


def test_a_piece_of_sound_that_was_paused_within_goes_on_after_the_pause(tmp_path: Path) -> None:
    place = {"voice": 1, "at": 0, "n": 2000, "rate": 1000}
    lines = [
        HEADER,
        {"k": "ask", "id": 1, "stage": "synthesize", "turn": 1, "t": 0.0, "input": "Hi."},
        {"k": "piece", "id": 1, "t": 1.0, "v": place},
        {"k": "sink", "m": "write_samples", "n": 2000, "v": 2000, "t": 1.0},
        *({"k": "in", "name": "played", "v": n, "t": 1 + n / 1000} for n in range(0, 800, 20)),
        {"k": "sink", "m": "pause", "t": 1.78},
        *({"k": "in", "name": "played", "v": n, "t": 4 + n / 1000} for n in range(800, 2001, 20)),
    ]
    (tmp_path / "trace.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    told = story(read(tmp_path))
    assert [(it.at, it.samples, it.heard) for it in told.played] == [
        (0, 780, True),
        (780, 1220, True),
    ]
    (before, after) = told.played
    assert (before.start, before.end) == pytest.approx((1.0, 1.78), abs=0.005)
    assert (after.start, after.end) == pytest.approx((4.78, 6.0), abs=0.005)
    assert told.marks == []  # what the sink says is not what the app says


def test_a_turn_that_a_model_was_asked_about_before_it_was_told_is_one_turn(tmp_path: Path) -> None:
    lines = [
        HEADER,
        {"k": "ask", "id": 1, "stage": "transcribe", "turn": 1, "t": 0.5},
        {"k": "out", "e": "Candidate", "turn": 1, "t": 0.5, "v": {}},
        {"k": "out", "e": "TurnEnded", "turn": 1, "t": 0.9, "v": {}},
        {"k": "out", "e": "Confirmed", "turn": 1, "t": 1.0, "v": {}},
        {"k": "out", "e": "TurnOpened", "turn": 1, "t": 1.0, "v": {}},
        {"k": "out", "e": "Finished", "turn": 1, "t": 2.0, "v": {"text": "Hi."}},
        {"k": "out", "e": "TurnOpened", "turn": 1, "t": 3.0, "v": {}},
    ]
    (tmp_path / "trace.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    told = story(read(tmp_path)).turns
    assert [(it.opened, it.candidate, it.over) for it in told] == [
        (0.5, True, "finished"),
        (3.0, False, "open"),
    ]
