"""Runs the first step of a model, so that the first turn does not wait for it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import cast

import numpy as np

from rxvoice._silero import Silero
from rxvoice.conversation import Conversation
from rxvoice.errors import ConfigError
from rxvoice.mlx.llm import Llm
from rxvoice.mlx.stt import Stt
from rxvoice.mlx.tts import Tts

_LONG = "Hello. " * 64
"""A GPU has other kernels for a long prompt than for a few tokens; this takes 64 or more."""


def warm_up(part: object) -> Generator[None, None, None]:
    """Run the model once. Yields between steps, so that other work gets in."""
    own = cast("object", getattr(part, "warm_up", None))
    if callable(own):
        steps = own()
        if isinstance(steps, Iterator):
            yield from cast("Iterator[None]", steps)
    elif isinstance(part, Llm):
        yield from _first_token(part)
    elif isinstance(part, Stt):
        yield from _half_a_second(part)
    elif isinstance(part, Tts):
        with closing(part.synthesize_stream("Hello.")) as pieces:
            next(pieces, None)
    elif isinstance(part, Silero):
        part.fresh().probability(np.zeros(part.chunk_size, np.float32))


def _first_token(part: Llm) -> Generator[None, None, None]:
    """Generate a token after the system prompt, which then need not be fed again."""
    kept = part.conversation
    try:
        try:
            yield from _ask(part, kept, _LONG)
        except ConfigError:  # the model's context has no room for it
            yield from _ask(part, kept, "Hello.")
    finally:
        part.conversation = kept


def _ask(part: Llm, kept: Conversation, question: str) -> Generator[None, None, None]:
    part.conversation = Conversation(system=kept.system)
    with closing(part.respond(question)) as pieces:
        for _ in pieces:
            if part.stats.generated_tokens:
                break
            yield


def _half_a_second(part: Stt) -> Generator[None, None, None]:
    # Noise, since digital silence would not reach the model.
    session = part.session()
    session.feed(_noise(0.5))
    session.close()
    while not session.done:
        session.step()
        yield


def _noise(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Faint noise at 16 kHz."""
    size = int(16_000 * seconds)
    return np.random.default_rng(0).uniform(-1e-3, 1e-3, size).astype(np.float32)
