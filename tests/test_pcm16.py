"""16-bit samples: rounded, clipped, and the same everywhere."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np

import rxvoice
from rxvoice._pcm16 import from_pcm16, to_pcm16


def test_every_word_comes_back_exactly() -> None:
    words = np.arange(-32_768, 32_768).astype(np.int16)
    np.testing.assert_array_equal(to_pcm16(from_pcm16(words)), words)
    np.testing.assert_array_equal(from_pcm16(words.astype("<i2").tobytes()), words / 32_768)


def test_samples_are_rounded_to_the_nearest_and_clipped() -> None:
    samples = np.float32([0, 0.6, -0.6, 32_767.4, 32_768, -32_768, 70_000, -70_000])
    words = to_pcm16(samples / np.float32(32_768))
    assert words.tolist() == [0, 1, -1, 32_767, 32_767, -32_768, 32_767, -32_768]
    assert words.dtype == "<i2"


def scales(path: Path) -> bool:
    """Whether its code has the full scale of 16 bits; messages may."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return any(isinstance(it, ast.Constant) and it.value in (32_767, 32_768) for it in nodes)


def test_no_other_module_scales_samples_by_itself() -> None:
    package = Path(rxvoice.__file__).parent
    own = {it.relative_to(package).as_posix() for it in package.rglob("*.py") if scales(it)}
    assert own == {"_pcm16.py"}
