"""The assistant's own voice: what each line of defence is worth, and what it costs.

This runs in sample time, without a sound card. An assistant reads aloud in a simulated room, whose
echo reaches the microphone after 120 ms at -12 dB. Coughs, backchannels and people speak over it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soxr
from reactivex import Subject
from reactivex import operators as ops
from reactivex.scheduler import VirtualTimeScheduler

import rxvoice as rxv
from benchmarks._measure import Result, median
from rxvoice import echo, offline
from rxvoice import operators as vox

RATE = 16_000
SIZE = 512
CHUNK_MS = 32
MIN_SPEECH_MS = 180
"""What confirms a candidate: ``min_barge_in_ms`` of mlx-audio's voice pipeline."""
GAP_MS = 480
"""Silence that ends a turn."""
ROOM_DELAY_S = 0.12
ROOM_DB = -12
EVENT_S = 2.5
"""Seconds of the assistant's speech before anything else: a canceller has to learn the room."""

SCENE_S = 8
ASKED = "Please read something to me."
READ = (
    "The moon is about three hundred and eighty four thousand kilometres away from the earth.",
    "It goes round once in twenty seven days, and always shows us the same side of its face.",
    "Long ago people thought that the dark places were seas, and gave them beautiful names.",
    "Bread is made of flour and water, and it wants an hour of rest before it goes in the oven.",
)
VOICES = ("en-us", "en-us+f3")
PEOPLE = ("en-us+m3", "en-us+f2", "en-us+m7", "en-us+klatt2")
BACKCHANNELS = ("uh huh.", "mm.", "yeah.", "okay.", "right.", "I see.", "sure.", "hm.")
INTERRUPTIONS = (
    "Wait, stop, I would like to ask something else.",
    "No, that is not what I meant.",
    "Hold on a second, please.",
    "Could you say that again?",
)


@cache
def say(text: str, voice: str, peak: float) -> rxv.Samples:
    """Speak a text, at 16 kHz."""
    tts = offline.tts(f"espeak:{voice}")
    made = np.concatenate(list(tts.synthesize_stream(text)))
    heard = soxr.resample(made, tts.sample_rate, RATE)
    return (heard / np.abs(heard).max() * peak).astype(np.float32)


def cough(seed: int) -> rxv.Samples:
    """One or two bursts of noise with a hard start, of 120 to 220 ms in all."""
    rng = np.random.default_rng(seed)
    bursts: list[rxv.Samples] = []
    for _ in range(1 + seed % 2):
        n = int(rng.uniform(0.06, 0.11) * RATE)
        colour = np.convolve(rng.standard_normal(n + 8), rng.standard_normal(8), "valid")[:n]
        bursts.append((colour * np.exp(-np.arange(n) / (n / 3))).astype(np.float32))
        bursts.append(np.zeros(int(0.05 * RATE), np.float32))
    made = np.concatenate(bursts)
    return (0.6 * made / np.abs(made).max()).astype(np.float32)


def demo_phrases() -> list[rxv.Samples]:
    """The four phrases of the demo, from another synthesizer than the assistant's."""
    import soundfile

    samples, rate = soundfile.read(Path(rxv.__file__).parent / "data" / "demo.wav", dtype="float32")
    cuts = ((0.8, 1.884), (4.084, 5.475), (7.675, 8.912), (11.112, 12.375))
    found = [samples[int(a * rate) : int(b * rate)] for a, b in cuts]
    return [(0.5 * it / np.abs(it).max()).astype(np.float32) for it in found]


@dataclass(frozen=True)
class Scene:
    """An assistant that speaks, and what speaks over it `EVENT_S` later."""

    kind: str
    assistant: rxv.Samples
    over: rxv.Samples


def scenes() -> list[Scene]:
    """Eight of each kind."""
    nothing = np.empty(0, np.float32)
    people = [say(text, voice, 0.5) for text, voice in zip(INTERRUPTIONS, PEOPLE, strict=True)]
    short = [say(text, PEOPLE[n % 4], 0.35) for n, text in enumerate(BACKCHANNELS)]
    over = {
        "echo alone": [nothing] * 8,
        "cough": [cough(n) for n in range(8)],
        "backchannel": short,
        "interruption": [*people, *demo_phrases()],
    }
    made: list[Scene] = []
    for kind, sounds in over.items():
        for n, sound in enumerate(sounds):
            text = f"{READ[n % 4]} {READ[(n + 1) % 4]}"
            made.append(Scene(kind, say(text, VOICES[n // 4], 0.8)[: 5 * RATE], sound))
    return made


class Room:
    """A sink that plays in sample time, and a microphone that picks it up."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        walls = rng.standard_normal(480) * np.exp(-np.arange(480) / 96)
        walls[0] = 1.5
        late = np.zeros(round(ROOM_DELAY_S * RATE))
        self._way = np.concatenate([late, walls * 10 ** (ROOM_DB / 20) / np.linalg.norm(walls)])
        self._rng = rng
        self._air = np.zeros(len(self._way) - 1)
        self._queue = np.empty(0, np.float32)
        self._paused = False
        self.now = 0.0
        self.position = 0
        self.played: Subject[int] = Subject()

    def clock(self) -> float:
        """Seconds."""
        return self.now

    def hear(self, n: int, over: rxv.Samples) -> rxv.Samples:
        """Let `n` samples pass, and return the microphone's signal, mixed with `over`."""
        out = np.zeros(n, np.float32)
        if not self._paused:
            head, self._queue = self._queue[:n], self._queue[n:]
            out[: len(head)] = head
            self.position += len(head)
        self.now += n / RATE
        air = np.concatenate([self._air, out])
        self._air = air[n:]
        heard = np.convolve(air, self._way, "valid") + 1e-3 * self._rng.standard_normal(n)
        heard[: len(over)] += over
        self.played.on_next(self.position)
        return np.clip(heard, -1, 1).astype(np.float32)

    @property
    def is_running(self) -> bool:
        """Whether sound is being played."""
        return len(self._queue) > 0 and not self._paused

    def write_samples(self, samples: rxv.Samples) -> int:
        """Take all."""
        self._queue = np.concatenate([self._queue, samples])
        return len(samples)

    def pause(self) -> None:
        """Stop at once."""
        self._paused = True

    def resume(self) -> None:
        """Go on."""
        self._paused = False

    def flush(self) -> None:
        """Time does not pass here."""

    def clear(self) -> rxv.Samples:
        """Drop what is queued."""
        unheard, self._queue, self._paused = self._queue, np.empty(0, np.float32), False
        return unheard

    def stop(self) -> None:
        """Nothing to release."""


def wrong(scene: Scene, seed: int, *, cancel: bool, correlate: bool) -> bool:
    """Whether a person was missed, or something else was taken for a person."""
    room = Room(seed)
    scheduler = VirtualTimeScheduler()
    out = echo.tap(room, sample_rate=RATE, clock=room.clock)
    blocks: Subject[rxv.AudioChunk | rxv.Event] = Subject()
    spoke_at: list[float] = []
    interrupted_at: list[float] = []

    def note(element: object) -> None:
        if isinstance(element, rxv.events.Speaking):
            spoke_at.append(room.now)
        elif isinstance(element, rxv.events.Confirmed):
            interrupted_at.append(room.now)

    def read(_: str) -> rxv.Samples:
        return scene.assistant

    microphone = blocks.pipe(vox.cancel_echo(out)) if cancel else blocks
    # No words come before the end of a turn: they are another line of defence.
    microphone.pipe(
        vox.vad(offline.silero()),
        vox.preroll(250),
        vox.turn_window(rxv.silence(GAP_MS)),
        vox.converse(
            vox.transcribe(lambda _: "Read to me."),
            vox.respond(lambda _: "Once upon a time."),
            vox.synthesize(Voice(read)),
            sink=out,
            min_speech_ms=MIN_SPEECH_MS,
            min_chars=0,
            echo=echo.correlation(out, clock=room.clock) if correlate else None,
        ),
        ops.do_action(note),
    ).subscribe(note, raise_, scheduler=scheduler)

    asked = say(ASKED, PEOPLE[0], 0.5)
    for start in range(0, SCENE_S * RATE, SIZE):
        over = asked[start : start + SIZE]
        if spoke_at:
            at = max(0, start - round((spoke_at[0] + EVENT_S) * RATE))
            begun = room.now >= spoke_at[0] + EVENT_S
            over = scene.over[at : at + SIZE] if begun else scene.over[:0]
        captured = room.now
        heard = room.hear(SIZE, over)
        scheduler.advance_to(room.now)
        blocks.on_next(rxv.AudioChunk(heard, RATE, start, time=captured))
    if not spoke_at:
        raise RuntimeError("the assistant never spoke")
    if scene.kind != "interruption":
        return bool(interrupted_at)
    # An assistant that interrupted itself earlier cannot be interrupted.
    return not interrupted_at or interrupted_at[0] < spoke_at[0] + EVENT_S


@dataclass(frozen=True)
class Voice:
    """A synthesizer at the sample rate of the microphone."""

    synthesize_stream: Callable[[str], rxv.Samples]
    sample_rate: int = RATE


def raise_(error: Exception) -> None:
    """Raise an error: the result would be wrong."""
    raise error


def worth() -> Iterator[Result]:
    """False and missed interruptions, with and without each line."""
    lines = {
        "no defence": (False, False),
        "correlation": (False, True),
        "cancel_echo": (True, False),
        "cancel_echo and correlation": (True, True),
    }
    all_scenes = scenes()
    before: dict[str, int] = {}
    for line, (cancel, correlate) in lines.items():
        count: dict[str, int] = {}
        bad: dict[str, int] = {}
        for seed, scene in enumerate(all_scenes):
            failed = wrong(scene, seed, cancel=cancel, correlate=correlate)
            bad[scene.kind] = bad.get(scene.kind, 0) + failed
            count[scene.kind] = count.get(scene.kind, 0) + 1
        before = before or bad
        for kind, n in bad.items():
            what = "missed" if kind == "interruption" else "false interruptions"
            ratio = n / before[kind] if before[kind] else float(n > 0)
            yield Result(
                f"{line}: {kind}, {what} of {count[kind]}",
                n,
                "",
                f"no defence: {before[kind]}",
                ratio,
                _LIMITS.get((line, kind)),
                "value",
            )


_LIMITS = {
    ("cancel_echo", "echo alone"): 0,
    ("cancel_echo and correlation", "echo alone"): 0,
    ("cancel_echo and correlation", "interruption"): 0,
}


def microseconds(call: Callable[[], object], times: int) -> list[float]:
    """How long each call took."""
    spent: list[float] = []
    for _ in range(times):
        begin = time.perf_counter_ns()
        call()
        spent.append((time.perf_counter_ns() - begin) / 1000)
    return spent


def one_by_one(samples: rxv.Samples, reference: rxv.Samples, step: int) -> list[float]:
    """The same formula, a delay at a time, as mlx-audio's player computes it."""
    from mlx_audio.sts.audio_player import AudioPlayer

    alike, envelope = AudioPlayer._normalized_correlation, AudioPlayer._envelope
    n = len(samples)
    found: list[float] = []
    for at in range(0, len(reference) - n + 1, step):
        stretch = reference[at : at + n]
        both = alike(samples, stretch), alike(envelope(samples), envelope(stretch))
        found.append(max(both))
    return found


def cost() -> Iterator[Result]:
    """The cost of one question, and of cancelling 10 ms."""
    from rxvoice.mlx import correlation as on_mlx

    sound = say(" ".join(READ), VOICES[0], 0.8)
    # 256 ms of the microphone, delays from 0 to 500 ms: 8001 of them.
    reference = sound[RATE : RATE + 12_096]
    samples = 0.25 * reference[3000 : 3000 + 4096]
    step = 64
    fft = median(microseconds(lambda: echo.correlations(samples, reference), 60))
    slow = median(microseconds(lambda: one_by_one(samples, reference, step), 5)) * step
    yield Result(
        "correlation of 256 ms at 8001 delays, by FFT in numpy",
        fft / 1000,
        "ms",
        f"delay by delay: {slow / 1000:.0f} ms",
        fft / slow,
        0.05,
    )
    few = median(microseconds(lambda: one_by_one(samples, reference, 512), 20))
    yield Result(
        "the same", fft / 1000, "ms", f"16 delays one by one: {few / 1000:.2f} ms", fft / few
    )
    on_mlx.correlations(samples, reference)
    mlx = median(microseconds(lambda: on_mlx.correlations(samples, reference), 60))
    yield Result(
        "the same, by FFT in MLX", mlx / 1000, "ms", f"numpy: {fft / 1000:.2f} ms", mlx / fft
    )
    with busy_model():
        mlx = now_and_then(lambda: on_mlx.correlations(samples, reference))
        numpy = now_and_then(lambda: echo.correlations(samples, reference))
    yield Result(
        "the same in MLX, while a model's thread is busy, worst of 40",
        mlx / 1000,
        "ms",
        f"numpy, worst of 40: {numpy / 1000:.2f} ms",
        mlx / numpy,
    )
    yield from cancelling(sound)


def cancelling(sound: rxv.Samples) -> Iterator[Result]:
    """The cost of 10 ms of the microphone in the canceller, and in the operator."""
    from livekit.rtc import AudioFrame, AudioProcessingModule

    module = AudioProcessingModule(echo_cancellation=True, high_pass_filter=True)
    frame = AudioFrame(bytearray(320), RATE, 1, 160)

    def library() -> None:
        module.process_reverse_stream(frame)
        module.set_stream_delay_ms(40)
        module.process_stream(frame)

    room = Room(0)
    out = echo.tap(room, sample_rate=RATE, clock=room.clock)
    out.write_samples(sound)
    blocks: Subject[rxv.AudioChunk | rxv.Event] = Subject()
    blocks.pipe(vox.cancel_echo(out)).subscribe()
    nothing = np.empty(0, np.float32)
    count = 180
    heard: list[rxv.AudioChunk] = []
    for n in range(count):
        heard.append(rxv.AudioChunk(sound[n * SIZE :][:SIZE], RATE, n * SIZE, time=room.now))
        room.hear(SIZE, nothing)
    coming = iter(heard)
    room.now = 0.0

    def operator() -> None:
        room.now += SIZE / RATE
        blocks.on_next(next(coming))

    rounds: list[tuple[float, float]] = []
    for _ in range(6):
        ours = median(microseconds(operator, count // 6)) * 10 / CHUNK_MS
        rounds.append((ours, median(microseconds(library, 60))))
    ours, theirs = (min(side) for side in zip(*rounds, strict=True))
    yield Result(
        "cancel_echo with a tap, per 10 ms",
        ours,
        "µs",
        f"the library alone: {theirs:.0f} µs",
        ours / theirs,
        2.5,
    )


@contextmanager
def busy_model() -> Generator[None]:
    """Run a thread that queues matrix products, like a language model that writes."""
    import mlx.core as mx

    done, began = threading.Event(), threading.Event()

    def work() -> None:
        with mx.stream(mx.new_stream(mx.cpu)):
            weights = mx.random.normal((384, 384))
            mx.eval(weights)
            while not done.is_set():
                products = [weights @ (weights + n) for n in range(100)]
                mx.async_eval(*products)
                began.set()
                mx.eval(*products)
        mx.clear_streams()

    thread = threading.Thread(target=work)
    thread.start()
    began.wait()
    try:
        yield
    finally:
        done.set()
        thread.join()


def now_and_then(call: Callable[[], object]) -> float:
    """The longest of 40 calls in microseconds, with the pauses between chunks."""
    worst = 0.0
    for _ in range(40):
        time.sleep(0.02)
        worst = max(worst, microseconds(call, 1)[0])
    return worst


def measure() -> list[Result]:
    """The table."""
    return [*worth(), *cost()]
