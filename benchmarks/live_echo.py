"""A session on real devices whose microphone picks up the assistant, which is interrupted.

``python -m benchmarks live_echo`` takes ten minutes and needs PulseAudio on Linux. The sound of its
virtual loudspeaker comes back into its virtual microphone, 120 ms later and 12 dB softer. The
assistant reads aloud for five minutes (``RXVOICE_MINUTES``). Then a recorded user speaks over it
twenty times. ``RXVOICE_ECHO`` sets how the assistant recognises its own voice, as in the guide:
``correlate``, ``cancel`` or ``both``. All other settings are the defaults of the operators.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import cast

import numpy as np

from benchmarks._measure import Result, median
from rxvoice import events
from tests.devices import live_kit
from tests.devices.virtual_audio import VirtualAudio

MINUTES = 5.0
TIMES = 20
ECHO_MS = 120
GAIN = 0.25


@contextmanager
def room() -> Iterator[VirtualAudio]:
    """A loudspeaker and a microphone in front of it."""
    with tempfile.TemporaryDirectory(prefix="rxvoice-") as folder:
        audio = VirtualAudio(Path(folder))
        audio.start()
        try:
            os.environ.update(audio.environment)
            import sounddevice

            sounddevice._terminate()
            sounddevice._initialize()
            audio.echo(ECHO_MS, GAIN)
            yield audio
        finally:
            audio.stop()


def measure() -> Iterator[Result]:
    """Measure, and report the progress on stderr."""
    minutes = float(os.environ.get("RXVOICE_MINUTES", MINUTES))
    how = cast("live_kit.Echo", os.environ.get("RXVOICE_ECHO", "correlate"))
    sentence = count(step=3)

    def answer(_: str) -> str:
        return live_kit.reading(round(15 * minutes) + 10, next(sentence))

    phrases = live_kit.demo_phrases()
    with room() as audio, live_kit.talking(audio, answer, echo=how) as talk:
        talk.ask(phrases[0])
        talk.play_on(60 * minutes)
        heard = talk.heard
        stopped = len(heard.of(events.Interrupted))
        paused = len(heard.of(events.Paused))
        tell(f"read for {minutes:g} minutes; {stopped} interruptions, {paused} pauses")
        tell(f"{'said':28}{'understood':28}{'interrupted':>12}{'silent':>10}  whole")
        done: list[live_kit.Interruption] = []
        for n in range(TIMES):
            if not talk.answers:
                talk.ask(phrases[0])
            talk.play_on(2 + 0.7 * (7 * n % TIMES))
            if not talk.answers:  # the assistant has interrupted itself
                talk.ask(phrases[0])
            it = talk.interrupt(phrases[n % len(phrases)])
            done.append(it)
            silent = "never" if it.silent_ms is None else f"{it.silent_ms:.0f} ms"
            tell(
                f"{it.phrase.text:28}{it.text:28}{it.interrupted_ms:9.0f} ms{silent:>10}"
                f"  {it.whole}{'' if it.early else '  late'}"
            )
        others = len(heard.of(events.Interrupted)) - stopped - len(done)
        lost = sum(it.samples for it in heard.of(events.AudioLost))
        gaps = sum(it.samples for it in heard.of(events.Underrun))
        tell(heard.told())
    yield Result(
        f"live echo, {how}: interrupted itself in {minutes:g} minutes of reading",
        stopped,
        "",
        f"pauses: {paused}",
        stopped / max(1, paused),
        limit=0,
        limited="value",
    )
    yield Result(
        f"live echo, {how}: interrupted itself between {TIMES} interruptions",
        others,
        "",
        f"pauses: {len(heard.of(events.Paused)) - paused - len(done)}",
        others / TIMES,
        limit=0,
        limited="value",
    )
    failed = sum(not (it.early and it.whole and it.silent_ms is not None) for it in done)
    yield Result(
        f"live echo, {how}: users of {TIMES} who did not stop it within their phrase",
        failed,
        "",
        f"not understood: {sum(not it.answered for it in done)}",
        failed / TIMES,
        limit=0,
        limited="value",
    )
    silent = [it.silent_ms for it in done if it.silent_ms is not None]
    length = median([1000 * len(it.phrase.audio) / live_kit.RATE for it in done])
    for name, value in (("p50", median(silent)), ("the slowest", float(np.max(silent)))):
        yield Result(
            f"live echo, {how}: from a phrase's first sound to silence at the device, {name}",
            value,
            "ms",
            f"a phrase: {length:.0f}",
            value / length,
        )
    yield Result(
        f"live echo, {how}: samples of the microphone lost",
        lost,
        "samples",
        f"of the loudspeaker: {gaps}",
        lost / max(1, gaps),
    )


def tell(line: str) -> None:
    """Print to stderr at once."""
    print(line, file=sys.stderr, flush=True)
