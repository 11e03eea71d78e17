"""16-bit samples: rounded, clipped, and the same everywhere."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np

import rxvoice
from rxvoice._audio.pcm16 import from_pcm16, to_pcm16


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
    """Whether its code multiplies or divides by the full scale of 16 bits; messages may."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    scaled = [it for it in nodes if isinstance(it, ast.BinOp | ast.AugAssign)]
    operands = [it for each in scaled for it in ast.walk(each) if isinstance(it, ast.Constant)]
    return any(it.value in (32_767, 32_768) for it in operands)


def test_no_other_module_scales_samples_by_itself(tmp_path: Path) -> None:
    package = Path(rxvoice.__file__).parent
    assert [str(it) for it in package.rglob("*.py") if scales(it)] == []
    for code in ("a * 32768", "a /= 32768", "a * np.float32(1 / 32767)"):
        (tmp_path / "a.py").write_text(code)
        assert scales(tmp_path / "a.py")
