"""The commands, as a user types them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from embedded import shared

import rxvoice as rxv
import rxvoice.cli.demo
from rxvoice import offline
from rxvoice.chunks import AudioChunk
from rxvoice.cli import main, parser
from rxvoice.cli._both import BothSides
from rxvoice.cli.run import _Progress
from rxvoice.elements import Reply, Speech, Transcript
from rxvoice.turn import Turn

DATA = Path(rxvoice.cli.demo.__file__).parent.parent / "data"
RATE = 16_000
QUICK = ("--voice", "espeak:en-us")


def refused(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 1) -> str:
    """The message of a command that fails, in one line."""
    assert main([str(a) for a in arguments]) == status
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    return told


@pytest.mark.parametrize("inside", ["", "sub/deeper"])
def test_the_demo_refuses_a_file_as_its_directory(
    inside: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "taken.wav"
    taken.write_bytes(b"precious")
    told = refused(capsys, "demo", "--out", taken / inside)
    assert f"--out must be a directory to write to, '{taken / inside}' is " in told
    assert "name another" in told
    assert taken.read_bytes() == b"precious"


class _Part:
    """A part that notes when it is warmed up, and when it is asked."""

    model, backend = "a model", "mlx"

    def __init__(self, noted: list[str], name: str) -> None:
        self.noted = noted
        self.name = name

    def load(self) -> None:
        self.noted.append(f"load {self.name}")

    def warm_up(self) -> None:
        self.noted.append(f"warm up {self.name}")

    def is_speech(self, samples: object) -> bool:
        self.noted.append("listen")
        return False

    def transcribe_turn(self, audio: object) -> str:
        raise AssertionError

    def respond(self, text: str) -> str:
        raise AssertionError

    def synthesize_stream(self, text: str) -> tuple[()]:
        raise AssertionError

    sample_rate = RATE

    def __enter__(self) -> _Part:
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize("models", ["offline", "mlx"])
def test_what_run_runs_is_warmed_up_before_it_listens(
    models: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[str] = []
    for name in ("silero", "demo_stt", "stt", "llm", "tts"):

        def make(*_: object, name: str = name, **__: object) -> _Part:
            return _Part(noted, name)

        monkeypatch.setattr(offline, name, make)
    main(["run", str(DATA / "demo.wav"), "-o", str(tmp_path / "reply.wav"), "--models", models])
    stt = "demo_stt" if models == "mlx" else "stt"
    parts = ["silero", stt, "llm", "tts"]
    assert noted[:8] == [f"{what} {it}" for it in parts for what in ("load", "warm up")]
    assert set(noted[8:]) == {"listen"}


@pytest.mark.models
def test_run_answers_a_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    user, rate = soundfile.read(DATA / "demo.wav", dtype="float32")
    first = json.loads((DATA / "demo.json").read_text("utf-8"))["turns"][0]
    question = tmp_path / "question.flac"
    soundfile.write(question, user[: int((first["end_s"] + 0.5) * rate)], rate)
    reply, both = tmp_path / "reply.wav", tmp_path / "both.wav"
    arguments = [question, "-o", reply, "--both", both]
    assert main(["run", *map(str, arguments)]) == 0
    told = capsys.readouterr().out
    assert "you         hello who are you" in told.lower().replace(",", "").replace("?", "")
    assert "1 turns answered, 0 failed" in told
    assert soundfile.info(reply).duration > 1
    assert soundfile.info(both).channels == 2


@pytest.mark.models
def test_run_says_so_when_there_is_no_speech(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(RATE), RATE)
    with shared():
        told = refused(capsys, "run", silent, "-o", tmp_path / "reply.wav", *QUICK)
    assert "found no speech in" in told


@pytest.mark.models
def test_run_refuses_what_is_no_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reply = tmp_path / "reply.wav"
    missing = tmp_path / "missing.wav"
    text = tmp_path / "text.wav"
    text.write_text("not a sound", "utf-8")
    assert str(missing) in refused(capsys, "run", missing, "-o", reply)
    assert str(text) in refused(capsys, "run", text, "-o", reply)


@pytest.mark.models
def test_run_answers_what_there_is_of_a_truncated_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut, reply = tmp_path / "cut.wav", tmp_path / "reply.wav"
    cut.write_bytes((DATA / "demo.wav").read_bytes()[:90_000])
    with shared():
        assert main(["run", str(cut), "-o", str(reply), *QUICK]) == 1
    told = capsys.readouterr()
    assert "Hello? Who are you?" in told.out
    assert "the file ends after 2.81 s of" in told.err
    assert soundfile.info(reply).duration > 1


def test_run_refuses_to_write_where_it_cannot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "nowhere" / "reply.wav"
    assert str(nowhere) in refused(capsys, "run", DATA / "demo.wav", "-o", nowhere)
    wav = DATA / "demo.wav"
    assert "choose another file to write" in refused(capsys, "run", wav, "-o", wav, status=2)
    text = tmp_path / "reply.txt"
    assert ".wav, .flac, .mp3, .ogg, .opus" in refused(capsys, "run", wav, "-o", text)


def test_an_unknown_option_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["run", "a.wav", "-o", "b.wav", "--loud"])
    assert left.value.code == 2
    assert "unrecognized arguments: --loud" in capsys.readouterr().err


def test_ctrl_c_ends_with_130_and_says_what_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(out: Path, *, play: bool) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(rxvoice.cli.demo, "demo", interrupted)
    assert main(["demo", "--out", str(tmp_path)]) == 130
    assert "stopped; what was written so far is complete" in capsys.readouterr().err


def test_help_names_every_command_and_gives_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["run", "--help"], ["demo", "--help"]):
        with pytest.raises(SystemExit) as left:
            parser().parse_args(arguments)
        assert left.value.code == 0
    shown = capsys.readouterr().out
    for word in ("demo", "run", "--play", "--both", "rxvoice run question.wav"):
        assert word in shown


def test_a_start_imports_its_own_command_and_the_help_names_all() -> None:
    program = (
        "import sys; from rxvoice.cli import main; main(['timeline', 'none']);"
        "print(*[it for it in sys.modules if it.startswith('rxvoice.cli.') and '._' not in it])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("rxvoice.cli.timeline\n", 0)
    assert parser([]).format_help() == parser().format_help()


def test_an_unknown_command_is_told_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["tlak"])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert "invalid choice: 'tlak' (choose from" in said
    assert "doctor" in said


@pytest.mark.parametrize("module", ["rxvoice", "rxvoice.cli"])
def test_it_is_a_module_too(module: str) -> None:
    command = [sys.executable, "-m", module, "--version"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told == f"rxvoice {rxv.__version__}\n"


def test_progress_is_told_of_a_long_recording_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    short, long = _Progress(59), _Progress(600)
    for at in range(0, 600, 7):
        short(at)
        long(at)
    lines = sys.stderr.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines == [f"  {percent:3d} % of 10.0 min" for percent in range(10, 100, 10)]


def test_both_sides_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "both.wav"
    turn = Turn.of(np.zeros(4, np.float32))
    reply = Reply(Transcript(turn, "hi"), text="ho", final=True)
    with BothSides(path, 8000) as both:
        both.user(AudioChunk(np.full(1600, 0.5, np.float32), 16_000))
        both.assistant(Speech(reply, np.full(400, 0.25, np.float32), 8000))
        both.assistant(Speech(reply, np.empty(0, np.float32), 8000, final=True))
        both.user(AudioChunk(np.full(1600, 0.5, np.float32), 16_000))
        assert both.seconds == pytest.approx((800 + 400) / 8000, abs=0.11)
    written, rate = soundfile.read(path, dtype="float32")
    assert (len(written), rate) == (2000, 8000)
    assert np.abs(written[800:1200, 1] - 0.25).max() < 1e-3
    assert np.abs(written[800:1200, 0]).max() == 0
    assert np.abs(np.delete(written[:, 1], np.s_[800:1200])).max() == 0
    assert np.median(written[100:700, 0]) == pytest.approx(0.5, abs=0.01)
