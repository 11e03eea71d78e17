"""Feeds a model what is new of a prompt, and marks the places that later prompts go back to."""

from __future__ import annotations

from collections.abc import Callable, Generator

from rxvoice.conversation import Message
from rxvoice.mlx._prompt_cache import PromptCache, shared

_WORTH = 16
"""The fewest tokens of a root that is worth a copy of the layers."""

Render = Callable[[list[Message]], list[int]]
"""Returns the prompt for messages."""


def prefill(
    cache: PromptCache,
    prompt: list[int],
    messages: list[Message],
    render: Render,
    feed: Callable[[list[int]], None],
    step_size: int,
) -> Generator[None]:
    """Feed all of the prompt but its last token. Yields between two steps.

    Args:
        cache: of the conversation so far.
        prompt: that of the messages.
        feed: feeds tokens to the model, and notes them in the cache.
        step_size: the most tokens of a step.
    """
    rest = cache.follow(prompt)[:-1]
    stops = _stops(cache, prompt, messages, render) if cache.wants_marks else {}
    cache.mark()
    while rest:
        at = cache.size
        most = min([it - at for it in stops if it > at], default=len(rest))
        step, rest = rest[: min(most, step_size)], rest[min(most, step_size) :]
        feed(step)
        if cache.size in stops:
            cache.mark(is_root=stops[cache.size])
        if rest:
            yield


def _stops(
    cache: PromptCache, prompt: list[int], messages: list[Message], render: Render
) -> dict[int, bool]:
    """Where to mark the cache, each with whether it is the root.

    The next prompt has this one's beginning, up to the answer or to the mark that asks for one. The
    templates of some families write that mark otherwise once there is an answer. All prompts have
    the beginning up to the first question.
    """
    answered: list[Message] = [
        *messages,
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "Well?"},
    ]
    last = len(prompt) - 1
    stops = {min(last, _shared(prompt, answered, render)): False}
    if not cache.size:
        begins = [it for it in messages[:1] if it["role"] == "system"]
        root = _shared(prompt[:last], [*begins, {"role": "user", "content": "Well?"}], render)
        if _WORTH <= root < last:
            stops[root] = True
    return stops


def _shared(prompt: list[int], messages: list[Message], render: Render) -> int:
    """How many tokens the prompt for these messages begins with in common with this one."""
    try:
        return shared(prompt, render(messages))
    except Exception:  # the template refuses messages that the app has not written
        return len(prompt)
