"""What the type checkers must make of a live pipe, of events and of an app; never run."""

from collections.abc import AsyncIterator
from typing import assert_type

from reactivex import Observable
from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import events
from rxvoice import operators as vox


def loud(samples: rxv.Samples) -> bool:
    return bool(samples.any())


def write_down(audio: rxv.Samples) -> str:
    return str(len(audio))


async def answer(text: str) -> AsyncIterator[str]:
    yield text


def speak(text: str) -> list[rxv.Samples]:
    return []


def two_pipes(speaker: rxv.AudioSink) -> None:
    # mypy, other than pyright, infers an operator that is generic only at the head of a pipe.
    recorded = rxv.microphone().pipe(vox.record("conversation.wav"), vox.resample(16_000))
    assert_type(recorded, Observable[rxv.AudioChunk | rxv.Event])
    handed = recorded.pipe(vox.handoff(max_ms=2_000, overflow="drop_oldest"), vox.chunk(512))
    assert_type(handed, Observable[rxv.AudioChunk | rxv.Event])
    heard = handed.pipe(vox.meter(), vox.vad(loud), vox.preroll(), vox.turn_window())
    assert_type(heard, Observable[rxv.Turn | rxv.Event])
    hear, think, talk = vox.transcribe(write_down), vox.respond(answer), vox.synthesize(speak)
    spoken = heard.pipe(vox.converse(hear, think, talk, sink=speaker, min_words=2))
    assert_type(spoken, Observable[rxv.Speech | rxv.FinishedTurn | rxv.Event])
    told = spoken.pipe(vox.metrics(sink=speaker))
    assert_type(told, Observable[rxv.Speech | rxv.FinishedTurn | rxv.Event])
    live = rxv.live(told)
    assert_type(live.pipe(ops.map(name)), Observable[str])


def looped(turns: Observable[rxv.Turn | rxv.Event]) -> None:
    for turn in rxv.live(turns).iterate(max_events=100):
        if not isinstance(turn, rxv.Event):
            assert_type(turn, rxv.Turn)


def name(event: rxv.Speech | rxv.FinishedTurn | rxv.Event) -> str:
    match event:
        case rxv.FinishedTurn():
            return event.user_text
        case rxv.Speech():
            return event.text
        case events.Interrupted():
            return assert_type(event.heard, str)
        case _:
            return str(event.as_json()["event"])


def text_only(turns: Observable[rxv.Turn | rxv.Event], sink: rxv.AudioSink) -> None:
    replies = turns.pipe(vox.converse(vox.transcribe(write_down), vox.respond(answer), sink=sink))
    assert_type(replies, Observable[rxv.Reply | rxv.Speech | rxv.FinishedTurn | rxv.Event])


def wrong(mic: Observable[rxv.AudioChunk | rxv.Event], sink: rxv.AudioSink) -> None:
    vox.handoff(max_ms=2_000)  # type: ignore[call-arg]
    vox.handoff(max_ms=2_000, overflow="drop_some")  # type: ignore[arg-type]
    vox.converse(vox.transcribe(write_down), vox.respond(answer))  # type: ignore[call-overload]
    vox.converse(vox.respond(answer), vox.synthesize(speak), sink=sink)  # type: ignore[arg-type]
    mic.pipe(vox.play(sink))  # type: ignore[arg-type]
    mic.pipe(vox.converse(vox.transcribe(write_down), vox.respond(answer), sink=sink))  # type: ignore[arg-type]
