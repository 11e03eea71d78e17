"""Converts published weights into directories that `rxvoice.mlx` loads."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from rxvoice.errors import ConfigError
from rxvoice.mlx._from_ctranslate2 import convert_whisper, is_ctranslate2

__all__ = ["convert"]


def convert(
    source: str | Path, directory: str | Path, *, progress: Callable[[str], None] | None = None
) -> str:
    """Convert a model, and write it to a new directory; returns the call that loads it.

    ```python
    rxv.mlx.convert("whisper-tiny-ct2", "whisper-tiny-mlx")
    ```

    It reads a Whisper in CTranslate2's layout (model.bin, config.json and tokenizer.json), in
    float32, float16 or bfloat16. The directory appears when it is complete, or not at all. Nothing
    of the source is run or changed.

    Args:
        source: the directory with the model.
        directory: where to write it; it must not exist, or be empty.
        progress: called with each step, in words.

    Raises:
        ConfigError: the source is no such model or is broken, or the directory holds something.
    """
    source, directory = Path(source), Path(directory)
    if not source.exists():
        raise ConfigError(f"there is no model to convert at {str(source)!r}: check the path")
    if not is_ctranslate2(source):
        raise ConfigError(
            f"{str(source)!r} cannot be converted: wanted the directory of a Whisper in "
            "CTranslate2's layout, with model.bin, config.json and tokenizer.json"
        )
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConfigError(
            f"{str(directory)!r} is not empty: name a directory that does not exist yet"
        )
    directory.parent.mkdir(parents=True, exist_ok=True)
    tell = progress or _nobody
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as scratch:
        made = Path(scratch) / "model"
        made.mkdir()
        convert_whisper(source, made, tell)
        tell(f"moving it to {directory}")
        if directory.exists():
            directory.rmdir()
        shutil.move(made, directory)
    return f"rxv.mlx.stt({json.dumps(str(directory))})"


def _nobody(_: str) -> None:
    pass
