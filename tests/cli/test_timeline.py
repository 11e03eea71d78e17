"""`rxvoice timeline`, as a user types it."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from trace_kit import example

from rxvoice.cli import main
from rxvoice.cli.timeline import seconds


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0", 0),
        ("30", 30),
        ("90", 90),
        ("90.5", 90.5),
        ("0:30", 30),
        ("1:05.25", 65.25),
        ("59:59", 3599),
        ("1:02:03", 3723),
        ("0:00", 0),
        ("100:00:00", 360_000),
    ],
)
def test_a_time_as_people_write_it(text: str, wanted: float) -> None:
    assert seconds(text) == wanted


@pytest.mark.parametrize("text", ["", "-1", "1:60", "1:2:99", "60:00", "1e3", "nan", "half", "1:"])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="must be a time such as 0:30 or 30, got"):
        seconds(text)


def test_a_part_of_a_conversation_is_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded, out = example().write(tmp_path / "talk"), tmp_path / "part.svg"
    options = ["--from", "0:03", "--to", "0:05"]
    assert main(["timeline", str(recorded), "-o", str(out), *options]) == 0
    told = capsys.readouterr().out
    assert told == f"{out}: {out.stat().st_size / 1e6:.1f} MB\n"
    light = out.read_text("utf-8")
    assert main(["timeline", str(recorded), "-o", str(out), *options, "--dark"]) == 0
    dark = out.read_text("utf-8")
    assert light.startswith("<svg")
    assert dark.startswith("<svg")
    assert light != dark
    assert main(["timeline", str(recorded), "-o", str(out)]) == 0
    assert len(out.read_text("utf-8")) > len(light)


def test_a_trace_that_is_none_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["timeline", str(tmp_path), "-o", str(tmp_path / "it.svg")]) == 1
    assert capsys.readouterr().err.startswith("rxvoice: error: ")
    assert not (tmp_path / "it.svg").exists()
