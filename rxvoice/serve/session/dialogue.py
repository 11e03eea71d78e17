"""`Dialogue`: one session, without a word of any protocol."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from secrets import token_hex

from reactivex import abc
from reactivex.disposable import SerialDisposable

from rxvoice._audio.samples import Samples
from rxvoice.serve._models import Models
from rxvoice.serve._observer import Observer, Unobserved
from rxvoice.serve._traces import Record
from rxvoice.serve.session.following import Following
from rxvoice.serve.session.happenings import (
    Happening,
    ItemAdded,
    ItemCut,
    ItemDeleted,
    ItemDone,
    ItemShown,
    ReplyBegan,
    ReplyOver,
    TimedOut,
)
from rxvoice.serve.session.items import Item, Items
from rxvoice.serve.session.microphone import FarMicrophone
from rxvoice.serve.session.moments import Moments
from rxvoice.serve.session.pipe import Pipe
from rxvoice.serve.session.refusal import Refused
from rxvoice.serve.session.replies import Replies
from rxvoice.serve.session.request import ReplyRequest
from rxvoice.serve.session.settings import DialogueSettings
from rxvoice.serve.session.turns import Turns, ms_of, take_item

_MOST_ITEMS = 10_000
_MOST_TEXT = 4_000_000
"""Characters: a million tokens or so."""


class Dialogue:
    """One session: sound, items and replies. Commands come in, and what happens is told.

    All methods, and `tell`, run on the thread of the scheduler. A command that cannot be followed
    raises `Refused`, and changes nothing.

    Args:
        models: what hears, writes and speaks.
        settings: how turns are taken and replies are made.
        tell: takes what happens, in order.
        scheduler: where everything runs; it has the time.
        on_failed: called once if the dialogue cannot go on.
        new_id: makes ids, given what they are for.
        observer: is told what metrics are made of.
        record: begins the trace of the session; None to record nothing.
    """

    def __init__(
        self,
        models: Models,
        settings: DialogueSettings,
        tell: Callable[[Happening], None],
        *,
        scheduler: abc.SchedulerBase,
        on_failed: Callable[[Exception | None], None],
        new_id: Callable[[str], str] = lambda kind: f"{kind}_{token_hex(10)}",
        observer: Observer | None = None,
        record: Record | None = None,
    ) -> None:
        self._settings = settings
        self._tell = tell
        self._scheduler = scheduler
        self._new_id = new_id
        self._items = Items()
        self._idle = SerialDisposable()
        self._closed = False
        moments = self._moments = Moments(scheduler)
        self._observer = observer or Unobserved()
        following = Following(self._later, moments, self._observer, self._wants_reply, on_failed)
        self._pipe = Pipe(models, lambda: self._settings.turns, scheduler, following, record)
        self._turns = following.turns = Turns(
            self._items,
            lambda: self._settings,
            tell,
            new_id,
            self._on_spoken,
            self._pipe.interrupt,
            self._on_words_known,
        )
        self._replies = following.replies = Replies(
            models,
            self._items,
            lambda: self._settings,
            scheduler,
            self._tell_of_reply,
            new_id,
            moments,
            self._pipe,
        )
        self._microphone = FarMicrophone(
            self._pipe, self._turns, moments, lambda: self._settings, tell, self._later
        )
        self.configure(settings)

    def open(self) -> None:
        """Begin to listen."""
        self._pipe.open()

    def close(self) -> None:
        """End everything. Nothing is told after that."""
        if self._closed:
            return
        self._closed = True
        # What is left of a dialogue are cycles, which are garbage for a while: without sound.
        self._observer.audio_heard(*self._microphone.close())
        self._idle.dispose()
        self._replies.close()
        self._pipe.close()

    # Commands

    def configure(self, settings: DialogueSettings) -> None:
        """Change the settings. A reply keeps those that it began with."""
        self._settings = settings
        taking = settings.turns
        self._pipe.allow_interruptions(taking is not None and taking.interrupts)
        if taking is None or taking.idle_ms is None:
            self._idle.disposable = None

    def hear(self, samples: Samples) -> None:
        """Take sound of the microphone: float32 at 16 kHz."""
        self._microphone.hear(samples)

    def commit(self) -> None:
        """Make the sound so far an item.

        Raises:
            Refused: there is too little of it.
        """
        self._microphone.commit()
        self._idle.disposable = None

    def clear(self) -> None:
        """Drop the sound that is no item yet."""
        self._microphone.clear()

    def add_item(self, item: Item, after: str | None = None) -> None:
        """Add an item behind another one; None: at the end.

        Raises:
            Refused: the id is taken, there is no such item before it, or the dialogue is far longer
                than any model reads.
        """
        if len(self._items) >= _MOST_ITEMS or self._items.size + item.size > _MOST_TEXT:
            raise Refused("too_long", str(len(self._items)))
        before = self._items.insert(item, after)
        self._tell(ItemAdded(item, before))
        self._tell(ItemDone(item, before))

    def delete_item(self, item_id: str) -> None:
        """Remove an item.

        Raises:
            Refused: there is none.
        """
        self.item(item_id)
        self._items.remove(item_id)
        self._tell(ItemDeleted(item_id))

    def show_item(self, item_id: str) -> None:
        """Tell an item as it is.

        Raises:
            Refused: there is none.
        """
        self._tell(ItemShown(self.item(item_id)))

    def item(self, item_id: str) -> Item:
        """An item.

        Raises:
            Refused: there is none.
        """
        item = self._items.get(item_id)
        if item is None:
            raise Refused("no_item", item_id)
        return item

    def cut_item(self, item_id: str, part: int, at_ms: int) -> None:
        """Keep only the words of a spoken message that were heard until then.

        Raises:
            Refused: there is no such item, or it was not spoken.
        """
        self.item(item_id)
        reply = self._replies.of_message(item_id)
        if reply is None or part != 0 or not reply.settings.speaks:
            raise Refused("not_spoken", item_id)
        at_ms, heard = reply.cut(at_ms)
        self._tell(ItemCut(item_id, part, at_ms, heard))

    def create_reply(self, request: ReplyRequest | None = None) -> None:
        """Begin a reply; None: as the settings have it.

        Raises:
            Refused: another one is active, or the dialogue only listens.
        """
        if self._settings.only_listens:
            raise Refused("only_listens", "")
        request = request or ReplyRequest(settings=self._settings.reply)
        self._replies.create(request)
        if not request.aside:
            self._moments.asked()
            self._on_words_known()

    @property
    def settings(self) -> DialogueSettings:
        """The settings as they are now."""
        return self._settings

    def cancel_reply(self, reply_id: str | None = None) -> None:
        """End a reply; None: the active one.

        Raises:
            Refused: there is none.
        """
        self._replies.cancel(reply_id)

    def stop_sound(self) -> None:
        """The client has stopped playback: what it did not play was not heard."""
        self._replies.silence()

    # What follows

    def _wants_reply(self) -> bool:
        taking = self._settings.turns
        return not self._settings.only_listens and taking is not None and taking.replies

    def _on_spoken(self) -> None:
        """The user speaks, and the client has been told."""
        self._idle.disposable = None
        taking = self._settings.turns
        if taking is not None and taking.interrupts:
            self._replies.interrupt()

    def _on_words_known(self) -> None:
        # Two steps later: the pipe may be about to ask for the reply by itself.
        self._later(partial(self._later, self._release))

    def _release(self) -> None:
        if not self._turns.waits_for_words:
            self._replies.release()

    def _tell_of_reply(self, happening: Happening) -> None:
        self._tell(happening)
        if isinstance(happening, ReplyBegan) and not happening.reply.aside:
            self._idle.disposable = None
        if isinstance(happening, ReplyOver) and not happening.reply.aside:
            self._wait_for_user()

    def _wait_for_user(self) -> None:
        """Time out once the user has said nothing for long after a reply was heard."""
        taking = self._settings.turns
        if taking is None or taking.idle_ms is None or self._settings.only_listens:
            return
        idle_ms = taking.idle_ms

        def time_out(*_: object) -> None:
            if self._closed or self._turns.open is not None or self._replies.is_busy:
                return
            item_id = self._new_id("item")
            end_ms = ms_of(self._microphone.position)
            self._tell(TimedOut(item_id, max(0, end_ms - idle_ms), end_ms))
            take_item(self._items, self._tell, item_id)
            if self._wants_reply():
                self.create_reply()

        seconds = self._pipe.speaker.seconds_left + idle_ms / 1000
        self._idle.disposable = self._scheduler.schedule_relative(seconds, time_out)

    def _later(self, action: Callable[[], None]) -> None:
        """Run it after what the pipe is doing, and after what it has told."""

        def run(*_: object) -> None:
            if not self._closed:
                action()

        self._scheduler.schedule(run)
