"""The options that every language model has, here or behind a server."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypedDict, TypeVar

from rxvoice.conversation import Conversation, Summarise
from rxvoice.tools import Tools, ToolWorker, WhileCalling

F = TypeVar("F", bound=Callable[..., object])


class LlmOptions(TypedDict, total=False):
    """What every language model can be told: arguments of `mlx.llm` and of `remote.llm`.

    Attributes:
        system_prompt: the first message of every conversation. Without it, that of `conversation`,
            or none.
        max_tokens: the longest reply, in tokens, at least 1; 256 by default. With tools, the
            longest stretch between two rounds of calls.
        temperature: 0, the default, always takes the likeliest token; a higher one varies more.
        tools: functions that the model may call, async ones too, as `rxvoice.tools.Toolbox` takes
            them. They run one after the other; async ones run on the conversation's event loop.
            Or a function that takes the question and returns the tools for its reply.
        max_tool_rounds: how often the model may stop to call tools in one reply, at least 1; 4 by
            default. After that it is told to reply without them.
        tool_worker: where the tools run that are not async: a ``ThreadPoolExecutor`` or an RxPY
            scheduler. The model and the conversation go on meanwhile. Without it, a tool runs on
            the thread of the reply and holds it up.
        while_calling: what to say before a tool is called, such as "One moment.", if the reply has
            no words yet. Or a function that takes the tool's name and arguments and returns the
            text, or None for silence. The text is spoken at once and belongs to the reply. Words
            that the model wrote before the call are then spoken at once, too.
        conversation: a conversation to go on with. Without it, a new one.
        compact: a function that takes messages and returns their summary. It is called where the
            oldest turns would be dropped; the summary takes their place, as a message of the user.
            It runs on the thread of the reply, so a slow one should be async. If it raises, the
            turns are dropped, as they are without it.
        context_tokens: how many tokens the model can take at once, conversation and reply; more
            than `max_tokens`. A local model's default is ``max_position_embeddings`` in its
            config.json, and it takes no more than its ``cache_bytes`` have room for. For a server
            the need is estimated from the length of the text, and corrected by the ``usage`` that
            the server is then asked for; without it the server says when the conversation is too
            long.
    """

    system_prompt: str | None
    max_tokens: int
    temperature: float
    tools: Tools
    max_tool_rounds: int
    tool_worker: ToolWorker
    while_calling: WhileCalling
    conversation: Conversation | None
    compact: Summarise | None
    context_tokens: int | None


def shows_options_of(takes: Callable[..., object]) -> Callable[[F], F]:
    """Let `help()` show the keyword-only parameters of `takes` in place of ``**options``."""
    options = [
        it.replace(kind=it.KEYWORD_ONLY)
        for it in inspect.signature(takes).parameters.values()
        if it.kind is it.KEYWORD_ONLY
    ]

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        own = [it for it in signature.parameters.values() if it.kind is not it.VAR_KEYWORD]
        shown = signature.replace(parameters=[*own, *options])
        function.__signature__ = shown
        return function

    return decorate
