"""The replies of a dialogue: asked for, begun, spoken, interrupted and over."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from secrets import token_hex

from reactivex import abc

from rxvoice._language.calls import WrittenCall
from rxvoice.elements import Reply, Speech
from rxvoice.events import Notice, TurnFailed
from rxvoice.serve._models import Models
from rxvoice.serve.session.asides import Asides
from rxvoice.serve.session.asking import Asking
from rxvoice.serve.session.happenings import Happening
from rxvoice.serve.session.items import Items
from rxvoice.serve.session.live_reply import LiveReply, ReplyPhase
from rxvoice.serve.session.moments import Moments
from rxvoice.serve.session.pipe import Pipe
from rxvoice.serve.session.refusal import Refused
from rxvoice.serve.session.request import ReplyRequest
from rxvoice.serve.session.settings import DialogueSettings, ReplySettings
from rxvoice.serve.session.voice import Voice
from rxvoice.serve.session.writing import Writer, messages_of
from rxvoice.turn import Turn


class Replies:
    """Begins replies and follows them.

    At most one reply of the dialogue is `active`. The one that is `playing` may be over already.

    Args:
        models: what writes and speaks.
        items: the items of the dialogue.
        settings: gives the settings.
        scheduler: where everything runs.
        tell: takes what happens.
        new_id: makes ids.
        moments: how long each step of the turn took.
        pipe: makes the replies.
    """

    def __init__(
        self,
        models: Models,
        items: Items,
        settings: Callable[[], DialogueSettings],
        scheduler: abc.SchedulerBase,
        tell: Callable[[Happening], None],
        new_id: Callable[[str], str],
        moments: Moments,
        pipe: Pipe,
    ) -> None:
        self._models = models
        self._items = items
        self._settings = settings
        self._scheduler = scheduler
        self._tell = tell
        self._new_id = new_id
        self._moments = moments
        self._writer = self._new_writer()
        self._asked: dict[str, ReplyRequest] = {}  # by reply
        self._markers: dict[str, LiveReply] = {}  # that were sent into the pipe
        self._asides = Asides(models, pipe)
        self.active: LiveReply | None = None
        self._playing: LiveReply | None = None
        self._by_message: dict[str, LiveReply] = {}
        self._pipe = pipe

    @property
    def playing(self) -> LiveReply | None:
        """The reply that the client plays."""
        return self._playing

    @playing.setter
    def playing(self, reply: LiveReply | None) -> None:
        if self._playing is not None:
            self._playing.turn = None  # which has all its sound; replies are kept for `of_message`
        self._playing = reply

    @property
    def is_busy(self) -> bool:
        """Whether a reply of the dialogue is active."""
        return self.active is not None and not self.active.over

    def of_message(self, item_id: str) -> LiveReply | None:
        """The reply that a message is from."""
        return self._by_message.get(item_id)

    def close(self) -> None:
        """End all work."""
        if self.active is not None:
            self.active.life.dispose()
        self._asides.close()
        self.playing = None

    # The client asks

    def create(self, request: ReplyRequest) -> LiveReply:
        """Begin a reply that is asked for.

        Raises:
            Refused: another one is active, or too many are made beside the dialogue.
        """
        if request.aside:
            self._asides.check_room()
        elif self.active is not None and self.is_busy:
            raise Refused("busy", self.active.id)
        reply = self._new(request.settings, aside=request.aside)
        self._asked[reply.id] = request
        if request.aside:
            self._asides.begin(reply, partial(self._write, reply, self._new_writer()))
        return reply

    def release(self) -> None:
        """Send the reply that waits into the pipe. The words that it answers are known."""
        reply = self.active
        if (
            reply is None
            or reply.phase is not ReplyPhase.WAITING
            or reply in self._markers.values()
        ):
            return
        marker = f"reply{token_hex(8)}"
        self._markers[marker] = reply
        if self.playing is not None:
            # It was made whole, and the client plays it to its end.
            self.playing.kept = self._pipe.speaker.keeps_playing = True
        self._pipe.ask_for(marker)

    def cancel(self, reply_id: str | None) -> None:
        """End a reply.

        Raises:
            Refused: there is none.
        """
        reply = self.active if reply_id is None else self._find(reply_id)
        if reply is None or reply.over:
            raise Refused("not_replying", reply_id or "")
        if reply is self.playing:
            self.silence()
        else:
            reply.finish("cancelled", "client")

    def silence(self) -> None:
        """The client plays no more."""
        if self.playing is not None:
            self.playing.finish("cancelled", "client")
            self._pipe.interrupt()

    def _find(self, reply_id: str) -> LiveReply | None:
        if self.active is not None and self.active.id == reply_id:
            return self.active
        return self._asides.get(reply_id)

    # The pipe asks

    def answer(self, question: Asking, *, wanted: bool) -> None:
        """Answer what the pipe asks.

        Args:
            wanted: whether the user's turn is replied to at all.
        """
        reply = self._markers.pop(question.text.rpartition(" ")[2], None)
        active = self.active
        if reply is None and active is not None and active.phase is ReplyPhase.WAITING:
            reply = active  # it was asked for, and answers this turn
            self._markers = {}
        if question.over:
            if reply is not None:
                reply.finish("cancelled", "user")
            return
        if reply is None and wanted:
            self.interrupt()
            reply = self._new(self._settings().reply, aside=False)
        if reply is None or reply.over:
            question.answer.on_completed()
            return
        self.playing = reply
        self._write(reply, self._writer, question, self._pipe.voice)

    def _new(self, settings: ReplySettings, *, aside: bool) -> LiveReply:
        items = None if aside else self._items
        reply = LiveReply(self._new_id("resp"), settings, items, self._tell, self._new_id)
        if not aside:
            self.active = reply
        return reply

    def _write(self, reply: LiveReply, writer: Writer, question: Asking, voice: Voice) -> None:
        reply.turn = question.turn
        reply.phase = ReplyPhase.MAKING
        reply.life.add(question.life)
        settings, answer = reply.settings, question.answer
        voice.choose(settings)
        asked = self._asked.pop(reply.id, None)
        given = self._items if asked is None or asked.given is None else asked.given

        def on_piece(piece: str | Notice | WrittenCall) -> None:
            if isinstance(piece, WrittenCall):
                if piece.error is None:
                    reply.add_call(piece)
            elif isinstance(piece, Notice):
                answer.on_next(piece)
            else:
                if not reply.pieces:
                    reply.moments = self._moments.until("first_token")
                reply.pieces += 1
                reply.add_text(piece)
                if reply.message_id is not None:
                    self._by_message[reply.message_id] = reply
                if settings.speaks:
                    answer.on_next(piece)
                if settings.max_tokens is not None and reply.pieces >= settings.max_tokens:
                    reply.end_text(writer.usage, cut_short=True)
                    answer.on_completed()

        def on_end() -> None:
            reply.end_text(writer.usage)
            answer.on_completed()

        def on_error(error: BaseException) -> None:
            answer.on_error(error if isinstance(error, Exception) else RuntimeError(repr(error)))

        writer.write(
            messages_of(given, settings.instructions or writer.instructions),
            settings.tools,
            on_piece=on_piece,
            on_end=on_end,
            on_error=on_error,
            life=question.life,
        )

    def _new_writer(self) -> Writer:
        workers = self._models.scheduler
        return Writer(self._models.llm(), workers.text if workers else None, self._scheduler)

    # The pipe tells

    def on_text(self, spoken: Reply) -> None:
        """Text reaches the voice."""
        if self.playing is not None and self.playing.turn is spoken.turn:
            self.playing.add_spoken(spoken)

    def on_sound(self, speech: Speech) -> None:
        """Sound was made."""
        if self.playing is not None and self.playing.turn is speech.turn:
            self.playing.add_sound(speech, self._moments)

    def on_made(self) -> None:
        """All sound of the reply was made."""
        if self.playing is not None:
            self.playing.end_sound()

    def on_failed(self, failed: TurnFailed) -> None:
        """A model failed."""
        if self.playing is not None and self.playing.turn is failed.turn:
            self.playing.finish("failed", "model")
            self.playing = None

    def on_heard(self, turn: Turn) -> None:
        """The reply was heard to its end."""
        if self.playing is not None and self.playing.turn is turn:
            self.playing.end_sound()
            self.playing = None

    def on_interrupted(self, turn: Turn, heard: str) -> bool:
        """The reply was interrupted in the pipe. True if it was the user who did it."""
        reply = self.playing
        if reply is None or reply.turn is not turn:
            return False
        self.playing = None
        by_user = not reply.kept and reply.reason != "client"
        reply.finish("cancelled", "user")
        if not reply.kept:
            reply.keep_heard(heard)
        return by_user

    def interrupt(self) -> None:
        """The user interrupts what is active."""
        if self.active is not None:
            self.active.finish("cancelled", "user")
