"""`LiveReply`: one reply of a dialogue, from its beginning to its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import Any, Literal

from reactivex.disposable import CompositeDisposable

from rxvoice._language.calls import WrittenCall
from rxvoice.elements import Reply, Speech
from rxvoice.operators._conversation.spoken_reply import SpokenReply
from rxvoice.serve.session.happenings import (
    CallWritten,
    Happening,
    ItemAdded,
    ItemDone,
    OutputAdded,
    OutputDone,
    PartAdded,
    PartDone,
    ReplyBegan,
    ReplyOver,
    ReplyView,
    SoundDone,
    SoundGrew,
    TextDone,
    TextGrew,
    Usage,
)
from rxvoice.serve.session.items import Item, ItemPart, Items
from rxvoice.serve.session.moments import Moments
from rxvoice.serve.session.settings import ReplySettings
from rxvoice.turn import Turn


class ReplyPhase(Enum):
    """How far a reply has come; it only goes forward."""

    WAITING = "waiting"  # for the words of the user, and for the pipe
    MAKING = "making"
    OVER = "over"


Ended = Literal["completed", "cancelled", "incomplete", "failed"]
Why = Literal["", "user", "client", "max_tokens", "model"]


class LiveReply:
    """One reply. What is made of it is told in order, and nothing after its end.

    A reply has at most one message, then its calls of tools. While it is made, its message is
    open; the calls are told when the message is complete.

    Args:
        reply_id: its name.
        settings: how it is made, as they are now.
        items: the items of the dialogue, which its own join. None: it is not part of the dialogue.
        tell: takes what happens.
        new_id: makes ids.

    Attributes:
        phase: how far it has come.
        turn: the turn of the pipe that it answers, while it is made or heard.
        kept: whether its end in the pipe changes nothing: all of it counts as heard.
        reason: why it is over.
        life: ends the work for it.
        sounded: whether any sound was told.
    """

    def __init__(
        self,
        reply_id: str,
        settings: ReplySettings,
        items: Items | None,
        tell: Callable[[Happening], None],
        new_id: Callable[[str], str],
    ) -> None:
        self.id = reply_id
        self.settings = settings
        self.phase = ReplyPhase.WAITING
        self.turn: Turn | None = None
        self.kept = False
        self.reason: Why = ""
        self.life = CompositeDisposable()
        self.sounded = False
        self.moments: dict[str, float] = {}
        self.spoken: SpokenReply | None = None
        self.sample_rate = 24_000
        self.message_id: str | None = None
        self.pieces = 0
        self._items = items
        self._tell = tell
        self._new_id = new_id
        self._message: Item | None = None  # while it is open
        self._text: list[str] = []
        self._calls: list[WrittenCall] = []
        self._outputs: list[Item] = []
        self._text_over = False
        self._sound_over = False
        self._cut_short = False  # by the longest reply
        self._sentence: object = None
        self._cursor = 0  # in the spoken text
        self._usage: Usage | None = None
        self._heard: str | None = None  # None: all of it
        self._tell(ReplyBegan(self.view()))

    @property
    def over(self) -> bool:
        """Whether it is over."""
        return self.phase is ReplyPhase.OVER

    def view(
        self, status: Ended | Literal["in_progress"] = "in_progress", reason: Why = ""
    ) -> ReplyView:
        """The reply as it is now."""
        return ReplyView(
            id=self.id,
            settings=self.settings,
            status=status,
            reason=reason,
            aside=self._items is None,
            items=tuple(self._outputs),
            usage=self._usage,
        )

    # It is made

    def add_text(self, new: str) -> None:
        """Add what the model has written."""
        if self.over or not new:
            return
        if self.message_id is None:
            self._open()
        self._text.append(new)
        self._tell(TextGrew(**self._where, new=new))

    def add_spoken(self, reply: Reply) -> None:
        """Add the text that reaches the voice."""
        if self.spoken is None:
            self.spoken = SpokenReply(0)
        if not reply.final:
            self.spoken.text.add(reply)

    def add_sound(self, speech: Speech, moments: Moments | None = None) -> None:
        """Add sound of the voice. The first one marks its moment, if somebody waits for it."""
        if moments is not None and not self.sounded:
            self.moments |= moments.until_sound(speech)
        if self.over or self._message is None or self.spoken is None or speech.final:
            return
        self.sample_rate = speech.sample_rate
        span = self._span(speech)
        self.spoken.add(speech)
        told = None if self.sounded else self.moments
        self.sounded = True
        self._tell(
            SoundGrew(
                **self._where,
                samples=speech.samples,
                sample_rate=speech.sample_rate,
                span=span,
                moments=told,
            )
        )

    def add_call(self, call: WrittenCall) -> None:
        """Add a call of a tool. It is told when the message is complete."""
        if not self.over:
            self._calls.append(call)

    def end_text(self, usage: Usage | None, *, cut_short: bool = False) -> None:
        """The model writes no more."""
        self._text_over, self._cut_short, self._usage = True, cut_short, usage
        self._finish_if_made()

    def end_sound(self) -> None:
        """The voice speaks no more."""
        self._sound_over = True
        if self.spoken is not None:
            self.spoken.close()
        self._finish_if_made()

    def _finish_if_made(self) -> None:
        speaks = self.settings.speaks and self.message_id is not None
        if self._text_over and (self._sound_over or not speaks):
            if self._cut_short:
                self.finish("incomplete", "max_tokens")
            else:
                self.finish("completed")

    # It is heard

    def cut(self, at_ms: int) -> tuple[int, str]:
        """Keep only the words that were heard until then.

        Returns:
            The time, at most that of the sound, and the words.
        """
        spoken = self.spoken
        if spoken is None:
            self.keep_heard("")
            return 0, ""
        position = min(spoken.end, max(0, at_ms) * self.sample_rate // 1000)
        heard = spoken.heard(position)
        self.keep_heard(heard)
        return position * 1000 // self.sample_rate, heard

    def keep_heard(self, heard: str) -> None:
        """Keep only these words of the message."""
        self._heard = heard
        if self._items is not None and self.message_id is not None and self._message is None:
            self._items.update(self.message_id, lambda item: item.with_words(heard))

    # It ends

    def finish(self, status: Ended, reason: Why = "") -> None:
        """End it: close what is open, and tell nothing after that."""
        if self.over:
            return
        self.reason = reason
        self._close("completed" if status == "completed" else "incomplete")
        if status == "completed":
            for call in self._calls:
                self._tell_call(call)
        self.phase = ReplyPhase.OVER
        self._tell(ReplyOver(self.view(status, reason)))
        self.life.dispose()

    @property
    def _where(self) -> dict[str, Any]:
        return {
            "reply_id": self.id,
            "item_id": self.message_id,
            "index": 0,
            "spoken": self.settings.speaks,
        }

    def _open(self) -> None:
        self.message_id = self._new_id("item")
        item = Item(id=self.message_id, role="assistant", status="in_progress")
        self._message = item
        self._add(item, 0)
        self._tell(PartAdded(**self._where))

    def _close(self, status: Literal["completed", "incomplete"]) -> None:
        item, self._message = self._message, None
        if item is None:
            return
        text = "".join(self._text)
        if self.settings.speaks:
            self._tell(SoundDone(**self._where))
        self._tell(TextDone(**self._where, text=text))
        self._tell(PartDone(**self._where, text=text))
        part = ItemPart(self.settings.speaks, text)
        self._done(replace(item, status=status, parts=(part,)), 0)
        if self._heard is not None:
            self.keep_heard(self._heard)

    def _tell_call(self, call: WrittenCall) -> None:
        index = len(self._outputs)
        begun = Item(
            id=self._new_id("item"),
            kind="call",
            role="assistant",
            status="in_progress",
            name=call.name,
            call_id=self._new_id("call"),
        )
        self._add(begun, index)
        arguments = json.dumps(dict(call.arguments), ensure_ascii=False, separators=(",", ":"))
        whole = replace(begun, status="completed", text=arguments)
        self._tell(CallWritten(self.id, index, whole))
        self._done(whole, index)

    def _add(self, item: Item, index: int) -> None:
        self._tell(OutputAdded(self.id, index, item))
        if self._items is not None:
            self._tell(ItemAdded(item, self._items.insert(item)))

    def _done(self, item: Item, index: int) -> None:
        self._outputs.append(item)
        if self._items is not None:
            there = self._items.update(item.id, lambda _: item)
            self._tell(ItemDone(item, self._items.before(item.id) if there else None))
        self._tell(OutputDone(self.id, index, item))

    def _span(self, speech: Speech) -> tuple[int, int] | None:
        """Which characters of the text a sentence speaks, with its first sound."""
        assert self.spoken is not None
        if speech.sentence is None or speech.sentence is self._sentence:
            return None
        self._sentence = speech.sentence
        said = self.spoken.text
        at = said.spoken.find(speech.text, self._cursor)
        if at < 0:
            return None
        self._cursor = at + len(speech.text)
        return len(said.up_to(at)), len(said.up_to(self._cursor))
