"""A recording answered turn by turn, and told as it happens."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops
from reactivex.scheduler import CurrentThreadScheduler

from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.cli._both import BothSides
from rxvoice.cli._settings import Settings
from rxvoice.elements import FinishedTurn, Reply, Speech, Transcript
from rxvoice.events import (
    Event,
    Finished,
    Notice,
    ReplyDelta,
    ReplyStarted,
    Speaking,
    Transcribed,
    TurnEnded,
    TurnFailed,
    TurnOpened,
)
from rxvoice.policies import silence
from rxvoice.slots import AudioSink, ResponderSlot, SynthesizerSlot, TranscriberSlot, VadSlot
from rxvoice.turn import Turn

__all__ = ["Parts", "Story", "converse"]


@dataclass(frozen=True)
class Parts:
    """The models of a conversation."""

    vad: VadSlot
    stt: TranscriberSlot
    llm: ResponderSlot
    tts: SynthesizerSlot


@dataclass
class Story:
    """Prints who said what, when and how fast; what it saw stays for the caller.

    Times are the recording's; latencies are real ones, from the moment a turn was over.

    Args:
        out: where to print.
        progress: told, with each chunk, how many seconds have been heard.
        tell: told what happens, as events.
        check: called with each chunk; may raise, to end the conversation.
    """

    out: TextIO = field(default_factory=lambda: sys.stdout)
    progress: Callable[[float], None] = lambda _: None
    tell: Callable[[Event], None] = lambda _: None
    check: Callable[[], None] = lambda: None
    events: list[FinishedTurn] = field(default_factory=list[FinishedTurn])
    failures: list[TurnFailed] = field(default_factory=list[TurnFailed])
    _over: float = 0.0
    _since_over: dict[str, float] = field(default_factory=dict[str, float])

    def on_chunk(self, chunk: AudioChunk | Event) -> None:
        """Report how far the recording has been heard."""
        self.check()
        if isinstance(chunk, AudioChunk):
            self.progress(chunk.start / chunk.sample_rate)

    def on_turn(self, turn: Turn | Event) -> None:
        """Start the watch when the turn is over."""

        if not isinstance(turn, Turn):
            return

        def over() -> None:
            self._over = time.perf_counter()
            self._since_over.clear()
            self.tell(TurnEnded(turn, turn.start + len(turn.audio)))

        self.tell(TurnOpened(turn))
        turn.subscribe(on_error=lambda _: None, on_completed=over)

    def on_transcript(self, transcript: Transcript | Event) -> None:
        """Print what the user said."""
        if isinstance(transcript, Transcript) and transcript.final:
            self._mark("heard")
            turn = transcript.turn
            self.tell(Transcribed(turn, transcript.text))
            self._say(turn.start / turn.sample_rate, "you", transcript.text or "(no words)")

    def on_reply(self, reply: Reply | Event) -> None:
        """Print what the assistant answers, and note when its first word came."""
        if isinstance(reply, Reply):
            if self._mark("first word"):
                self.tell(ReplyStarted(reply.turn))
            if reply.delta:
                self.tell(ReplyDelta(reply.turn, reply.delta))
            if reply.final:
                turn = reply.turn
                end = (turn.start + len(turn.audio)) / turn.sample_rate
                self._say(end, "assistant", reply.text)

    def on_speech(self, speech: Speech | Event) -> None:
        """Note when the first sound came."""
        if isinstance(speech, Speech) and not speech.final and self._mark("first sound"):
            self.tell(Speaking(speech.turn))
        elif isinstance(speech, Speech) and speech.final:
            self.tell(Finished(speech.turn, speech.reply.text))

    def on_event(self, event: FinishedTurn | Event) -> None:
        """Print the latencies, what failed, and what a model wants to be known."""
        if isinstance(event, FinishedTurn):
            self.events.append(event)
            latencies = " · ".join(f"{what} {ms:.0f} ms" for what, ms in self._since_over.items())
            self._line(f"{'':23}after the turn: {latencies}")
            return
        self.tell(event)
        if isinstance(event, TurnFailed):
            self.failures.append(event)
            self._say(event.turn.start / event.turn.sample_rate, "error", str(event.error))
        elif isinstance(event, Notice):
            self._line(f"{'':23}{event.message}")

    def _mark(self, what: str) -> bool:
        """Note when it came; whether it is the first time in this turn."""
        if what in self._since_over:
            return False
        self._since_over[what] = 1000 * (time.perf_counter() - self._over)
        return True

    def _say(self, at: float, who: str, what: str) -> None:
        self._line(f"{at:7.1f} s  {who:<11} {what}")

    def _line(self, line: str) -> None:
        print(line, file=self.out, flush=True)


def converse(
    microphone: Observable[AudioChunk],
    parts: Parts,
    sink: AudioSink,
    story: Story,
    *,
    settings: Settings,
    both: BothSides | None = None,
) -> None:
    """Hold the conversation on this thread, and return when the microphone has ended.

    Raises:
        Exception: what the stream ended with, when all that came before has been answered.
    """
    errors: list[Exception] = []

    def end_early(error: Exception, _: Observable[AudioChunk]) -> Observable[AudioChunk]:
        # What was said before the recording broke off still gets its answer.
        errors.append(error)
        return rx.empty()

    listen = microphone.pipe(ops.catch(end_early)).pipe(
        vox.chunk(512),
        ops.do_action(both.user) if both else ops.do_action(),
        ops.do_action(story.on_chunk),
        vox.vad(parts.vad, start=settings.vad_start, stop=settings.vad_stop),
        vox.preroll(settings.preroll_ms),
        vox.turn_window(silence(settings.silence_ms), max_duration_ms=settings.max_turn_ms),
        ops.do_action(story.on_turn),
    )
    answer = listen.pipe(
        vox.transcribe(parts.stt),
        ops.do_action(story.on_transcript),
        vox.respond(parts.llm, min_chars=1),
        ops.do_action(story.on_reply),
        vox.speakable(),
        vox.synthesize(parts.tts),
    )
    log = answer.pipe(
        ops.do_action(both.assistant) if both else ops.do_action(),
        ops.do_action(story.on_speech),
        vox.play(sink),
    )

    # On this scheduler a paced recording plays on this thread too: subscribing is the conversation.
    here = CurrentThreadScheduler.singleton()
    log.subscribe(story.on_event, errors.append, scheduler=here)
    if errors:
        raise errors[0]
