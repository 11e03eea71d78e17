"""`rxvoice run` as a user types it: what it writes, and what it never costs."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from cli.run_kit import REPLY, chosen

import rxvoice.cli.run
from rxvoice.cli import main
from rxvoice.cli._parts import Chosen
from rxvoice.cli._settings import CommandSettings

RATE = 16_000
PATIENCE_S = 30.0
LOUD, QUIET = np.full(8_000, 0.5, np.float32), np.zeros(32_000, np.float32)

PROGRAM = """
import sys, time
import rxvoice.cli.run as run
sys.path.insert(0, sys.argv.pop(1))
from run_kit import chosen
wait = sys.argv.pop(1) == "wait"
def think(text):
    yield f"You said {text}"
    if wait and asked:
        print("thinks", file=sys.stderr, flush=True)
        while True:  # a signal just before a long one would be seen after it
            time.sleep(0.01)
    asked.append(text)
asked = []
run.choose = lambda settings: chosen(settings, llm=think)
run.warm_up = lambda parts: None
from rxvoice.cli import main
raise SystemExit(main())
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(rxvoice.cli.run, "choose", lambda settings: chosen(settings))
    monkeypatch.setattr(rxvoice.cli.run, "warm_up", lambda parts: None)
    monkeypatch.chdir(tmp_path)
    soundfile.write("two.wav", np.concatenate([LOUD, QUIET] * 2), RATE)
    soundfile.write("silent.wav", QUIET, RATE)
    Path("text.wav").write_text("not a sound", "utf-8")
    Path("empty.wav").touch()
    return tmp_path


def run(*arguments: str, status: int = 0) -> None:
    assert main(["run", *arguments]) == status


def command(*arguments: str, wait: bool = False) -> list[str]:
    here = str(Path(__file__).parent)
    return [sys.executable, "-c", PROGRAM, here, "wait" if wait else "", "run", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def run_process(*arguments: str, wait: bool = False, **options: Any) -> subprocess.Popen[bytes]:

    def signals_as_in_a_terminal() -> None:
        for it in (signal.SIGINT, signal.SIGHUP):
            signal.signal(it, signal.SIG_DFL)

    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        command(*arguments, wait=wait),
        env=environment(),
        preexec_fn=signals_as_in_a_terminal,
        **{**streams, **options},
    )


def ended(process: subprocess.Popen[bytes]) -> tuple[int, bytes, str]:
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out or b"", err.decode()


def length(path: str) -> int:
    return soundfile.info(path).frames


def test_each_turn_is_answered_and_everything_is_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("two.wav", "-o", "reply.wav", "--both", "both.flac", "--transcript", "all.jsonl")
    assert length("reply.wav") == 2 * REPLY
    samples, rate = soundfile.read("both.flac")
    assert rate == 24_000
    assert len(samples) == pytest.approx(2 * (1.5 * 40_000 + REPLY), abs=2000)
    told = capsys.readouterr().out
    assert "wrote reply.wav and both.flac: 2 turns answered, 0 failed" in told
    head, *events = map(json.loads, Path("all.jsonl").read_text("utf-8").splitlines())
    assert (head["schema"], head["command"]["name"]) == (1, "run")
    beside = ("ReplyDelta", "TurnMetrics")
    names = [it["e"] for it in events if it["e"] not in beside]
    assert names == 2 * [
        *("TurnOpened", "TurnEnded", "Transcribed", "ReplyStarted", "Speaking", "Finished")
    ]
    assert [it["v"]["text"] for it in events if it["e"] == "Finished"] == 2 * ["You said hello."]


# An old file


@pytest.mark.parametrize("recording", ["mising.wav", "silent.wav", "text.wav", "empty.wav", "."])
def test_a_recording_without_speech_costs_no_file(
    recording: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = ("reply.wav", "both.wav", "all.jsonl")
    arguments = [recording, "-o", old[0], "--both", old[1], "--transcript", old[2]]
    before = set(os.listdir())
    run(*arguments, status=1)
    assert set(os.listdir()) == before
    for name in old:
        Path(name).write_bytes(b"precious")
    run(*arguments, status=1)
    assert {Path(name).read_bytes() for name in old} == {b"precious"}
    assert set(os.listdir()) == before | set(old)
    for line in capsys.readouterr().err.splitlines():
        assert line.startswith("rxvoice: error: ")


def test_turns_that_all_fail_cost_no_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(text: str) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(rxvoice.cli.run, "choose", lambda s: chosen(s, llm=broken))
    Path("reply.wav").write_bytes(b"precious")
    run("two.wav", "-o", "reply.wav", "--both", "both.wav", status=1)
    assert Path("reply.wav").read_bytes() == b"precious"
    assert not Path("both.wav").exists()
    assert "answered no turn of two.wav: nothing was written" in capsys.readouterr().err


def test_models_that_cannot_be_cost_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(settings: CommandSettings) -> Chosen:
        raise rxvoice.cli.run.RxvoiceError("no such model")

    monkeypatch.setattr(rxvoice.cli.run, "choose", none)
    Path("reply.wav").write_bytes(b"precious")
    run("two.wav", "-o", "reply.wav", "--transcript", "all.jsonl", status=1)
    assert Path("reply.wav").read_bytes() == b"precious"
    assert not Path("all.jsonl").exists()


def test_replies_to_a_recording_that_breaks_off_do_not_replace_an_old_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = Path("two.wav").read_bytes()
    Path("cut.wav").write_bytes(content[: len(content) * 3 // 4])
    run("cut.wav", "-o", "new.wav", status=1)
    assert length("new.wav") == 2 * REPLY
    Path("reply.wav").write_bytes(b"precious")
    run("cut.wav", "-o", "reply.wav", status=1)
    assert Path("reply.wav").read_bytes() == b"precious"
    assert length("reply.partial.wav") == 2 * REPLY
    assert "it was cut short" in capsys.readouterr().err


def test_a_reply_replaces_an_old_file() -> None:
    Path("reply.wav").write_bytes(b"precious")
    run("two.wav", "-o", "reply.wav")
    assert length("reply.wav") == 2 * REPLY
    assert not Path("reply.partial.wav").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-o", "a.wav", "--both", "./a.wav"], "-o and --both are both a.wav: name two files"),
        (["-o", "a.wav", "--transcript", "a.wav"], "-o and --transcript are both a.wav"),
        (["-o", "hard.wav"], "-o hard.wav is the recording: choose another file to write"),
        (["-o", "soft.wav"], "-o soft.wav is the recording"),
        (["-o", "a.wav", "--both", "two.wav"], "--both two.wav is the recording"),
        (["-o", "-", "--both", "-"], "only one thing can be written to '-'"),
    ],
)
def test_one_file_for_two_things_is_refused_before_anything_is_opened(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    os.link("two.wav", "hard.wav")
    os.symlink("two.wav", "soft.wav")
    Path("p.txt").write_text("hello\n")
    before = {it: Path(it).read_bytes() for it in os.listdir()}
    run("two.wav", *arguments, status=2)
    assert told in capsys.readouterr().err
    assert {it: Path(it).read_bytes() for it in os.listdir()} == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-o", "reply.txt"], ".wav, .flac, .mp3, .ogg, .opus, and not to .txt"),
        (["-o", "no/reply.wav"], "there is no directory no; make it first"),
        (["-o", "."], "it is a directory; name a file in it"),
        (["-o", "a.wav", "--both", "no/b.wav"], "there is no directory no; make it first"),
        (["-o", "a.wav", "--transcript", "no/b.jsonl"], "there is no directory no; make it"),
        (["-o", "a.wav", "--channel", "left"], "two.wav has one channel, and wanted is its left"),
    ],
)
def test_what_cannot_be_is_told_in_a_line_and_nothing_is_left(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(os.listdir())
    run("two.wav", *arguments, status=1)
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1
    assert set(os.listdir()) == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--silence-ms", "-5"], "--silence-ms: wanted a whole number of milliseconds, 0 or more"),
        (["--channel", "up"], "--channel: invalid choice: 'up'"),
        (["--loud"], "unrecognized arguments: --loud; see rxvoice run --help"),
        (["again.wav"], "unrecognized arguments: again.wav"),
    ],
)
def test_a_mistake_in_an_option_is_told_in_a_line_and_ends_with_2(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["run", "two.wav", "-o", "a.wav", *arguments])
    assert left.value.code == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1


@pytest.mark.models
@pytest.mark.parametrize(
    ("arguments", "told", "status"),
    [
        (["--voice", "klingon"], "or one of espeak-ng, such as", 2),
        (["--system-prompt", "Hi"], "takes no --system-prompt", 2),
        (["--llm", "no such"], "there is no directory 'no such'", 1),
    ],
)
def test_a_model_that_cannot_be_is_told_in_a_line(
    arguments: list[str],
    told: str,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from rxvoice.cli._parts import choose

    monkeypatch.setattr(rxvoice.cli.run, "choose", choose)
    run("two.wav", "-o", "a.wav", *arguments, status=status)
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1


def test_the_options_of_talk_reach_the_models(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[CommandSettings] = []

    def note(settings: CommandSettings) -> Chosen:
        seen.append(settings)
        return chosen(settings)

    monkeypatch.setattr(rxvoice.cli.run, "choose", note)
    run("two.wav", "-o", "reply.wav")
    assert seen.pop() == CommandSettings(silence_ms=1600)
    models = ("--models", "mlx", "--stt", "a/b", "--llm", "c/d", "--tts", "e/f", "--voice", "af")
    run("two.wav", "-o", "reply.wav", *models, "--system-prompt", "Hi", "--max-turn-ms", "96")
    assert seen.pop() == CommandSettings(
        models="mlx", stt="a/b", llm="c/d", tts="e/f", voice="af", system_prompt="Hi",
        silence_ms=1600, max_turn_ms=96,
    )  # fmt: skip
    assert length("reply.wav") > 2 * REPLY  # though nobody was silent


def test_a_channel_of_a_recording_of_two_people() -> None:
    silence = np.zeros_like(LOUD)
    left, right = (
        np.concatenate([LOUD, QUIET, LOUD, QUIET]),
        np.concatenate([silence, QUIET, LOUD, QUIET]),
    )
    soundfile.write("call.wav", np.stack([left, right], axis=1), RATE)
    for channel, turns in (("left", 2), ("right", 1)):
        run("call.wav", "-o", f"{channel}.wav", "--channel", channel)
        assert length(f"{channel}.wav") == turns * REPLY


# Streams


def test_from_the_standard_input_to_the_standard_output() -> None:
    with Path("two.wav").open("rb") as recording:
        status, out, err = ended(run_process("-", "-o", "-", stdin=recording))
    assert status == 0
    samples, rate = soundfile.read(io.BytesIO(out))
    assert (len(samples), rate) == (2 * REPLY, 24_000)
    assert out[40:44] == b"\xff" * 4
    assert "wrote -: 2 turns answered" in err


def test_to_a_file_by_the_standard_output_and_behind_what_is_there() -> None:
    for mode, size in (("wb", (4 * REPLY).to_bytes(4, "little")), ("ab", b"\xff" * 4)):
        with Path("out.wav").open(mode) as file:
            assert ended(run_process("two.wav", "-o", "-", stdout=file))[0] == 0
        content = Path("out.wav").read_bytes()
        assert content[-4 * REPLY - 4 : -4 * REPLY] == size
    assert len(content) == 2 * (44 + 4 * REPLY)


def test_the_transcript_may_go_to_the_standard_output() -> None:
    process = run_process("two.wav", "-o", "/dev/null", "--transcript", "-")
    status, out, err = ended(process)
    assert status == 0
    assert json.loads(out.splitlines()[1])["e"] == "TurnOpened"
    assert "2 turns answered" in err


def test_a_standard_input_without_a_recording() -> None:
    status, out, err = ended(run_process("-", "-o", "-"))
    assert status == 1
    assert soundfile.read(io.BytesIO(out))[0].tolist() == []
    assert err.startswith("rxvoice: error: the standard input is empty")


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    for arguments in (("two.wav", "-o", "a.wav"), ("two.wav", "-o", "-")):
        process = run_process(*arguments)
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        status, _, err = ended(process)
        assert status == 141
        assert "rror" not in err
        assert "Broken pipe" not in err


def test_help_that_nobody_reads_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        status, _, err = ended(run_process("--help", stdout=writing))
    finally:
        os.close(writing)
    assert status in (0, 141)
    assert err == ""


def test_standard_streams_that_are_closed_are_nothing_to_worry_about() -> None:
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command("two.wav", "-o", "reply.wav")]
    assert subprocess.run(closed, env=environment(), check=False).returncode == 0
    assert length("reply.wav") == 2 * REPLY


# Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_complete_files(number: signal.Signals) -> None:
    Path("old.jsonl").write_bytes(b"precious")
    process = run_process(
        "two.wav", "-o", "reply.wav", "--both", "both.mp3", "--transcript", "old.jsonl", wait=True
    )
    assert process.stderr is not None
    assert process.stderr.readline() == b"thinks\n"
    process.send_signal(number)
    status, _, err = ended(process)
    assert status == 128 + number
    assert "rxvoice: stopped; what was written so far is complete" in err
    assert "Traceback" not in err
    assert length("reply.wav") == REPLY
    assert length("both.mp3") > REPLY
    assert Path("old.jsonl").read_bytes() == b"precious"
    assert "old.jsonl is as it was" in err
    assert b'"Finished"' in Path("old.partial.jsonl").read_bytes()


def test_a_second_signal_ends_it_at_once() -> None:
    process = run_process("two.wav", "-o", "reply.wav", wait=True)
    assert process.stderr is not None
    assert process.stderr.readline() == b"thinks\n"
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    status, _, err = ended(process)
    assert status in (130, 143)
    assert "rxvoice: stopped" in err
    assert length("reply.wav") == REPLY


def test_what_is_killed_leaves_what_was_written() -> None:
    for before, name in ((None, "reply.wav"), (b"precious", "reply.partial.wav")):
        Path("reply.wav").unlink(missing_ok=True)
        if before is not None:
            Path("reply.wav").write_bytes(before)
        process = run_process("two.wav", "-o", "reply.wav", wait=True)
        assert process.stderr is not None
        assert process.stderr.readline() == b"thinks\n"
        process.kill()
        assert ended(process)[0] == -signal.SIGKILL
        assert length(name) == REPLY
    assert Path("reply.wav").read_bytes() == b"precious"
