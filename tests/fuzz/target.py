"""`Target`: one boundary of rxvoice, what may come through it, and how it is tried."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from fuzz.guard import Fault, guarded
from fuzz.taker import Taker

CORPUS = Path(__file__).parent / "corpus"

Mutate = Callable[[bytes, Taker, Sequence[bytes]], bytes]
"""Makes another input of one, by the decisions of a `Taker` and with parts of others."""


@dataclass(frozen=True)
class Target:
    """A boundary.

    Args:
        name: also that of its directory in the corpus.
        run: takes the input, and a folder that only it may write to. It raises nothing but what is
            documented, which it catches itself.
        mutate: makes other inputs of those in the corpus.
        seconds: of the processor that an input may take.
        mib: MiB of memory that it may add.
        needs: a module without which there is nothing to test.
        slow: it takes so long, or needs MLX, that only a few inputs are tried in the usual suite.
    """

    name: str
    run: Callable[[bytes, Path], None]
    mutate: Mutate
    seconds: float = 5.0
    mib: int = 512
    needs: tuple[str, ...] = ()
    slow: bool = False
    _warm: list[bool] = field(default_factory=list[bool])

    @property
    def corpus(self) -> list[Path]:
        """The inputs that are kept."""
        return sorted(it for it in (CORPUS / self.name).glob("*") if it.is_file())

    def seeds(self) -> list[bytes]:
        """What is in them."""
        return _seeds(self.name)

    def __call__(self, data: bytes) -> None:
        """Try an input.

        Raises:
            Fault: it did what no input may do.
            Exception: it raised what is not documented.
        """
        folder = _folder(self.name)
        if not self._warm:  # what is imported and read once for all takes its time
            self._warm.append(True)
            self.run(next(iter(self.seeds()), b""), folder)
            _clear(folder)
        old, tempfile.tempdir = tempfile.tempdir, str(folder)
        try:
            with guarded(folder, seconds=self.seconds, mib=self.mib):
                self.run(data, folder)
        finally:
            tempfile.tempdir = old
            _clear(folder)

    def mutated(self, data: bytes, choices: bytes) -> bytes:
        """Another input, made of this one."""
        return self.mutate(data, Taker(choices), self.seeds())


@cache
def _seeds(name: str) -> list[bytes]:
    return [it.read_bytes() for it in sorted((CORPUS / name).glob("*")) if it.is_file()]


@cache
def _folder(name: str) -> Path:
    import atexit

    folder = Path(tempfile.mkdtemp(prefix=f"rxvoice-fuzz-{name}-")).resolve()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _clear(folder: Path) -> None:
    for it in folder.iterdir():
        if it.is_dir() and not it.is_symlink():
            shutil.rmtree(it, ignore_errors=True)
        else:
            it.unlink()


# How inputs are made of others.


def of_bytes(data: bytes, taker: Taker, seeds: Sequence[bytes]) -> bytes:
    """A damaged file; now and then with the end of another one."""
    if taker.below(8) == 7 and seeds:
        other = taker.pick(seeds)
        data = data[: taker.below(len(data) + 1)] + other[taker.below(len(other) + 1) :]
    return taker.damaged(data)


def of_text(data: bytes, taker: Taker, seeds: Sequence[bytes]) -> bytes:
    """A text with pieces of others, repeated or cut."""
    text = data
    for _ in range(1 + taker.below(6)):
        at = taker.below(len(text) + 1)
        piece = taker.pick((taker.pick(seeds or (b"",)), text, taker.bytes(16)))
        begin = taker.below(len(piece) + 1)
        part = piece[begin : begin + taker.pick((1, 3, 12, 80))]
        text = text[:at] + part * taker.pick((1, 1, 2, 50)) + text[at + taker.pick((0, 0, 1, 9)) :]
    return text[:20_000]


def of_json(data: bytes, taker: Taker, seeds: Sequence[bytes]) -> bytes:
    """JSON with other values in some places."""
    pool = [it for it in map(_parsed, seeds) if it is not None]
    value = _parsed(data)
    if value is None or taker.below(24) == 23:
        return taker.damaged(data)
    return _encoded(taker.written(taker.edited(value, pool=pool)))


def of_lines(data: bytes, taker: Taker, seeds: Sequence[bytes]) -> bytes:
    """Lines of JSON: changed, left out, repeated, moved, and taken from others."""
    lines = data.splitlines()
    others = [it for seed in seeds for it in seed.splitlines()]
    pool = [it for it in map(_parsed, others) if it is not None]
    for _ in range(1 + taker.below(5)):
        at = taker.below(len(lines) + 1)
        match taker.below(7):
            case 0 if others:
                lines.insert(at, taker.pick(others))
            case 1 if at < len(lines):
                del lines[at]
            case 2 if at < len(lines):
                lines[at:at] = [lines[at]] * taker.pick((1, 2, 40))
            case 3 if at < len(lines):
                lines.insert(taker.below(len(lines) + 1), lines.pop(at))
            case _ if at < len(lines) and (value := _parsed(lines[at])) is not None:
                lines[at] = _encoded(taker.written(taker.edited(value, pool=pool)))
            case _:
                pass
    return b"\n".join(lines) + (b"\n" if taker.below(4) else b"")


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


__all__ = ["CORPUS", "Fault", "Target", "of_bytes", "of_json", "of_lines", "of_text"]
