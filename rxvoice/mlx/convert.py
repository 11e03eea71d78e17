"""Converts published weights into directories that `rxvoice.mlx` loads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from rxvoice._check import file_path
from rxvoice._files.scratch import scratch_beside
from rxvoice.errors import ConfigError, RxvoiceError
from rxvoice.mlx._from_ctranslate2 import convert_whisper, is_ctranslate2
from rxvoice.mlx._from_gguf import convert_llama
from rxvoice.mlx._from_onnx import convert_smart_turn
from rxvoice.mlx._opening import reason
from rxvoice.mlx._precision import Dtype, check_dtype

__all__ = ["convert"]

_Write: TypeAlias = Callable[[Path, Callable[[str], None]], None]


def convert(
    source: str | Path,
    directory: str | Path,
    *,
    dtype: Dtype | None = None,
    progress: Callable[[str], None] | None = None,
) -> str:
    """Convert a model, and write it to a new directory; returns the call that loads it.

    ```python
    rxv.mlx.convert("SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2")
    ```

    It reads three layouts:

    - a Whisper of CTranslate2: the directory with model.bin, config.json and tokenizer.json, in
      float32, float16 or bfloat16. Give the new directory to `rxvoice.mlx.stt`.
    - a Llama in GGUF with a BPE tokenizer, in F32, F16, Q8_0, Q4_0 or Q4_1: the file ``.gguf``,
      for `rxvoice.mlx.llm`. Quantized weights stay so, number by number.
    - Smart Turn 3 in ONNX, in float32 or int8: the file ``.onnx``, for `rxvoice.mlx.smart_turn`.
      The new weights are in float32. It needs the package ``onnx``.

    The directory appears when it is complete, or not at all. Nothing of the source is run or
    changed. What a conversion has left that was killed is deleted by the next one into the same
    directory.

    Args:
        source: the directory or the file with the model.
        directory: where to write it; it must not exist, or be empty.
        dtype: write the weights of a Llama as ``"float32"``, ``"bfloat16"`` or ``"float16"``; None
            for what they are. On a CPU, float32 is much faster than quantized weights, and takes
            up to eight times their memory.
        progress: called with each step, in words.

    Raises:
        ConfigError: the source is no such model or is broken, or the directory holds something.
        MissingDependency: the package ``onnx`` is needed and not installed.
        OSError: it cannot be written, as on a full disk. Nothing is left.
    """
    source = file_path("convert source", source)
    directory = file_path("convert directory", directory)
    check_dtype(dtype)
    if not source.exists():
        raise ConfigError(f"there is no model to convert at {str(source)!r}: check the path")
    write, slot = _reader(source, dtype)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConfigError(
            f"{str(directory)!r} is not empty: name a directory that does not exist yet"
        )
    directory.parent.mkdir(parents=True, exist_ok=True)
    tell = progress or _nobody
    with scratch_beside(directory, tell) as scratch:
        made = scratch / "model"
        made.mkdir()
        try:
            write(made, tell)
        except (RxvoiceError, OSError):
            raise
        except Exception as error:  # what is not as its layout says may fail anywhere, in MLX too
            raise ConfigError(
                f"{source} cannot be converted: it is damaged, or not what its name says "
                f"({reason(error)}); take it from where it was published"
            ) from error
        tell(f"moving it to {directory}")
        if directory.exists():
            directory.rmdir()
        shutil.move(made, directory)
    return f"rxv.mlx.{slot}({json.dumps(str(directory))})"


def _reader(source: Path, dtype: Dtype | None) -> tuple[_Write, str]:
    """What writes this model to a directory, and the slot that it is for."""
    is_llama = source.is_file() and source.suffix.lower() == ".gguf"
    if dtype is not None and not is_llama:
        raise ConfigError(f"dtype={dtype!r} is for a .gguf file; {str(source)!r} is none")
    if is_llama:
        return lambda made, tell: convert_llama(source, made, dtype, tell), "llm"
    if source.is_file() and source.suffix.lower() == ".onnx":
        return lambda made, tell: convert_smart_turn(source, made, tell), "smart_turn"
    if source.is_dir() and is_ctranslate2(source):
        return lambda made, tell: convert_whisper(source, made, tell), "stt"
    raise ConfigError(
        f"{str(source)!r} cannot be converted, since it is {_what(source)}: wanted the directory "
        "of a Whisper in CTranslate2's layout, with model.bin, config.json and tokenizer.json, a "
        "Llama in a .gguf file, or Smart Turn in an .onnx file"
    )


def _what(source: Path) -> str:
    if source.is_file():
        return f"a file {source.suffix}" if source.suffix else "a file without an ending"
    if (source / "config.json").is_file() and any(source.glob("*.safetensors")):
        return "a directory with .safetensors, which rxvoice.mlx may load as it is"
    names = sorted(it.name for it in source.iterdir())
    held = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    return f"a directory with {held}" if held else "an empty directory"


def _nobody(_: str) -> None:
    pass
