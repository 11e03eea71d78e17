"""What comes from outside a pipe is recorded, whatever it is, and a replay needs none of it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Observable, Subject
from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import events, sinks
from rxvoice import operators as vox
from rxvoice.errors import ConfigError, ReplayDiffers
from rxvoice.testing import FakeSynthesizer
from rxvoice.tools import ToolCall
from rxvoice.trace import read, story
from rxvoice.trace._described import described

RATE = 16_000
RNG = np.random.default_rng(1)
VOICE = FakeSynthesizer(samples_per_char=50, sample_rate=RATE)

Made = tuple[Observable[Any], Callable[[Any], None]]
"""A pipe, and what its app does with each element."""


def sound(*parts: float) -> np.ndarray:
    """Silence and noise in turn, of so many seconds."""
    pieces = [
        RNG.uniform(-0.5, 0.5, int(s * RATE)) if n % 2 else np.zeros(int(s * RATE))
        for n, s in enumerate(parts)
    ]
    return np.concatenate(pieces).astype(np.float32)


SOUND = sound(0.2, 0.5, 0.5, 0.4, 0.6)
TWO = sound(0.1, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3)


def loud(samples: np.ndarray) -> bool:
    return bool(np.abs(samples).mean() > 0.1)


def turns(source: Observable[Any] | None = None, **options: Any) -> Observable[Any]:
    given = rxv.sources.array(SOUND, RATE) if source is None else source
    return given.pipe(vox.chunk(512), vox.vad(loud), vox.preroll(100), vox.turn_window(**options))


def says_length(audio: np.ndarray) -> str:
    return f"{len(audio)} samples"


def stages(**slots: Any) -> list[Any]:
    return [
        vox.transcribe(slots.get("stt", says_length), timeout_ms=slots.get("timeout_ms", 30_000)),
        vox.respond(slots.get("llm", lambda text: ["You said ", text, ". Fine."])),
        vox.synthesize(slots.get("tts", VOICE)),
    ]


def talk(source: Observable[Any] | None = None, sink: Any = None, **slots: Any) -> Observable[Any]:
    own = sinks.memory() if sink is None else sink
    policy = slots.pop("policy", rxv.silence(300))
    window = {name: slots.pop(name) for name in ("end", "discard") if name in slots}
    names = ("says", "interrupts")
    app = {name: slots.pop(name) for name in names if name in slots}
    heard = turns(source, policy=policy, **window)
    return heard.pipe(vox.converse(*stages(**slots), sink=own, **app), vox.metrics(sink=own))


def nothing(_: Any) -> None:
    """The app does nothing."""


def plain() -> Made:
    played = turns(policy=rxv.silence(300)).pipe(*stages(), vox.play(sinks.memory()))
    return played, nothing


def of_the_app() -> Made:
    """The app speaks, types and presses keys, from within its subscription."""
    says, interrupts, end = Subject[Any](), Subject[Any](), Subject[Any]()

    def app(element: Any) -> None:
        if isinstance(element, events.TurnOpened) and element.turn.id == 1:
            end.on_next(None)
        if isinstance(element, events.Finished) and element.turn.id == 1:
            says.on_next(rxv.Say("A word of mine.", interruptible=False))
            interrupts.on_next("typed")

    return talk(says=says, interrupts=interrupts, end=end), app


def signals_that_end() -> Made:
    """What the app says and presses comes to its end; the conversation goes on."""
    says, interrupts, end = Subject[Any](), Subject[Any](), Subject[Any]()

    def app(element: Any) -> None:
        if isinstance(element, events.TurnOpened) and element.turn.id == 1:
            for signal in (says, interrupts, end):
                signal.on_completed()

    source = rxv.sources.array(TWO, RATE)
    return talk(source, says=says, interrupts=interrupts, end=end), app


def muted() -> Made:
    mute = Subject[bool]()

    def app(element: Any) -> None:
        if isinstance(element, events.Finished):
            mute.on_next(True)

    source = rxv.sources.array(TWO, RATE).pipe(vox.mute(mute))
    return talk(source), app


def discarded() -> Made:
    discard = Subject[Any]()

    def app(element: Any) -> None:
        if isinstance(element, events.TurnOpened) and element.turn.id == 1:
            discard.on_next(None)

    return talk(discard=discard), app


def async_models() -> Made:
    async def stt(audio: np.ndarray) -> str:
        await asyncio.sleep(0)
        return says_length(audio)

    async def llm(text: str) -> AsyncIterator[str]:
        for piece in ("Well, ", text, ". Yes."):
            await asyncio.sleep(0)
            yield piece

    return talk(stt=stt, llm=llm), nothing


def observables() -> Made:
    def llm(text: str) -> Observable[str]:
        return rx.timer(0.001).pipe(ops.flat_map(lambda _: rx.of("One. ", "Two. ", text)))

    return talk(llm=llm), nothing


def later_policy() -> Made:
    def policy(audio: np.ndarray, silence_ms: int) -> bool | Observable[bool]:
        if silence_ms < 200:
            return False
        return rx.timer(0.001).pipe(ops.map(lambda _: True))

    return talk(policy=policy), nothing


def failing() -> Made:
    """Each model fails once, in another way."""
    asked = {"stt": 0, "llm": 0, "tts": 0}

    def stt(audio: np.ndarray) -> Any:
        asked["stt"] += 1
        if asked["stt"] == 1:
            raise OSError("no ears")
        return says_length(audio)

    def llm(text: str) -> Iterator[Any]:
        asked["llm"] += 1
        yield "Well. "
        if asked["llm"] == 1:
            raise ValueError("no mind")
        yield text

    def tts(text: str) -> Any:
        asked["tts"] += 1
        return "no sound" if asked["tts"] == 2 else VOICE.synthesize_stream(text)

    return talk(
        rxv.sources.array(sound(*[0.1, *[0.3] * 10]), RATE), stt=stt, llm=llm, tts=tts
    ), nothing


def hanging() -> Made:
    return talk(stt=lambda _: rx.never(), timeout_ms=5), nothing


def telling() -> Made:
    def llm(text: str) -> Iterator[Any]:
        yield rxv.Notice("a tool was called", ToolCall("clock", {"zone": "here"}, "noon"))
        yield "It is noon. "
        yield rxv.FLUSH
        yield "Yes."

    def stt(audio: np.ndarray) -> rxv.Recognised:
        words = [("hello", np.float32(0.1), np.float32(0.3), np.float32(0.5))]
        return rxv.Recognised("hello", words=words, language="en", confidence=np.float32(0.7))

    return talk(stt=stt, llm=llm), nothing


class Broken:
    """A sink that takes a part, and raises now and then."""

    is_running = False

    def __init__(self) -> None:
        self.taken = 0

    def write_samples(self, samples: Any) -> int:
        self.taken += 1
        if self.taken == 2:
            raise OSError("unplugged")
        return max(1, len(samples) // 2)

    def clear(self) -> np.ndarray:
        return np.ones(3, np.float32)

    def flush(self) -> None: ...

    def stop(self) -> None: ...


def broken_sink() -> Made:
    return talk(rxv.sources.array(TWO, RATE), sink=Broken()), nothing


def delayed() -> Made:
    """Operators of RxPY that wait."""
    pipe = talk().pipe(ops.delay(0.003), ops.timestamp(), ops.map(lambda it: it.value))
    return rx.merge(pipe, rx.interval(0.002).pipe(ops.take(3))), nothing


def speaks_itself() -> Made:
    def model(audio: np.ndarray) -> Iterator[Any]:
        yield np.full(100, 0.25, np.float32)
        yield rxv.FLUSH

    own = sinks.memory()
    answers = turns(policy=rxv.silence(300)).pipe(vox.converse(vox.answer(model), sink=own))
    return answers, nothing


def wake_words() -> Made:
    asked = 0

    def spot(samples: np.ndarray) -> str | None:
        nonlocal asked
        asked += 1
        return "computer" if asked == 10 else None

    source = rxv.sources.array(SOUND, RATE).pipe(
        vox.chunk(512),
        vox.vad(lambda it: float(loud(it)), echo=lambda it: asked > 60),
        vox.wake_word(spot, open_ms=2000, playing=lambda: asked % 3 == 0),
        vox.barge_in(lambda samples, playing: asked % 5 == 0, playing=lambda: False),
        vox.preroll(100),
        vox.turn_window(rxv.silence(300)),
        vox.converse(*stages(), sink=sinks.memory()),
    )
    return source, nothing


def without_echo() -> Made:
    played = iter(range(10_000))

    class Reference:
        def at(self, time: float, n: int, sample_rate: int) -> np.ndarray:
            return np.sin(np.arange(n) * (1 + next(played) % 3)).astype(np.float32) / 9

    source = rxv.sources.array(SOUND, RATE, block_ms=20).pipe(vox.cancel_echo(Reference()))
    return talk(source), nothing


def other_thread() -> Made:
    """A source of the app's, on a thread of its own, behind a `handoff`."""

    def subscribe(observer: Any, scheduler: Any = None) -> Any:
        def run() -> None:
            for at in range(0, len(SOUND), 512):
                observer.on_next(rxv.AudioChunk(SOUND[at : at + 512], RATE, at, time=at / RATE))
            observer.on_completed()

        threading.Thread(target=run).start()
        return rx.disposable.Disposable()

    return talk(Observable(subscribe).pipe(vox.handoff(max_ms=100_000, overflow="fail"))), nothing


MAKERS = [
    plain,
    of_the_app,
    signals_that_end,
    muted,
    discarded,
    async_models,
    observables,
    later_policy,
    failing,
    hanging,
    telling,
    broken_sink,
    delayed,
    speaks_itself,
    wake_words,
    pytest.param(
        without_echo, marks=pytest.mark.skipif(not find_spec("livekit"), reason="extra echo")
    ),
    other_thread,
]


def record(make: Callable[[], Made], directory: Path, **options: Any) -> list[Any]:
    pipe, app = make()
    out: list[Any] = []

    def on_next(element: Any) -> None:
        out.append(element)
        app(element)

    rxv.live(pipe, trace=directory, **options).run(on_next)
    return out


def replay(pipe: Observable[Any], directory: Path) -> list[Any]:
    again: list[Any] = []
    errors: list[Exception] = []
    over: list[bool] = []
    rxv.replay(directory, pipe).subscribe(again.append, errors.append, lambda: over.append(True))
    if errors:
        raise errors[0]
    assert over == [True]
    return again


def shown(elements: list[Any]) -> list[Any]:
    """The elements, but that what a `Notice` is about became text."""
    return [described(it) if isinstance(it, rxv.Notice) else repr(it) for it in elements]


@pytest.mark.parametrize("make", MAKERS)
def test_the_same_comes_out_of_the_trace(make: Callable[[], Made], tmp_path: Path) -> None:
    first = record(make, tmp_path / "trace")
    assert first
    again = replay(make()[0], tmp_path / "trace")
    assert shown(again) == shown(first)
    assert read(tmp_path / "trace").finish == "completed"


def test_a_mute_that_is_recorded_mutes(tmp_path: Path) -> None:
    assert events.Muted(True) in record(muted, tmp_path / "trace")


def test_what_a_sink_says_of_an_underrun_comes_again(tmp_path: Path) -> None:
    class Sink(Broken):
        events: Any

        def write_samples(self, samples: Any) -> int:
            return len(samples)

    def make() -> Made:
        sink = Sink()
        sink.events = Subject[Any]()

        def app(element: Any) -> None:
            if isinstance(element, events.TurnOpened):
                sink.events.on_next(events.Underrun(6, 6, ""))

        heard = turns(policy=rxv.silence(300)).pipe(vox.converse(*stages(), sink=sink))
        alone = heard.pipe(ops.filter(lambda it: not isinstance(it, events.Underrun)))
        return alone.pipe(vox.metrics(sink=sink)), app

    first = record(make, tmp_path / "trace")
    assert [it.underrun_samples for it in first if isinstance(it, events.TurnMetrics)] == [6, 0]
    assert shown(replay(make()[0], tmp_path / "trace")) == shown(first)
    assert "underruns" in [it.text("name") for it in read(tmp_path / "trace").lines]


def test_metrics_without_a_sink_ask_none(tmp_path: Path) -> None:
    heard = turns(policy=rxv.silence(300)).pipe(vox.transcribe(says_length), vox.metrics())
    record(lambda: (heard, nothing), tmp_path / "trace")
    assert "sink" not in {it.kind for it in read(tmp_path / "trace").lines}


@pytest.mark.parametrize("where", ["microphone", "interrupts", "end"])
def test_a_failure_outside_of_the_pipe_comes_again(where: str, tmp_path: Path) -> None:
    def make() -> Made:
        source = rxv.sources.array(TWO, RATE)
        if where == "microphone":
            half = rxv.sources.array(TWO[: len(TWO) // 2], RATE)
            return talk(half.pipe(ops.concat(rx.throw(OSError("it is gone"))))), nothing
        signal = Subject[Any]()

        def app(element: Any) -> None:
            if isinstance(element, events.TurnOpened):
                signal.on_error(OSError("it is gone"))

        return talk(source, **{where: signal}), app

    first, again = list[Any](), list[Any]()
    pipe, app = make()

    def on_next(element: Any) -> None:
        first.append(element)
        app(element)

    with pytest.raises(Exception, match="it is gone") as came:
        rxv.live(pipe, trace=tmp_path / "trace").run(on_next)
    failed: list[Exception] = []
    rxv.replay(tmp_path / "trace", make()[0]).subscribe(again.append, failed.append)
    assert shown(again) == shown(first) != []
    assert [str(it) for it in failed] == [str(came.value)]
    assert read(tmp_path / "trace").finish == "error"


def test_no_part_of_the_pipe_is_used(tmp_path: Path) -> None:
    def make(source: Any, part: Any, sink: Any) -> Observable[Any]:
        heard = source.pipe(
            vox.chunk(512), vox.vad(part or loud), vox.turn_window(rxv.silence(300))
        )
        names = ("stt", "llm", "tts") if part else ()
        talked = vox.converse(*stages(**dict.fromkeys(names, part)), sink=sink)
        return heard.pipe(talked, vox.metrics(sink=sink))

    def never(*_: Any) -> Any:
        raise AssertionError("a part of the pipe was used")

    class Sink:
        def __getattr__(self, name: str) -> Any:
            return never

    own = sinks.memory()
    first: list[Any] = []
    source = rxv.sources.array(SOUND, RATE)
    rxv.live(make(source, None, own), trace=tmp_path / "trace").run(first.append)
    other = rxv.sources.array(np.ones(9, np.float32), RATE)
    again = replay(make(other, never, Sink()), tmp_path / "trace")
    assert shown(again) == shown(first)


def test_the_first_difference_is_shown(tmp_path: Path) -> None:
    record(plain, tmp_path / "trace")
    other = turns(policy=rxv.silence(200)).pipe(*stages(), vox.play(sinks.memory()))
    with pytest.raises(ReplayDiffers) as raised:
        replay(other, tmp_path / "trace")
    assert "the pipe did" in str(raised.value)
    assert "expected" in str(raised.value)
    lines = (tmp_path / "trace" / "trace.jsonl").read_text().splitlines()
    changed = [line.replace("Fine.", "Bad.") if '"out"' in line else line for line in lines]
    (tmp_path / "trace" / "trace.jsonl").write_text("\n".join(changed) + "\n")
    with pytest.raises(ReplayDiffers, match=r"the pipe emitted .*Fine\..*\n(.*\n)*expected .*Bad"):
        replay(plain()[0], tmp_path / "trace")


def test_a_directory_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    live = rxv.live(plain()[0], trace=tmp_path)
    with pytest.raises(ConfigError, match="must be new or empty"):
        live.run()
    assert (tmp_path / "letter.txt").read_text() == "dear"
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        rxv.live(plain()[0], trace=tmp_path / "file").run()


def test_the_lines_say_when_and_where(tmp_path: Path) -> None:
    record(plain, tmp_path / "trace")
    trace = read(tmp_path / "trace")
    assert trace.header["packages"]["numpy"]
    assert trace.header["platform"]
    blocks = [*trace.of("block")]
    assert [it.samples for it in blocks] == [
        sum(it.fields["n"] for it in blocks[:n]) for n in range(len(blocks))
    ]
    assert all(a.time <= b.time for a, b in zip(trace.lines, trace.lines[1:], strict=False))
    np.testing.assert_allclose(trace.microphone.samples(), SOUND, atol=1 / 65_000)
    asked = {line.text("stage") for line in trace.of("ask")}
    assert asked == {"transcribe", "respond", "synthesize"}


def test_json_that_is_no_text(tmp_path: Path) -> None:
    """Half of an emoji comes back as it was."""

    def make() -> Made:
        return talk(llm=lambda _: ["\ud83d", "\ude00 good"]), nothing

    first = record(make, tmp_path / "trace")
    again = replay(make()[0], tmp_path / "trace")
    assert shown(again) == shown(first)
    for line in (tmp_path / "trace" / "trace.jsonl").read_text().splitlines():
        json.loads(line)


def test_the_story_knows_which_chunks_were_echoes(tmp_path: Path) -> None:
    """The recorder's lines, as the timeline reads them."""
    asked = 0

    def is_echo(_: np.ndarray) -> bool:
        nonlocal asked
        asked += 1
        return asked in (2, 5)

    pipe = rxv.sources.array(SOUND, RATE).pipe(
        vox.chunk(512), vox.vad(lambda it: float(loud(it)), echo=is_echo)
    )
    out: list[Any] = []
    rxv.live(pipe, trace=tmp_path / "trace").run(out.append)
    judged = story(read(tmp_path / "trace")).judged
    was_loud = [n for n, it in enumerate(out) if loud(it.samples)]
    assert [n for n, echo in enumerate(judged.echoes) if echo] == [was_loud[1], was_loud[4]]
