"""Files that are written, and never cost the one that had their name."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rxvoice._files.output import OutputFile, same_file
from rxvoice.errors import ConfigError

PATIENCE_S = 60.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "talk.wav"


@pytest.fixture
def precious(path: Path) -> Path:
    path.write_bytes(b"precious")
    return path


def names(path: Path) -> list[str]:
    return sorted(it.name for it in path.parent.iterdir())


def write(path: Path, data: bytes = b"new", *, complete: bool = True) -> OutputFile:
    output = OutputFile(path)
    output.open().write(data)
    output.complete = complete
    output.close()
    return output


def test_a_free_name_is_taken_at_once_and_with_the_first_byte(path: Path) -> None:
    output = OutputFile(path)
    assert names(path) == []
    output.open().write(b"new")
    assert path.read_bytes() == b"new"
    output.close()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_an_old_file_is_replaced_in_one_step_when_the_new_one_is_complete(precious: Path) -> None:
    output = OutputFile(precious)
    output.open().write(b"new")
    assert precious.read_bytes() == b"precious"
    assert output.where.read_bytes() == b"new"
    output.complete = True
    output.close()
    output.close()
    assert precious.read_bytes() == b"new"
    assert names(precious) == ["talk.wav"]


def test_what_is_not_complete_stays_beside_it_and_the_log_says_where(
    precious: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output = write(precious, complete=False)
    beside = precious.with_name("talk.partial.wav")
    assert precious.read_bytes() == b"precious"
    assert beside.read_bytes() == b"new"
    assert output.where == beside
    assert caplog.messages == [
        f"{precious} is as it was: the new one is incomplete, and is {beside}"
    ]


def test_what_is_not_begun_touches_nothing(precious: Path) -> None:
    output = OutputFile(precious)
    output.complete = True
    output.close()
    output.discard()
    assert precious.read_bytes() == b"precious"
    assert names(precious) == ["talk.wav"]


def test_what_is_discarded_is_gone(path: Path) -> None:
    for before in (None, b"precious"):
        if before is not None:
            path.write_bytes(before)
        output = OutputFile(path)
        output.open().write(b"new")
        output.discard()
        assert names(path) == ([] if before is None else ["talk.wav"])
    assert path.read_bytes() == b"precious"


def test_what_a_killed_process_left_is_not_written_over_and_told(
    precious: Path, caplog: pytest.LogCaptureFixture
) -> None:
    code = (
        "import os, signal, sys\n"
        "from rxvoice._files.output import OutputFile\n"
        "OutputFile(sys.argv[1]).open().write(b'left')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    for _ in range(2):
        command = [sys.executable, "-c", code, precious]
        killed = subprocess.run(command, env=environment, check=False)
        assert killed.returncode == -signal.SIGKILL
    left = [precious.with_name(f"talk.{name}.wav") for name in ("partial", "partial-2")]
    assert [it.read_bytes() for it in left] == [b"left", b"left"]
    output = OutputFile(precious)
    output.open().write(b"new")
    assert output.where.name == "talk.partial-3.wav"
    assert [it.split(" is of a run")[0] for it in caplog.messages] == [str(it) for it in left]
    output.complete = True
    output.close()
    assert precious.read_bytes() == b"new"
    assert [it.read_bytes() for it in left] == [b"left", b"left"]


def test_two_at_once_do_not_write_into_each_other(precious: Path) -> None:
    one, other = OutputFile(precious), OutputFile(precious)
    one.open().write(b"one")
    other.open().write(b"other")
    for output in (one, other):
        output.complete = True
        output.close()
    assert precious.read_bytes() == b"other"
    assert names(precious) == ["talk.wav"]


def test_the_permissions_of_an_old_file_are_kept(precious: Path) -> None:
    precious.chmod(0o640)
    write(precious)
    assert stat.S_IMODE(precious.stat().st_mode) == 0o640


def test_through_a_link_the_file_behind_it_is_replaced(tmp_path: Path) -> None:
    behind = tmp_path / "there" / "real.wav"
    behind.parent.mkdir()
    link = tmp_path / "talk.wav"
    link.symlink_to(behind)
    write(link, b"first")
    output = OutputFile(link)
    output.open().write(b"second")
    assert behind.read_bytes() == b"first"
    assert output.where == behind.with_name("real.partial.wav")
    output.complete = True
    output.close()
    assert link.is_symlink()
    assert behind.read_bytes() == b"second"


def test_an_empty_file_is_nothing_to_lose(path: Path) -> None:
    path.touch(0o600)
    before = path.stat().st_ino
    output = OutputFile(path)
    output.open().write(b"new")
    assert path.read_bytes() == b"new"
    output.discard()
    assert path.read_bytes() == b""
    assert path.stat().st_ino == before


def test_what_is_no_regular_file_is_written_as_it_is(tmp_path: Path) -> None:
    write(Path(os.devnull))
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_bytes()))
    reader.start()
    write(pipe)
    reader.join(PATIENCE_S)
    assert heard == [b"new"]


def test_an_error_of_the_disk_names_the_file(
    precious: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = OutputFile(precious)
    file = output.open()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    file.write(b"new")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        output.complete = True
        with pytest.raises(OSError, match="No space left on device"):
            output.close()
    assert precious.read_bytes() == b"precious"
    assert file.closed


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is Linux's")
def test_an_error_of_a_device_names_it() -> None:
    full_device = OutputFile("/dev/full")
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
        full_device.open().write(b"new")
    full_device.close()


def test_what_cannot_be_written_is_refused_before_anything_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    gone = tmp_path / "gone.wav"
    gone.symlink_to(tmp_path / "nowhere" / "talk.wav")
    for wrong, reason in (
        (tmp_path, "it is a directory; name a file in it"),
        (tmp_path / "no" / "talk.wav", f"there is no directory {tmp_path / 'no'}; make it first"),
        (file / "talk.wav", f"there is no directory {file}; make it first"),
        (gone, f"there is no directory {tmp_path / 'nowhere'}; make it first"),
    ):
        with pytest.raises(ConfigError) as raised:
            OutputFile(wrong)
        assert str(raised.value) == f"cannot write {wrong}: {reason}"
    # Root may write everywhere.
    monkeypatch.setattr(os, "access", lambda it, mode: Path(it) != tmp_path)
    with pytest.raises(ConfigError, match=f"no permission to write in the directory {tmp_path}"):
        OutputFile(file)
    assert sorted(it.name for it in tmp_path.iterdir()) == ["file", "gone.wav"]


def test_one_file_under_several_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = tmp_path / "one.wav"
    one.write_bytes(b"x")
    hard, soft, other = (tmp_path / f"{name}.wav" for name in ("hard", "soft", "other"))
    os.link(one, hard)
    soft.symlink_to(one)
    other.write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    for same in (one, hard, soft, Path("one.wav"), Path("./one.wav"), tmp_path / "." / "one.wav"):
        assert same_file(one, same)
    assert not same_file(one, other)
    assert same_file(Path("new.wav"), tmp_path / "new.wav")
    assert not same_file(Path("new.wav"), one)
    assert not same_file(Path(os.devnull), Path(os.devnull))
