"""Silero per 32 ms chunk: numpy against other libraries, idle and while a text model runs.

It is compared with onnxruntime if that and the original weights are installed:
``pip install onnxruntime && pip install --no-deps silero-vad``.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile as sf

import rxvoice as rxv
from benchmarks import _silero_models as models
from benchmarks._measure import CHUNK_MS, SIZE, Result, median, per_element
from rxvoice._silero import silero

Feed = Callable[[rxv.Samples], object]

IDLE_ROUNDS = 5
BUSY_CHUNKS = 150


def measure() -> list[Result]:
    """Measure the same chunks alternately: back to back when idle, else at a microphone's pace."""
    if sys.platform == "linux":
        # Kernels compiled with g++ save nothing here, and cost seconds at the first call.
        os.environ.setdefault("MLX_DISABLE_COMPILE", "1")
    chunks = speech()
    with TemporaryDirectory() as scratch:
        feeds = {"rxvoice": silero(models.write(Path(scratch), weights())).probability}
        feeds |= peers(Path(scratch))
        for feed in feeds.values():
            per_element(feed, chunks[:20])
        results = rows("idle", idle(feeds, chunks))
        with text_model():
            results += rows("beside a text model", paced(feeds, chunks[:BUSY_CHUNKS]))
    return results


def speech() -> list[rxv.Samples]:
    """The demo's recording."""
    audio, _ = sf.read(Path(rxv.__file__).parent / "data" / "demo.wav", dtype="float32")
    return [audio[at : at + SIZE].copy() for at in range(0, len(audio) - SIZE + 1, SIZE)]


def weights() -> models.Weights:
    """The original weights if they are installed. Other weights take the same time."""
    original = models.onnx_file()
    return models.random_weights(0) if original is None else models.onnx_weights(original)


def peers(directory: Path) -> dict[str, Feed]:
    """The other libraries that run the network, if they are installed."""
    found = {"mlx-audio feed": mlx_feed(directory)}
    original = models.onnx_file()
    if original is not None and find_spec("onnxruntime"):
        found["onnxruntime"] = onnx_feed(original)
    else:
        print(
            "    skipped onnxruntime: pip install onnxruntime && pip install --no-deps silero-vad"
        )
    found["offline.silero()"] = rxv.offline.silero().probability
    return found


def mlx_feed(directory: Path) -> Feed:
    """The model of mlx-audio, with the same weights."""
    import mlx.core as mx
    from mlx_audio.vad import load

    model = load(directory, strict=True)
    state = model.initial_state()

    def feed(chunk: rxv.Samples) -> float:
        nonlocal state
        probability, state = model.feed(chunk, state)
        mx.eval(probability, state.state, state.context)
        return probability.item()

    return feed


def onnx_feed(path: Path) -> Feed:
    """The original network, with the options of its own wrapper."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    rate = np.array(16_000, np.int64)
    state = np.zeros((2, 1, 128), np.float32)
    window = np.zeros((1, 64 + SIZE), np.float32)

    def feed(chunk: rxv.Samples) -> float:
        nonlocal state
        window[0, :64] = window[0, -64:]
        window[0, 64:] = chunk
        probability, state = session.run(None, {"input": window, "state": state, "sr": rate})
        return probability.item()

    return feed


@contextmanager
def text_model() -> Iterator[None]:
    """Run a Llama of 50 million random weights that writes tokens on a thread of its own."""
    import mlx.core as mx
    from mlx_lm.generate import generate_step
    from mlx_lm.models.llama import Model, ModelArgs

    stop, started = threading.Event(), threading.Event()
    failed: list[Exception] = []

    def write() -> None:
        try:
            model = Model(
                ModelArgs(
                    model_type="llama",
                    hidden_size=512,
                    num_hidden_layers=12,
                    intermediate_size=1536,
                    num_attention_heads=8,
                    rms_norm_eps=1e-5,
                    vocab_size=16_000,
                )
            )
            mx.eval(model.parameters())
            while not stop.is_set():
                steps = generate_step(mx.array([1, 2, 3]), model, max_tokens=100)
                for _ in steps:
                    started.set()
                    if stop.is_set():
                        break
                steps.close()
        except Exception as error:
            failed.append(error)
        finally:
            started.set()
            mx.clear_streams()

    thread = threading.Thread(target=write, name="text model")
    thread.start()
    started.wait()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        if failed:
            raise failed[0]


def idle(feeds: dict[str, Feed], chunks: list[rxv.Samples]) -> dict[str, list[float]]:
    """Microseconds per chunk, in interleaved rounds."""
    spent: dict[str, list[float]] = {name: [] for name in feeds}
    for _ in range(IDLE_ROUNDS):
        for name, feed in feeds.items():
            spent[name].extend(per_element(feed, chunks))
    return spent


def paced(feeds: dict[str, Feed], chunks: list[rxv.Samples]) -> dict[str, list[float]]:
    """Microseconds per chunk, one every 32 ms, each fed to all libraries in turn."""
    spent: dict[str, list[float]] = {name: [] for name in feeds}
    for chunk in chunks:
        due = time.perf_counter() + CHUNK_MS / 1000
        for name, feed in feeds.items():
            spent[name].extend(per_element(feed, [chunk]))
        time.sleep(max(0.0, due - time.perf_counter()))
    return spent


def rows(when: str, spent: dict[str, list[float]]) -> list[Result]:
    """Compare ours with each of the others. When idle, ours must not cost more."""
    ours, results = spent.pop("rxvoice"), []
    for name, theirs in spent.items():
        for part, of in (("p50", median), ("p99", p99)):
            value, other = of(ours), of(theirs)
            limit = 1.0 if (when, part) == ("idle", "p50") else None
            results.append(
                Result(
                    f"silero, {when}, per 32 ms chunk, {part}",
                    value,
                    "µs",
                    f"{name}: {other:.0f}",
                    value / other,
                    limit,
                )
            )
    return results


def p99(values: list[float]) -> float:
    """The 99th percentile."""
    return float(np.percentile(values, 99))
