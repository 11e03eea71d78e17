"""The talks with rxvoice: its own microphone, loudspeaker and `converse`, on a fake sound card."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from benchmarks.peers import _talk_scenes as scenes
from benchmarks.peers._talk_models import Models
from benchmarks.peers._talk_user import (
    BLOCK,
    OUT_RATE,
    RATE,
    Blocks,
    Log,
    Loudspeaker,
    Microphone,
    Recognition,
    loud,
    mark_of,
)


class _Stream:
    """One side of the sound card."""

    def __init__(self, card: _Card, output: bool, **options: Any) -> None:
        self._card, self.output, self.options = card, output, options

    @property
    def time(self) -> float:
        return time.monotonic() if self.output else self._card.heard_s

    def start(self) -> None:
        self._card.streams.append(self)

    def close(self) -> None:
        if self in self._card.streams:
            self._card.streams.remove(self)
        self.options["finished_callback"]()

    def call(self, data: Any, frames: int) -> None:
        now = self.time
        times = SimpleNamespace(currentTime=now, inputBufferAdcTime=now, outputBufferDacTime=now)
        status = SimpleNamespace(input_overflow=False, output_underflow=False)
        self.options["callback"](data, frames, times, status)


class _Card:
    """The module sounddevice, as far as rxvoice asks it; the talk's devices call the streams."""

    class PortAudioError(Exception):
        """As sounddevice's."""

    def __init__(self) -> None:
        self.streams: list[_Stream] = []
        self.heard_s = time.monotonic()
        """The microphone's clock counts its samples, however late they are handed over."""

    def query_devices(self, kind: str | None = None) -> object:
        devices = [
            {
                "index": n,
                "name": name,
                "max_input_channels": 1 - n,
                "max_output_channels": n,
                "default_samplerate": float(rate),
            }
            for n, (name, rate) in enumerate((("microphone", RATE), ("loudspeaker", OUT_RATE)))
        ]
        return devices if kind is None else devices[kind != "input"]

    def check_input_settings(self, **_: object) -> None: ...

    check_output_settings = check_input_settings

    def RawInputStream(self, **options: Any) -> _Stream:
        return _Stream(self, False, **options)

    def RawOutputStream(self, **options: Any) -> _Stream:
        return _Stream(self, True, **options)

    def _side(self, output: bool) -> _Stream | None:
        return next((it for it in self.streams if it.output is output), None)

    def push(self, block: Blocks) -> None:
        if (stream := self._side(False)) is not None:
            kind = np.dtype(stream.options["dtype"])
            data = block if kind == np.int16 else np.float32(block) / 32_767
            stream.call(memoryview(data.tobytes()), len(block))
        self.heard_s += len(block) / RATE

    def fill(self, frames: int) -> Blocks:
        out = np.zeros((frames, 1), np.float32)
        if (stream := self._side(True)) is not None:
            stream.call(memoryview(out).cast("B"), frames)
        return np.int16(32_767 * out[:, 0])


_CARD = _Card()
sys.modules["sounddevice"] = cast(Any, _CARD)

import rxvoice as rxv  # noqa: E402
from rxvoice import _platform  # noqa: E402
from rxvoice import operators as vox  # noqa: E402
from rxvoice.sinks.speaker import Speaker  # noqa: E402

_platform._set = _platform.Platform("linux")


class _Speaker(Speaker):
    """Notes what it is told."""

    def __init__(self, log: Log) -> None:
        super().__init__(None, OUT_RATE, 100, 4_000)
        self._log = log

    def write_samples(self, samples: Any, /) -> int:
        self._log.note("sound")
        return super().write_samples(samples)

    def pause(self) -> None:
        super().pause()
        self._log.note("told", "pause")

    def clear(self) -> Any:
        unheard = super().clear()
        self._log.note("told", "clear")
        return unheard


class _Stt:
    def __init__(self, log: Log) -> None:
        self._log = log

    def session(self) -> Recognition:
        return Recognition(self._log)


class _Llm:
    """The writer, with rxvoice's history."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self.history = rxv.Conversation()

    def respond(self, text: str, /) -> Generator[str]:
        self.history.add_user(text)
        message = self.history.add_assistant("")
        for token in self._models.write(text):
            message["content"] = cast(str, message["content"]) + token
            yield token

    def heard(self, text: str) -> None:
        self.history.heard(text)

    def forget(self) -> None:
        """The last question is void."""
        messages = self.history.messages
        while messages and messages.pop()["role"] != "user":
            pass


class _Voice:
    sample_rate = OUT_RATE

    def __init__(self, models: Models, *, times: bool) -> None:
        self._models = models
        if times:
            self.synthesize_timed = self._timed

    def synthesize_stream(self, text: str, /) -> Iterator[Any]:
        yield np.float32(self._models.speak(text).samples / 32_767)

    def _timed(self, text: str, /) -> Iterator[rxv.TimedSamples]:
        voiced = self._models.speak(text)
        at, words = 0, []
        for word, end in zip(text.split(), voiced.ends, strict=True):
            at = text.index(word, at) + len(word)
            words.append((at, end))
        yield rxv.TimedSamples(np.float32(voiced.samples / 32_767), tuple(words))


@contextmanager
def opens(
    models: Models,
    log: Log,
    *,
    how: str = "worker",
    times: bool = False,
    early: bool = False,
    tuned: bool = False,
) -> Iterator[scenes.Talk]:
    """The conversation of the README, on stub models."""

    def judge(samples: rxv.Samples) -> bool:
        log.note("judged", mark_of(samples))
        return loud(samples)

    llm = _Llm(models)
    with rxv.mlx.MlxScheduler() as worker, _Speaker(log) as speaker:
        lanes = None if how == "inplace" else worker
        conversation = rxv.microphone().pipe(
            vox.chunk(BLOCK),
            vox.vad(judge),
            vox.preroll(250),
            vox.turn_window(rxv.silence(500)),
            vox.converse(
                vox.transcribe(_Stt(log), worker=lanes and lanes.listening),
                vox.respond(llm, worker=lanes and lanes.text, min_chars=1),
                vox.synthesize(
                    _Voice(models, times=times), worker=lanes and rxv.paced(lanes.speech, speaker)
                ),
                sink=speaker,
                own_words=False,  # nothing of the loudspeaker reaches this microphone
                **({"preempt_after_ms": 200} if early else {}),
            ),
        )

        def note(event: object) -> None:
            if isinstance(event, rxv.events.Event):
                log.note("event", event)

        life = rxv.live(conversation).subscribe(
            note, on_error=lambda error: log.note("error", error)
        )
        microphone = Microphone(_CARD.push, log)
        loudspeaker = Loudspeaker(_CARD.fill, log)
        try:
            yield scenes.Talk(
                log,
                models,
                microphone,
                loudspeaker,
                lambda: [(it["role"], str(it["content"])) for it in llm.history.messages],
            )
        finally:
            life.dispose()
            loudspeaker.stop()


if __name__ == "__main__":
    scenes.main(opens)
