"""One subscription of `converse`: its inputs, and all that follows from each."""

from __future__ import annotations

from functools import partial
from typing import Any

from reactivex.disposable import Disposable

from rxvoice.events import Event, Notice
from rxvoice.operators._conversation.app import App
from rxvoice.operators._conversation.candidates import Candidates
from rxvoice.operators._conversation.floor import Floor
from rxvoice.operators._conversation.listening import Listening
from rxvoice.operators._conversation.playback import Playback
from rxvoice.operators._conversation.ports import Ports
from rxvoice.operators._conversation.replying import Replying, shared_threads
from rxvoice.operators._conversation.settings import ConverseSettings
from rxvoice.operators.kernel import Subscription
from rxvoice.turn import Turn


class Engine:
    """Takes turns; gives speech, the log and events.

    Every input is an action in one mailbox, so no two run at once. An input notes what has
    happened. `_settle` then does all that follows from it.
    """

    def __init__(self, out: Subscription[Any], settings: ConverseSettings) -> None:
        self._settings = settings
        self._ports = ports = Ports(out, self._settle)
        sink = settings.sink
        if ports.boundary is not None:
            sink = ports.boundary.sink(sink)
        self._playback = playback = Playback(sink, settings.duck)
        self._floor = floor = Floor(settings, playback, ports)
        self._candidates = candidates = Candidates(settings, floor, playback, ports)
        self._listening = listening = Listening(settings, floor, candidates, ports)
        self._replying = Replying(settings, floor, listening, playback, ports)
        self._app = App(settings, floor, candidates, listening, ports)
        self._source_over = False

    def begin(self) -> None:
        """Follow the sink, the app and the models' threads until the subscription ends."""
        ports, playback, settings = self._ports, self._playback, self._settings
        ports.life.add(Disposable(partial(ports.post, self._on_disposed)))
        if playback.played is not None:
            ports.follow_from_afar("played", playback.played, lambda _: None, self._on_played_over)
        if playback.events is not None:
            ports.follow_from_afar("sink_events", playback.events, ports.say)
        self._app.follow()
        listen = () if settings.listen is None else (settings.listen,)
        for thread in shared_threads((*listen, *settings.reply)):
            ports.life.add(
                thread.follow(
                    lambda _, notice: ports.from_afar(partial(self._listening.on_stuck, notice))
                )
            )

    # From upstream, on any thread

    def take(self, element: Turn | Event) -> None:
        """A turn opens, or an event comes."""
        if isinstance(element, Turn):
            self._ports.post(partial(self._listening.on_turn, element))
        else:
            self._ports.post(partial(self._ports.say, element))

    def complete(self) -> None:
        """No more turns will come."""
        self._ports.post(self._on_source_over)

    def fail(self, error: Exception) -> None:
        """The source has failed."""
        self._ports.post(partial(self._ports.fail, error))

    def _on_source_over(self) -> None:
        self._source_over = True
        for exchange in self._floor.candidates:
            if exchange.evidence and exchange.turn.is_open:
                exchange.evidence.decide("closed")
        current = self._floor.current
        if current and current.turn.is_open:
            self._floor.drop(current, "closed")
            self._floor.leave()

    def _on_played_over(self) -> None:
        self._playback.played = None

    def _on_disposed(self) -> None:
        """Stop the reply in progress, and tell the model what was heard of it."""
        current = self._floor.current
        if current and current.reply:
            if current.reply.held_back:
                current.take_back()
            elif not current.reply.was_heard_whole():
                current.reply.cut()
        self._candidates.release()
        error = self._playback.take_error()
        if error is not None:
            self._ports.raise_after(error)  # there is nobody left to be told of others

    # What follows from an input

    def _settle(self) -> None:
        """Do all that follows, until nothing does."""
        if self._ports.life.is_disposed:
            return
        while self._fail_by_sink() or self._follow_up():
            pass
        if self._floor.is_free:
            if self._source_over:
                self._ports.complete(self._playback.flush)
            else:
                self._floor.idle()

    def _follow_up(self) -> bool:
        """Do the first thing that follows. True if there was one."""
        self._floor.advance()
        return (
            self._candidates.judge()
            or self._replying.answer()
            or self._replying.preempt()
            or self._go_on()
            or self._candidates.update_pause()
        )

    def _fail_by_sink(self) -> bool:
        """Fail the reply in progress with what the sink has raised. True if it has."""
        error = self._playback.take_error()
        if error is None:
            return False
        current = self._floor.current
        if current and current.reply and not current.reply.held_back:
            current.reply.fail(error)
            self._floor.leave()
            self._candidates.release()
        else:
            self._ports.say(Notice(f"the sink failed: {type(error).__name__}: {error}", error))
            if not self._candidates.want_pause:
                self._candidates.release()  # the sink may have failed to go on
        self._playback.take_error()  # one is enough
        self._ports.raise_after(error)
        return True

    def _go_on(self) -> bool:
        """Give the floor to the next turn that waits, or to the app. True if there was one."""
        floor = self._floor
        if floor.give_next():
            return True
        if floor.current or floor.candidates or not floor.sayings:
            return False
        floor.give(floor.sayings.popleft())
        return True
