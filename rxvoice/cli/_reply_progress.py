"""How much of a reply has been heard, for a view that shows it."""

from __future__ import annotations

from threading import Lock

from rxvoice.cli._scene import printable
from rxvoice.elements import Reply, Speech, Transcript
from rxvoice.operators._conversation.spoken_reply import ReplyText, SpokenReply
from rxvoice.slots import AudioSink
from rxvoice.turn import Turn


class ReplyProgress:
    """Follows a reply on its way to the voice and to the sink.

    Args:
        sink: the sink. If it has no ``position``, everything that was written counts as heard.
    """

    def __init__(self, sink: AudioSink) -> None:
        self._sink = sink
        self._lock = Lock()
        self._turn: Turn | None = None
        self._answered: Transcript | None = None
        self._text = ReplyText()  # the text of the reply in progress
        self._ledger = SpokenReply(int(getattr(sink, "position", 0)))
        self._all_heard = False

    def on_reply(self, reply: object) -> None:
        """Note a piece of text that the voice is given; ignore anything but a `Reply`."""
        if not isinstance(reply, Reply):
            return
        with self._lock:
            if reply.transcript is not self._answered:
                self._answered, self._text = reply.transcript, ReplyText()
            self._text.add(reply)

    def on_speech(self, speech: object) -> None:
        """Note a piece of sound that was just written. Call this on the thread that writes."""
        if isinstance(speech, Speech):
            with self._lock:
                self._note(speech)

    def characters(self, reply: str) -> int:
        """How many characters of the reply, on one line, were heard. Any thread may ask."""
        with self._lock:
            return min(len(reply), len(printable(self._ledger.heard(self._position()))))

    def _note(self, speech: Speech) -> None:
        if speech.turn is not self._turn:
            self._turn = speech.turn
            self._ledger = SpokenReply(self._start(speech))
            self._ledger.text = self._text
        self._all_heard = speech.final and not speech.interrupted
        if speech.final:
            self._ledger.close()
        else:
            self._ledger.add(speech)

    def _start(self, first: Speech) -> int:
        """The position at which a reply begins, whose first piece was just written."""
        written: int | None = getattr(self._sink, "written", None)
        if written is not None:
            return written - first.samples.shape[0]
        # The part of the last reply that was cleared does not count as written.
        return self._ledger.end if self._all_heard else self._position()

    def _position(self) -> int:
        return int(getattr(self._sink, "position", self._ledger.end))
