"""`speakable`: the text that a model writes becomes the text that a voice says."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from rxvoice.elements import Reply, Transcript
from rxvoice.errors import ConfigError
from rxvoice.events import Event
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful

__all__ = ["speakable"]


def speakable(*, code: str = "", emoji: bool = False) -> Operator[Reply | Event, Reply | Event]:
    """Make each reply speakable: remove what a voice should not say, such as Markdown.

    - Emphasis, headings, lists, quotes, tables, links and images keep their text. Each item and row
      gets a line of its own. A web address keeps its host.
    - Blocks of code, HTML tags, comments, thoughts (``<think>``), marks of footnotes and formulas,
      emoji and the tokens of chat templates (``<|im_end|>``) are left out.
    - All else stays: "2 * 3", "snake_case", "$13.50".

    Emits: a `Reply` for each piece as soon as it is certain. ``delta`` is the text to say, and
        empty for what is left out. ``markup`` is what the model wrote for it, if that differs. The
        `written` of all pieces, joined, is the model's text. A `Reply` with ``flush`` passes, after
        the text that was not certain. The final one passes as it came: its ``text`` is the model's.
        Events from upstream pass.
    Completes: with the source.
    Errors: with the source.
    Drops: on an error, or if a reply has failed, the text that was not certain.
    Runs on: the thread of the source.

    The first sentence never waits for the end of the reply. A word of plain letters is emitted at
    once, any other word when it is over. A link, a tag, code or a formula within a line waits until
    it is closed, until the line ends, or for 200 characters. A line that begins with marks waits
    for its first letter.

    Args:
        code: what to say for a block of code, such as "Here is some code."; "" for nothing.
        emoji: whether to keep emoji, for a voice that can say them.
    """
    if not isinstance(cast("object", code), str):
        raise ConfigError(f'speakable code must be what to say for code, or "", got {code!r}')
    if not isinstance(cast("object", emoji), bool):
        raise ConfigError(f"speakable emoji must be True or False, got {emoji!r}")

    def start(out: Subscription[Reply | Event]) -> Handlers[Reply]:
        from rxvoice._text.speakable import Speakable  # loads the parser

        answering: Transcript | None = None
        reader = Speakable(code=code, emoji=emoji)

        def step(reply: Reply) -> None:
            nonlocal answering, reader
            if reply.transcript is not answering:
                answering = reply.transcript
                reader = Speakable(code=code, emoji=emoji)
            if reply.markup is not None or reply.flush:  # already speakable
                give(reader.flush())
                out.emit(reply)
                return
            give(reader.feed(reply.delta))
            if reply.final:
                give(reader.flush())
                answering = None
                out.emit(replace(reply, delta="") if reply.delta else reply)

        def give(pieces: list[tuple[str, str]]) -> None:
            transcript = cast("Transcript", answering)
            for said, wrote in pieces:
                out.emit(Reply(transcript, said, markup=None if said == wrote else wrote))

        return step, None, None

    return stateful(start, takes=("speakable", Reply, "respond()"))
