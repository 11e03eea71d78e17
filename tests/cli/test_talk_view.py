"""What a conversation looks like while it goes on."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

import rxvoice as rxv
from rxvoice import events, sinks
from rxvoice.chunks import AudioChunk
from rxvoice.cli._live_view import LiveView
from rxvoice.cli._reply_progress import ReplyProgress
from rxvoice.cli._scene import Scene, printable
from rxvoice.cli._transcript import TranscriptFile
from rxvoice.cli._view import PlainView
from rxvoice.elements import Reply, Sentence, Speech, Transcript
from rxvoice.errors import ConfigError
from rxvoice.events import Event
from rxvoice.stage_error import StageError
from rxvoice.trace import read
from rxvoice.turn import Turn, TurnWriter

RATE = 16_000
HELLO = "Hello! I run entirely on this computer."


def opened(id: int = 1, start: int = 8_000) -> TurnWriter:
    writer = TurnWriter(id, start, RATE)
    writer.append(AudioChunk(np.zeros(RATE, np.float32), RATE, start, speech=True))
    return writer


def over(id: int = 1, start: int = 8_000) -> Turn:
    writer = opened(id, start)
    writer.close("policy", 10)
    return writer.turn


def answered(turn: Turn, text: str = HELLO) -> list[Event]:
    return [
        events.TurnOpened(turn),
        events.Transcribed(turn, "who are you"),
        events.ReplyStarted(turn),
        events.ReplyDelta(turn, text),
        events.Speaking(turn),
        events.Finished(turn, text),
    ]


class Screen:
    """A terminal that can be read."""

    def __init__(self, *, width: int = 80, height: int = 24, encoding: str = "utf-8") -> None:
        self.heard = 0
        raw = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        self.console = Console(
            file=raw, width=width, height=height, force_terminal=True, record=True,
            color_system="truecolor", legacy_windows=False, _environ={},
        )  # fmt: skip
        self.view = LiveView(self.console, heard=lambda _: self.heard)

    def after(self, *happened: Event) -> str:
        """What changes, after these; what is printed above it is thrown away."""
        for event in happened:
            self.view.show(event)
        self.console.export_text()
        return self.lines()

    def lines(self, *, styles: bool = False, now: float = 0.0) -> str:
        self.console.print(self.view.render(now))
        shown = self.console.export_text(styles=styles)
        return "\n".join(line.rstrip() for line in shown.splitlines())

    def printed(self, *happened: Event) -> str:
        self.console.export_text()
        for event in happened:
            self.view.show(event)
        return self.console.export_text()


def test_states_follow_the_turn() -> None:
    scene = Scene()
    writer = opened()
    turn = writer.turn
    seen = [scene.state]
    for event in (
        *(events.TurnOpened(turn), events.Transcribed(turn, "hi"), events.ReplyDelta(turn, "ho")),
        *(events.Speaking(turn), events.Paused(turn), events.Resumed(turn, "short")),
        events.Finished(turn, "ho"),
    ):
        scene.on(event)
        seen.append(scene.state)
    assert seen == [
        *("listening", "listening", "thinking", "thinking"),
        *("speaking", "paused", "speaking", "listening"),
    ]


def test_it_thinks_as_soon_as_the_turn_is_over() -> None:
    scene = Scene()
    writer = opened()
    scene.on(events.TurnOpened(writer.turn))
    assert (scene.state, scene.user_speaks) == ("listening", True)
    writer.close("policy", 3)
    assert (scene.state, scene.user_speaks) == ("thinking", False)


def test_a_turn_without_words_is_not_waited_for() -> None:
    scene = Scene()
    turn = over()
    scene.on(events.TurnOpened(turn))
    assert scene.on(events.Transcribed(turn, " ")) == []
    assert scene.state == "listening"
    (line,) = scene.on(events.Dropped(turn, "no_words"))
    assert (line.who, line.text) == ("notice", "(no words were understood)")


def test_a_candidate_pauses_and_is_dropped_with_its_reason() -> None:
    scene = Scene()
    first, cough = over(1), opened(2, 40_000).turn
    for event in answered(first)[:-1]:
        scene.on(event)
    scene.on(events.Candidate(cough))
    scene.on(events.Paused(first))
    assert (scene.state, scene.user_speaks) == ("paused", True)
    (line,) = scene.on(events.Dropped(cough, "short"))
    assert (line.text, line.at) == ("(a sound too short for an interruption)", 2.5)
    scene.on(events.Resumed(first, "short"))
    assert (scene.state, scene.user_speaks, scene.reply) == ("speaking", False, HELLO)


def test_an_interrupted_reply_says_what_was_heard_and_the_next_turn_goes_on() -> None:
    scene = Scene()
    first, second = over(1), over(2, 40_000)
    for event in answered(first)[:-1]:
        scene.on(event)
    scene.on(events.Candidate(second))
    scene.on(events.Confirmed(second))
    (line,) = scene.on(events.Interrupted(first, "Hello!"))
    assert (line.who, line.text, line.aside) == ("assistant", "Hello!", "interrupted")
    assert (scene.reply, scene.state) == ("", "thinking")
    scene.on(events.Transcribed(second, "stop"))
    scene.on(events.Finished(second, "Yes."))
    assert (scene.answered, scene.interrupted, scene.state) == (2, 1, "listening")


def test_a_failed_turn_is_told_and_over() -> None:
    scene = Scene()
    turn = over()
    scene.on(events.TurnOpened(turn))
    (line,) = scene.on(events.TurnFailed(turn, StageError("transcribe", turn, OSError("gone"))))
    assert (line.who, line.text) == ("error", "transcribe (turn 1) failed: OSError: gone")
    assert (scene.failed, scene.state) == (1, "listening")


def test_a_transcript_cannot_move_the_cursor() -> None:
    assert printable("a\x1b[2Jb\n\tc\x00 \x9bd\u202e") == "a [2Jb c d"
    assert printable("می‌خواهم 👨‍👩‍👧") == "می‌خواهم 👨‍👩‍👧"
    scene = Scene()
    (line,) = scene.on(events.Transcribed(over(), "hi\x1b]0;title\x07"))
    assert "\x1b" not in line.text


def test_the_live_view_shows_a_turn_as_it_happens() -> None:
    screen = Screen()
    writer = opened()
    turn = writer.turn
    shown = screen.after(events.Level(0.001, 0.001, 100))
    assert "○ listening" in shown
    assert "-60 dB" in shown or "silence" in shown
    shown = screen.after(
        events.TurnOpened(turn), events.Partial(turn, "who a"), events.Level(0.5, 0.5, 100)
    )
    assert "● listening ━━━━━━━━━━━━━━━━━━━━━━━━━━━───" in shown
    assert "  you       who a▌" in shown
    assert "-6 dB" in shown
    writer.close("policy", 10)
    assert "◆ thinking" in screen.after()
    shown = screen.after(*answered(turn)[1:4])
    assert "▌" not in shown
    assert f"  assistant {HELLO}" in shown
    assert "▶ speaking" in screen.after(events.Speaking(turn))
    assert "‖ paused" in screen.after(events.Paused(turn))
    shown = screen.after(events.Finished(turn, HELLO))
    assert "○ listening" in shown
    assert HELLO not in shown


def test_what_was_heard_of_the_reply_stands_out() -> None:
    screen = Screen()
    screen.after(*answered(over())[:-1])
    screen.heard = len("Hello!")
    shown = screen.lines(styles=True)
    assert "\x1b[35mHello!\x1b[0m\x1b[2m I run entirely on this computer.\x1b[0m" in shown


def test_a_long_reply_is_followed_and_fits_a_small_terminal() -> None:
    screen = Screen(width=50, height=12)
    words = " ".join(f"word{i}" for i in range(200))
    screen.after(*answered(over(), words)[:-1])
    for heard in (0, 600, len(words)):
        screen.heard = heard
        shown = screen.lines()
        assert len(shown.splitlines()) <= 11
        assert max(map(len, shown.splitlines())) <= 50
        assert words[max(0, heard - 8) : heard] in " ".join(shown.split())
    assert shown.split("assistant ")[1].startswith("… ")


@pytest.mark.parametrize("words", ["你好世界。" * 60, "e\u0301👨‍👩‍👧" * 60, "नमस्ते " * 60])
def test_a_long_reply_fits_in_every_script(words: str) -> None:
    screen = Screen(width=50, height=12)
    screen.after(*answered(over(), words)[:-1])
    for heard in range(0, len(words), 37):
        screen.heard = heard
        shown = screen.lines(styles=True)
        assert max(cell_len(Text.from_ansi(line).plain) for line in shown.splitlines()) <= 50
        assert len(shown.splitlines()) <= 11
        # No style begins within a character.
        assert not re.search("\x1b\\[[0-9;]*m[\u0301\u200d\u094d\u0947]", shown)


def test_lines_that_are_done_are_printed_above() -> None:
    screen = Screen(width=100)
    turn = over()
    printed = screen.printed(*answered(turn), events.TurnMetrics(turn, 800, 905.4, None, 940, 985))
    assert printed.splitlines()[0].rstrip() == "    0.5 s  you       who are you"
    assert printed.splitlines()[1].rstrip() == f"    1.5 s  assistant {HELLO}"
    assert "turn ended 800 · transcript 905 · first audio 940 · first heard 985 ms" in printed
    assert "[bold]" in screen.printed(events.Transcribed(turn, "[bold]x[/bold]"))


METRICS = {
    "turn_ended_ms": 800,
    "transcript_ms": 900,
    "first_token_ms": 1100,
    "first_sentence_ms": 1200,
    "first_audio_ms": 1400,
    "first_heard_ms": 1440,
}


def test_what_the_user_waited_for_is_a_bar_of_parts_that_sum() -> None:
    screen = Screen(width=120)
    turn = over()
    assert "last turn" not in screen.after(*answered(turn))
    shown = screen.after(events.TurnMetrics(turn, **METRICS))  # type: ignore[arg-type]
    (bar,) = re.findall(r" last turn  (█+) 1\.44 s", shown)
    assert len(bar) == 29  # 50 ms a cell
    assert (
        "turn ended 800 · transcript 100 · first token 200 · first sentence 100 · first audio 200"
        " · first h…" in shown
    )
    # A turn that was not heard leaves it.
    assert "1.44 s" in screen.after(events.TurnMetrics(over(2), turn_ended_ms=5))


def test_a_long_wait_and_a_terminal_without_colours_have_a_bar_too() -> None:
    screen = Screen(width=60, encoding="ascii")
    turn = over()
    slow = {**METRICS, "first_heard_ms": 60_000}
    screen.after(*answered(turn))
    # What is printed above has other characters, which the command replaces.
    screen.view.scene.on(events.TurnMetrics(turn, **slow))  # type: ignore[arg-type]
    shown = screen.lines()
    (bar,) = re.findall(r"last turn  ([.tksah]+) 60\.00 s", shown)
    assert len(bar) == 27
    assert bar.endswith("h" * 25)
    assert ".=turn ended 800 - t=transcript 100" in shown
    assert shown.isascii()


def test_a_small_terminal_keeps_its_lines_for_what_is_said() -> None:
    screen = Screen(height=12)
    turn = over()
    assert "last turn" not in screen.after(*answered(turn), events.TurnMetrics(turn, **METRICS))  # type: ignore[arg-type]


def test_lost_devices_and_lost_audio_come_with_a_remedy() -> None:
    screen = Screen(width=120)
    printed = screen.printed(
        events.AudioLost(160, 320, "full", "give the app more time"),
        events.DeviceLost("microphone", "USB mic", "unplugged"),
    )
    assert "320 samples lost: give the app more time" in printed
    assert "microphone 'USB mic' is gone (unplugged): plug it in" in printed
    assert "waiting for microphone 'USB mic'" in screen.lines()
    printed = screen.printed(events.DeviceRestored("microphone", "Built-in", 2_500))
    assert "microphone 'Built-in' works again after 2.5 s" in printed
    assert "waiting" not in screen.lines()
    printed = screen.printed(
        events.Underrun(10, 24_000, "use smaller models"), events.Notice("a tool was called")
    )
    assert "24000 samples came too late: use smaller models" in printed
    assert "a tool was called" in printed


def test_a_terminal_without_unicode_gets_ascii() -> None:
    screen = Screen(encoding="ascii")
    shown = screen.after(events.TurnOpened(opened().turn), events.Level(0.5, 0.5, 100))
    assert shown.isascii()
    assert "* listening ########" in shown


def test_the_plain_view_prints_lines() -> None:
    out = io.StringIO()
    turn = over()
    with PlainView(out) as view:
        level = events.Level(0.1, 0.2, 100)
        metrics = events.TurnMetrics(turn, 800)
        told = answered(turn)
        for event in (level, level, *told[:-1], metrics, told[-1], events.Idle(5)):
            view.show(event)
        view.draw(1.0)
        view.say("over")
    assert out.getvalue().splitlines() == [
        "listening; ctrl-c ends the conversation",
        "    0.5 s  you         who are you",
        f"    1.5 s  assistant   {HELLO}",
        "                       turn ended 800 ms",
        "over",
    ]


def test_the_live_view_leaves_only_what_was_said() -> None:
    screen = Screen()
    with screen.view as view:
        for event in answered(over()):
            view.show(event)
            view.draw(0.0)
    raw = screen.console.file.buffer.getvalue().decode()  # type: ignore[attr-defined]
    assert raw.rstrip().endswith("\x1b[2K")  # the changing lines are erased
    assert "\x1b[?25h" in raw  # the cursor is back


class Loudspeaker(sinks.MemorySink):
    position = 0


def speech(turn: Turn, text: str, n: int, **rest: object) -> Speech:
    reply = Reply(Transcript(turn, "hi"), text=text)
    sentence = Sentence(text)
    sentence.pieces, sentence.is_over = 1, True
    sound = np.zeros(n, np.float32)
    return Speech(reply, sound, RATE, text, sentence=sentence, **rest)  # type: ignore[arg-type]


def test_what_was_spoken_is_counted_in_characters_of_the_reply() -> None:
    sink = Loudspeaker()
    spoken = ReplyProgress(sink)
    reply = "One two three.  Four five."
    turn = over()
    for piece in (
        speech(turn, "One two three.", 140),
        speech(turn, "Four five.", 100, words=((4, 40), (10, 90))),
    ):
        spoken.on_speech(piece)
    heard: dict[int, str] = {}
    for sink.position in (0, 70, 140, 179, 180, 239, 240):
        heard[sink.position] = printable(reply)[: spoken.characters(printable(reply))]
    assert heard == {
        0: "",
        70: "One two",
        140: "One two three.",
        179: "One two three.",
        180: "One two three. Four",
        239: "One two three. Four five.",
        240: "One two three. Four five.",
    }


def test_what_was_cleared_is_not_counted_for_the_next_reply() -> None:
    sink = Loudspeaker()
    spoken = ReplyProgress(sink)
    first, second = over(1), over(2)
    spoken.on_speech(speech(first, "A long reply.", 1000))
    sink.position = 300
    spoken.on_speech(speech(first, "", 0, final=True, interrupted=True))
    spoken.on_speech(speech(second, "Yes sir.", 40))
    assert spoken.characters("Yes sir.") == 0
    sink.position = 320
    assert spoken.characters("Yes sir.") == 3
    spoken.on_speech(speech(second, "", 0, final=True))
    sink.position = 340
    spoken.on_speech(speech(over(3), "No.", 30))
    assert spoken.characters("No.") == 0
    sink.position = 370
    assert spoken.characters("No.") == 3


def test_the_transcript_is_json_lines_in_the_schema_of_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    turn = over(7)
    clock = iter([100.0, 101.5, 102.25]).__next__
    command = {"name": "talk", "settings": {"silence-ms": 800}}
    with TranscriptFile(path, command, clock=clock) as transcript:
        transcript.hear(rxv.AudioChunk(np.zeros(512, np.float32)))
        transcript.write(events.TurnOpened(turn))
        transcript.hear(rxv.AudioChunk(np.zeros(512, np.float32)))
        transcript.write(events.Level(0.1, 0.2, 100))
        transcript.write(events.Transcribed(turn, "wie schön"))
        head, first, second = path.read_text("utf-8").splitlines()  # before it is closed
    told = json.loads(head)
    assert (told["schema"], told["rxvoice"]) == (1, rxv.__version__)
    assert told["command"] == command
    assert json.loads(first) == {
        "k": "out",
        "a": 1,
        "t": 1.5,
        "s": 512,
        "e": "TurnOpened",
        "turn": 7,
        "v": {"start": turn.start, "rate": turn.sample_rate},
    }
    assert json.loads(second)["v"] == {"text": "wie schön"}
    assert "schön" in second
    trace = read(path)
    assert [it.samples for it in trace.of("out")] == [512, 1024]
    assert trace.settings == {"silence-ms": 800}
    assert len(trace.microphone) == 0


def test_a_transcript_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot write .*talk.jsonl: there is no directory"):
        TranscriptFile(tmp_path / "nowhere" / "talk.jsonl")
