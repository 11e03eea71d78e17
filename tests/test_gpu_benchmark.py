"""`benchmarks.gpu` on the CPU, with the tiny model and little of everything."""

from __future__ import annotations

import os

os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

from pathlib import Path

import numpy as np
import pytest

import rxvoice as rxv
from benchmarks import _made_llm, gpu
from benchmarks._gpu_answers import Answers, _together
from rxvoice.mlx import MlxScheduler

LITTLE = gpu.Effort(tokens=24, rounds=1, chunks=12, interruptions=2, turns=3, turn_tokens=8)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _made_llm.write(tmp_path_factory.mktemp("made"), "tiny")


@pytest.mark.models
def test_a_model_of_ones_own_is_measured(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RXVOICE_GPU_MODEL", str(directory))
    first = next(gpu.measure(LITTLE))
    assert first.name == f"{directory}, on the CPU: says nothing of a GPU"


@pytest.mark.models
def test_every_row_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "STEPS", 100)
    monkeypatch.setattr(gpu, "PIECES", 3)
    monkeypatch.delenv("RXVOICE_GPU_MODEL", raising=False)
    rows = list(gpu.measure(LITTLE))
    assert rows[0].name == "Llama tiny, random weights, on the CPU: says nothing of a GPU"
    names = [row.name for row in rows]
    assert len(set(names)) == len(names)
    for part in (
        "tokens a second",
        "gap in voice activity",
        "chunk that confirms to silence",
        "through respond and its lane",
        "first question after loading",
        "4 answers, through respond",
        "BatchGenerator",
        "converted on the model thread",
        "memory after 3 turns",
    ):
        assert any(part in name for name in names), part
    for row in rows:
        assert np.isfinite(row.ratio), row
        assert row.value > 0 or row.unit == "MB", row


@pytest.mark.models
def test_the_made_model_writes_words_and_sentences(directory: Path) -> None:
    llm = rxv.mlx.llm(directory, temperature=1, max_tokens=200)
    said = "".join(str(piece) for piece in llm.respond("Hello."))
    assert llm.stats.generated_tokens == 200
    assert len(said.split()) > 100
    assert said.count(".") >= 3


@pytest.mark.models
def test_ways_to_answer_write_all_tokens(directory: Path) -> None:
    with MlxScheduler() as worker:
        llm = rxv.mlx.llm(directory, temperature=1, max_tokens=10)
        rxv.mlx.load(llm, worker=worker)
        answers = Answers(llm, worker, 10)
        for way in (answers.in_place, answers.through_a_lane):
            llm.stats.generated_tokens = 0
            assert way().rate > 0
            assert llm.stats.generated_tokens == 10
            # No cache knew the prompt.
            assert llm.stats.prefilled_tokens > 64
        with pytest.raises(ZeroDivisionError):
            answers.on_worker(lambda: 1 / 0)


def test_only_the_time_in_which_all_answer_counts() -> None:
    assert _together([[0.0, 1.0, 2.0, 3.0], [1.5, 2.0, 2.5]]) == 3
