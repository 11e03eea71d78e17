"""What only a GPU can show, on Metal or on MLX's CUDA build, in less than five minutes.

The language model is a Llama of a real size with random weights, made on the spot: of 1.2 billion
parameters on a GPU and a tiny one on a CPU, where the rows say so and mean little. The variable
``RXVOICE_GPU_MODEL`` chooses another one: ``tiny``, ``1b``, ``3b``, or the directory or name of a
model for `rxvoice.mlx.llm`. Voice and recogniser are stubs; Silero has random weights.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import mlx.core as mx
import numpy as np
import soxr
from mlx.utils import tree_flatten

import rxvoice as rxv
from benchmarks import _made_llm
from benchmarks._gpu_answers import ENOUGH_S, QUESTION, TEMPERATURE, Answer, Answers
from benchmarks._gpu_talk import Endless, interrupting, listening
from benchmarks._measure import Result, median
from rxvoice.mlx import MlxScheduler
from rxvoice.sinks._ahead import AheadSignal

AT_ONCE = 4
STEPS = 5_000
WARM = 5
RATE, DEVICE_RATE, PIECE_S, PIECES = 24_000, 48_000, 0.32, 40


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Args:
        tokens: of an answer.
        rounds: of each comparison.
        chunks: of 32 ms, that are judged.
        interruptions: how many.
        turns: of the conversation whose memory is measured.
        turn_tokens: of each answer in it.
    """

    tokens: int = 128
    rounds: int = 3
    chunks: int = 160
    interruptions: int = 12
    turns: int = 20
    turn_tokens: int = 48


def measure(effort: Effort = Effort()) -> Iterator[Result]:
    """Measure with the model that ``RXVOICE_GPU_MODEL`` names. Each row comes when it is known."""
    on_cpu = mx.default_device().type == mx.cpu
    if on_cpu:
        # Kernels compiled with g++ save nothing here, and cost seconds at the first call.
        os.environ.setdefault("MLX_DISABLE_COMPILE", "1")
    chosen = os.environ.get("RXVOICE_GPU_MODEL") or ("tiny" if on_cpu else "1b")
    with TemporaryDirectory() as scratch, MlxScheduler(stuck_ms=None) as worker:
        model = chosen
        if made := chosen in _made_llm.SIZES:
            model = str(_made_llm.write(Path(scratch), chosen))
        llm = rxv.mlx.llm(model, temperature=TEMPERATURE, max_tokens=effort.tokens)
        (report,) = rxv.mlx.load(llm, worker=worker)
        bench = _Bench(Answers(llm, worker, effort.tokens), effort)
        yield Result(
            f"{f'Llama {chosen}, random weights' if made else chosen}, on {device()}",
            bench.weights / 1e9,
            "GB",
            f"loaded {report.load_s:.1f} s, warm {report.warm_up_s:.2f} s",
            1.0,
        )
        for rows in (
            bench.first_answer,
            bench.speed,
            bench.lanes,
            bench.voice_activity,
            bench.interruption,
            bench.conversion,
            bench.at_once,
            bench.memory,
        ):
            yield from rows()


def device() -> str:
    """Where MLX computes here."""
    if mx.default_device().type == mx.cpu:
        return "the CPU: says nothing of a GPU"
    backend = "Metal" if mx.metal.is_available() else "CUDA"
    return f"{mx.device_info().get('device_name', 'a GPU')} ({backend})"


class _Bench:
    def __init__(self, answers: Answers, effort: Effort) -> None:
        self._answers, self._effort = answers, effort

    @property
    def weights(self) -> int:
        """Bytes."""
        return sum(array.nbytes for _, array in tree_flatten(self._answers.model.parameters()))

    def first_answer(self) -> Iterator[Result]:
        """Whether warming up has left anything for the first questions."""
        spent = [1000 * self._answers.through_a_lane().first_s for _ in range(WARM)]
        for n, which in enumerate(("first", "second")):
            name = f"question to first token, {which} question after loading"
            yield _row(name, "ms", spent[n], "later", spent[-1])

    def speed(self) -> Iterator[Result]:
        """The same answers by mlx-lm alone, and through `respond` and a lane."""
        theirs, ours = self._alternately(self._answers.alone, self._answers.through_a_lane)
        alone = "mlx-lm alone"
        yield _row("tokens a second", "/s", _rate(ours), alone, _rate(theirs))
        fed = self._answers.llm.stats.prefilled_tokens
        name = f"question of {fed} tokens to first token"
        yield _row(name, "ms", _first_ms(ours), alone, _first_ms(theirs))

    def lanes(self) -> Iterator[Result]:
        """What a step of a lane costs, against the answer in one step on the same thread."""
        whole, ours = self._alternately(self._answers.in_place, self._answers.through_a_lane)
        mine, other = 1000 / _rate(ours), 1000 / _rate(whole)
        yield _row("a token through respond and its lane", "ms", mine, "in place", other)
        empty = 1e6 * self._answers.empty_step_s(STEPS)
        name = "an empty step, handed to the conversation and back"
        yield _row(name, "µs", empty, "a token", 1000 * mine)

    def voice_activity(self) -> Iterator[Result]:
        """Listening goes on at its pace beside a model that writes as fast as it can."""
        worker, chunks = self._answers.worker, self._effort.chunks
        alone = listening(worker, None, chunks)
        beside = listening(worker, self._endless(), chunks)
        for name, values, others in (
            ("block to judged chunk beside the model", beside.judged, alone.judged),
            ("gap in voice activity beside the model (32 is none)", beside.gaps, alone.gaps),
            ("wait of a step of the voice for the model", beside.waits, alone.waits),
        ):
            yield from _middle_and_longest(name, values, "without it", others)

    def interruption(self) -> Iterator[Result]:
        """The user speaks over a reply that the model is writing."""
        spent = interrupting(self._answers.worker, self._endless(), self._effort.interruptions)
        for name, values in (
            ("first chunk of speech to pause while the model writes", spent.paused),
            ("chunk that confirms to silence while the model writes", spent.cleared),
            ("end of that turn to the next reply's first text", spent.next_text),
        ):
            yield _row(f"{name}, p50", "ms", median(values), "longest", max(values))

    def conversion(self) -> Iterator[Result]:
        """Pieces of speech, converted by MLX where they are made, as `Speaker.convert_ahead`."""
        piece = np.full(int(RATE * PIECE_S), 0.1, np.float32)
        by_soxr = soxr.ResampleStream(RATE, DEVICE_RATE, 1, dtype="float32")
        theirs = [_ms(lambda: by_soxr.resample_chunk(piece)) for _ in range(PIECES)]
        for where, endless in (("alone", None), ("beside the model", self._endless())):
            name = f"320 ms of speech converted on the model thread, {where}"
            ours = self._converted(piece, endless)
            yield from _middle_and_longest(name, ours, "soxr", theirs)

    def at_once(self) -> Iterator[Result]:
        """Several conversations on one model, and one batch of mlx-lm's."""
        rounds = range(self._effort.rounds)
        one = median([self._answers.through_a_lane().rate for _ in rounds])
        for how, rate in (
            ("through respond", self._answers.through_lanes),
            ("in mlx-lm's BatchGenerator", self._answers.in_a_batch),
        ):
            name = f"tokens a second of {AT_ONCE} answers, {how}"
            yield _row(name, "/s", median([rate(AT_ONCE) for _ in rounds]), "one alone", one)

    def memory(self) -> Iterator[Result]:
        """What a conversation leaves behind."""
        turns, llm = self._effort.turns, self._answers.llm.fresh()
        mx.reset_peak_memory()

        def turn(n: int) -> tuple[int, int, int]:
            answer = llm.respond(f"{QUESTION} This is question {n}.")
            for _ in answer:
                if llm.stats.generated_tokens >= self._effort.turn_tokens:
                    break
            answer.close()
            return mx.get_active_memory(), mx.get_peak_memory(), mx.get_cache_memory()

        seen = [self._answers.on_worker(lambda n=n: turn(n)) for n in range(turns)]
        tokens = llm.stats.prompt_tokens + llm.stats.generated_tokens
        for name, last, first in zip(("active", "peak", "cache"), seen[-1], seen[0], strict=True):
            told = f"memory after {turns} turns of {tokens} tokens, {name}"
            yield _row(told, "MB", last / 1e6, "after the first", first / 1e6)

    def _endless(self) -> Endless:
        return Endless(self._answers.llm.fresh(), QUESTION)

    def _alternately(
        self, one: Callable[[], Answer], other: Callable[[], Answer]
    ) -> tuple[list[Answer], list[Answer]]:
        pairs = [(one(), other()) for _ in range(self._effort.rounds)]
        return [pair[0] for pair in pairs], [pair[1] for pair in pairs]

    def _converted(self, piece: rxv.Samples, endless: Endless | None) -> list[float]:
        """Milliseconds for each piece, in steps of the voice, one after another."""
        worker, signal = self._answers.worker, AheadSignal(RATE, DEVICE_RATE)
        sound = mx.array(piece)
        mx.eval(sound)
        spent: list[float] = []
        over, ended = threading.Event(), threading.Event()
        writing = None if endless is None else endless.respond("")

        def write(*_: object) -> None:
            if writing is None or over.is_set():
                if writing is not None:
                    writing.close()
                ended.set()
            else:
                next(writing)
                worker.text.schedule(write)

        def convert(*_: object) -> None:
            spent.append(_ms(lambda: signal.convert(sound)))
            if len(spent) < PIECES:
                worker.speech.schedule_relative(0.01, convert)
            else:
                over.set()

        worker.text.schedule(write)
        if endless is not None:
            endless.began.wait(ENOUGH_S)
        worker.speech.schedule(convert)
        if not over.wait(ENOUGH_S) or not ended.wait(ENOUGH_S):
            raise TimeoutError("the model thread never came to the end of the speech")
        return spent


def _row(name: str, unit: str, value: float, against: str, other: float) -> Result:
    ratio = value / other if other else 1.0
    return Result(name, value, unit, f"{against}: {other:.4g}", ratio)


def _middle_and_longest(
    name: str, values: list[float], against: str, others: list[float]
) -> Iterator[Result]:
    for what, of in (("p50", median), ("longest", max)):
        yield _row(f"{name}, {what}", "ms", of(values), against, of(others))


def _rate(answers: list[Answer]) -> float:
    return median([it.rate for it in answers])


def _first_ms(answers: list[Answer]) -> float:
    return 1000 * median([it.first_s for it in answers])


def _ms(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begin)
