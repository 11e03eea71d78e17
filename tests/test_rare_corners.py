"""What hardly ever happens: lines that no other quick test runs."""

from __future__ import annotations

import inspect
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Subject, abc
from reactivex.disposable import CompositeDisposable, Disposable
from reactivex.testing import TestScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice._answers.clock import SubscriptionClock
from rxvoice._answers.pauses import Waiting
from rxvoice._answers.recognised import recognised
from rxvoice._answers.shapes import sound, text
from rxvoice._answers.stuck import SharedThread
from rxvoice._audio.play_history import PlayHistory
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Transcript
from rxvoice.errors import ConfigError
from rxvoice.events import Dropped, Finished, Notice, TurnMetrics, TurnOpened, Underrun
from rxvoice.operators._conversation.exchange import Exchange
from rxvoice.operators._conversation.floor import Floor
from rxvoice.operators._conversation.listening import Listening
from rxvoice.operators._conversation.ports import just
from rxvoice.operators._conversation.settings import option_parameters
from rxvoice.sinks.wav import WavSink
from rxvoice.testing import FakeSink, FakeTranscriber
from rxvoice.turn import Turn, TurnWriter

HEARD = Transcript(Turn.of(np.zeros(4, np.float32)), "hi")
CHUNK = AudioChunk(np.zeros(160, np.float32), 16_000)


# A recording that cannot be finished


def recording(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Any, list[Any], Any]:
    def full(*_: object) -> None:
        raise OSError("the disk is full")

    source: Subject[Any] = Subject()
    seen: list[Any] = []
    operator = vox.record(tmp_path / "a.wav")
    life = source.pipe(operator).subscribe(
        seen.append, lambda error: seen.append(str(error)), lambda: seen.append("completed")
    )
    source.on_next(CHUNK)
    monkeypatch.setattr(WavSink, "__exit__", full)
    return source, seen, life


def test_a_recording_that_cannot_be_finished_is_told_at_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, seen, _ = recording(monkeypatch, tmp_path)
    source.on_completed()
    message = f"the recording {tmp_path / 'a.wav'} stopped: the disk is full"
    notice = seen[1]
    assert (notice.message, str(notice.detail), notice.stage) == (
        message,
        "the disk is full",
        "record",
    )
    assert seen[2:] == ["completed"]
    assert message in caplog.messages


@pytest.mark.parametrize("how", ["disposed", "failed"])
def test_a_recording_that_cannot_be_finished_is_logged(
    how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, seen, life = recording(monkeypatch, tmp_path)
    if how == "disposed":
        life.dispose()
    else:
        source.on_error(ValueError("no microphone"))
    assert seen[1:] == ([] if how == "disposed" else ["no microphone"])
    wanted = f"the recording {tmp_path / 'a.wav'} could not be finished: the disk is full"
    assert set(caplog.messages) == {wanted}


# Answers


def test_an_answer_that_waits_in_place_has_no_way_back_and_blocks() -> None:
    seen: list[Any] = []
    until: Subject[None] = Subject()

    def answer(_: str) -> Any:
        yield "One. "
        yield Waiting(until)
        until.on_completed()
        yield "Two."

    rx.of(HEARD).pipe(vox.respond(answer)).subscribe(seen.append)
    assert [it.delta for it in seen] == ["One. ", "", "Two.", ""]
    assert repr(Waiting(until)) == "Waiting"


@pytest.mark.parametrize("raises", [False, True])
def test_an_observable_answer_may_set_an_hour_on_the_scheduler_it_is_given(raises: bool) -> None:
    clock = TestScheduler()

    def subscribe(observer: abc.ObserverBase[str], scheduler: Any = None) -> abc.DisposableBase:
        def due(given: Any, state: Any = None) -> abc.DisposableBase:
            if raises:
                raise OSError("no")
            assert given is scheduler
            observer.on_next(state)
            observer.on_completed()
            return Disposable()

        return scheduler.schedule_absolute(scheduler.now + timedelta(seconds=2), due, "Yes.")

    seen: list[Any] = []
    rx.of(HEARD).pipe(vox.respond(lambda _: rx.create(subscribe))).subscribe(
        lambda it: seen.append((clock.clock, getattr(it, "delta", str(getattr(it, "error", ""))))),
        scheduler=clock,
    )
    clock.start()
    if raises:
        ((at, message),) = seen
        assert (round(at, 6), message.endswith("OSError: no")) == (2.0, True)
    else:
        assert [(round(at, 6), said) for at, said in seen] == [(2.0, "Yes."), (2.0, "")]


def test_a_number_that_has_no_repr_is_named_by_its_kind() -> None:
    with pytest.raises(TypeError, match=r"^wanted a str or pieces of str, got one \(int\)"):
        text(10**5000)


def test_a_sound_that_numpy_cannot_take_may_be_a_list_of_numbers() -> None:
    class Elsewhere:
        """As an array on a device."""

        shape, dtype = (3,), "float32"

        def __array__(self, *_: object, **__: object) -> Any:
            raise RuntimeError("it is on the device")

    class Listed(Elsewhere):
        def tolist(self) -> list[float]:
            return [0.0, 0.25, 0.5]

    assert sound(Listed(), 24_000).samples.tolist() == [0.0, 0.25, 0.5]
    with pytest.raises(RuntimeError, match="it is on the device"):
        sound(Elsewhere(), 24_000)


def test_a_result_without_a_rate_has_the_models() -> None:
    class Bare:
        audio = np.full(3, 0.5, np.float32)

    class Rated(Bare):
        sample_rate = 16_000

    class Unrated(Bare):
        sample_rate = None

    for result, wanted in ((Bare(), 8_000), (Rated(), 16_000), (Unrated(), 8_000)):
        told: list[Any] = []
        rx.of(HEARD.turn).pipe(vox.answer(lambda _, it=result: it, sample_rate=8_000)).subscribe(
            told.append
        )
        sounds = [it for it in told if isinstance(it, rxv.Speech) and len(it.samples)]
        assert [it.sample_rate for it in sounds] == [wanted]


@pytest.mark.parametrize("name", ["avg_logprob", "confidence"])
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), True])
def test_a_confidence_that_is_no_finite_number_is_none(name: str, value: float) -> None:
    assert recognised({"text": "hi", name: value}) == "hi"


# What was heard long ago


def test_a_position_before_all_that_is_remembered() -> None:
    history = PlayHistory(1000, 0.5)
    history.observe(0.0, 0)
    history.write(np.full(1000, 0.25, np.float32))
    history.set_sample_rate(500)
    history.write(np.full(5000, 0.5, np.float32))
    for step in range(1, 60):
        history.observe(step / 10, min(100 * step, 1000 + max(0, 50 * (step - 10))))
    history.observe(6.0, 5)
    assert not history.at(6.1, 10, 500).any()
    history.observe(6.2, 3_450)
    assert history.at(6.2, 10, 500).tolist() == [0.5] * 10


# A conversation


def test_a_conversation_says_how_long_it_is() -> None:
    conversation = rxv.Conversation()
    conversation.add_user("hi")
    assert repr(conversation) == "<Conversation of 1 messages>"


def test_a_turn_is_no_iterable() -> None:
    with pytest.raises(TypeError, match=r"^a Turn is an observable, not an iterable: turn\.subscr"):
        iter(HEARD.turn)


def test_the_signature_of_converse_has_each_option() -> None:
    found = inspect.signature(vox.converse).parameters
    assert list(found) == ["listen", "reply", "sink", *(it.name for it in option_parameters())]
    assert found["hold_ms"].default == 10_000


def test_a_source_that_completes_in_the_middle_of_a_turn_drops_it() -> None:
    source: Subject[Any] = Subject()
    seen: list[Any] = []
    source.pipe(
        vox.converse(
            vox.transcribe(FakeTranscriber("hi")),
            vox.respond(lambda _: "Yes."),
            vox.synthesize(lambda _: [], sample_rate=1000),
            sink=FakeSink(),
        )
    ).subscribe(seen.append, seen.append, lambda: seen.append("completed"))
    source.on_next(TurnWriter(1, 0, 1000).turn)
    source.on_completed()
    assert [it.reason for it in seen if isinstance(it, Dropped)] == ["closed"]
    assert seen[-1] == "completed"


def test_a_conversation_is_told_that_a_models_thread_is_stuck() -> None:
    clock = TestScheduler()

    class Worker(TestScheduler):
        shared_thread = SharedThread("models", 5.0, SubscriptionClock(clock))

    source: Subject[Any] = Subject()
    seen: list[Any] = []
    source.pipe(
        vox.converse(
            vox.transcribe(FakeTranscriber("hi")),
            vox.respond(lambda _: "Yes.", worker=Worker()),
            vox.synthesize(lambda _: [], sample_rate=1000),
            sink=FakeSink(),
        )
    ).subscribe(lambda it: seen.append((clock.clock, it)), scheduler=clock)
    Worker.shared_thread.begin()
    clock.advance_to(7.0)
    Worker.shared_thread.end()
    clock.advance_to(8.0)
    notices = [(at, it.message) for at, it in seen if isinstance(it, Notice)]
    about = "the model thread 'models'"
    doing = "an action that was scheduled on it"
    assert [(round(at), it) for at, it in notices] == [
        (5, f"{about} is stuck in {doing} since 5 s"),
        (7, f"{about} goes on: {doing} took 7 s"),
    ]


def exchange(number: int, **options: Any) -> Exchange:
    return Exchange(Turn.of(np.zeros(4, np.float32), id=number), number, **options)


def floor() -> tuple[Floor, list[Any]]:
    said: list[Any] = []
    ports: Any = SimpleNamespace(life=CompositeDisposable(), say=said.append)
    settings: Any = SimpleNamespace(interruptions=True)
    return Floor(settings, SimpleNamespace(), ports), said  # type: ignore[arg-type]


def test_the_words_of_a_turn_that_is_dropped_go_to_one_that_waits_for_words_or_to_the_next() -> (
    None
):
    earlier = exchange(1)
    for is_asked in (False, True):
        it, said = floor()
        current = exchange(2)
        it.give(current)
        if is_asked:
            current.reply = object()  # type: ignore[assignment]
        it.drop(exchange(3, before=[earlier]), "short")
        assert current.before == ([] if is_asked else [earlier])
        assert [event.reason for event in said] == ["short"]
        it.current = None
        following = exchange(4, before=[exchange(5)])
        it.give(following)
        assert [before.number for before in following.before] == ([1, 5] if is_asked else [5])


def test_a_turn_that_was_set_aside_and_is_discarded_has_no_words() -> None:
    it, said = floor()
    listening = Listening(SimpleNamespace(), it, SimpleNamespace(), SimpleNamespace())  # type: ignore[arg-type]
    first, second = exchange(1), exchange(2, transcript=Transcript(HEARD.turn, "go on"))
    it.give(second)
    it.put_in_front(first, second)
    assert second.question is None
    listening._discard(first)
    assert second.question is not None
    assert second.question.text == "go on"
    assert len(said) == 1


# The microphone without echo, in a trace


def test_the_microphone_without_echo_is_noted_in_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("livekit.rtc")
    noted: list[tuple[str, int, int]] = []

    class Noting:
        def sound(self, name: str, samples: rxv.Samples, sample_rate: int) -> None:
            noted.append((name, len(samples), sample_rate))

        def call(self, name: str, function: Any, otherwise: Any, **_: Any) -> Any:
            return function()

    class Recording(TestScheduler):
        boundary = Noting()

    class Silent:
        def at(self, time: float, n: int, sample_rate: int) -> rxv.Samples:
            return np.zeros(n, np.float32)

    source: Subject[Any] = Subject()
    seen: list[Any] = []
    source.pipe(vox.cancel_echo(Silent())).subscribe(seen.append, scheduler=Recording())
    source.on_next(CHUNK)
    source.on_next(AudioChunk(np.zeros(320, np.float32), 16_000, 160))
    source.on_completed()
    assert noted == [("microphone-clean", 160, 16_000), ("microphone-clean", 320, 16_000)]
    assert len(seen) == 2


def test_a_conversation_with_one_turn_has_none_to_summarise() -> None:
    conversation = rxv.Conversation()
    conversation.add_user("hi")
    conversation.add_assistant("Hello.")
    assert conversation.compact(lambda messages: "summary", keep_turns=1) == 0
    assert len(conversation.messages) == 2
    conversation.add_user("more")
    with pytest.raises(ConfigError):
        conversation.compact(lambda messages: 5, keep_turns=1)  # type: ignore[return-value,arg-type]


# An operator after another one


def test_a_subscription_that_is_over_ends_no_later_one_on_its_thread() -> None:
    for _ in range(2):
        Subject[Any]().pipe(vox.meter()).subscribe().dispose()
        seen: list[Any] = []
        later: Subject[Any] = Subject()
        later.pipe(vox.meter()).subscribe(seen.append)
        later.on_next(CHUNK)
        assert seen == [CHUNK]


def test_an_underrun_among_the_elements_counts() -> None:
    source: Subject[Any] = Subject()
    seen: list[Any] = []
    source.pipe(vox.metrics()).subscribe(seen.append)
    turn = TurnWriter(1, 0, 1000).turn
    source.on_next(Underrun(5, 5, ""))
    source.on_next(TurnOpened(turn))
    source.on_next(Underrun(20, 25, ""))
    source.on_next(Finished(turn, ""))
    (told,) = (it for it in seen if isinstance(it, TurnMetrics))
    assert told.underrun_samples == 20


def test_what_is_subscribed_to_as_a_pipe_fails_within_subscribe_goes_on() -> None:
    """As an app that tries again does: the pipe that has failed does not end the next one."""
    seen: list[Any] = []

    def again(_: Exception) -> None:
        just(CHUNK).pipe(vox.meter()).subscribe(seen.append)

    just(CHUNK).pipe(vox.meter(), vox.preroll()).subscribe(on_error=again)
    assert seen == [CHUNK]
