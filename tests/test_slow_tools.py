"""Slow tools, and what is said while they run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event, current_thread
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from interruption_kit import Scene
from language_model_kit import LOOK, WAIT, Scripted, contents, look
from reactivex import Observable
from reactivex import operators as ops
from reactivex.disposable import CompositeDisposable
from reactivex.scheduler import EventLoopScheduler, ImmediateScheduler, ThreadPoolScheduler
from reactivex.scheduler.eventloop import AsyncIOThreadSafeScheduler
from reactivex.testing import TestScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice._answers.clock import SubscriptionClock
from rxvoice._answers.limits import TimeLimits, Watch
from rxvoice._answers.pauses import FLUSH, Flush, Waiting
from rxvoice._language.calls import WrittenCall
from rxvoice.elements import Reply, Transcript
from rxvoice.errors import ConfigError, ModelThreadStuck, ModelTimeout
from rxvoice.events import Notice, TurnFailed
from rxvoice.tools import ToolCall
from rxvoice.tools._toolbox import Toolbox
from rxvoice.turn import Turn

pytestmark = pytest.mark.filterwarnings("error")

GIVEN_UP = "Error: RuntimeError: the call was given up before it gave a result"


def transcript(text: str = "hi", id: int = 1) -> Transcript:
    return Transcript(Turn.of(np.zeros(4, np.float32), id=id), text)


def asked(*transcripts: Transcript) -> Observable[Transcript]:
    """Ask here and now, whatever the scheduler."""
    return rx.from_iterable(transcripts, scheduler=ImmediateScheduler())


def named(function: Callable[..., Any]) -> Callable[..., Any]:
    """A tool called look."""
    function.__name__ = "look"
    return function


def text_of(pieces: list[str | Notice]) -> str:
    return "".join(piece for piece in pieces if isinstance(piece, str))


def calls_of(pieces: list[str | Notice]) -> list[ToolCall]:
    return [
        it.detail for it in pieces if isinstance(it, Notice) and isinstance(it.detail, ToolCall)
    ]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1, "tools") as pool:
        yield pool


# Called in place, or elsewhere


async def look_async(where: str = "") -> str:
    """Look.

    Args:
        where: Where.
    """
    await asyncio.sleep(0)
    return f"{where}!"


def look_later(where: str = "") -> Observable[str]:
    """Look.

    Args:
        where: Where.
    """
    return rx.of("wait", f"{where}!")


def look_there(where: str = "") -> str:
    """Look.

    Args:
        where: Where.
    """
    return current_thread().name


@pytest.mark.parametrize("tool", [look_async, look_later])
def test_a_tool_may_answer_later(tool: Callable[..., Any]) -> None:
    model = Scripted(["Wait.", LOOK], ["Yes."], tools=[named(tool)])
    pieces = list(model.respond("hi"))
    assert text_of(pieces) == "Wait. Yes."
    assert calls_of(pieces) == [ToolCall("look", {"where": "there"}, "there!")]
    assert contents(model) == ["hi", "Wait.", "there!", "Yes."]


def test_a_tool_that_answers_later_can_be_waited_for_here() -> None:
    box = Toolbox([named(look_async)])
    assert box.call("look", {"where": "a"}) == ToolCall("look", {"where": "a"}, "a!")
    assert "no argument 'x'" in box.call("look", {"x": "a"}).result


def test_what_is_awaited_is_one_result_whatever_it_is() -> None:
    async def several() -> list[str]:
        """Several."""
        return ["a", "b"]

    async def nothing() -> None:
        """Nothing."""

    def empty() -> Observable[str]:
        """Empty."""
        return rx.empty()

    box = Toolbox([several, nothing, empty])
    assert box.call("several", {}).result == '["a", "b"]'
    assert box.call("nothing", {}).result == "null"
    assert box.call("empty", {}).result == "null"


@pytest.mark.parametrize("kind", ["executor", "RxPY's"])
def test_a_worker_calls_the_tools(pool: ThreadPoolExecutor, kind: str) -> None:
    scheduler = ThreadPoolScheduler(1)
    worker = pool if kind == "executor" else scheduler
    model = Scripted([LOOK], ["Yes."], tools=[named(look_there)], tool_worker=worker)
    [call] = calls_of(list(model.respond("hi")))
    assert call.result.startswith("tools" if kind == "executor" else "ThreadPoolExecutor")
    scheduler.executor.shutdown()


def test_whatever_a_slow_tool_ends_with_is_told_to_the_model(pool: ThreadPoolExecutor) -> None:
    async def cancelled() -> str:
        """Cancelled."""
        raise asyncio.CancelledError

    async def failed() -> str:
        """Failed."""
        raise LookupError("not there")

    def left() -> str:
        """Left."""
        sys.exit(3)

    def errs() -> Observable[str]:
        """Errs."""
        return rx.throw(ValueError("no"))

    box = Toolbox([cancelled, failed, left, errs], worker=pool)
    assert [box.call(it, {}).result for it in ("cancelled", "failed", "left", "errs")] == [
        "Error: RuntimeError: the tool's own work was cancelled",
        "Error: LookupError: not there",
        "Error: RuntimeError: the tool ended with sys.exit(3)",
        "Error: ValueError: no",
    ]


def test_a_worker_that_was_shut_down_is_told_as_well(pool: ThreadPoolExecutor) -> None:
    pool.shutdown()
    told = Toolbox([look], worker=pool).call("look", {})
    assert "tool_worker takes no more calls" in told.result


def test_an_answer_that_is_iterated_within_an_event_loop_does_not_wait_for_itself() -> None:
    async def main() -> str:
        return text_of(list(Scripted([LOOK], ["Yes."], tools=[named(look_async)]).respond("hi")))

    assert asyncio.run(asyncio.wait_for(main(), WAIT)) == "Yes."


@pytest.mark.parametrize("worker", ["pool", 4, print])
def test_a_worker_that_is_none_raises_when_it_is_built(worker: Any) -> None:
    with pytest.raises(ConfigError, match="tool_worker must be a ThreadPoolExecutor, an RxPY"):
        Scripted(tool_worker=worker)


# What happens to a call that nobody waits for any more


def test_closed_before_it_was_made_there_is_no_call() -> None:
    made: list[str] = []

    async def tool(where: str) -> None:
        """Look.

        Args:
            where: Where.
        """
        made.append(where)

    model = Scripted(["Wait.", LOOK], tools=[named(tool)])
    answer = model.respond("hi")
    while not isinstance(next(answer), Waiting):
        pass
    answer.close()
    assert made == []
    assert model.messages == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Wait."},
    ]


class Slow:
    """A tool that takes some seconds of the scheduler, or for ever."""

    def __init__(self, seconds: float | None = None, result: str = "sun") -> None:
        self.seconds = seconds
        self.result = result
        self.begun = self.ended = self.open = 0

    def look(self, where: str = "") -> Observable[str]:
        """Look.

        Args:
            where: Where.
        """

        def begin(_: Any) -> Observable[str]:
            self.begun += 1
            self.open += 1
            later = rx.never() if self.seconds is None else rx.timer(self.seconds)
            return later.pipe(ops.map(lambda _: self.result), ops.do_action(on_completed=end))

        def end() -> None:
            self.ended += 1

        def close() -> None:
            self.open -= 1

        return rx.defer(begin).pipe(ops.finally_action(close))


def test_a_call_that_was_given_up_is_known_to_the_next_question() -> None:
    slow = Slow()
    model = Scripted(["Wait.", LOOK], ["Two."], tools=[slow.look])
    answer = model.respond("one")
    while not isinstance(pause := next(answer), Waiting):
        pass
    life = pause.until.subscribe()
    assert (slow.begun, slow.open) == (1, 1)
    life.dispose()
    assert slow.open == 0
    assert text_of(list(model.respond("two"))) == "Two."
    assert contents(model) == ["one", "Wait.", GIVEN_UP, "two", "Two."]
    assert [it["role"] for it in model.messages] == [
        "user", "assistant", "tool", "user", "assistant",
    ]  # fmt: skip


def test_a_result_that_came_before_the_answer_was_closed_stays() -> None:
    model = Scripted([LOOK], tools=[Slow(0.0).look])
    answer = model.respond("hi")
    while not isinstance(pause := next(answer), Waiting):
        pass
    scheduler = TestScheduler()
    pause.until.subscribe(scheduler=scheduler)
    scheduler.start()
    answer.close()
    assert contents(model) == ["hi", "", "sun"]


def test_a_call_that_was_given_up_is_not_waited_for() -> None:
    slow = Slow()
    model = Scripted([LOOK], ["Yes."], tools=[slow.look])
    answer = model.respond("hi")
    while not isinstance(pause := next(answer), Waiting):
        pass
    pause.until.subscribe().dispose()
    assert text_of(list(answer)) == "Yes."
    assert contents(model) == ["hi", "", GIVEN_UP, "Yes."]
    assert slow.begun == 1


# What is said meanwhile


def test_a_filler_is_said_before_the_call_and_belongs_to_the_answer() -> None:
    model = Scripted(["\n", LOOK], ["It is there."], tools=[look], while_calling="One moment.")
    pieces = list(model.respond("hi"))
    assert pieces[:3] == ["", "One moment.", ""]
    assert isinstance(pieces[2], Flush)
    assert isinstance(pieces[3], Notice)
    assert pieces[4:] == [" It is there."]
    assert contents(model) == ["hi", "One moment.", "there!", "It is there."]
    assert "tool_calls" in model.messages[1]
    model.heard("One moment. It is")
    assert contents(model) == ["hi", "One moment.", "there!", "It is"]
    model.heard("One")
    assert contents(model) == ["hi", "One", "there!"]


def test_what_the_model_said_itself_is_spoken_before_the_call_instead() -> None:
    model = Scripted(["Let me see", LOOK], ["Yes."], tools=[look], while_calling="One moment.")
    pieces = list(model.respond("hi"))
    assert text_of(pieces) == "Let me see Yes."
    assert [isinstance(it, Flush) for it in pieces] == [False, True, False, False]


def test_it_is_said_once_in_an_answer() -> None:
    model = Scripted([LOOK, LOOK], [LOOK], ["Yes."], tools=[look], while_calling="Moment.")
    assert text_of(list(model.respond("hi"))) == "Moment. Yes."


def test_a_function_says_what_to_say_for_which_call() -> None:
    def filler(name: str, arguments: Mapping[str, object]) -> str | None:
        return None if arguments["where"] == "here" else f"I {name} {arguments['where']}."

    here = WrittenCall("look", {"where": "here"})
    model = Scripted([here, LOOK], ["Well.", here], ["Yes."], tools=[look], while_calling=filler)
    pieces = list(model.respond("hi"))
    assert text_of(pieces) == "I look there. Well. Yes."
    assert sum(isinstance(it, Flush) for it in pieces) == 1


@pytest.mark.parametrize("filler", [lambda name, _: name / 2, lambda *_: 3])
def test_a_function_that_fails_costs_only_the_filler(filler: Any) -> None:
    model = Scripted([LOOK], ["Yes."], tools=[look], while_calling=filler)
    pieces = list(model.respond("hi"))
    assert text_of(pieces) == "Yes."
    assert isinstance(pieces[0], Notice)
    assert pieces[0].message.startswith("while_calling failed at look: TypeError(")
    assert contents(model) == ["hi", "", "there!", "Yes."]


def test_nothing_is_said_for_a_call_that_is_not_made() -> None:
    unreadable = WrittenCall("unreadable", {}, ValueError("no JSON"))
    model = Scripted([unreadable], ["Yes."], tools=[look], while_calling="Moment.")
    assert text_of(list(model.respond("hi"))) == "Yes."


def test_interrupted_by_the_filler_no_call_is_made() -> None:
    made: list[str] = []

    def tool() -> None:
        """Look."""
        made.append("")

    model = Scripted([WrittenCall("look", {})], tools=[named(tool)], while_calling="Moment.")
    for piece in model.respond("hi"):
        if piece:
            model.heard("")
    assert made == []
    assert contents(model) == ["hi"]


def test_what_is_no_filler_raises_when_it_is_built() -> None:
    with pytest.raises(ConfigError, match="while_calling must be what to say, or a function"):
        Scripted(while_calling=3)


# In a conversation, in virtual time: the turn is over at 40 ms

HI = "~~___"


def pad(ms: int) -> str:
    return "_" * (ms // 10)


def talk(slow: Slow, **options: Any) -> Scripted:
    again = options.pop("again", ["Fine."])
    options = {"while_calling": "One moment.", **options}
    return Scripted([LOOK], ["It is sunny."], again, tools=[slow.look], **options)


def roles(model: Scripted) -> list[tuple[str, str]]:
    return [(it["role"], it["content"]) for it in model.messages]


def test_the_filler_is_heard_while_the_tool_runs() -> None:
    slow = Slow(0.3)
    scene = Scene(HI + pad(600) + "|", llm=talk(slow))
    assert scene.only("Speaking", "ReplyDelta", "Notice", "Finished") == [
        "40 ReplyDelta 1 'One moment.'",
        "41 Speaking 1",
        "340 Notice look(where='there') gave sun",
        "340 ReplyDelta 1 ' It is sunny.'",
        "460 Finished 1 'One moment. It is sunny.'",
    ]
    assert scene.heard == "One moment.It is sunny."
    assert roles(scene.llm) == [
        ("user", "hi"),
        ("assistant", "One moment."),
        ("tool", "sun"),
        ("assistant", "It is sunny."),
    ]


def test_hearing_goes_on_while_a_tool_runs() -> None:
    scene = Scene(HI + pad(180) + "~~~~" + pad(700) + "|", "hi", "", llm=talk(Slow(0.4)))
    assert scene.only("Candidate", "Dropped", "Notice") == [
        "230 Candidate 2",
        "290 Dropped 2 short",
        "440 Notice look(where='there') gave sun",
    ]
    assert scene.heard == "One moment.It is sunny."


@pytest.mark.parametrize("filler", ["One moment.", None])
def test_interrupted_while_a_tool_runs(filler: str | None) -> None:
    slow = Slow(2.0)
    llm = talk(slow, while_calling=filler, again=["Fine."])
    # Long after the filler was heard, in the middle of the call.
    scene = Scene(
        HI + pad(300) + "~" * 20 + pad(900) + "|", "hi", "stop that", llm=llm, echo_tail_ms=0
    )
    said = "One moment." if filler else ""
    assert scene.only("Interrupted", "Notice") == [f"570 Interrupted 1 {said!r}"]
    assert roles(scene.llm) == [
        ("user", "hi"),
        ("assistant", said),
        ("tool", GIVEN_UP),
        ("user", "stop that"),
        ("assistant", "It is sunny."),
    ]
    assert (slow.begun, slow.ended, slow.open) == (1, 0, 0)


def test_interrupted_within_the_filler() -> None:
    slow = Slow(2.0)
    scene = Scene(
        HI + "___" + "~" * 20 + pad(900) + "|", "hi", "stop that", llm=talk(slow), min_speech_ms=50
    )
    assert slow.open == 0
    assert roles(scene.llm)[:3] == [("user", "hi"), ("assistant", "One"), ("tool", GIVEN_UP)]


def test_a_tool_that_takes_too_long_fails_its_turn_and_no_other() -> None:
    slow = Slow()
    scheduler = TestScheduler()
    model = Scripted([LOOK], ["Two."], tools=[slow.look])
    seen: list[tuple[float, Any]] = []
    asked(transcript("one"), transcript("two", 2)).pipe(
        vox.respond(model, timeout_ms=500)
    ).subscribe(lambda it: seen.append((scheduler.clock, it)), scheduler=scheduler)
    scheduler.start()
    [(at, failed)] = [it for it in seen if isinstance(it[1], TurnFailed)]
    assert at == pytest.approx(0.5)
    assert isinstance(failed.error.__cause__, ModelTimeout)
    assert str(failed.error.__cause__) == "the model gave nothing for 0.5 s (timeout_ms=500)"
    assert slow.open == 0
    assert contents(model) == ["one", "", GIVEN_UP, "two", "Two."]


def test_each_call_of_a_tool_has_all_of_the_time() -> None:
    slow = Slow(0.4)
    scheduler = TestScheduler()
    model = Scripted([LOOK, LOOK], ["Yes."], tools=[slow.look])
    seen: list[Any] = []
    asked(transcript()).pipe(vox.respond(model, timeout_ms=500)).subscribe(
        seen.append, scheduler=scheduler
    )
    scheduler.start()
    assert seen[-1] == Reply(seen[-1].transcript, text="Yes.", final=True)


def test_what_a_subscription_leaves_behind_is_closed() -> None:
    slow = Slow()
    scheduler = TestScheduler()
    model = Scripted(["Wait.", LOOK], tools=[slow.look])
    life = asked(transcript()).pipe(vox.respond(model)).subscribe(scheduler=scheduler)
    assert slow.open == 1
    life.dispose()
    assert slow.open == 0
    assert contents(model) == ["hi", "Wait.", GIVEN_UP]
    assert model.closed == 1


def test_a_model_thread_that_is_stuck_fails_no_answer_that_waits_for_a_tool() -> None:
    scheduler, late = TestScheduler(), list[Any]()
    watch = Watch(
        TimeLimits(silence=1), SubscriptionClock(scheduler), CompositeDisposable(), late.append
    )
    stuck = ModelThreadStuck("stuck", 1.0)
    watch.asked(away=True)
    watch.expire(stuck)
    assert late == []
    assert watch.came()
    watch.asked()
    watch.expire(stuck)
    assert late == [stuck]


def test_what_was_called_is_known_even_if_nobody_ever_waited_for_its_result() -> None:
    model = Scripted(["Wait.", LOOK], tools=[Slow().look])
    answer = model.respond("hi")
    while not isinstance(next(answer), Waiting):
        pass
    answer.close()
    assert contents(model) == ["hi", "Wait.", GIVEN_UP]


# On threads


def test_the_worker_of_the_answer_is_free_while_a_tool_runs(pool: ThreadPoolExecutor) -> None:
    worker, over, go, seen = EventLoopScheduler(), Event(), Event(), list[Any]()

    def tool() -> str:
        """Look."""
        assert go.wait(WAIT)
        return "sun"

    model = Scripted([WrittenCall("look", {})], ["Yes."], tools=[named(tool)], tool_worker=pool)
    begun, between = Event(), Event()

    def on_next(element: Any) -> None:
        seen.append(element)
        if isinstance(element, Reply) and element.flush:
            begun.set()

    asked(transcript()).pipe(vox.respond(model, worker=worker)).subscribe(
        on_next, seen.append, over.set
    )
    assert begun.wait(WAIT)
    worker.schedule(lambda *_: between.set())
    assert between.wait(WAIT)
    go.set()
    assert over.wait(WAIT)
    assert seen[-1].text == "Yes."
    worker.dispose()


def test_a_tool_of_a_disposed_answer_is_abandoned(pool: ThreadPoolExecutor) -> None:
    worker, go, begun, ended, closed = EventLoopScheduler(), *(Event() for _ in range(4))

    def tool() -> str:
        """Look."""
        begun.set()
        assert go.wait(WAIT)
        ended.set()
        return "sun"

    class Closed(Scripted):
        def _write(self, question: Any) -> Any:
            try:
                yield from super()._write(question)
            finally:
                closed.set()

    model = Closed([WrittenCall("look", {})], ["Yes."], tools=[named(tool)], tool_worker=pool)
    seen: list[Any] = []
    life = asked(transcript()).pipe(vox.respond(model, worker=worker)).subscribe(seen.append)
    assert begun.wait(WAIT)
    life.dispose()
    settled = Event()
    worker.schedule(lambda *_: settled.set())  # after the answer was closed there
    assert settled.wait(WAIT)
    assert contents(model) == ["hi", "", GIVEN_UP]
    count = len(seen)
    go.set()
    assert ended.wait(WAIT)
    worker.schedule(lambda *_: closed.set())
    assert closed.wait(WAIT)
    assert len(seen) == count
    assert contents(model) == ["hi", "", GIVEN_UP]
    worker.dispose()


@pytest.mark.parametrize("home", [AsyncIOThreadSafeScheduler, lambda loop: None])
def test_an_async_tool_runs_on_the_loop_of_the_app_which_does_not_wait(home: Any) -> None:
    loops: list[Any] = []

    async def tool() -> str:
        """Look."""
        loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return "sun"

    async def main() -> None:
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        model = Scripted([WrittenCall("look", {})], ["Yes."], tools=[named(tool)])
        asked(transcript()).pipe(vox.respond(model)).subscribe(
            on_completed=over.set, scheduler=home(loop)
        )
        assert contents(model) == ["hi"]  # it has not waited
        await asyncio.wait_for(over.wait(), WAIT)
        assert loops == [loop]
        assert contents(model) == ["hi", "", "sun", "Yes."]

    asyncio.run(main())


def test_an_async_tool_is_cancelled_with_its_answer() -> None:
    cancelled = Event()

    async def tool() -> str:
        """Look."""
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return ""

    async def main() -> None:
        begun = asyncio.Event()
        model = Scripted([WrittenCall("look", {})], tools=[named(tool)])
        life = (
            asked(transcript())
            .pipe(vox.respond(model))
            .subscribe(
                lambda _: begun.set(),
                scheduler=AsyncIOThreadSafeScheduler(asyncio.get_running_loop()),
            )
        )
        await asyncio.wait_for(begun.wait(), WAIT)
        for _ in range(5):
            await asyncio.sleep(0)
        life.dispose()
        for _ in range(5):
            await asyncio.sleep(0)
        assert cancelled.is_set()
        assert contents(model) == ["hi", "", GIVEN_UP]

    asyncio.run(main())


# FLUSH


def test_a_responder_of_ones_own_has_spoken_what_it_wrote() -> None:
    def think(_: str) -> Observable[str]:
        return rx.concat(rx.of("One moment", FLUSH), rx.timer(0.5).pipe(ops.map(lambda _: "Yes.")))

    scene = Scene(HI + pad(900) + "|", llm=think)
    assert scene.only("Speaking", "Finished") == [
        "41 Speaking 1",
        "580 Finished 1 'One momentYes.'",
    ]
    assert scene.heard == "One momentYes."


def test_interrupted_between_a_flush_and_the_next_piece() -> None:
    def think(text: str) -> Observable[str]:
        later = rx.timer(0.5).pipe(ops.map(lambda _: " Yes."))
        return rx.concat(rx.of("One moment.", FLUSH), later) if text == "hi" else rx.of("No.")

    scene = Scene(HI + pad(60) + "~" * 20 + pad(900) + "|", "hi", "stop that", llm=think)
    [entry] = [it for it in scene.told if isinstance(it, rxv.FinishedTurn) and it.interrupted]
    assert entry.assistant_text == "One"
    assert scene.heard.startswith("One mom")
    assert "Yes" not in scene.heard
    assert scene.heard.endswith("No.")


def test_on_a_worker_the_step_after_a_flush_waits_until_what_was_written_is_taken() -> None:
    made: list[str] = []

    def think(_: str) -> Iterator[str]:
        for piece in ("One ", "moment.", FLUSH, "Yes."):
            made.append(repr(piece))
            yield piece

    worker, home = TestScheduler(), TestScheduler()
    spoken: list[str] = []
    asked(transcript()).pipe(
        vox.respond(think, worker=worker, timeout_ms=None, total_timeout_ms=None),
        vox.synthesize(lambda it: spoken.append(it) or []),
    ).subscribe(scheduler=home)
    for _ in range(5):  # the worker is quick, nobody takes anything
        worker.start()
    assert (made, spoken) == (["'One '", "'moment.'"], [])
    home.start()
    worker.start()
    worker.start()
    assert made[2:] == ["FLUSH"]
    assert spoken == []
    home.start()
    assert spoken == ["One moment."]
    assert made[2:] == ["FLUSH"]
    worker.start(), home.start(), worker.start(), home.start()
    assert spoken == ["One moment.", "Yes."]


def test_a_flush_passes_speakable_and_ends_a_sentence() -> None:
    said: list[str] = []
    asked(transcript()).pipe(
        vox.respond(lambda _: ["**One** moment", FLUSH, ", please."]),
        vox.speakable(),
        vox.synthesize(lambda it: said.append(it) or []),
    ).run()
    assert said == ["One moment", ", please."]
    assert rx.of("One mo", "ment", FLUSH, "Yes").pipe(vox.sentences(), ops.to_list()).run() == [
        "One moment",
        "Yes",
    ]


def test_a_flush_is_an_empty_text_to_whoever_knows_nothing_of_it() -> None:
    assert FLUSH == ""
    assert repr(FLUSH) == "FLUSH"
    assert "".join(["a", FLUSH, "b"]) == "ab"
    assert rxv.FLUSH is FLUSH


def test_an_async_responder_flushes_as_well() -> None:
    async def think(_: str) -> AsyncIterator[str]:
        yield "One moment"
        yield rxv.FLUSH
        yield "Yes."

    replies = asked(transcript()).pipe(vox.respond(think), ops.to_list()).run()
    assert [(it.delta, it.flush, it.text) for it in replies] == [
        ("One moment", False, ""),
        ("", True, ""),
        ("Yes.", False, ""),
        ("", False, "One momentYes."),
    ]
