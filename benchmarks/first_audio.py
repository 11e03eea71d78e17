"""The first audio after the end of a turn: sentence by sentence, against the whole reply."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import reactivex as rx

import rxvoice as rxv
from benchmarks._measure import Result, median
from rxvoice import operators as vox

TOKEN_S = 0.01
SENTENCE_S = 0.05
REPLY = "The moon is far away. Its light takes a second to reach us. It moves away, too. Slowly."


def write(text: str) -> Iterator[str]:
    """A language model of known speed."""
    for word in REPLY.split(" "):
        time.sleep(TOKEN_S)
        yield word + " "


def write_whole(text: str) -> str:
    """The same model, which hands over the whole reply at once."""
    return "".join(write(text))


def speak(text: str) -> rxv.Samples:
    """A synthesizer of known speed."""
    time.sleep(SENTENCE_S)
    return np.zeros(2400, np.float32)


def milliseconds(llm: Callable[[str], str | Iterator[str]]) -> float:
    """From the end of a turn to the first piece of speech."""
    heard: list[float] = []
    begin = time.perf_counter()
    rx.of(rxv.Turn.of(np.zeros(512, np.float32))).pipe(
        vox.transcribe(lambda audio: "how far away is the moon"),
        vox.respond(llm),
        vox.synthesize(speak),
    ).subscribe(lambda _: heard.append(time.perf_counter()))
    return 1000 * (heard[0] - begin)


def measure() -> list[Result]:
    """Measure the same models both ways, alternately."""
    streamed: list[float] = []
    whole: list[float] = []
    for _ in range(7):
        streamed.append(milliseconds(write))
        whole.append(milliseconds(write_whole))
    ours, theirs = median(streamed), median(whole)
    name = f"first audio, {1000 * TOKEN_S:.0f} ms a word, {1000 * SENTENCE_S:.0f} ms a sentence"
    return [Result(name, ours, "ms", f"whole reply first: {theirs:.0f}", ours / theirs, 0.75)]
