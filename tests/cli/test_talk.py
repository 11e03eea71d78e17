"""`rxvoice talk` without a device: its pipe, its end, its keys, and what it refuses."""

from __future__ import annotations

import io
import os
import pty
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Observable, Subject, abc
from reactivex.disposable import Disposable
from reactivex.testing import TestScheduler

import rxvoice as rxv
from rxvoice import echo, events
from rxvoice.chunks import AudioChunk
from rxvoice.cli import main
from rxvoice.cli._also import also
from rxvoice.cli._hold import hold
from rxvoice.cli._keys import PushToTalk, SpaceBar
from rxvoice.cli._main_loop import MainLoop
from rxvoice.cli._parts import Parts, choose
from rxvoice.cli._reply_progress import ReplyProgress
from rxvoice.cli._settings import CommandSettings
from rxvoice.cli._signals import ending_signals
from rxvoice.cli._stderr import stderr_held
from rxvoice.cli._talk_pipe import Controls, conversation
from rxvoice.cli._view import PlainView
from rxvoice.cli.talk import _sum_up
from rxvoice.errors import ConfigError
from rxvoice.events import Notice
from rxvoice.mlx import SmartTurn, smart_turn
from rxvoice.offline import demo_phrases
from rxvoice.offline.stt import default_backend
from rxvoice.testing import FakeResponder, FakeSpeaker, FakeSynthesizer, FakeTranscriber, turn

PATIENCE_S = 60.0
LOUD, QUIET = np.full(512, 0.5, np.float32), np.zeros(512, np.float32)


def loud(samples: Any) -> bool:
    return bool(samples.max() > 0.1)


class Pipe:
    """A conversation of fakes, in virtual time."""

    def __init__(
        self, controls: Controls, smart_turn: SmartTurn | None = None, **options: Any
    ) -> None:
        self.clock = TestScheduler()
        self.speaker = FakeSpeaker(self.clock)
        self.happened: list[Any] = []
        self.over: list[str] = []
        self.microphone: Subject[Any] = Subject()
        self._start = 0
        tap = echo.tap(self.speaker, clock=lambda: self.clock.clock)
        self.spoken = ReplyProgress(tap)
        parts = Parts(
            loud,
            FakeTranscriber("hi", "and"),
            FakeResponder("Yes.", "No."),
            FakeSynthesizer(samples_per_char=6_000),
            smart_turn=smart_turn,
        )
        models: Any = SimpleNamespace(listening=self.clock, text=self.clock, speech=self.clock)
        conversation(
            self.microphone, parts, tap, CommandSettings(echo="off", **options),
            models=models, controls=controls, on_reply=self.spoken.on_reply,
            on_speech=self.spoken.on_speech,
        ).subscribe(
            self.happened.append, self.happened.append, lambda: self.over.append("over"),
            scheduler=self.clock,
        )  # fmt: skip

    def hear(self, samples: Any, times: int = 1) -> None:
        for _ in range(times):
            self.microphone.on_next(AudioChunk(samples, start=self._start))
            self._start += len(samples)
            self.clock.advance_by(0.032)

    def names(self, *but: str) -> list[str]:
        left_out = ("Level", "ReplyDelta", "Speech", "TurnEnded", "TurnMetrics", *but)
        return [it for it in (type(e).__name__ for e in self.happened) if it not in left_out]


def test_the_pipe_answers_a_turn_and_tells_all_about_it() -> None:
    pipe = Pipe(Controls(), silence_ms=64)
    pipe.hear(LOUD, 4)
    pipe.hear(QUIET, 2)
    pipe.clock.advance_by(60)
    assert pipe.names() == [
        *("TurnOpened", "Transcribed", "ReplyStarted", "Speaking", "FinishedTurn", "Finished"),
    ]
    assert any(isinstance(it, events.TurnMetrics) for it in pipe.happened)
    level = next(it for it in pipe.happened if isinstance(it, events.Level))
    assert level.peak == 0.5
    assert pipe.speaker.position == len(pipe.speaker.heard) > 0
    assert pipe.spoken.characters("Yes.") == len("Yes.")


def test_settings_reach_the_pipe() -> None:
    pipe = Pipe(Controls(), silence_ms=64, max_turn_ms=96)
    pipe.hear(LOUD, 4)
    assert "Transcribed" in pipe.names()  # though nobody was silent


def test_a_model_may_tell_whether_the_user_has_finished() -> None:
    finished = False
    asked: list[int] = []

    def judge(audio: Any, sample_rate: int, threshold: float) -> Any:
        asked.append(len(audio))
        return SimpleNamespace(prediction=int(finished))

    pipe = Pipe(Controls(), smart_turn(judge), silence_ms=64)
    pipe.hear(LOUD, 10)
    pipe.hear(QUIET, 25)  # 800 ms: it was asked, and said no
    assert len(asked) == 1
    assert "Transcribed" not in pipe.names()
    finished = True
    pipe.hear(LOUD, 5)
    pipe.hear(QUIET, 20)
    assert len(asked) == 2
    assert "Transcribed" in pipe.names()


def test_push_to_talk_hears_only_what_it_is_told_to() -> None:
    controls = Controls(PushToTalk())
    pipe = Pipe(controls)
    pipe.hear(LOUD, 5)
    assert pipe.names() == []
    controls.press()
    pipe.hear(LOUD, 5)
    assert pipe.names() == ["TurnOpened"]
    controls.press()
    pipe.hear(LOUD, 20)
    assert pipe.names()[:2] == ["TurnOpened", "Transcribed"]


def test_push_to_talk_ends_the_reply_in_progress() -> None:
    controls = Controls(PushToTalk())
    pipe = Pipe(controls)
    controls.press()
    pipe.hear(LOUD, 5)
    controls.press()
    pipe.hear(QUIET, 8)
    assert pipe.names()[-1] == "Speaking"
    controls.press()
    pipe.hear(LOUD, 1)
    assert pipe.names()[-3:] == ["Interrupted", "Confirmed", "TurnOpened"]


def test_closing_writes_the_open_turn_down() -> None:
    controls = Controls()
    pipe = Pipe(controls)
    pipe.hear(LOUD, 5)
    assert pipe.names() == ["TurnOpened"]
    controls.close(silence=False)
    pipe.hear(LOUD, 1)
    assert pipe.names()[:2] == ["TurnOpened", "Transcribed"]
    (opened,) = (it for it in pipe.happened if isinstance(it, events.TurnOpened))
    assert opened.turn.ended_by == "source"
    assert opened.turn.ms == 5 * 32


def test_closing_ends_the_reply() -> None:
    controls = Controls()
    pipe = Pipe(controls, silence_ms=64)
    pipe.hear(LOUD, 4)
    pipe.hear(QUIET, 3)
    assert pipe.names()[-1] == "Speaking"
    controls.close(silence=True)
    pipe.hear(QUIET, 1)
    assert "Interrupted" in pipe.names()
    assert pipe.over == ["over"]


def emitting(*elements: object, then: threading.Event | None = None) -> Observable[Any]:
    """These, and no end."""

    def subscribe(
        observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        for element in elements:
            observer.on_next(element)
        return Disposable(then.set if then else None)

    return Observable(subscribe)


def no_abort(_: int) -> None:
    pytest.fail("it was ended at once")


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


class Shown(PlainView):
    """A view that acts when it is shown an event."""

    def __init__(self, *reactions: Any) -> None:
        super().__init__(io.StringIO())
        self._reactions = iter(reactions)

    def show(self, event: Any) -> None:
        super().show(event)
        next(self._reactions, lambda: None)()


class Closed(Controls):
    """Controls that react when they are told to close."""

    def __init__(self, reaction: Any) -> None:
        super().__init__()
        self._reaction = reaction

    def close(self, *, silence: bool) -> None:
        super().close(silence=silence)
        self._reaction()


@pytest.fixture
def handlers() -> Iterator[Any]:
    before = signal.getsignal(signal.SIGINT)
    yield before
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("handlers")
def test_ctrl_c_ends_a_quiet_conversation_and_lets_go_of_everything() -> None:
    controls, released = Controls(), threading.Event()
    view = Shown(ctrl_c)
    hold(emitting(Notice("hi"), then=released), view, controls, abort=no_abort)
    assert controls.closing
    assert released.wait(PATIENCE_S)


@pytest.mark.usefixtures("handlers")
def test_ctrl_c_waits_for_what_is_being_said() -> None:
    spoken = turn("~~~")
    more: Subject[Any] = Subject()
    controls = Closed(lambda: more.on_next(events.Transcribed(spoken, "hello")))
    view = Shown(ctrl_c)
    pipe = rx.merge(emitting(events.TurnOpened(spoken)), more)
    hold(pipe, view, controls, abort=no_abort)
    assert view.scene.is_quiet


@pytest.mark.usefixtures("handlers")
def test_a_second_ctrl_c_does_not_wait() -> None:
    controls = Closed(ctrl_c)

    def abort(number: int) -> None:
        raise SystemExit(128 + number)

    with pytest.raises(SystemExit) as left:
        hold(emitting(events.TurnOpened(turn("~~~"))), Shown(ctrl_c), controls, abort=abort)
    assert left.value.code == 130


def test_a_reader_that_goes_away_ends_the_conversation() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as out:
        view = PlainView(out)
        view.draw(0)
        os.close(reading)
        with pytest.raises(BrokenPipeError):  # though nothing is said
            hold(rx.never(), view, Controls(), abort=no_abort)


def test_what_the_conversation_fails_with_is_raised_and_its_end_is_the_end() -> None:
    with pytest.raises(ConfigError, match="no such microphone"):
        hold(rx.throw(ConfigError("no such microphone")), Shown(), Controls(), abort=no_abort)
    hold(rx.empty(), Shown(), Controls(), abort=no_abort)


def test_a_file_that_cannot_be_written_ends_nothing() -> None:
    def full(_: AudioChunk) -> None:
        raise OSError("no space left on device")

    chunk = AudioChunk(QUIET)
    seen: list[Any] = []
    rx.of(chunk, Notice("x"), chunk).pipe(also(AudioChunk, full, "the recording")).subscribe(
        seen.append
    )
    assert [it.message for it in seen if isinstance(it, Notice)] == [
        "the recording has stopped, and the conversation goes on: no space left on device",
        "x",
    ]
    assert seen.count(chunk) == 2


def test_the_main_loop_runs_what_other_threads_schedule() -> None:
    loop, ran, drawn = MainLoop(), [], []

    def action(*_: object) -> None:
        ran.append(threading.current_thread())

    def outside() -> None:
        loop.schedule(action)
        loop.schedule_relative(0.001, action)

    threading.Thread(target=outside).start()
    loop.run(lambda: len(ran) == 2 and bool(drawn), drawn.append, every=0.001)
    assert ran == [threading.main_thread()] * 2


def test_off_the_main_thread_signals_are_left_alone() -> None:
    entered = threading.Event()

    def elsewhere() -> None:
        with ending_signals(no_abort, no_abort):
            entered.set()

    threading.Thread(target=elsewhere).start()
    assert entered.wait(PATIENCE_S)


def test_the_space_bar_is_read_key_by_key_and_the_terminal_put_back() -> None:
    import termios

    def settings() -> list[object]:
        found = termios.tcgetattr(inner)
        # Set by BSD and macOS where what was typed key by key is read by lines again.
        found[3] &= ~getattr(termios, "PENDIN", 0x2000_0000)
        return found

    outer, inner = pty.openpty()
    pressed = threading.Semaphore(0)
    before = settings()
    try:
        with SpaceBar(pressed.release, terminal=inner):
            os.write(outer, b"x ")  # and no return
            assert pressed.acquire(timeout=PATIENCE_S)
            os.write(outer, b" ")
            assert pressed.acquire(timeout=PATIENCE_S)
        assert settings() == before
        assert not pressed.acquire(blocking=False)
    finally:
        os.close(outer)
        os.close(inner)


def test_the_space_bar_needs_a_terminal() -> None:
    reading, writing = os.pipe()
    try:
        with pytest.raises(ConfigError, match="push-to-talk needs a terminal"):
            SpaceBar(lambda: None, terminal=reading)
    finally:
        os.close(reading)
        os.close(writing)


def test_what_libraries_write_waits_until_the_screen_is_free() -> None:
    outer, inner = pty.openpty()
    before = os.dup(2)
    os.dup2(inner, 2)
    try:
        with stderr_held():
            os.write(2, b"ALSA lib pcm.c: underrun\nfirst\n")
            os.write(inner, b"screen\n")
        os.write(inner, b"end\n")
        read = b""
        while b"end" not in read:
            read += os.read(outer, 1024)
    finally:
        os.dup2(before, 2)
        for it in (before, outer, inner):
            os.close(it)
    assert read.split() == [b"screen", b"first", b"end"]


@pytest.mark.models
def test_models_are_chosen_slot_by_slot() -> None:
    offline = choose(CommandSettings())
    library = "MLX" if default_backend() == "mlx" else "faster-whisper"
    assert offline.transcribes == f"Whisper tiny.en by {library}, any English"
    assert offline.speaks == "Piper, en_US-joe-medium"
    other = choose(CommandSettings(voice="espeak:en-gb-x-rp"))
    assert other.speaks == "espeak-ng, en-gb-x-rp"
    names = CommandSettings(
        models="mlx", llm="a/language-model", tts="a/voice", system_prompt="Be brief."
    )
    mlx = choose(names)
    assert "Moonshine" in mlx.transcribes
    assert (mlx.replies, mlx.speaks) == ("a/language-model, on MLX", "a/voice, on MLX")
    assert choose(CommandSettings(stt="a/ears")).transcribes == "a/ears, on MLX"
    for trust in (False, True):
        three = CommandSettings(stt="a/b", llm="c/d", tts="e/f", trust_remote_code=trust)
        parts = choose(three).parts
        for part in (parts.stt, parts.llm, parts.tts):
            assert part.trust_remote_code is trust  # type: ignore[union-attr]


@pytest.mark.models
def test_what_can_be_said_to_the_toy_recogniser_is_told() -> None:
    told = choose(CommandSettings(models="mlx")).told(98)
    ears = choose(CommandSettings(models="mlx", llm="a/language-model"))
    free = choose(CommandSettings(stt="a/ears", llm="a/language-model"))
    assert [line.split()[0] for line in told[:4]] == ["transcribes", "replies", "speaks", "say"]
    assert len(told) <= 10
    assert max(map(len, told)) <= 98
    shown = "\n".join(line[15:] for line in told[3:])
    assert re.split(r"\s{2,}|\n", shown) == demo_phrases()
    assert ears.can_be_said == tuple(demo_phrases())
    assert free.can_be_said == ()
    assert len(free.told(98)) == 3


@pytest.mark.models
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"system_prompt": "Be brief."}, "takes no --system-prompt: choose another model with"),
        ({"voice": "klingon"}, "or one of espeak-ng, such as \"espeak:en-us\"; got 'klingon'"),
        ({"voice": "espeak:klingon"}, "tts voice espeak: must be followed by one of"),
        ({"stt": "no such model"}, "there is no directory 'no such model'"),
    ],
)
def test_a_model_that_cannot_be_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        choose(CommandSettings(**{"models": "mlx", **wrong}))


def test_a_summary_counts_what_was_said(capsys: pytest.CaptureFixture[str]) -> None:
    scene = PlainView(io.StringIO()).scene
    scene.answered, scene.interrupted, scene.failed = 3, 1, 2
    _sum_up(scene, 75.2, CommandSettings(record=Path("a.wav"), transcript=Path("b.jsonl")))
    scene.answered, scene.interrupted, scene.failed = 1, 0, 0
    _sum_up(scene, 3, CommandSettings())
    assert capsys.readouterr().out.splitlines() == [
        "3 replies in 1:15, 1 interrupted, 2 failed; wrote a.wav and b.jsonl",
        "1 reply in 0:03",
    ]


def test_a_mistake_in_the_settings_file_is_told_and_nothing_is_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("echo = 'loud'\n", "utf-8")
    assert main(["talk", "--settings", str(path)]) == 1
    told = capsys.readouterr().err
    assert f"rxvoice: error: {path}: echo = 'loud': wanted one of 'correlate'" in told


def test_a_recording_does_not_overwrite_its_transcript(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["talk", "--record", "a.wav", "--transcript", "./a.wav"]) == 2
    assert "--record and --transcript are both a.wav: name two files" in capsys.readouterr().err


def test_the_top_level_help_begins_with_talk(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert "talk with the machine in front of you" in shown
    assert "list microphones and loudspeakers" in shown
    assert rxv.__version__
