"""Human speech to test recognisers with: prompts of the telephone system Asterisk, from Debian."""

import gzip
import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

__all__ = ["errors", "needs_prompts", "prompt", "prompts", "sixty", "words"]

_SOUNDS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
_TEXTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")

needs_prompts = pytest.mark.skipif(
    not (_SOUNDS.is_dir() and _TEXTS.is_file() and find_spec("G722")),
    reason="human prompts: apt-get install asterisk-core-sounds-en-g722 asterisk-core-sounds-en, "
    "and pip install G722",
)


@cache
def prompts() -> dict[str, str]:
    """The text of each prompt, by name; those with sounds in them are left out."""
    found: dict[str, str] = {}
    for line in gzip.decompress(_TEXTS.read_bytes()).decode(errors="replace").splitlines():
        name, _, text = line.strip().partition(": ")
        speaks = text and not line.startswith(";") and "[" not in text and "tone sound" not in text
        if speaks and (_SOUNDS / f"{name}.g722").is_file():
            found[name] = text
    return found


def prompt(name: str) -> np.ndarray:
    """The sound of a prompt at 16 kHz, as a turn: faint noise before and behind it."""
    decoder = import_module("G722").G722(16_000, 64_000)
    raw = decoder.decode((_SOUNDS / f"{name}.g722").read_bytes())
    sound = np.asarray(raw, np.float32) / 32_768
    room = np.random.default_rng(1).standard_normal(len(sound) + 13_600) * 3e-4
    room[4_000 : 4_000 + len(sound)] += sound
    return room.astype(np.float32)


def sixty() -> list[str]:
    """Names of sixty prompts of four words or more, without digits, over all of the list."""
    names = [it for it, text in prompts().items() if len(words(text)) >= 4]
    names = [it for it in names if not re.search(r"\d", prompts()[it])]
    return names[:: max(1, len(names) // 60)][:60]


def words(text: str) -> list[str]:
    """The words of a text, to compare."""
    return re.sub(r"[^a-z0-9' ]", " ", text.lower().replace("-", " ")).split()


def errors(wanted: list[str], got: list[str]) -> int:
    """Words that are wrong, missing or too many."""
    row = list(range(len(got) + 1))
    for i, word in enumerate(wanted, 1):
        last, row[0] = row[:], i
        for j, other in enumerate(got, 1):
            row[j] = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (word != other))
    return row[-1]
