"""What the type checkers must make of a conversation that the app steers; never run."""

from typing import assert_type

from reactivex import Observable, Subject

import rxvoice as rxv
from rxvoice import operators as vox

Spoken = Observable[rxv.Speech | rxv.FinishedTurn | rxv.Event]


def write_down(audio: rxv.Samples) -> str:
    return str(len(audio))


def answer(text: str) -> str:
    return text


def speak(text: str) -> list[rxv.Samples]:
    return []


def allowed(turn: rxv.Turn) -> bool:
    return turn.id > 1


def steered(
    turns: Observable[rxv.Turn | rxv.Event], sink: rxv.AudioSink, on: Observable[bool]
) -> None:
    hear, think, talk = vox.transcribe(write_down), vox.respond(answer), vox.synthesize(speak)
    says: Subject[str | rxv.Say] = Subject()
    texts: Observable[str] = Subject[str]()
    told = turns.pipe(vox.converse(hear, think, talk, sink=sink, says=says, interruptions=on))
    assert_type(told, Spoken)
    told = turns.pipe(vox.converse(hear, think, talk, sink=sink, says=texts, interruptions=allowed))
    assert_type(told, Spoken)
    five = vox.converse(
        hear, think, vox.speakable(), vox.map_sentences(str.upper), talk, sink=sink, own_words=False
    )
    assert_type(turns.pipe(five), Spoken)
    alone = vox.converse(vox.answer(lambda audio: [audio]), sink=sink)
    assert_type(turns.pipe(alone), Spoken)


def agents(heard: Observable[rxv.Transcript | rxv.Event]) -> None:
    agent = vox.stages(vox.respond(answer), vox.speakable(), vox.synthesize(speak))
    assert_type(heard.pipe(agent), Observable[rxv.Speech | rxv.Event])

    def chosen(
        transcript: rxv.Transcript,
    ) -> rxv.Operator[rxv.Transcript | rxv.Event, rxv.Speech | rxv.Event]:
        return agent

    assert_type(heard.pipe(vox.choose(chosen)), Observable[rxv.Speech | rxv.Event])


def wrong(sink: rxv.AudioSink) -> None:
    vox.map_sentences(len)  # type: ignore[arg-type]
    vox.stages(vox.synthesize(speak), vox.respond(answer))  # type: ignore[misc]
    vox.converse(vox.transcribe(write_down), sink=sink)  # type: ignore[arg-type]
    rxv.Say("x", when="later")  # type: ignore[arg-type]
