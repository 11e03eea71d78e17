"""``rxvoice models``: the catalog, and caches that the hub's real client has filled."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants, snapshot_download

import rxvoice.cli.models as command
import rxvoice.offline
from rxvoice.cli._cached import Cached, cached
from rxvoice.cli._catalog import BUILT_IN, MEMORIES, MODELS, SLOTS, TRIED, recommended
from rxvoice.cli._totals import total
from rxvoice.cli.models import add_models, models
from rxvoice.errors import ConfigError
from tests.mlx.fake_hub import FakeHub, serving

LLM = Path(rxvoice.offline.__path__[0]) / "demo-llm"
QWEN = "mlx-community/Qwen3-4B-Instruct-2507-4bit"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[FakeHub]:
    with serving(cache, monkeypatch) as hub:
        yield hub


def told(capsys: pytest.CaptureFixture[str], **options: Any) -> Any:
    assert models(as_json=True, **options) == 0
    return json.loads(capsys.readouterr().out)


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="rxvoice")
    add_models(parser.add_subparsers(dest="command"))
    return parser.parse_args(["models", *arguments])


# The catalog


def test_the_installed_libraries_run_what_is_recommended() -> None:
    missing = [it.name for it in MODELS if importlib.util.find_spec(it.family) is None]
    assert missing == []


def test_every_size_of_machine_has_a_model_in_every_slot() -> None:
    for memory in MEMORIES:
        assert {it.slot for it in recommended(memory)} == set(SLOTS)
        assert [it.slot for it in recommended(memory)] == sorted(
            (it.slot for it in recommended(memory)), key=list(SLOTS).index
        )


@pytest.mark.parametrize("memory", MEMORIES)
def test_what_is_recommended_fits_with_room_to_spare(memory: int) -> None:
    largest = dict.fromkeys(SLOTS, 0)
    for model in recommended(memory):
        largest[model.slot] = max(largest[model.slot], model.bytes or 0)
    assert sum(largest.values()) < 0.7 * memory * 1e9


def test_a_machine_between_two_sizes_gets_what_the_smaller_one_does() -> None:
    assert recommended(24) == recommended(16)
    assert recommended(512) == recommended(64)


def test_the_catalog_is_in_order() -> None:
    names = [it.name for it in MODELS]
    assert len(names) == len(set(names))
    assert all(name.count("/") == 1 for name in names)
    assert all(set(it.memories) <= set(MEMORIES) for it in MODELS)
    assert [it.slot for it in BUILT_IN] == list(SLOTS)


# What is printed


def test_all_models_aligned_and_no_wider_than_100(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert models() == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert all(line == line.rstrip() for line in lines)
    rows = [line for line in lines if "/" in line and line.endswith("no")]
    assert [row.split()[0] for row in rows] == [it.name for it in MODELS]
    head = next(line for line in lines if "licence" in line)
    for model, row in zip(MODELS, rows, strict=True):
        assert row.index(model.licence) == head.index("licence")
    assert any(QWEN in row and " 2.3 GB " in row for row in rows)
    assert "    41 voices, 6 languages; wants pip install 'rxvoice[kokoro]'" in lines
    assert [line.strip() for line in lines if "rxv.mlx.stt" in line] == [
        'recognition: rxv.mlx.stt("...")'
    ]
    assert lines[0] == "Without a download"
    assert [line.split("  ")[1] for line in lines[1:6]] == [what for what, _ in SLOTS.values()]
    assert f"kept in {cache}" in lines


def test_one_size_of_machine(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert models(memory=16) == 0
    out = capsys.readouterr().out
    assert "Recommended for a machine with 16 GB of memory" in out
    assert [it.name for it in MODELS if it.name in out] == [it.name for it in recommended(16)]
    with pytest.raises(ConfigError, match="--memory must be at least 8 GB, got 4"):
        models(memory=4)


def test_json(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = told(capsys, memory=32)
    assert out["memory_gb"] == 32
    assert out["cache"] == str(cache)
    assert [it["name"] for it in out["models"]] == [it.name for it in recommended(32)]
    voice = out["models"][-1]
    assert voice["call"] == f'rxv.mlx.tts("{voice["name"]}")'
    assert voice["here"] is None
    assert [it["slot"] for it in out["built_in"]] == list(SLOTS)
    assert out["on_this_machine"] == []


def test_a_part_that_is_not_installed_says_how_to(
    cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    models()
    lines = capsys.readouterr().out.splitlines()[1:6]
    wanted = [line.endswith("pip install 'rxvoice[offline]'") for line in lines]
    assert wanted == [False, False, True, False, True]


def test_the_families_that_were_tried(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models()
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("Families of mlx-lm and mlx-audio, by what rxvoice was tried with")
    text = "\n".join(lines[at + 1 : lines.index("", at)])
    rows = [line.split("  ", 2)[1:] for line in re.sub(r"\n {3,}", " ", text).split("\n")]
    assert [it[0] for it in rows] == list(TRIED)
    assert rows[0][1].strip() == "silero_vad, smart_turn, whisper, llama"
    assert rows[-1][1].strip() == "all others"
    assert told(capsys)["tried"]["random weights"]["tts"] == ["kokoro", "pocket_tts", "soprano"]


def test_it_is_the_table_of_the_families_page() -> None:
    page = (Path(__file__).parents[1] / "mlx" / "FAMILIES.md").read_text("utf-8")
    for how, slots in TRIED.items():
        row = next(it for it in page.splitlines() if it.startswith(f"| {how} |"))
        named = [name for names in slots.values() for name in names]
        assert re.findall(r"`(\w+)`", row.split("|")[2]) == named
        for name in named:
            parts = ("mlx_lm.models", *(f"mlx_audio.{it}.models" for it in ("vad", "stt", "tts")))
            assert any(importlib.util.find_spec(f"{it}.{name}") for it in parts)


def test_what_all_take_together(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models()
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("In memory on a Mac, the first model of each slot")
    assert [line.split()[0] for line in lines[at + 1 : at + 5]] == ["8", "16", "32", "64"]
    assert re.sub(" +", " ", lines[at + 2].strip()) == (
        "16 GB: 6.5 GB of 11.5 GB, 5.0 GB of weights and 1.4 GB for conversations of 9,709 tokens"
    )
    assert [it["memory_gb"] for it in told(capsys)["totals"]] == [*MEMORIES]
    [only] = told(capsys, memory=24)["totals"]
    assert only["memory_gb"] == 24
    assert only["needed"] == only["weights"] + only["cache"] < only["usable"]


@pytest.mark.parametrize("memory", MEMORIES)
def test_what_is_recommended_fits_into_what_models_may_take(memory: int) -> None:
    assert total(memory).needed <= total(memory).usable
    sizes = {8: 5461.33, 16: 10922.67, 32: 21845.33, 64: 49152.0}
    assert total(memory).usable / 2**20 == pytest.approx(sizes[memory], abs=0.01)
    first = {it.slot: it for it in reversed(recommended(memory))}
    assert all(it.bytes for it in first.values())
    assert total(memory).weights == sum(it.bytes or 0 for it in first.values())


# What is on the machine


def test_complete_models(hub: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    hub.add(QWEN, LLM)
    hub.add("some/other", LLM)
    for name in (QWEN, "some/other"):
        snapshot_download(name)
    capsys.readouterr()
    size = sum(it.stat().st_size for it in LLM.iterdir())
    assert cached() == [Cached(QWEN, size, True), Cached("some/other", size, True)]

    models()
    lines = capsys.readouterr().out.splitlines()
    assert next(it for it in lines if QWEN in it).endswith("yes")
    at = lines.index("Also on this machine")
    assert lines[at + 1].split() == ["some/other", f"{size / 1e6:.1f}", "MB", "yes"]
    assert lines[at + 2] == ""
    out = told(capsys)
    assert [it["here"] for it in out["models"] if it["here"]] == [
        {"name": QWEN, "bytes": size, "complete": True}
    ]
    assert [it["name"] for it in out["on_this_machine"]] == [QWEN, "some/other"]


@pytest.mark.parametrize(
    ("patterns", "complete"),
    [
        (["*.json"], False),
        (["*.safetensors"], False),
        (["config.json", "*.safetensors"], False),  # no tokenizer
        (["*.json", "*.safetensors"], True),
        (["config.json", "tok*.json", "*.safetensors"], True),
    ],
)
def test_what_makes_a_model_complete(hub: FakeHub, patterns: list[str], complete: bool) -> None:
    hub.add(QWEN, LLM)
    snapshot_download(QWEN, allow_patterns=patterns)
    (found,) = cached()
    assert found.complete is complete


def test_a_part_of_split_weights(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = {"weight_map": {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}
    hub.models[QWEN] = {
        "config.json": b"{}",
        "model.safetensors.index.json": json.dumps(index).encode(),
        "model-1-of-2.safetensors": bytes(10),
        "model-2-of-2.safetensors": bytes(11),
        "consolidated.safetensors": bytes(20),
    }

    def older(name: str) -> list[bool]:
        """The same, as an older client leaves it: without a list of what there is."""
        with monkeypatch.context() as patch:
            shutil.copytree(constants.HF_HUB_CACHE, tmp_path / name, symlinks=True)
            patch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / name))
            (tree,) = (tmp_path / name).rglob("trees/*.json")
            tree.unlink()
            return [it.complete for it in cached()]

    snapshot_download(QWEN, allow_patterns=["*.json", "model-1*"])
    assert [it.complete for it in cached()] == older("part") == [False]
    path = snapshot_download(QWEN, allow_patterns=["*.json", "model-*"])
    assert [it.complete for it in cached()] == older("all") == [True]
    os.remove(Path(path) / "model-2-of-2.safetensors")
    assert [it.complete for it in cached()] == older("lost") == [False]


def test_a_download_that_was_killed(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blobs = cache / f"models--{QWEN.replace('/', '--')}" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "abc.0123.incomplete").write_bytes(bytes(5_000_000))
    assert cached() == [Cached(QWEN, 5_000_000, False)]
    models()
    out = capsys.readouterr().out
    assert next(it for it in out.splitlines() if QWEN in it).endswith("part")


def test_what_is_no_model_is_left_out(cache: Path) -> None:
    for name in ("datasets--some--thing", "models--some--empty"):
        (cache / name / "snapshots" / "0" / "x").mkdir(parents=True)
    (cache / "version.txt").write_text("1")
    assert cached() == []


# The command


def test_the_options() -> None:
    assert (parsed().memory, parsed().json) == (None, False)
    assert (parsed("--memory", "16", "--json").memory, parsed("--json").json) == (16, True)


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        parsed("--help")
    out = capsys.readouterr().out
    assert "rxvoice models --memory 16" in out
    assert "fetched when it is first loaded" in out


def test_it_loads_no_mlx_and_needs_no_terminal(tmp_path: Path) -> None:
    program = (
        "import sys; from rxvoice.cli.models import models; models();"
        "assert not {'mlx', 'mlx_lm', 'mlx_audio'} & set(sys.modules)"
    )
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert f"kept in {tmp_path}" in done.stdout
