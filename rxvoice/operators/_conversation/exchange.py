"""A turn and its reply: what is known of them so far."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from reactivex.disposable import CompositeDisposable

from rxvoice._text.words import words
from rxvoice._threads.life import Life
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Say, Transcript
from rxvoice.operators._conversation.evidence import Evidence
from rxvoice.operators._conversation.reply import OngoingReply
from rxvoice.turn import Turn


@dataclass(slots=True, eq=False)
class Exchange:
    """A turn and its reply.

    Args:
        turn: the user's turn; an empty one where the app speaks, or where a text was typed.
        number: counts the exchanges.
        say: what the app says by itself. None: there is a question.
        evidence: the evidence while this is a candidate; None once it is a turn.
        life: disposed when the exchange is over. It ends all work for the exchange.
        before: earlier turns without a reply. Their words go in front of this turn's.
        transcript: what the user said, once all of it is known.
        partial: what the user said so far.
        silence_ms: how long the user has been silent while `partial` stayed the same.
        tries: how often a reply was begun before the turn was over.
        failed: whether its work failed, or what was told of it has raised downstream.
        set_aside: whether the turn was interrupted before it was answered. The app knows.
        interrupts: whether the turn interrupted a reply.
        reply: the reply, once it is begun.
    """

    turn: Turn
    number: int
    say: Say | None = None
    evidence: Evidence | None = None
    life: CompositeDisposable = field(default_factory=Life)
    before: list[Exchange] = field(default_factory=list["Exchange"])
    transcript: Transcript | None = None
    partial: str = ""
    silence_ms: float = 0
    tries: int = 0
    failed: bool = False
    set_aside: bool = False
    interrupts: bool = False
    reply: OngoingReply | None = None

    def add_chunk(self, chunk: AudioChunk) -> None:
        """Count the silence."""
        if chunk.speech:
            self.silence_ms = 0
        else:
            self.silence_ms += len(chunk.samples) * 1000 / chunk.sample_rate

    def add_partial(self, text: str) -> None:
        """Take all the text so far. New words begin the count of silence again."""
        if words(text) != words(self.partial):
            self.silence_ms = 0
        self.partial = text

    @property
    def waits_for_words(self) -> bool:
        """Whether this is a question that no responder has been asked."""
        return self.say is None and self.reply is None

    @property
    def is_listened_to(self) -> bool:
        """Whether the user is still speaking, and no reply has come out."""
        return self.turn.is_open and (self.reply is None or self.reply.held_back)

    @property
    def question(self) -> Transcript | None:
        """The words of this turn and of those before it; None until all are known."""
        asked = self.transcript
        texts: list[str] = []
        for exchange in (*self.before, self):
            if exchange.transcript is None:
                return None
            if words(exchange.transcript.text):
                texts.append(exchange.transcript.text.strip())
        text = " ".join(texts)
        # An unchanged text keeps the recogniser's own transcript.
        return asked if asked is None or asked.text == text else replace(asked, text=text)

    def take_back(self) -> None:
        """Drop the reply that was begun: the question has changed."""
        reply, self.reply = self.reply, None
        if reply:
            reply.take_back()

    def goes_on_from(self, other: Exchange) -> bool:
        """Whether the other turn was cut at the longest, and this one follows without a gap."""
        mine, before = self.turn, other.turn
        goes_on = mine.source == before.source and mine.start == before.start + len(before.audio)
        return goes_on and before.ended_by == "max_duration"
