"""For `benchmarks.gpu`: one answer by mlx-lm alone, in place, through a lane and in a batch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

import numpy as np
import reactivex as rx
from mlx_lm import stream_generate
from mlx_lm.generate import BatchGenerator
from mlx_lm.sample_utils import make_sampler
from reactivex import Observable, abc
from reactivex.scheduler import EventLoopScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.conversation import Conversation
from rxvoice.mlx import Llm, MlxScheduler

T = TypeVar("T")

QUESTION = "Tell me a long story about the sea, please, and leave nothing out of it."
TEMPERATURE = 1.0
ENOUGH_S = 120.0


@dataclass(frozen=True)
class Answer:
    """How long an answer took: seconds to its first token, and tokens a second after that."""

    first_s: float
    rate: float


class Answers:
    """Ways to answer one question. Each answer has a system prompt that no cache knows.

    Args:
        llm: the model, loaded, with this temperature and number of tokens.
        worker: the model thread.
        tokens: of an answer.
    """

    def __init__(self, llm: Llm, worker: MlxScheduler, tokens: int) -> None:
        self.llm, self.worker, self._tokens = llm, worker, tokens
        self.loaded = llm._loaded()  # pyright: ignore[reportPrivateUsage]
        self.model: Any = self.loaded.model
        self._turn = rxv.Turn.of(np.zeros(512, np.float32))
        self._systems = map("{} is the number of this talk. Be brief.".format, count())

    def alone(self) -> Answer:
        """mlx-lm, on this thread and in a plain loop."""
        prompt = self._prompt()
        begin = time.perf_counter()
        times = [
            time.perf_counter()
            for _ in stream_generate(
                self.model,
                self.loaded.tokenizer,  # type: ignore[arg-type]
                prompt,
                max_tokens=self._tokens,
                sampler=make_sampler(temp=TEMPERATURE),
            )
        ]
        return _answer(begin, times, len(times))

    def in_place(self) -> Answer:
        """`Llm.respond` in one step of the model thread."""
        self._begin(self.llm)

        def whole() -> Answer:
            begin = time.perf_counter()
            times = [time.perf_counter() for piece in self.llm.respond(QUESTION) if piece]
            return _answer(begin, times, self.llm.stats.generated_tokens)

        return self.on_worker(whole)

    def through_a_lane(self) -> Answer:
        """`Llm.respond` in the operator, a step for each token; a conversation thread takes it."""
        self._begin(self.llm)
        begin = time.perf_counter()
        (times,) = self._through_lanes([self.llm])
        return _answer(begin, times, self.llm.stats.generated_tokens)

    def through_lanes(self, conversations: int) -> float:
        """Tokens a second of several conversations together, each through the operator."""
        llms = [self.llm.fresh() for _ in range(conversations)]
        for llm in llms:
            self._begin(llm)
        return _together(self._through_lanes(llms))

    def in_a_batch(self, answers: int) -> float:
        """Tokens a second of several answers together, in a batch of mlx-lm's on this thread."""
        batch = BatchGenerator(
            self.model, max_tokens=self._tokens, sampler=make_sampler(temp=TEMPERATURE)
        )
        numbers = batch.insert([self._prompt() for _ in range(answers)])
        times: dict[int, list[float]] = {number: [] for number in numbers}
        while responses := batch.next_generated():
            for response in responses:
                times[response.uid].append(time.perf_counter())
        batch.close()
        return _together(list(times.values()))

    def empty_step_s(self, steps: int) -> float:
        """Seconds for a step without work, and for its way to the conversation thread and back."""
        conversation = EventLoopScheduler()
        over = threading.Event()
        left = steps

        def step(scheduler: abc.SchedulerBase, _: object) -> None:
            conversation.schedule(took)

        def took(*_: object) -> None:
            nonlocal left
            left -= 1
            if left:
                self.worker.text.schedule(step)
            else:
                over.set()

        begin = time.perf_counter()
        self.worker.text.schedule(step)
        _wait(over, "the steps never ended")
        spent = time.perf_counter() - begin
        conversation.dispose()
        return spent / steps

    def on_worker(self, work: Callable[[], T]) -> T:
        """What `work` returns, called in one step of the model thread."""
        over = threading.Event()
        results: list[T] = []
        errors: list[Exception] = []

        def step(*_: object) -> None:
            try:
                results.append(work())
            except Exception as error:
                errors.append(error)
            over.set()

        self.worker.text.schedule(step)
        _wait(over, "the model thread never came to it")
        if errors:
            raise errors[0]
        return results[0]

    def _prompt(self) -> list[int]:
        system = {"role": "system", "content": next(self._systems)}
        return self.loaded.chat.prompt([system, {"role": "user", "content": QUESTION}], [])  # type: ignore[list-item]

    def _begin(self, llm: Llm) -> None:
        llm.conversation = Conversation(system=next(self._systems))

    def _through_lanes(self, llms: list[Llm]) -> list[list[float]]:
        """When each piece of each answer came to the conversation thread."""
        conversation = EventLoopScheduler()
        over = threading.Event()
        failures: list[object] = []
        times: list[list[float]] = [[] for _ in llms]

        def pipe(n: int, llm: Llm) -> Observable[None]:
            def took(element: object) -> None:
                if isinstance(element, rxv.Reply) and not element.final:
                    times[n].append(time.perf_counter())
                elif isinstance(element, rxv.events.TurnFailed):
                    failures.append(element)

            return rx.of(rxv.Transcript(self._turn, QUESTION)).pipe(
                vox.respond(llm, worker=self.worker.text), rx.operators.map(took)
            )

        def failed(error: Exception) -> None:
            failures.append(error)
            over.set()

        pipes = [pipe(n, llm) for n, llm in enumerate(llms)]
        rx.merge(*pipes).subscribe(None, failed, over.set, scheduler=conversation)
        _wait(over, "the answers never ended")
        conversation.dispose()
        if failures:
            raise RuntimeError(f"an answer failed: {failures[0]}")
        return times


def _answer(begin: float, times: list[float], tokens: int) -> Answer:
    return Answer(times[0] - begin, (tokens - 1) / (times[-1] - times[0]))


def _together(times: list[list[float]]) -> float:
    """Tokens a second from the time that all answers have begun until the first one ends."""
    begin, end = max(it[0] for it in times), min(it[-1] for it in times)
    return sum(begin < at <= end for it in times for at in it) / (end - begin)


def _wait(event: threading.Event, failure: str) -> None:
    if not event.wait(ENOUGH_S):
        raise TimeoutError(failure)
