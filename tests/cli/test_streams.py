"""Standard streams that are closed, full or read by nobody; and a second signal."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from unmeasured import unmeasured

from rxvoice.cli import _streams, main
from rxvoice.cli._streams import is_gone, sound_from_stdin, stdout_taken
from rxvoice.cli._usage import UsageError

PYTHON = [sys.executable, "-c"]
CLOSED = """
import os
for number in (0, 1, 2):
    os.close(number)
from rxvoice.cli._streams import complete_streams
complete_streams()
where = [os.readlink(f"/proc/self/fd/{{number}}") for number in (0, 1, 2)]
with open({path!r}, "w") as file:
    print(*where, file.fileno() > 2, file=file)
"""
TWICE = """
import os, signal
from rxvoice.cli._signals import ended_by_signals
with ended_by_signals() as ending:
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except KeyboardInterrupt:
        print(ending.status, flush=True)
        os.kill(os.getpid(), signal.SIGINT)
    print("it goes on", flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_closed_stream_is_no_file_that_is_opened_next(tmp_path: Path) -> None:
    path = tmp_path / "told"
    code = CLOSED.format(path=str(path))
    assert subprocess.run([*PYTHON, code], env=unmeasured(), check=False).returncode == 0
    assert path.read_text() == "/dev/null /dev/null /dev/null True\n"


def test_a_second_signal_ends_the_command_at_once() -> None:
    done = subprocess.run([*PYTHON, TWICE], capture_output=True, text=True, check=False)
    assert done.returncode == 128 + signal.SIGINT
    assert done.stdout == f"{128 + signal.SIGTERM}\n"
    assert done.stderr == "\nrxvoice: stopped at once; what was written so far is complete\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="wants /dev/full")
def test_an_output_that_is_full_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["models"]) == 1
        assert os.readlink(f"/proc/self/fd/{full.fileno()}") == os.devnull, "no second error"
    assert capsys.readouterr().err == "rxvoice: error: No space left on device\n"


def test_whether_anybody_reads_a_stream() -> None:
    assert not is_gone(io.StringIO())  # it has no descriptor
    reading, writing = os.pipe()
    with open(writing, "w") as out:
        assert not is_gone(out)
        os.close(reading)
        assert is_gone(out)
    assert not is_gone(out)  # closed


def test_sound_goes_to_no_terminal_and_comes_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_streams.os, "isatty", lambda number: True)
    with pytest.raises(UsageError, match="which is a terminal: send it to a file"), stdout_taken():
        pass
    with pytest.raises(UsageError, match="which is a terminal: give it a recording"):
        sound_from_stdin()


@pytest.mark.parametrize(("inside", "stays"), [(True, False), (False, True)])
def test_the_output_to_a_terminal_that_is_closed_is_discarded(
    inside: bool, stays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A closed terminal is a character device that is no terminal."""
    gone: list[int] = []
    monkeypatch.setattr(_streams.stat, "S_ISCHR", lambda mode: inside)
    monkeypatch.setattr(_streams.os, "isatty", lambda number: False)
    monkeypatch.setattr(_streams, "_discard", gone.append)
    _streams.forget_terminal()
    assert gone == ([] if stays else [1, 2])


def test_wrong_usage_names_the_help_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["devices", "--loud", "now"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "rxvoice devices: error: unrecognized arguments: --loud now; see rxvoice devices --help\n"
    )
