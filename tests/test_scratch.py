"""Directories to make something in: what a killed process left goes, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rxvoice._files import scratch
from rxvoice._files.scratch import scratch_beside

WAITS = (
    "import sys; from pathlib import Path; from rxvoice._files.scratch import scratch_beside\n"
    "with scratch_beside(Path(sys.argv[1]), print) as made:\n"
    "    (made / 'half').write_text('half')\n"
    "    print(made.name, flush=True)\n"
    "    sys.stdin.read()\n"
)


@contextmanager
def at_work(target: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that is in the middle of making the target, and the name of its directory."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", WAITS, str(target)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    assert process.wait() == -signal.SIGKILL


def names(directory: Path) -> list[str]:
    return sorted(it.name for it in directory.iterdir())


def test_what_a_killed_process_left_is_deleted_and_told(tmp_path: Path) -> None:
    told: list[str] = []
    with at_work(tmp_path / "model") as (process, left):
        kill(process)
        assert names(tmp_path / left) == ["half"]
        with scratch_beside(tmp_path / "model", told.append) as made:
            assert names(tmp_path) == [made.name]
    assert told == [f"deleting {left}, which a process has left that was cut off"]
    assert names(tmp_path) == []


def test_the_directory_of_a_process_that_is_at_work_stays(tmp_path: Path) -> None:
    told: list[str] = []
    with at_work(tmp_path / "model") as (process, its):
        with scratch_beside(tmp_path / "model", told.append) as made:
            assert names(tmp_path) == sorted([its, made.name])
        assert names(tmp_path / its) == ["half"]
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait() == 0, "it has done its work to the end"
    assert told == []
    assert names(tmp_path) == []


def test_only_its_own_name_is_looked_for(tmp_path: Path) -> None:
    others = [".mod.rxvoice-1", ".model-2", ".modell.rxvoice-3", "model.rxvoice-4"]
    for name in others:
        (tmp_path / name).mkdir()
    (tmp_path / ".model.rxvoice-file").write_text("a file of somebody")
    (tmp_path / "there").mkdir()
    (tmp_path / ".model.rxvoice-link").symlink_to(tmp_path / "there")
    before = names(tmp_path)
    with scratch_beside(tmp_path / "model", pytest.fail):
        pass
    assert names(tmp_path) == before


def test_a_name_may_have_the_signs_of_a_pattern(tmp_path: Path) -> None:
    (tmp_path / ".m.rxvoice-1").mkdir()
    (tmp_path / ".[m]*.rxvoice-2").mkdir()
    with scratch_beside(tmp_path / "[m]*", lambda _: None):
        pass
    assert names(tmp_path) == [".m.rxvoice-1"]


def test_without_locks_nothing_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a network's file system that has none: nobody knows who is at work."""

    def none(*_: object) -> None:
        raise OSError("no locks available")

    (tmp_path / ".model.rxvoice-1").mkdir()
    monkeypatch.setattr(scratch.fcntl, "flock", none)
    with scratch_beside(tmp_path / "model", pytest.fail) as made:
        assert names(tmp_path) == sorted([".model.rxvoice-1", made.name])
    assert names(tmp_path) == [".model.rxvoice-1"]


def rival_deletes(found: Path) -> None:
    found.rmdir()


def rival_locks(found: Path) -> None:
    lock = os.open(found, os.O_RDONLY)
    scratch.fcntl.flock(lock, scratch.fcntl.LOCK_EX)


@pytest.mark.parametrize("rival", [rival_deletes, rival_locks])
def test_a_new_directory_that_another_process_takes_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rival: Callable[[Path], None]
) -> None:
    """It is not locked yet, so another one may take it for one that was left."""
    make, made = scratch.tempfile.mkdtemp, list[str]()

    def mkdtemp(**options: object) -> str:
        name = make(**options)  # type: ignore[call-overload]
        made.append(name)
        if len(made) == 1:
            rival(Path(name))
        return name

    monkeypatch.setattr(scratch.tempfile, "mkdtemp", mkdtemp)
    with scratch_beside(tmp_path / "model", pytest.fail) as found:
        assert [*map(str, [found])] == made[1:]


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def break_off(made: Path) -> None:
        (made / "half").write_text("half")
        raise KeyError

    with pytest.raises(KeyError), scratch_beside(tmp_path / "model", pytest.fail) as made:
        break_off(made)
    assert names(tmp_path) == []
