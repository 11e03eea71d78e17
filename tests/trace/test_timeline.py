"""A timeline is whole, asks no host for anything, and what others said cannot break out of it."""

from __future__ import annotations

import json
import re
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from thorough import THOROUGH
from trace_kit import HEADER, Talk, example

from rxvoice import cli
from rxvoice.errors import ConfigError, MissingDependency
from rxvoice.trace import timeline

HOSTILE = "</script><script>alert(1)</script> <!-- ]]> & \x1b \u2028 \"'"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return example().write(tmp_path_factory.mktemp("trace"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    talk = Talk(6.0)
    turn, known = talk.user(0.5, 1.5, HOSTILE)
    talk.reply(turn, known, [HOSTILE])
    return talk.write(tmp_path_factory.mktemp("hostile"))


def data_of(page: str) -> dict[str, Any]:
    (found,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)
    return json.loads(found)


def texts(picture: str) -> list[str]:
    return ["".join(it.itertext()) for it in ET.fromstring(picture).iter() if it.tag[-4:] == "text"]


def test_a_picture_has_every_lane_and_every_part(recorded: Path, tmp_path: Path) -> None:
    picture = timeline(recorded, tmp_path / "turn.svg").read_text("utf-8")
    shown = texts(picture)
    for lane in ("Microphone", "Speech", "Turn", "Recogniser", "Text model", "Voice"):
        assert lane in shown
    assert {"1.92 s", "1.44 s", "1.32 s"} <= set(shown)
    assert "interrupted" in shown
    assert "dropped: short" in shown
    assert "first token (text model)" in shown
    assert any(it.startswith("tool: weather") for it in shown)
    assert "prefers-color-scheme:dark" in picture


def test_a_stretch_has_only_what_is_in_it(recorded: Path, tmp_path: Path) -> None:
    picture = timeline(recorded, tmp_path / "turn.svg", start_s=8, end_s=11, dark=True)
    shown = texts(picture.read_text("utf-8"))
    assert "0:08 to 0:11 · 0 replies" not in shown
    assert "1.44 s" in shown
    assert "1.92 s" not in shown
    assert "prefers-color-scheme" not in picture.read_text("utf-8")


def test_a_long_conversation_is_drawn_in_rows(tmp_path: Path) -> None:
    picture = timeline(example(77.0).write(tmp_path / "t"), tmp_path / "turn.svg")
    assert texts(picture.read_text("utf-8")).count("Loudspeaker") == 3


def test_a_page_is_one_file_that_asks_for_nothing(recorded: Path, tmp_path: Path) -> None:
    page = timeline(recorded, tmp_path / "turn.html").read_text("utf-8")
    assert "default-src 'none'" in page
    assert re.findall(r"(?:src|href|url)\s*[=(]", page) == []
    assert [
        it for it in re.findall(r"https?://[^\s\"']*", page) if "w3.org/2000/svg" not in it
    ] == []
    data = data_of(page)
    assert [it["over"] for it in data["turns"]] == [
        *("interrupted", "finished", "dropped", "failed", "finished")
    ]
    assert all(len(it) > 1000 for it in data["waves"].values())
    assert len(data["sound"]) == 1
    assert len(page) < 400_000


@pytest.mark.slow
def test_ten_minutes_are_one_page_of_less_than_5_mb(tmp_path: Path) -> None:
    minutes = 10 if THOROUGH else 2
    trace = example(60.0 * minutes).write(tmp_path / "trace")
    began = time.process_time()
    page = timeline(trace, tmp_path / "turn.html")
    # s of all cores; about 0.25 a minute on an idle machine
    assert time.process_time() - began < 0.8 * minutes
    assert page.stat().st_size < 500_000 * minutes
    data = data_of(page.read_text("utf-8"))
    assert len(data["sound"]) == minutes + 1  # and the last block
    assert len(data["turns"]) == {10: 115, 2: 20}[minutes]


def test_what_somebody_said_stays_a_text(hostile: Path, tmp_path: Path) -> None:
    page = timeline(hostile, tmp_path / "turn.html").read_text("utf-8")
    assert page.count("</script>") == 2
    assert data_of(page)["turns"][0]["said"] == HOSTILE
    picture = timeline(hostile, tmp_path / "turn.svg").read_text("utf-8")
    assert "<script" not in picture
    assert ET.fromstring(picture).findall(".//{*}script") == []


def test_a_trace_without_content_is_drawn_too(tmp_path: Path) -> None:
    bare = example().write(tmp_path / "bare", content=False)
    data = data_of(timeline(bare, tmp_path / "turn.html").read_text("utf-8"))
    assert data["sound"] == []
    assert data["turns"][4]["total"] == pytest.approx(1324, abs=30)
    assert timeline(bare, tmp_path / "turn.svg").stat().st_size > 10_000


def test_a_png_is_a_picture(recorded: Path, tmp_path: Path) -> None:
    pytest.importorskip("resvg_py")
    data = timeline(recorded, tmp_path / "turn.png", start_s=5, end_s=15).read_bytes()
    assert data.startswith(b"\x89PNG")
    assert int.from_bytes(data[16:20], "big") == 2560


def test_a_png_says_what_it_wants(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "resvg_py", None)
    with pytest.raises(MissingDependency, match=r"pip install 'rxvoice\[trace\]', or draw an .svg"):
        timeline(recorded, tmp_path / "turn.png")
    assert not (tmp_path / "turn.png").exists()


def test_what_cannot_be_drawn_is_refused(recorded: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"written to .html, .svg or .png"):
        timeline(recorded, tmp_path / "turn.pdf")
    with pytest.raises(ConfigError, match=r"nothing from 40 s to 26 s: the conversation has 26.0"):
        timeline(recorded, tmp_path / "turn.svg", start_s=40)
    with pytest.raises(ConfigError, match="there is no directory"):
        timeline(recorded, tmp_path / "none" / "turn.svg")


def test_a_time_that_is_far_away_fills_no_memory(tmp_path: Path) -> None:
    lines = [json.dumps(HEADER), '{"k": "step", "t": 9e8}']
    (tmp_path / "trace.jsonl").write_text("\n".join(lines), "utf-8")
    with pytest.raises(ConfigError, match=r"at most 6 hours, and this is 250000.0: choose a str"):
        timeline(tmp_path, tmp_path / "turn.html")
    assert timeline(tmp_path, tmp_path / "turn.html", end_s=60).stat().st_size < 100_000


@pytest.mark.parametrize(
    ("times", "shown"),
    [
        (["--from", "0:05", "--to", "0:15"], "0:05 to 0:15"),
        (["--from", "5", "--to", "15.5"], "0:05 to 0:15.5"),
        (["--to", "0:00:20"], "0:00 to 0:20"),
    ],
)
def test_the_command_draws_a_stretch(
    recorded: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    times: list[str],
    shown: str,
) -> None:
    out = tmp_path / "turn.svg"
    assert cli.main(["timeline", str(recorded), "-o", str(out), *times]) == 0
    assert capsys.readouterr().out == f"{out}: 0.1 MB\n"
    assert any(it.startswith(shown) for it in texts(out.read_text("utf-8")))


@pytest.mark.parametrize("time", ["0:75", "soon", "-1", "1:2:3:4", "1e9", ""])
def test_the_command_refuses_what_is_no_time(
    recorded: Path, capsys: pytest.CaptureFixture[str], time: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["timeline", str(recorded), f"--from={time}"])
    assert ended.value.code == 2
    assert "must be a time such as 0:30 or 30" in capsys.readouterr().err
