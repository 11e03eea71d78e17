"""Every operator of RxPY works between every two of ours, as it works between two of RxPY's.

Two laws, for each of RxPY's operators in each gap of the pipe. What stands before the gap cannot
be told from a recording of itself by what stands in the gap; nor can the two together by what
stands behind it. A third compares `turn_window` with a window of RxPY's.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops
from reactivex.disposable import CompositeDisposable
from reactivex.scheduler import ImmediateScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.events import Dropped
from rxvoice.testing import (
    FakeResponder,
    FakeSink,
    FakeStreamingTranscriber,
    FakeSynthesizer,
    FakeTranscriber,
    marbles,
)
from rxvoice.testing.fakes import FakePolicy, failing
from rxvoice.testing.marbles import Marbles, Recorded

MIC = "_~~__~~_~____~__~~~__~~_|"
Pipe = Callable[[Observable[Any]], Observable[Any]]


def loud(samples: Any) -> bool:
    return bool(np.abs(samples).max() > 0.1)


def stages() -> dict[str, Pipe]:
    """Ours in their order, with models that take their time."""
    sink = FakeSink()
    return {
        "chunk": vox.chunk(512),
        "meter": vox.meter(64),
        "vad": vox.vad(loud),
        "barge_in": vox.barge_in(playing=lambda: True),
        "preroll": vox.preroll(32),
        "turn_window": vox.turn_window(rxv.silence(64)),
        "transcribe": vox.transcribe(FakeTranscriber("a", "b", "c", "d", "e", after_ms=80)),
        "respond": vox.respond(FakeResponder(["One. ", "Two."], "Three.", every_ms=20)),
        "synthesize": vox.synthesize(FakeSynthesizer(every_ms=10)),
        "metrics": vox.metrics(),
        "play": vox.play(sink),
    }


NAMES = list(stages())
GAPS = list(pairwise(NAMES))


def chain(*pipes: Pipe) -> Pipe:
    def piped(source: Observable[Any]) -> Observable[Any]:
        for pipe in pipes:
            source = pipe(source)
        return source

    return piped


def at_once(element: Any) -> Observable[Any]:
    return rx.return_value(element, ImmediateScheduler.singleton())


def many(elements: list[Any]) -> Observable[Any]:
    return rx.from_iterable(elements, ImmediateScheduler.singleton())


def passes(element: object) -> bool:
    return not isinstance(element, rxv.Event)


def once_failing(source: Observable[Any]) -> Observable[Any]:
    """Fails at its first subscription, before anything came."""
    left = [True]

    def subscribe(observer: Any, scheduler: Any = None) -> Any:
        if left:
            left.pop()
            return rx.throw(OSError("not yet")).subscribe(observer, scheduler=scheduler)
        return source.subscribe(observer, scheduler=scheduler)

    return Observable(subscribe)


BETWEEN: dict[str, Callable[[], Pipe]] = {
    "take": lambda: ops.take(1),
    "take_two": lambda: ops.take(2),
    "first": lambda: ops.first(),
    "skip": lambda: ops.skip(1),
    "filter": lambda: ops.filter(passes),
    "map": lambda: ops.map(lambda it: it),
    "share": lambda: ops.share(),
    "publish": lambda: chain(ops.publish(), ops.ref_count()),
    "publish_with": lambda: ops.publish(lambda shared: shared.pipe(ops.filter(passes))),
    "replay": lambda: chain(ops.replay(buffer_size=1), ops.ref_count()),
    "take_until": lambda: ops.take_until(rx.timer(0.3)),
    "take_while": lambda: ops.take_while(passes),
    "switch_latest": lambda: chain(ops.map(at_once), ops.switch_latest()),
    "flat_map": lambda: ops.flat_map(at_once),
    "merge": lambda: ops.merge(rx.empty()),
    "concat": lambda: ops.concat(rx.empty()),
    "delay": lambda: ops.delay(0.05),
    "buffer": lambda: chain(ops.buffer_with_count(2), ops.flat_map(many)),
    "retry": lambda: chain(once_failing, ops.retry(2)),
    "catch": lambda: ops.catch(rx.empty()),
    "do_action": lambda: ops.do_action(lambda _: None),
    "start_with": lambda: ops.start_with(rxv.Notice("here we go")),
    "scan": lambda: ops.scan(lambda _, it: it, None),
}


def record(m: Marbles, pipe: Observable[Any]) -> list[Recorded]:
    """What comes, each turn heard to its end, as by a recogniser."""

    def hear(element: object) -> None:
        if isinstance(element, rxv.Turn):
            element.subscribe(on_error=lambda _: None)

    return m.record(pipe.pipe(ops.do_action(hear)))


def again(m: Marbles, recorded: list[Recorded]) -> Observable[Any]:
    """The same once more, by a source of no operator of ours."""

    def subscribe(observer: Any, scheduler: Any = None) -> Any:
        life = CompositeDisposable()

        def tell(moment: list[Recorded]) -> Callable[..., None]:
            def run(*_: object) -> None:
                for it in moment:
                    if it.kind == "next":
                        observer.on_next(it.value)
                    elif it.kind == "error":
                        observer.on_error(it.value)
                    else:
                        observer.on_completed()

            return run

        for ms, moment in groupby(recorded, lambda it: it.ms):
            life.add(m.scheduler.schedule_relative(ms / 1000, tell(list(moment))))
        return life

    return Observable(subscribe)


def values(recorded: list[Recorded]) -> list[tuple[str, Any]]:
    return [(it.kind, it.value) for it in recorded]


def before(name: str) -> Pipe:
    made = stages()
    return chain(*(made[it] for it in NAMES[: NAMES.index(name) + 1]))


def mic(m: Marbles) -> Observable[Any]:
    return m.cold(MIC, audio="arrays")


@pytest.mark.parametrize("name", BETWEEN)
@pytest.mark.parametrize("gap", GAPS, ids="-".join)
def test_between_every_two(gap: tuple[str, str], name: str) -> None:
    between = BETWEEN[name]
    with marbles() as m:
        alone = record(m, before(gap[0])(mic(m)))
        assert len(alone) > 3
        came = record(m, between()(before(gap[0])(mic(m))))
        assert came == record(m, between()(again(m, alone)))
        behind = record(m, stages()[gap[1]](between()(before(gap[0])(mic(m)))))
        wanted = record(m, stages()[gap[1]](again(m, came)))
        if gap[0] == "turn_window":  # a turn that has ended is recognised when it comes
            assert values(behind) == values(wanted)
        else:
            assert behind == wanted
        assert behind[-1].kind in ("completed", "error")


def test_the_stages_make_what_is_worth_comparing() -> None:
    with marbles() as m:
        told = record(m, before("play")(mic(m)))
    texts = [it.value.user_text for it in told if isinstance(it.value, rxv.FinishedTurn)]
    assert texts == ["a", "b", "c", "d", "e"]


# Where a window is subscribed to later, RxPY's has lost what came before, and a turn has not.
LATER = {"delay", "buffer"}


@pytest.mark.parametrize("name", sorted(BETWEEN.keys() - LATER - {"start_with"}))
def test_turn_window_is_a_window_as_rxpy_s(name: str) -> None:
    """Turns of three chunks each, against ``window_with_count(3)``; what each window had, when."""
    between = BETWEEN[name]

    def heard(window: Any) -> Observable[Any]:
        return rx.just(None) if window is None else window.pipe(ops.to_list())

    with marbles() as m:
        chunks = m.cold("~~~~~~~~~~~|")
        windows = chunks.pipe(ops.window_with_count(3), between(), ops.flat_map(heard))
        turns = chunks.pipe(
            vox.turn_window(FakePolicy(()), max_duration_ms=96), between(), ops.flat_map(heard)
        )
        wanted = m.record(windows)
        came = m.record(turns)
        assert came == wanted


# What a turn outlives


def turns(m: Marbles, pattern: str = "_~~__~~__|", **options: Any) -> Observable[Any]:
    return m.cold(pattern).pipe(vox.turn_window(rxv.silence(64), **options))


def by_length(audio: Any) -> str:
    return f"{len(audio) // 512} chunks"


@pytest.mark.parametrize("between", [ops.take(1), ops.first()], ids=["take", "first"])
@pytest.mark.parametrize("streams", [False, True])
def test_the_first_turn_alone(between: Pipe, streams: bool) -> None:
    stt: Any = FakeStreamingTranscriber("one two three four") if streams else by_length
    with marbles() as m:
        source = m.cold("_~~__~~__|")
        said = source.pipe(vox.turn_window(rxv.silence(64)), between, vox.transcribe(stt))
        *_, last, end = m.record(said)
        assert (last.ms, last.value.final, end.kind) == (4 * 32, True, "completed")
        assert last.value.text == ("one two three four" if streams else "4 chunks")
        assert last.value.turn.ended_by == "policy"
        m.expect_subscriptions(source, "^---!")


def test_nobody_listens_and_the_source_is_let_go_of() -> None:
    with marbles() as m:
        source = m.cold("_~~__~~__|")
        m.record(source.pipe(vox.turn_window(rxv.silence(64)), ops.take(1)))
        m.expect_subscriptions(source, "^!")


def test_the_listener_leaves_last_and_the_source_is_let_go_of() -> None:
    with marbles() as m:
        source = m.cold("_~~__~~__|")
        said = source.pipe(vox.turn_window(rxv.silence(64)), ops.take(1), vox.transcribe(by_length))
        m.record(said, dispose_at=70)
        ((begun, ended),) = source.subscriptions
        assert (begun, ended) == (0, 70)


def test_the_source_stays_for_the_last_of_two_listeners() -> None:
    lives: list[Any] = []

    def hear(turn: Any) -> None:
        lives.extend([turn.subscribe(), turn.subscribe()])

    with marbles() as m:
        source = m.cold("_~~~~~~__|")
        m.scheduler.schedule_relative(0.070, lambda *_: lives[0].dispose())
        m.scheduler.schedule_relative(0.110, lambda *_: lives[1].dispose())
        m.record(source.pipe(vox.turn_window(rxv.silence(64)), ops.take(1), ops.do_action(hear)))
        ((_, ended),) = source.subscriptions
        assert ended == 110


def test_a_turn_that_waits_for_the_recogniser_is_listened_to() -> None:
    """The second turn opens while the first is recognised, which takes longer than it lasts."""
    with marbles() as m:
        source = m.cold("~__~~__~__|")
        said = source.pipe(
            vox.turn_window(rxv.silence(64)),
            ops.take(2),
            vox.transcribe(FakeTranscriber("one", "two", after_ms=500)),
        )
        finals = [it.value for it in m.record(said) if it.kind == "next"]
        assert [(it.text, it.turn.ms) for it in finals] == [("one", 96), ("two", 128)]
        m.expect_subscriptions(source, "^-----!")  # nobody waits for the recogniser


def test_a_turn_that_fails_while_it_waits_for_the_recogniser_lets_go_of_the_source() -> None:
    answers = [False, True]

    def policy(audio: rxv.Samples, silence_ms: int) -> bool:
        return answers.pop(0)

    with marbles() as m:
        source = m.cold("~__~~____|")
        said = source.pipe(
            vox.turn_window(policy),
            ops.take(2),
            vox.transcribe(FakeTranscriber("one", after_ms=500)),
        )
        came = [type(it.value).__name__ for it in m.record(said) if it.kind == "next"]
        assert came == ["Transcript", "TurnFailed"]
        m.expect_subscriptions(source, "^----!")


def test_a_turn_that_is_handed_off_is_listened_to() -> None:
    with marbles() as m:
        said = turns(m).pipe(
            ops.take(1), vox.handoff(max_ms=100, overflow="fail"), vox.transcribe(by_length)
        )
        assert [it.value.text for it in m.record(said) if it.kind == "next"] == ["4 chunks"]


def test_a_turn_that_waits_is_let_go_of_with_the_stage() -> None:
    with marbles() as m:
        source = m.cold("~__~~~~~~~~|")
        said = source.pipe(
            vox.turn_window(rxv.silence(64)),
            ops.take(2),
            vox.transcribe(FakeTranscriber("one", "two", after_ms=500)),
        )
        m.record(said, dispose_at=200)
        ((_, ended),) = source.subscriptions
        assert ended == 200


def test_a_recogniser_that_fails_listens_no_more() -> None:
    with marbles() as m:
        source = m.cold("_~~~~~~__|")
        stt: Any = FakeStreamingTranscriber("one two three")
        said = source.pipe(
            vox.turn_window(rxv.silence(64)),
            ops.take(1),
            ops.concat(rx.never()),
            vox.transcribe(Deaf(stt, at=3)),
        )
        assert isinstance(m.record(said)[-1].value, rxv.TurnFailed)
        m.expect_subscriptions(source, "^--!")


class Deaf:
    def __init__(self, stt: FakeStreamingTranscriber, at: int) -> None:
        self._stt, self._at = stt, at

    def session(self) -> Any:
        return failing(self._stt.session(), "step", at=self._at)


def test_no_turn_opens_that_nobody_would_hear_of() -> None:
    seen: list[Any] = []
    with marbles() as m:
        m.record(
            turns(m, "~~~~~~~~~~|", max_duration_ms=96).pipe(
                ops.do_action(seen.append), ops.take(1), vox.transcribe(by_length)
            )
        )
    assert len(seen) == 1


def test_whoever_comes_too_late_is_told() -> None:
    """RxPY's own window would never end."""
    with marbles() as m:
        said = turns(m).pipe(ops.take(1), ops.delay(0.05), vox.transcribe(by_length))
        failed, end = m.record(said)
        assert isinstance(failed.value, rxv.TurnFailed)
        assert str(failed.value.error).endswith(
            "RxvoiceError: the subscription to turn_window() was disposed while the turn was open "
            "and had no subscriber: subscribe to a turn as it comes"
        )
        assert end.kind == "completed"
        window = m.cold("~~~~|").pipe(
            ops.window_with_count(3),
            ops.take(1),
            ops.delay(0.05),
            ops.flat_map(lambda it: it.pipe(ops.to_list())),
        )
        assert m.record(window) == []


def test_a_turn_goes_on_past_an_error_of_the_outer_stream() -> None:
    def fails(_: object) -> Any:
        raise OSError("the app's")

    heard: list[Any] = []
    with marbles() as m:
        pipe = turns(m).pipe(
            ops.do_action(lambda turn: turn.subscribe(heard.append, heard.append)), ops.map(fails)
        )
        (error,) = m.record(pipe)
        assert error.kind == "error"
    assert len(heard) == 4


def test_each_reply_replaces_the_one_before() -> None:
    """`switch_latest` over whole replies: the second turn opens while the first is answered."""
    stopped: list[str] = []

    def llm(text: str) -> Observable[str]:
        parts = rx.timer(0.2).pipe(ops.map(lambda _: f"to {text}"))
        return parts.pipe(ops.finally_action(lambda: stopped.append(text)))

    def reply(turn: Any) -> Observable[Any]:
        return at_once(turn).pipe(vox.transcribe(FakeTranscriber("one", "two")), vox.respond(llm))

    with marbles() as m:
        replies = turns(m, "~__~__------|").pipe(ops.map(reply), ops.switch_latest())
        came = [it.value.text for it in m.record(replies) if it.kind == "next" and it.value.final]
        assert came == ["to one"]
        assert stopped[0] == "one"


# Who steers


def test_a_key_is_released() -> None:
    with marbles() as m:
        released = m.hot("---x-----x-|", {"x": None})
        source = m.cold("_~~~_~~~~~~|")
        heard = source.pipe(
            vox.turn_window(rxv.silence(640), end=released), vox.transcribe(by_length)
        )
        finals = [it.value for it in m.record(heard) if it.kind == "next"]
        assert [(it.turn.ended_by, it.text) for it in finals] == [
            ("app", "3 chunks"),
            ("app", "5 chunks"),
            ("source", "1 chunks"),
        ]


@pytest.mark.parametrize(
    "stt",
    [FakeStreamingTranscriber("one two three four five"), by_length],
    ids=["streams", "whole"],
)
def test_a_turn_is_discarded(stt: Any) -> None:
    with marbles() as m:
        escape = m.hot("----x-----|", {"x": None})
        said = m.cold("_~~~___~__|").pipe(
            vox.turn_window(rxv.silence(64), discard=escape), vox.transcribe(stt)
        )
        came = [it.value for it in m.record(said) if it.kind == "next"]
    finals = [it for it in came if not isinstance(it, rxv.Transcript) or it.final]
    dropped, final = finals
    assert isinstance(dropped, Dropped)
    assert (dropped.turn.id, dropped.reason) == (1, "discarded")
    assert final.turn.id == 2
    if isinstance(stt, FakeStreamingTranscriber):
        assert [it.closed for it in stt.sessions] == [True, True]


def test_a_turn_is_discarded_while_it_waits() -> None:
    with marbles() as m:
        escape = m.hot("-----x----|", {"x": None})
        said = m.cold("~__~~~~___|").pipe(
            vox.turn_window(rxv.silence(64), discard=escape),
            vox.transcribe(FakeTranscriber("one", "three", after_ms=500)),
        )
        came = [it.value for it in m.record(said) if it.kind == "next"]
        one, dropped, three = came
        assert (one.text, dropped.reason, three.text) == ("one", "discarded", "three")
        assert (dropped.turn.id, three.turn.id) == (2, 3)
