"""The end of a turn: false cut-offs against latency, for each end-of-turn policy.

A policy is asked at every silence of 100 ms or more, with the audio until then. A pause within a
turn at which it ends the turn is a false cut-off; latency is how long it waits after the last word
of a turn, without the time that a model computes. That is how LiveKit's eot-bench measures, and
the rows have its schema. The settings of each policy are swept; a row of the table shows the
quickest one with at most 5 % of false cut-offs. All settings are written to ``out/eot.json``.

    RXVOICE_EOT_DATA=DIR     a directory with ``*.jsonl``: id, language, audio, silence_spans
    RXVOICE_SMART_TURN=DIR   a Smart Turn model, which is then measured as well; of the installed
                             wheel, `rxvoice models convert pipecat-ai DIR` makes one

The public data set becomes such a directory with the packages ``datasets`` and ``soundfile``:

    rows = load_dataset("livekit/eot-bench-data", "en", split="validation")
    with open("eot/rows.jsonl", "w") as out:
        for row in rows.cast_column("audio", Audio(decode=False)):
            Path("eot", f"{row['id']}.wav").write_bytes(row["audio"]["bytes"])
            keep = {name: row[name] for name in ("id", "language", "silence_spans")}
            print(json.dumps(keep | {"audio": f"{row['id']}.wav"}), file=out)

Without it, turns are made of Debian's human prompts (``asterisk-core-sounds-en-g722`` and
``asterisk-core-sounds-en``, and the wheel ``G722``), or else of synthesized sentences. They are cut
at gaps between words, and the pauses there are as long as those that eot-bench publishes for
English. So the numbers of `silence` repeat what is published; those of a model are measured.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import rxvoice as rxv
from benchmarks._eot_data import made, read
from benchmarks._eot_score import PATIENCE_MS, Example, Score, quickest, safest, score
from benchmarks._measure import Result
from rxvoice.mlx.smart_turn import Endpoint, EndpointSlot

BUDGETS = (0.05, 0.10)
LATENCIES_MS = (300, 600)
DELAYS_MS = (200, 400, 600, 800, 1000, 1200, 1600)
TIMEOUTS_MS = (1000, 1600, 2400, 3000)
KEEPS_MS = (100, 200, 400, 600)
THRESHOLDS = (0.05, 0.09, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def silences(examples: list[Example]) -> Iterator[Score]:
    """`silence`, at every 100 ms."""
    for ms in range(100, 3100, 100):
        yield score("silence", f"{ms}", rxv.silence(ms), examples)


def adaptive(examples: list[Example]) -> Iterator[Score]:
    """`adaptive_silence`, with several limits and factors."""
    for least, most, factor in product((200, 400, 600), TIMEOUTS_MS, (1.5, 2, 2.5, 3, 4)):
        policy = rxv.adaptive_silence(least, most, factor=factor)
        yield score("adaptive_silence", f"{least}, {most}, factor={factor}", policy, examples)


class Remembered:
    """A Smart Turn model whose verdicts are kept, so that a sweep asks once about each audio."""

    def __init__(self, model: EndpointSlot) -> None:
        self._ask: Any = getattr(model, "predict_endpoint", model)
        self._kept: dict[int, float] = {}  # by where the audio ends in memory

    def predict_endpoint(self, audio: rxv.Samples, rate: int, threshold: float, /) -> Endpoint:
        """Whether the probability is above the threshold."""
        key = audio.ctypes.data + audio.nbytes
        if key not in self._kept:
            self._kept[key] = float(self._ask(audio, rate, threshold).probability)
        return _Verdict(self._kept[key], threshold)


class _Verdict:
    def __init__(self, probability: float, threshold: float) -> None:
        self.probability = probability
        self.prediction = int(probability > threshold)


def smart_turns(
    model: EndpointSlot, examples: list[Example], keep_ms: int | None = 200
) -> Iterator[Score]:
    """`smart_turn`, at every threshold, delay and longest silence.

    Args:
        keep_ms: how much of the silence the model gets.
    """
    kept = model if isinstance(model, Remembered) else Remembered(model)
    for threshold, delay, most in product(THRESHOLDS, DELAYS_MS, TIMEOUTS_MS):
        if delay >= most or (keep_ms is not None and delay < keep_ms):
            continue
        policy = rxv.mlx.smart_turn(
            kept,
            threshold=threshold,
            ask_after_ms=delay,
            max_silence_ms=most,
            keep_silence_ms=keep_ms,
        )
        yield score(f"smart_turn {keep_ms}", f"{threshold}, {delay}, {most}", policy, examples)


def combined(model: EndpointSlot, examples: list[Example]) -> Iterator[Score]:
    """`smart_turn` or `adaptive_silence`, whichever ends the turn first."""
    limits = ((400, 1600), (600, 1600), (600, 2400), (600, 3000))
    for threshold, delay, (least, most), factor in product(
        (0.5, 0.9), (400, 600, 800, 1000), limits, (1.5, 2, 2.5, 3)
    ):
        asked = rxv.mlx.smart_turn(
            model, threshold=threshold, ask_after_ms=delay, max_silence_ms=PATIENCE_MS
        )
        policy = rxv.any_of(asked, rxv.adaptive_silence(least, most, factor=factor))
        setting = f"{threshold}, {delay} or {least}, {most}, factor={factor}"
        yield score("smart_turn or adaptive_silence", setting, policy, examples)


def curves(examples: list[Example], model: EndpointSlot | None) -> dict[str, list[Score]]:
    """All scores of each policy."""
    found = {"silence": list(silences(examples)), "adaptive_silence": list(adaptive(examples))}
    if model is not None:
        kept = Remembered(model)
        for keep_ms in KEEPS_MS:
            found[f"smart_turn keep={keep_ms}"] = list(smart_turns(kept, examples, keep_ms))
        found["smart_turn or adaptive_silence"] = list(combined(kept, examples))
    return found


def table(scores: dict[str, list[Score]]) -> list[Result]:
    """The quickest setting within each budget of cut-offs, and the safest within each latency."""
    rows: list[Result] = []
    for budget in BUDGETS:
        base = quickest(scores["silence"], budget)
        for name, curve in scores.items():
            best = quickest(curve, budget)
            if best is None or base is None:
                continue
            against = f"p50 {best.p50_ms:.0f} ms, cut {best.cut:.1%}; silence {base.mean_ms:.0f}"
            title = f"latency at {budget:.0%} false cut-offs: {name}({best.setting})"
            rows.append(Result(title, best.mean_ms, "ms", against, best.mean_ms / base.mean_ms))
    for limit in LATENCIES_MS:
        base = safest(scores["silence"], limit)
        for name, curve in scores.items():
            best = safest(curve, limit)
            if best is None or base is None:
                continue
            against = f"mean {best.mean_ms:.0f} ms; silence {base.cut:.1%}"
            ratio = best.cut / base.cut if base.cut else 1.0
            title = f"false cut-offs at {limit} ms: {name}({best.setting})"
            rows.append(Result(title, 100 * best.cut, "%", against, ratio))
    return rows


def measure() -> list[Result]:
    """Measure, and write all scores to ``out/eot.json``."""
    data, directory = os.environ.get("RXVOICE_EOT_DATA"), os.environ.get("RXVOICE_SMART_TURN")
    examples = list(read(Path(data))) if data else made()
    scores = curves(examples, _loaded(directory) if directory else None)
    out = Path("out/eot.json")
    out.parent.mkdir(exist_ok=True)
    points = [asdict(it) for curve in scores.values() for it in curve]
    out.write_text(json.dumps(points, indent=1) + "\n", "utf-8")
    return table(scores)


def _loaded(directory: str) -> EndpointSlot:
    from mlx_audio.vad import load  # pyright: ignore[reportUnknownVariableType]

    return load(directory, strict=True)
