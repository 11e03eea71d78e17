"""rxvoice: the operator `respond` on a model behind a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import numpy as np
from reactivex import Subject

import rxvoice as rxv
from rxvoice import operators as vox


@asynccontextmanager
async def asking(
    url: str, history: list[tuple[str, str]]
) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    """The thread that asks waits for the server."""
    llm = rxv.remote.llm("m", base_url=url, system_prompt="Answer.")
    for question, reply in history:
        llm.conversation.messages.append({"role": "user", "content": question})
        llm.conversation.messages.append({"role": "assistant", "content": reply})
    said: Subject[rxv.Transcript] = Subject()
    replies: list[str] = []
    said.pipe(vox.respond(llm)).subscribe(lambda it: replies.append(it.text))
    turn = rxv.Turn.of(np.zeros(512, np.float32))

    async def ask(text: str) -> None:
        replies.clear()
        said.on_next(rxv.Transcript(turn, text))
        if "".join(replies) != "You said it.":
            raise RuntimeError(f"this was replied: {replies}")

    yield ask
    if len(llm.conversation.messages) < 2 * len(history) + 2:
        raise RuntimeError("the history was lost")
