"""The comparison with peers: programs in rounds, figures, environments and the file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import __main__ as command
from benchmarks.peers import _env, _figures, _run, _table
from benchmarks.peers._row import SYSTEMS, Cannot, Probe, Row

FAKE = "tests.peers.fake_peer"
PYTHONS: dict[str, Path | str] = dict.fromkeys(SYSTEMS, Path(sys.executable))


def row(name: str, *own: str, unit: str = "ms", rounds: int = 1, **others: Any) -> Row:
    """A row whose peers have no such thing, except those that are named."""
    by: dict[str, Probe | Cannot] = {system: Cannot("it has none") for system in SYSTEMS}
    by["rxvoice"] = Probe(FAKE, own, "order")
    by |= {system.replace("_", "-"): it for system, it in others.items()}
    return Row(1, name, "what it is", unit, by, rounds=rounds)


def figures_of(row: Row) -> dict[str, _figures.Figure]:
    return _figures.figures(row, _run.run([row], PYTHONS, lambda _: None)[row.name])


def test_a_figure_is_the_median_of_the_rounds_with_its_quartiles_and_ratio() -> None:
    it = row("a", "a=2")
    answers = {system: _run.Answer() for system in SYSTEMS}
    answers["rxvoice"].values = [2.0, 1.0, 3.0]
    answers["pipecat"].values = [4.0, 8.0, 40.0]
    found = _figures.figures(it, answers)
    assert (found["rxvoice"].median, found["rxvoice"].ratio) == (2, 1)
    pipecat = found["pipecat"]
    assert (pipecat.low, pipecat.median, pipecat.high, pipecat.ratio) == (6, 8, 24, 4)
    assert found["rxvoice"].guarantees == "order"


def test_a_round_of_several_values_is_their_median_and_no_ratio_is_made_to_nothing() -> None:
    found = figures_of(row("a", "a=0", "a=0", pipecat=Probe(FAKE, ("a=1", "a=5", "a=2"))))
    assert found["pipecat"].median == 2
    assert found["rxvoice"].median == 0
    assert found["pipecat"].ratio is None


def test_a_round_of_yes_and_no_is_yes_when_all_were() -> None:
    peer = Probe(FAKE, ("a=true", "a=false"))
    found = figures_of(row("a", "a=true", "a=true", unit="yes", pipecat=peer, rounds=2))
    assert (found["rxvoice"].yes, found["rxvoice"].rounds) == (2, 2)
    assert found["pipecat"].yes == 0
    assert found["pipecat"].median is None


def test_what_a_program_tells_of_other_rows_is_passed_over() -> None:
    found = figures_of(row("a", "b=1", "c!", "a=2"))
    assert (found["rxvoice"].median, found["rxvoice"].cannot) == (2, "")


def test_what_cannot_be_done_is_told_by_the_row_or_by_the_program() -> None:
    found = figures_of(row("a", "a=1", pipecat=Probe(FAKE, ("a!",))))
    assert found["pipecat"].cannot == "there is none"
    assert found["livekit"].cannot == "it has none"
    assert not found["pipecat"].missing


@pytest.mark.parametrize(
    ("args", "limit", "why"),
    [
        (("exit",), 60, "ended with 1; it fell over"),
        (("b=1",), 60, f"{FAKE} b=1 told nothing of it"),
        (("hang",), 0.2, "took longer than 0.2 s"),
    ],
)
def test_a_program_that_fails_says_why_and_is_not_asked_again(
    args: tuple[str, ...], limit: float, why: str
) -> None:
    it = row("a", "a=1", rounds=2, pipecat=Probe(FAKE, args, "", limit))
    told: list[str] = []
    answers = _run.run([it], PYTHONS, told.append)
    assert answers["a"]["pipecat"].missing == why
    assert answers["a"]["rxvoice"].values == [1, 1]
    assert [line for line in told if "pipecat" in line] == [
        f"round 1 of 2, pipecat: {FAKE} {args[0]}",
        f"pipecat: {why}",
    ]


def test_the_programs_take_turns_and_rows_share_a_run(tmp_path: Path) -> None:
    log = tmp_path / "log"
    peer = Probe(FAKE, ("b=1", f"log={log}"))
    one = row("a", "a=1", "b=2", f"log={log}", rounds=2)
    two = row("b", "a=1", "b=2", f"log={log}", pipecat=peer, rounds=2)
    answers = _run.run([one, two], PYTHONS, lambda _: None)
    assert log.read_text("utf-8").splitlines() == ["a=1 b=2", "b=1", "b=1", "a=1 b=2"]
    assert answers["a"]["rxvoice"].values == [1, 1]
    assert answers["b"]["rxvoice"].values == [2, 2]
    assert answers["b"]["pipecat"].values == [1, 1]


def test_a_peer_that_is_not_installed_is_not_asked() -> None:
    it = row("a", "a=1", pipecat=Probe(FAKE, ("exit",)))
    pythons = {**PYTHONS, "pipecat": "cannot be installed here: no wheel"}
    answers = _run.run([it], pythons, lambda _: None)
    assert answers["a"]["pipecat"].missing == "cannot be installed here: no wheel"


def test_a_row_says_who_answers_for_each_system() -> None:
    with pytest.raises(ValueError, match="too much or too little: livekit, mlx-audio, pipecat"):
        Row(1, "a", "what", "ms", {"rxvoice": Probe(FAKE)})


# The table, and the file


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        ({"median": 1.234, "low": 1.0, "high": 2.0, "ratio": 6.42}, "1.23 ms (1 to 2), x 6.42"),
        ({"median": 12345.6, "low": 12345.6, "high": 12345.6, "ratio": 1.0}, "12,346 ms"),
        ({"median": 0.0, "low": 0.0, "high": 0.0}, "0 ms"),
        ({"yes": 3, "rounds": 3}, "yes"),
        ({"yes": 0, "rounds": 3}, "no"),
        ({"yes": 1, "rounds": 3}, "yes in 1 of 3"),
        ({"cannot": "why"}, "has no such thing"),
        ({"missing": "why"}, "not measured here"),
    ],
)
def test_a_cell(figure: dict[str, Any], shown: str) -> None:
    assert _table.cell({"unit": "ms"}, figure) == shown


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows in place of all."""
    rows = tuple(row(name, f"{name}=1") for name in "ab")
    monkeypatch.setattr(command, "ROWS", rows)


@pytest.mark.usefixtures("two")
def test_one_row_is_measured_again_in_a_file_of_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "measured.json"
    assert command.main(["--json", str(kept)]) == 0
    shown = capsys.readouterr()
    assert "1  what it is: a" in shown.out
    assert "rxvoice    1 ms" in shown.out
    assert "pipecat    has no such thing: it has none" in shown.out
    assert "round 1 of 1, rxvoice: tests.peers.fake_peer a=1" in shown.err
    found = json.loads(kept.read_text("utf-8"))
    found["rows"][0]["date"] = found["rows"][1]["date"] = "2020-01-01"
    kept.write_text(json.dumps(found), "utf-8")
    assert command.main(["--json", str(kept), "--only", "b"]) == 0
    again = json.loads(kept.read_text("utf-8"))["rows"]
    assert [it["name"] for it in again] == ["a", "b"]
    assert again[0]["date"] == "2020-01-01" != again[1]["date"]


@pytest.mark.usefixtures("two")
def test_rows_of_two_machines_are_not_mixed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "measured.json"
    text = json.dumps({"measured": {**_figures.machine(), "processor": "abacus"}, "rows": []})
    kept.write_text(text, "utf-8")
    assert command.main(["--json", str(kept), "--only", "b"]) == 1
    assert "measured with another processor" in capsys.readouterr().err
    assert kept.read_text("utf-8") == text


@pytest.mark.usefixtures("two")
def test_a_quick_run_writes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "KEPT", tmp_path / "measured.json")
    assert command.main(["--quick", "--only", "a"]) == 0
    assert not [*tmp_path.iterdir()]


# Environments


@pytest.fixture
def pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pins that name nothing, so that no index is asked."""
    monkeypatch.setattr(_env, "PINS", tmp_path)
    (tmp_path / "pipecat.txt").write_text("# nothing\n", "utf-8")
    return tmp_path / "pipecat.txt"


def script(home: Path, text: str) -> None:
    """In place of an environment's Python."""
    (home / "bin").mkdir(parents=True)
    python = home / "bin" / "python"
    python.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    python.chmod(0o755)


def test_an_environment_is_made_once_for_its_pins(
    pins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def create(home: Path, **_: object) -> None:
        made.append(home)
        script(home, "exit 0")

    monkeypatch.setattr(_env.venv, "create", create)
    told: list[str] = []
    place = pins.parent / "peers"
    for _ in range(2):
        assert _env.interpreter("pipecat", told.append, place) == made[0] / "bin" / "python"
    assert len(made) == len(told) == 1
    assert "installing pipecat.txt" in told[0]
    pins.write_text("# nothing else\n", "utf-8")
    _env.interpreter("pipecat", told.append, place)
    assert len(made) == 2


def test_a_peer_that_cannot_be_installed_leaves_nothing_and_says_why(
    pins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create(home: Path, **_: object) -> None:
        script(home, "echo 'ERROR: no matching distribution' >&2; exit 1")

    monkeypatch.setattr(_env.venv, "create", create)
    with pytest.raises(_env.NotInstalled, match="ERROR: no matching distribution"):
        _env.interpreter("pipecat", lambda _: None, pins.parent / "peers")
    assert not (pins.parent / "peers" / "pipecat").exists()


def test_the_pins_name_what_is_measured() -> None:
    assert _env.version("pipecat") == "pipecat-ai 1.14.0"
    assert _env.version("livekit") == "livekit-agents 1.8.9"
    for system in ("pipecat", "livekit"):
        pins = (Path(_env.__file__).parent / f"{system}.txt").read_text("utf-8").splitlines()
        assert all("==" in pin for pin in pins if not pin.startswith("#"))
