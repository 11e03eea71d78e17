"""The turns of the user: sound becomes items, and their words become known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import finalize

from reactivex.disposable import SingleAssignmentDisposable

from rxvoice.chunks import AudioChunk
from rxvoice.serve.session.happenings import (
    Happening,
    ItemAdded,
    ItemDone,
    SoundTaken,
    SpeechStarted,
    SpeechStopped,
    WordsFailed,
    WordsGrew,
    WordsKnown,
)
from rxvoice.serve.session.items import Item, ItemPart, Items
from rxvoice.serve.session.judging import RATE
from rxvoice.serve.session.pipe import MIN_SPEECH_MS
from rxvoice.serve.session.settings import DialogueSettings
from rxvoice.turn import Turn

_GAP_MS = 60


def ms_of(position: int) -> int:
    """Milliseconds from the beginning of the dialogue."""
    return position * 1000 // RATE


@dataclass(slots=True, eq=False)
class HeardTurn:
    """A turn, and what the client knows of it.

    Args:
        turn: the turn.
        item_id: the item that it becomes.
        manual: whether the client says when it is over.
        accepted: whether it is a turn, and not only a candidate.
        told: whether the client knows that the user speaks.
        taken: whether it has become an item.
        ended_at: where it ended; None while it is open.
        words: all words, once they are known.
        failed: whether the words cannot be known.
        partial: what was told of the words so far.
        over: whether the client knows all words.
        watching: follows the speech of a candidate.
    """

    turn: Turn
    item_id: str
    manual: bool = False
    accepted: bool = False
    told: bool = False
    taken: bool = False
    ended_at: int | None = None
    words: str | None = None
    failed: bool = False
    partial: str = ""
    over: bool = False
    watching: SingleAssignmentDisposable = field(default_factory=SingleAssignmentDisposable)


class Turns:
    """Follows the turns that the pipe opens.

    Args:
        items: the items of the dialogue, which the turns join.
        settings: gives the settings.
        tell: takes what happens.
        new_id: makes ids.
        on_spoken: called when the user speaks, and the client knows it.
        confirm: confirms the open candidate.
        on_words: called when the words of an item are known.
    """

    def __init__(
        self,
        items: Items,
        settings: Callable[[], DialogueSettings],
        tell: Callable[[Happening], None],
        new_id: Callable[[str], str],
        on_spoken: Callable[[], None],
        confirm: Callable[[], None],
        on_words: Callable[[], None],
    ) -> None:
        self._items = items
        self._settings = settings
        self._tell = tell
        self._new_id = new_id
        self._on_spoken = on_spoken
        self._confirm = confirm
        self._on_words = on_words
        self._turns: dict[int, HeardTurn] = {}  # by the identity of the turn, while it is not over
        self._by_client: set[int] = set()  # identities of turns that the client ended
        self.taken_to = 0
        """Where the sound begins that has not become an item."""

    @property
    def open(self) -> HeardTurn | None:
        """The turn that is being spoken, or a candidate."""
        return next((it for it in self._turns.values() if it.turn.is_open and not it.taken), None)

    @property
    def waits_for_words(self) -> bool:
        """Whether the words of any item are still to come."""
        return any(it.taken and not it.over for it in self._turns.values())

    def of(self, turn: Turn) -> HeardTurn | None:
        """What is known of a turn that is not over."""
        return self._turns.get(id(turn))

    def by_client(self, turn: Turn) -> bool:
        """Whether the client ended the turn, so that it asks for a reply itself."""
        return id(turn) in self._by_client

    # The pipe tells

    def on_candidate(self, turn: Turn) -> None:
        """Sound over a reply: it may be speech. Enough of it is, whatever it says."""
        heard = self._meet(turn)
        taking = self._settings().turns
        if taking is None or taking.on_words:
            return
        spoken = silent = 0.0

        def count(chunk: AudioChunk) -> None:
            nonlocal spoken, silent
            ms = len(chunk.samples) * 1000 / chunk.sample_rate
            spoken, silent = (spoken + ms, 0.0) if chunk.speech else (spoken, silent + ms)
            if silent >= _GAP_MS:
                spoken = 0.0
            if spoken >= MIN_SPEECH_MS and not heard.accepted:
                heard.watching.dispose()
                self._confirm()

        heard.watching.disposable = turn.subscribe(count)

    def on_opened(self, turn: Turn) -> None:
        """A turn opens, or a candidate is confirmed."""
        if turn.id < 0:
            return  # the dialogue's own question
        heard = self._meet(turn)
        heard.watching.dispose()
        if heard.accepted:
            return
        heard.accepted = True
        if not heard.manual and not heard.taken:
            self._tell_started(heard)
            self._on_spoken()
        if heard.ended_at is not None:
            self._on_over(heard)

    def on_partial(self, turn: Turn, text: str) -> None:
        """More words of a turn; only what is new at the end can be told."""
        heard = self.of(turn)
        if heard is None:
            return
        known = heard.partial
        if text.startswith(known) and len(text) > len(known) and (heard.told or heard.taken):
            heard.partial = text
            if self._settings().tells_words:
                self._tell(WordsGrew(heard.item_id, text[len(known) :]))

    def on_ended(self, turn: Turn, position: int) -> None:
        """The sound of a turn, or a candidate, is over."""
        heard = self.of(turn)
        if heard is None:
            return
        heard.ended_at = position
        if turn.discarded:
            del self._turns[id(turn)]
        elif heard.accepted:
            self._on_over(heard)

    def on_dropped(self, turn: Turn) -> None:
        """A candidate was none, or a turn has no words."""
        heard = self.of(turn)
        if heard is None:
            return
        if heard.taken:
            heard.words = heard.words or ""
            self._tell_words(heard)
        else:
            heard.watching.dispose()
            del self._turns[id(turn)]

    def on_words(self, turn: Turn, text: str) -> None:
        """All words of a turn are known."""
        heard = self.of(turn)
        if heard is not None:
            heard.words = text
            self._tell_words(heard)

    def on_failed(self, turn: Turn) -> None:
        """The turn, or its recogniser, failed."""
        heard = self.of(turn)
        if heard is None or heard.words is not None:
            return
        heard.failed = True
        if heard.taken:
            self._tell_words(heard)
        elif heard.accepted:
            self._on_over(heard)
        else:
            del self._turns[id(turn)]

    # The client, or the end of the turn, makes it an item

    def given(self, turn: Turn, end: int) -> None:
        """Take a turn that the client cut out of silence."""
        heard = self._meet(turn)
        heard.accepted = True
        self.take(heard, end)

    def take(self, heard: HeardTurn, end: int) -> None:
        """Make a turn an item, because the client says so."""
        self._by_client.add(id(heard.turn))
        finalize(heard.turn, self._by_client.discard, id(heard.turn))
        if heard.told:
            self._tell(SpeechStopped(heard.item_id, ms_of(end)))
        self._take(heard, end)

    def forget_sound(self, position: int) -> HeardTurn | None:
        """Drop the sound that is not an item. Returns the turn that was open."""
        dropped = self.open
        if dropped is not None:
            dropped.watching.dispose()
            del self._turns[id(dropped.turn)]
        self.taken_to = position
        return dropped

    def _meet(self, turn: Turn) -> HeardTurn:
        heard = self.of(turn)
        if heard is None:
            manual = self._settings().turns is None
            heard = HeardTurn(turn, self._new_id("item"), manual=manual)
            self._turns[id(turn)] = heard
        return heard

    def _tell_started(self, heard: HeardTurn) -> None:
        heard.told = True
        self._tell(SpeechStarted(heard.item_id, ms_of(heard.turn.start)))

    def _on_over(self, heard: HeardTurn) -> None:
        if heard.taken:
            return
        end = heard.ended_at
        if end is None:
            end = heard.turn.start + len(heard.turn.audio)
        if heard.manual and not heard.told:
            self._tell_started(heard)
        self._tell(SpeechStopped(heard.item_id, ms_of(end)))
        self._take(heard, end)

    def _take(self, heard: HeardTurn, end: int) -> None:
        heard.taken = True
        self.taken_to = max(self.taken_to, end)
        take_item(self._items, self._tell, heard.item_id)
        if heard.words is not None or heard.failed:
            self._tell_words(heard)

    def _tell_words(self, heard: HeardTurn) -> None:
        if not heard.taken or heard.over:
            return
        heard.over = True
        self._turns.pop(id(heard.turn), None)
        words = heard.words or ""
        self._items.update(heard.item_id, lambda item: item.with_words(words))
        if self._settings().tells_words:
            if heard.words is None:
                self._tell(WordsFailed(heard.item_id))
            else:
                seconds = len(heard.turn.audio) / RATE
                self._tell(WordsKnown(heard.item_id, words, seconds))
        self._on_words()


def take_item(items: Items, tell: Callable[[Happening], None], item_id: str) -> None:
    """Make the sound of the user an item, whose words are not known yet."""
    item = Item(id=item_id, parts=(ItemPart(spoken=True),))
    after = items.insert(item)
    tell(SoundTaken(item_id, after))
    tell(ItemAdded(item, after))
    tell(ItemDone(item, after))
