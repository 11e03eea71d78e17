"""``make repeat``: runs go on after a failure, and each failure is counted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import repeat

TEST = """
from pathlib import Path

def test_that_fails_at_times():
    ran = Path("ran")
    ran.write_text(ran.read_text() + "x" if ran.exists() else "x")
    assert len(ran.read_text()) % 2

def test_that_does_not():
    pass
"""


@pytest.mark.slow
def test_it_goes_on_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("test_flaky.py").write_text(TEST)
    plain = ["-p", "no:cacheprovider", "-p", "no:xdist", "test_flaky.py"]
    assert repeat.main(["3", sys.executable, "-m", "pytest", *plain]) == 1
    told = capsys.readouterr().out.splitlines()
    assert [line.rpartition(",")[0] for line in told[:3]] == [
        "run 1 of 3: 0 failed",
        "run 2 of 3: 1 failed",
        "run 3 of 3: 0 failed",
    ]
    assert told[3:] == ["1 of 3  test_flaky::test_that_fails_at_times"]
    assert "assert 2 % 2" not in (repeat.OUT / "1.log").read_text()
    assert "test_that_fails_at_times" in (repeat.OUT / "2.log").read_text()


def test_a_run_that_ends_without_a_report_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert repeat.main(["1", sys.executable, "-c", "raise SystemExit(3)"]) == 1
    assert "1 of 1  no report: the run ended with 3" in capsys.readouterr().out


def test_a_run_without_a_failure_that_ends_badly_is_told(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text("<testsuite><testcase classname='a' name='b'/></testsuite>")
    assert repeat.failed(report, 0) == []
    assert repeat.failed(report, 3) == ["no test: the run ended with 3"]


def test_busy_processes_end_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def watched(*args: object, **options: object) -> subprocess.Popen[bytes]:
        started.append(popen(*args, **options))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", watched)
    with repeat.busy(2):
        assert [it.poll() for it in started] == [None, None]
    assert None not in [it.poll() for it in started]
    assert len(started) == 2
