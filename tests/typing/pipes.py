"""What the type checkers must make of a pipe; never run."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import assert_type

from reactivex import Observable
from reactivex import operators as ops
from reactivex.subject import BehaviorSubject

import rxvoice as rxv
from rxvoice import operators as vox


def loud(samples: rxv.Samples) -> bool:
    return bool(samples.any())


def write_down(audio: rxv.Samples) -> str:
    return str(len(audio))


async def answer(text: str) -> str:
    return text


def speak(text: str) -> list[rxv.Samples]:
    return []


def whisper(audio: rxv.Samples) -> dict[str, object]:
    return {"text": "hi", "segments": []}


@dataclass
class Segment:
    text: str


def segments(audio: rxv.Samples) -> Iterator[Segment]:
    yield Segment("hi")


def knowing(audio: rxv.Samples) -> rxv.Recognised:
    return rxv.Recognised("hi", words=[("hi", 0.0, 0.4)], language="en", speaker="Ann")


def language(transcript: rxv.Transcript) -> str | None:
    return transcript.language


def knows(turns: Observable[rxv.Turn | rxv.Event]) -> None:
    said = turns.pipe(vox.transcribe(knowing), rxv.only(rxv.Transcript), ops.map(language))
    assert_type(said, Observable[str | None])


def talk(audio: rxv.Samples) -> Iterator[str | rxv.Samples | rxv.Recognised]:
    yield rxv.Recognised("hi")
    yield "Hello."
    yield audio


def one_model(turns: Observable[rxv.Turn | rxv.Event], sink: rxv.sinks.Sink) -> None:
    speech = turns.pipe(vox.answer(talk, timeout_ms=10_000))
    assert_type(speech, Observable[rxv.Speech | rxv.Event])
    assert_type(speech.pipe(vox.play(sink)), Observable[rxv.FinishedTurn | rxv.Event])


async def streamed(text: str) -> AsyncIterator[str]:
    async def pieces() -> AsyncIterator[str]:
        yield text

    return pieces()


def shapes(turns: Observable[rxv.Turn | rxv.Event]) -> None:
    replies = turns.pipe(vox.transcribe(whisper), vox.respond(streamed, min_chars=1))
    assert_type(replies, Observable[rxv.Reply | rxv.Event])
    assert_type(turns.pipe(vox.transcribe(segments)), Observable[rxv.Transcript | rxv.Event])


def seven(mic: Observable[rxv.Samples], sink: rxv.sinks.Sink) -> None:
    speech = mic.pipe(
        vox.chunk(512),
        vox.vad(loud),
        vox.preroll(250),
        vox.turn_window(rxv.silence(1600)),
        vox.transcribe(write_down),
        vox.respond(answer),
        vox.synthesize(speak),
    )
    assert_type(speech, Observable[rxv.Speech | rxv.Event])
    assert_type(speech.pipe(vox.play(sink)), Observable[rxv.FinishedTurn | rxv.Event])
    speech.subscribe(sink)


def sound(texts: Observable[str], sink: rxv.sinks.Sink, muted: Observable[bool]) -> None:
    speech = texts.pipe(vox.speak(speak))
    assert_type(speech, Observable[rxv.Speech | rxv.Event])
    speech.subscribe(sink)
    rxv.sources.wav("jingle.wav").subscribe(sink)
    assert_type(rxv.sinks.null(), rxv.sinks.NullSink)
    with rxv.sinks.null(realtime=True) as speaker, rxv.sinks.mixer(speaker) as mixer:
        speech.subscribe(mixer.bus("music", duck_to=0.2))
    devices: BehaviorSubject[str | None] = BehaviorSubject(None)
    chunks = rxv.microphone(devices).pipe(vox.chunk(512), vox.mute(muted))
    assert_type(chunks, Observable[rxv.AudioChunk | rxv.Event])


def interrupted(turns: Observable[rxv.Turn | rxv.Event], sink: rxv.sinks.Sink) -> None:
    speech = turns.pipe(
        vox.converse(
            vox.transcribe(write_down),
            vox.respond(answer),
            vox.synthesize(speak),
            sink=sink,
            min_words=2,
            echo=loud,
        )
    )
    assert_type(speech, Observable[rxv.Speech | rxv.FinishedTurn | rxv.Event])


def each(mic: Observable[rxv.AudioChunk]) -> None:
    assert_type(
        vox.chunk(512),
        rxv.Operator[rxv.Samples | rxv.AudioChunk | rxv.Event, rxv.AudioChunk | rxv.Event],
    )
    chunks = mic.pipe(vox.chunk(512), vox.vad(loud), vox.barge_in(playing=bool))
    assert_type(chunks, Observable[rxv.AudioChunk | rxv.Event])
    turns = chunks.pipe(vox.preroll(), vox.turn_window())
    assert_type(turns, Observable[rxv.Turn | rxv.Event])
    assert_type(turns.pipe(vox.transcribe(write_down)), Observable[rxv.Transcript | rxv.Event])


class Listener:
    """A recogniser that only listens while the user speaks."""

    def session(self) -> rxv.RecognitionSession:
        raise NotImplementedError


def models() -> None:
    vox.transcribe(rxv.mlx.stt("a/model"))
    vox.transcribe(rxv.offline.stt())
    vox.transcribe(Listener())
    vox.respond(rxv.mlx.llm("a/model"))
    vox.respond(rxv.remote.llm("a-model", base_url="http://localhost"))
    vox.synthesize(rxv.mlx.tts("a/model"))
    vox.synthesize(rxv.offline.tts())
    vox.turn_window(rxv.mlx.smart_turn())


def is_partial(transcript: rxv.Transcript) -> bool:
    return not transcript.final


def is_over(element: rxv.Transcript | rxv.TurnFailed) -> bool:
    return isinstance(element, rxv.TurnFailed) or element.final


def only(turns: Observable[rxv.Turn | rxv.Event]) -> None:
    heard = turns.pipe(vox.transcribe(write_down))
    assert_type(heard.pipe(rxv.only(rxv.Transcript)), Observable[rxv.Transcript])
    partials = heard.pipe(rxv.only(rxv.Transcript), ops.filter(is_partial))
    assert_type(partials, Observable[rxv.Transcript])
    over = heard.pipe(rxv.only(rxv.Transcript, rxv.TurnFailed), ops.filter(is_over))
    assert_type(over, Observable[rxv.Transcript | rxv.TurnFailed])
    replies = heard.pipe(vox.only(rxv.Transcript, rxv.Event), vox.respond(answer))
    assert_type(replies, Observable[rxv.Reply | rxv.Event])


def steered(chunks: Observable[rxv.AudioChunk], released: Observable[str]) -> None:
    turns = chunks.pipe(vox.turn_window(end=released, discard=released))
    assert_type(turns, Observable[rxv.Turn | rxv.Event])
    rxv.live(turns).run(print)
    rxv.live(turns).run()


def wrong(mic: Observable[str], chunks: Observable[rxv.AudioChunk], sink: rxv.sinks.Sink) -> None:
    mic.pipe(vox.chunk(512))  # type: ignore[arg-type]
    chunks.pipe(vox.transcribe(write_down))  # type: ignore[arg-type]
    vox.vad(answer)  # type: ignore[arg-type]
    vox.respond(loud)  # type: ignore[arg-type]
    chunks.pipe(vox.turn_window(), vox.transcribe(write_down), ops.filter(is_partial))  # type: ignore[misc]
    rxv.only(rxv.silence(64))  # type: ignore[call-overload]
    vox.turn_window(end=1)  # type: ignore[arg-type]
    vox.converse(vox.respond(answer), vox.synthesize(speak), sink=sink)  # type: ignore[arg-type]
    vox.chunk(512, 16_000)  # type: ignore[call-arg]
