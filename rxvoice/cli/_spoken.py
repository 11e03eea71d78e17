"""How much of a reply has left the loudspeaker, for the eye."""

from __future__ import annotations

from threading import Lock

from rxvoice.cli._scene import printable
from rxvoice.elements import Event, Speech
from rxvoice.events import ReplyDelta
from rxvoice.operators._interruption._ledger import Ledger
from rxvoice.slots import AudioSink

__all__ = ["Spoken"]


class Spoken:
    """Follows the pieces of speech on their way to a sink.

    Args:
        sink: with its ``position``; of one without, what was written counts as heard.
    """

    def __init__(self, sink: AudioSink) -> None:
        self._sink = sink
        self._lock = Lock()
        self._turn = 0
        self._ledger = Ledger(int(getattr(sink, "position", 0)))
        self._all_heard = False
        self._texts: dict[int, str] = {}

    def on_speech(self, speech: Speech | Event) -> None:
        """Note a piece, of sound or of text; before it is written, on the thread that writes."""
        with self._lock:
            if isinstance(speech, ReplyDelta):
                turn = speech.turn.id
                self._texts[turn] = self._texts.get(turn, "") + speech.text
            elif isinstance(speech, Speech):
                self._note(speech)

    def characters(self, reply: str) -> int:
        """How many characters of the reply, on one line, were heard; on any thread."""
        with self._lock:
            return min(len(reply), len(printable(self._ledger.heard(self._position()))))

    def _note(self, speech: Speech) -> None:
        if speech.turn.id != self._turn:
            self._turn = speech.turn.id
            # Of what was written, the part that was cleared does not count any more.
            self._ledger = Ledger(self._ledger.end if self._all_heard else self._position())
        self._all_heard = speech.final and not speech.interrupted
        if speech.final:
            self._ledger.close()
            self._texts.pop(self._turn, None)
            return
        self._ledger.text = self._texts.get(self._turn, "")
        self._ledger.add(speech)

    def _position(self) -> int:
        return int(getattr(self._sink, "position", self._ledger.end))
