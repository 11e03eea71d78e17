"""What `converse` may tell, as its page says it, and not as its code does."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import rxvoice as rxv
from rxvoice import events
from rxvoice.elements import FinishedTurn, Speech
from rxvoice.events import Notice, TurnFailed

__all__ = ["Broken", "Story", "Told", "lines", "tell", "told_words"]


class Broken(AssertionError):
    """What was told makes no sense."""


@dataclass(eq=False)
class Told:
    """What was told of one turn."""

    turn: rxv.Turn
    state: str  # candidate, waiting, current, failing, pending, over
    kinds: list[str] = field(default_factory=list)
    text: str | None = None
    deltas: str = ""
    started: bool = False
    speaking: bool = False
    paused: bool = False
    final: Speech | None = None
    log: FinishedTurn | None = None
    end: str | None = None
    heard: str | None = None
    reason: str | None = None
    failed: str | None = None
    confirmed: bool = False
    deaf: bool = False  # its own words are lost: it may be asked with those of others
    answered_at: int = -1  # which of all that was told, and was the last of it
    ended_at: int = -1
    speech: list[Speech] = field(default_factory=list)

    @property
    def failed_waiting(self) -> bool:
        """Whether nothing more need come of it when those before it are over."""
        return self.state == "waiting" and self.failed is not None


class Story:
    """Takes what was told, element by element, and raises at the first that cannot be.

    Args:
        interruptions: whether they are on.
        pauses: whether playback is paused, not ducked.
    """

    def __init__(self, *, interruptions: bool, pauses: bool) -> None:
        self.turns: dict[int, Told] = {}
        self._interruptions = interruptions
        self._pauses = pauses
        self._current: Told | None = None
        self._waiting: deque[Told] = deque()
        self._in_front: Told | None = None  # has to be Interrupted at once
        self._dropping: Told | None = None  # has to be Dropped at once
        self._ending: Told | None = None  # its final Speech is out
        self._at_once: str | None = None  # what has to come next
        self._last_drop: str | None = None  # why the last candidate was dropped
        self.idles = 0
        self._count = 0

    def tell(self, element: object) -> None:
        """The next element."""
        name = type(element).__name__
        self._count += 1
        if isinstance(element, Notice):
            return
        at_once, self._at_once = self._at_once, None
        self._want(at_once in (None, name), f"{name} where {at_once} had to come at once")
        if isinstance(element, events.Idle):
            self.idles += 1
            self._want(self._alive() is None, "Idle while somebody speaks")
            return
        if isinstance(element, FinishedTurn):
            it = self._ending
            self._want(it is not None and it.log is None, "a FinishedTurn of no final Speech")
            assert it is not None
            assert it.final is not None
            it.log = element
            return
        turn: rxv.Turn = element.turn  # type: ignore[attr-defined]
        it = self.turns.get(id(turn))
        if isinstance(element, events.Saying):
            self._say(turn)
            return
        if isinstance(element, events.TurnOpened) and it is not None and it.confirmed:
            self._want(at_once == name, "TurnOpened twice")
            return
        if isinstance(element, events.Candidate) and it is not None:
            # Somebody types while this one speaks: it may interrupt the answer to that.
            self._promote(it)
            self._want(it is self._current and not it.started, f"Candidate while {it.state}")
            it.state, it.confirmed, it.paused, self._current = "candidate", False, False, None
            self._at_once = "TurnOpened"
            return
        if isinstance(element, events.TurnOpened | events.Candidate):
            self._open(turn, name)
            return
        self._want(it is not None, f"{name} of a turn that was never opened")
        assert it is not None
        it.kinds.append(name)
        if isinstance(element, events.ReplyStarted | Speech):
            it.answered_at = self._count
        elif isinstance(element, events.Interrupted):
            it.ended_at = self._count
        if self._dropping is not None:
            self._want(
                it is self._dropping and isinstance(element, events.Dropped),
                f"{name} where a failed candidate had to be dropped",
            )
            self._dropping = None
        if self._ending is not None:
            self._want(
                it is self._ending and isinstance(element, events.Finished | events.Interrupted),
                f"{name} between a final Speech and the event that says so",
            )
        getattr(self, f"_on_{name.lower()}")(it, element)

    def end(self) -> None:
        """It has completed."""
        for it in self.turns.values():
            # A failed reply is heard to its end without a word; nobody takes up what pends.
            self._want(
                it.state in ("over", "failing", "pending") or it.failed_waiting,
                f"completed with turn {it.turn.id} {it.state}: {it.kinds}",
            )
            self._want(
                it.final is None or it.log is not None, "a final Speech without FinishedTurn"
            )

    def points(self) -> list[str]:
        """Where each turn ended, and how."""
        found = ["idle"] * self.idles
        for it in self.turns.values():
            if it.end == "Interrupted":
                found.append(f"interrupted {_when(it)}")
            elif it.end == "Finished":
                found.append("finished")
            if it.reason:
                found.append(f"dropped: {it.reason}")
            if it.failed:
                found.append(f"failed: {it.failed}")
            if "Resumed" in it.kinds:
                found.append("paused and resumed")
        return found

    def _want(self, holds: bool, message: str) -> None:
        if not holds:
            raise Broken(message)

    def _alive(self) -> Told | None:
        for it in self.turns.values():
            if it.state in ("candidate", "waiting", "current") and not it.failed_waiting:
                return it
        return None

    def _open(self, turn: rxv.Turn, name: str) -> None:
        self._want(id(turn) not in self.turns, f"turn {turn.id} opened twice")
        self._want(self._dropping is None, "a failed candidate had to be dropped")
        self._want(self._ending is None, "a turn between a final Speech and its event")
        it = self.turns[id(turn)] = Told(turn, "candidate", [name])
        if name == "Candidate":
            self._want(self._interruptions, "a Candidate with interruptions off")
            self._nobody_in_front()
            return
        self._take_place(it, typed=not len(turn.audio))

    def _say(self, turn: rxv.Turn) -> None:
        """The app speaks, when nobody has the floor; that a failed reply was over is not told."""
        self._nobody_in_front()
        if self._current and self._current.state == "failing":
            self._over(self._current, "TurnFailed")
        self._want(self._alive() is None, "Saying while somebody has the floor, or waits for it")
        self._current = self.turns[id(turn)] = Told(turn, "current", ["Saying"], text="")

    def _take_place(self, it: Told, *, typed: bool) -> None:
        self._nobody_in_front()
        if self._current is None:
            it.state, self._current = "current", it
        elif not self._interruptions and not typed:
            it.state = "waiting"
            self._waiting.append(it)
        else:
            it.state, self._in_front = "current", it

    def _nobody_in_front(self) -> None:
        self._goes_first(self._in_front)
        self._want(self._in_front is None, "a turn that is put in front has to end at once")

    def _promote(self, it: Told) -> None:
        """One that waited is answered now; that a failed reply was over is not told."""
        while it.state == "waiting" and self._current and self._current.state == "failing":
            self._over(self._current, "TurnFailed")
        if it.kinds[-1] != "Interrupted":
            self._goes_first(it)

    def _goes_first(self, it: Told | None) -> None:
        """One that does not end at once was put in front of nobody.

        Who failed was over; or, without interruptions, was passed by, and may be answered yet.
        """
        current = self._current
        if it is None or it is not self._in_front or current is None:
            return
        if not self._interruptions:
            self._waiting.appendleft(current)
            current.state = "waiting"
        elif current.state == "failing":
            current.state = "over"
        else:
            return
        self._current, self._in_front = it, None

    def _listening(self, it: Told, name: str) -> None:
        self._want(it.state not in ("over", "pending"), f"{name} after {it.end}")
        self._want(it.text is None, f"{name} after Transcribed")

    def _answering(self, it: Told, name: str) -> None:
        self._promote(it)
        self._want(it is self._current, f"{name} of turn {it.turn.id}, which is {it.state}")
        self._want(it.failed != "respond", f"{name} after respond failed")
        self._want(it.text is not None or it.deaf, f"{name} before Transcribed")

    def _over(self, it: Told, end: str) -> None:
        it.state, it.end, it.paused = "over", end, False
        self._ending = None
        if it is not self._current:
            return
        self._current = None
        if self._waiting:
            self._current = self._waiting.popleft()
            self._current.state = "failing" if self._current.failed else "current"

    def _on_turnended(self, it: Told, event: events.TurnEnded) -> None:
        self._want(it.state not in ("over", "pending"), f"TurnEnded after {it.end}")
        self._want(it.kinds.count("TurnEnded") == 1, "TurnEnded twice")
        self._want(event.position == it.turn.start + len(it.turn.audio), "ended elsewhere")

    def _on_partial(self, it: Told, event: events.Partial) -> None:
        self._listening(it, "Partial")

    def _on_transcribed(self, it: Told, event: events.Transcribed) -> None:
        self._listening(it, "Transcribed")
        it.text = event.text

    def _on_confirmed(self, it: Told, event: events.Confirmed) -> None:
        self._want(it.state == "candidate", f"Confirmed while {it.state}")
        it.confirmed, self._at_once = True, "TurnOpened"
        self._take_place(it, typed=False)

    def _on_dropped(self, it: Told, event: events.Dropped) -> None:
        self._promote(it)
        self._want(it.state == "candidate" or it is self._current, f"Dropped while {it.state}")
        if it is self._current:
            self._want(event.reason in ("no_words", "closed"), f"a turn dropped: {event.reason}")
            self._want(not told_words(it.text or ""), f"dropped with its words: {it.text!r}")
            self._want(not it.started, "Dropped after ReplyStarted")
            self._want(it.failed is None, f"Dropped after TurnFailed of {it.failed}")
        else:
            self._want(
                (event.reason == "failed") == (it.failed is not None),
                f"{event.reason} after {it.failed} failed",
            )
        it.reason = event.reason
        if it is not self._current:
            self._last_drop = event.reason
        self._over(it, "Dropped")
        current = self._current
        others = any(other.state == "candidate" for other in self.turns.values())
        if current and current.state == "current" and current.paused and not others:
            self._at_once = "Resumed"

    def _on_replystarted(self, it: Told, event: events.ReplyStarted) -> None:
        self._answering(it, "ReplyStarted")
        self._want(not it.started, "ReplyStarted twice")
        it.started = True
        if it.state == "failing":  # its recogniser did, but there are words in front
            it.state = "current"

    def _on_replydelta(self, it: Told, event: events.ReplyDelta) -> None:
        self._answering(it, "ReplyDelta")
        self._want(it.started, "ReplyDelta before ReplyStarted")
        it.deltas += event.text

    def _on_speech(self, it: Told, speech: Speech) -> None:
        self._answering(it, "Speech")
        self._want(it.final is None, "Speech after the final one")
        if speech.final:
            it.final = speech
            self._ending = it
        else:
            self._want(it.started, "Speech before ReplyStarted")
            it.speech.append(speech)

    def _on_speaking(self, it: Told, event: events.Speaking) -> None:
        self._promote(it)
        self._want(it is self._current, f"Speaking while {it.state}")
        self._want(bool(it.speech), "Speaking before Speech")
        self._want(not it.speaking, "Speaking twice")
        it.speaking = True

    def _on_paused(self, it: Told, event: events.Paused) -> None:
        self._want(self._pauses, "Paused where it is ducked")
        self._promote(it)
        self._want(it is self._current, f"Paused while {it.state}")
        self._want(not it.paused, "Paused twice")
        self._want(
            any(other.state == "candidate" for other in self.turns.values()),
            "Paused without a candidate",
        )
        it.paused = True

    def _on_resumed(self, it: Told, event: events.Resumed) -> None:
        self._want(it is self._current, f"Resumed while {it.state}")
        self._want(it.paused, "Resumed but not Paused")
        last = self._last_drop
        others = any(other.state == "candidate" for other in self.turns.values())
        if not others and event.reason != "joined":
            self._want(event.reason == last, f"Resumed for {event.reason} after {last}")
        it.paused = False

    def _on_interrupted(self, it: Told, event: events.Interrupted) -> None:
        it.heard = event.heard
        if it is self._in_front:
            self._want(event.heard == "", "something was heard of no reply")
            self._in_front = None
            it.state, it.end = "pending", "Interrupted"
            if it.text is not None:
                self._over(it, "Interrupted")
            return
        self._promote(it)
        self._want(it is self._current, f"Interrupted while {it.state}")
        if it.final is not None:
            self._want(it.final.interrupted, "Interrupted after it had finished")
            self._want(it.final.heard == event.heard, "Speech and Interrupted say different things")
        elif it.failed is None:
            self._want(not it.started, "Interrupted in the middle without a final Speech")
            self._want(event.heard == "", "something was heard of no reply")
        waits = it.text is None and it.failed is None
        self._over(it, "Interrupted")
        if waits:
            it.state = "pending"

    def _on_finished(self, it: Told, event: events.Finished) -> None:
        self._answering(it, "Finished")
        if it.final is not None:
            self._want(not it.final.interrupted, "Finished after it was interrupted")
        self._want(
            event.text.split() == it.deltas.split(),
            f"Finished with {event.text!r}, written was {it.deltas!r}",
        )
        self._over(it, "Finished")

    def _on_turnfailed(self, it: Told, event: TurnFailed) -> None:
        stage = event.error.stage
        if stage == "turn_window":  # the source failed, and the turn with it
            stage = "transcribe"
        self._goes_first(it)
        if stage != "transcribe":  # who waits is listened to as well
            self._promote(it)
        self._want(it.state != "over", f"TurnFailed after {it.end}")
        self._want(it.failed in (None, "transcribe"), f"TurnFailed after {it.failed} failed")
        self._want(it.failed != stage, "TurnFailed twice")
        if stage == "transcribe":
            self._want(it.text is None, "the recogniser failed after Transcribed")
            it.deaf = True
        it.failed = stage
        if it.state == "candidate":
            self._dropping = it
        elif it.state == "pending":
            it.state = "over"
        elif it.state != "waiting":
            self._want(it is self._current, "TurnFailed out of turn")
            it.state = "failing"


def _when(it: Told) -> str:
    if it.failed:
        return "after it failed"
    if it.final is None:
        return "while listening"
    if not it.speech:
        return "while thinking"
    if not it.speaking:
        return "before a sample was heard"
    said = "".join(dict.fromkeys(speech.text for speech in it.speech))
    over = told_words(said) == told_words(it.deltas)
    return "after all was made" if over else "while speaking"


def told_words(text: str) -> list[str]:
    """The words of a text."""
    return re.findall(r"\w+", text.casefold())


def tell(elements: Iterable[object], story: Story, *, ended: bool = True) -> Story:
    """All of them; what breaks is shown with what came before."""
    seen: list[Any] = []
    for element in elements:
        seen.append(element)
        try:
            story.tell(element)
        except Broken as error:
            raise Broken(f"{error}\n{lines(seen[-40:])}") from None
    try:
        if ended:
            story.end()
    except Broken as error:
        raise Broken(f"{error}\n{lines(seen[-40:])}") from None
    return story


def lines(elements: Sequence[Any]) -> str:
    """A line each."""
    shown: list[str] = []
    for it in elements:
        turn = getattr(it, "turn", None)
        parts = [type(it).__name__]
        if isinstance(turn, rxv.Turn):
            parts.append(f"{turn.id}@{turn.start}")
        for name in ("reason", "text", "heard", "user_text", "assistant_text", "error", "final"):
            value = getattr(it, name, None)
            if value is not None:
                parts.append(f"{name}={value!r}")
        if isinstance(it, Speech):
            parts.append(f"{len(it.samples)} samples")
        shown.append(" ".join(parts))
    return "\n".join(shown)
