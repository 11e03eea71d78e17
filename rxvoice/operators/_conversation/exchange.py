"""A turn and its answer: what is known of them so far."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from reactivex.disposable import CompositeDisposable

from rxvoice._text.words import words
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Say, Transcript
from rxvoice.operators._conversation.evidence import Evidence
from rxvoice.operators._conversation.reply import Answer
from rxvoice.turn import Turn


@dataclass(slots=True, eq=False)
class Exchange:
    """A turn and its answer.

    Args:
        turn: what the user says.
        number: counts them.
        say: what the app says, where it is the app that speaks, and there is no question.
        evidence: what speaks for it, while it is a candidate; None: it is a turn.
        life: everything that works for it. Disposed when it is over: what comes later is stale.
        before: turns that were not answered, whose words belong in front of its own.
        transcript: what was said, once it is known.
        partial: what was said so far.
        silence_ms: how long the user has been silent, and `partial` has stayed the same.
        tries: how often an answer was begun before the turn was over.
        failed: whether the recogniser failed.
        set_aside: whether it was interrupted before it was answered, and the app knows.
        interrupts: whether it has interrupted a reply.
        answer: the answer, once it is being made; of the current exchange only.
    """

    turn: Turn
    number: int
    say: Say | None = None
    evidence: Evidence | None = None
    life: CompositeDisposable = field(default_factory=CompositeDisposable)
    before: list[Exchange] = field(default_factory=list["Exchange"])
    transcript: Transcript | None = None
    partial: str = ""
    silence_ms: float = 0
    tries: int = 0
    failed: bool = False
    set_aside: bool = False
    interrupts: bool = False
    answer: Answer | None = None

    def hear(self, chunk: AudioChunk) -> None:
        """Count the silence."""
        if chunk.speech:
            self.silence_ms = 0
        else:
            self.silence_ms += len(chunk.samples) * 1000 / chunk.sample_rate

    def read(self, partial: str) -> None:
        """Take what was said so far."""
        if words(partial) != words(self.partial):
            self.silence_ms = 0
        self.partial = partial

    @property
    def waits_for_words(self) -> bool:
        """Whether it is a question that nobody was asked yet."""
        return self.say is None and self.answer is None

    @property
    def is_listened_to(self) -> bool:
        """Whether the user is still speaking, and was not answered yet."""
        return self.turn.is_open and (self.answer is None or self.answer.held_back)

    @property
    def question(self) -> Transcript | None:
        """All that was said, with what is to go in front; None as long as some is not known."""
        asked = self.transcript
        texts: list[str] = []
        for exchange in (*self.before, self):
            if exchange.transcript is None:
                return None
            if words(exchange.transcript.text):
                texts.append(exchange.transcript.text.strip())
        text = " ".join(texts)
        # As the recogniser gave it, with all that it knows, where it is the whole question.
        return asked if asked is None or asked.text == text else replace(asked, text=text)

    def take_back(self) -> None:
        """The question that is being answered was another one."""
        answer, self.answer = self.answer, None
        if answer:
            answer.take_back()

    def goes_on_from(self, other: Exchange) -> bool:
        """Whether the other turn was cut at the longest, and this one follows without a gap."""
        mine, before = self.turn, other.turn
        goes_on = mine.source == before.source and mine.start == before.start + len(before.audio)
        return goes_on and before.ended_by == "max_duration"
