"""How many tokens of a conversation a language model can take at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import mlx.core as mx

from rxvoice._language.question import fewest_turns
from rxvoice.conversation import Message
from rxvoice.conversation._turns import without_oldest
from rxvoice.errors import ConfigError
from rxvoice.mlx._cache_size import CacheSize, cache_size_of, config_of, default_cache_bytes
from rxvoice.mlx._progress import gigabytes

_POSITIONS = "max_position_embeddings"


def positions_of(config: Mapping[str, object]) -> int | None:
    """How many tokens a model was made for, by its config; None if that is not known."""
    # Models that also see or hear keep it with their language part.
    parts = (config, cast("dict[str, object]", config.get("text_config") or {}))
    found = next((p[_POSITIONS] for p in parts if _POSITIONS in p), None)
    return found if isinstance(found, int) else None


def window_of(
    name: str,
    positions: int | None,
    size: CacheSize | None,
    room: int | None,
    max_tokens: int,
) -> int | None:
    """The most tokens of a conversation with its reply; None if there is no limit.

    Args:
        name: the model, for messages.
        positions: how many it can take; None if that is not known.
        size: of its cache; None if that is not known.
        room: how many bytes the cache may take; None for any number.

    Raises:
        ConfigError: there is no room for a reply of `max_tokens`.
    """
    if positions is not None and positions <= max_tokens:
        raise ConfigError(
            f"max_tokens must be below the {positions} tokens that the language model "
            f"{name!r} can have at once, got {max_tokens}"
        )
    if size is None or room is None:
        return positions
    fits = size.tokens_in(room)
    if fits is not None and fits <= max_tokens:
        raise ConfigError(
            f"the cache of the language model {name!r} may take {gigabytes(room)}, and that many "
            f"bytes hold {fits} tokens, no more than max_tokens={max_tokens}: raise cache_bytes to "
            f"{gigabytes(size.bytes_of(4 * max_tokens))} or more, or use a smaller model"
        )
    return min((it for it in (positions, fits) if it is not None), default=None)


def cache_need(
    directory: Path, dtype: mx.Dtype | None, cache_bytes: int | None, context_tokens: int | None
) -> int:
    """The most bytes that the cache of a model takes; 0 if that is not known.

    Args:
        directory: of the model, which need not be loaded.
        dtype: the type that its weights are converted to; None for theirs.
        cache_bytes: how many the app allows; None for the default.
        context_tokens: how many tokens the app allows; None for all.
    """
    size = cache_size_of(directory, dtype)
    if size is None:
        return 0
    room = cache_bytes or default_cache_bytes()
    tokens = context_tokens or positions_of(config_of(directory))
    most = None if tokens is None else size.bytes_of(tokens)
    return min((it for it in (room, most) if it is not None), default=0)


def fitted(
    messages: list[Message],
    prompt_of: Callable[[list[Message]], list[int]],
    window: int | None,
    max_tokens: int,
) -> tuple[list[int], int]:
    """A prompt that leaves room for a reply, and how many of the oldest turns have to go for it.

    Raises:
        ConfigError: the question alone leaves none.
    """
    prompt = prompt_of(messages)
    if window is None or len(prompt) + max_tokens <= window:
        return prompt, 0
    room = window - max_tokens
    excess = fewest_turns(messages, lambda messages: len(prompt_of(messages)) <= room * 3 // 4)
    prompt = prompt_of(without_oldest(messages, excess))
    if len(prompt) > room:
        raise ConfigError(
            f"the question takes {len(prompt)} tokens with all that must go with it, and with "
            f"max_tokens={max_tokens} that is more than the context of {window} tokens: ask in "
            "fewer words, shorten the system prompt or lower max_tokens"
        )
    return prompt, excess
