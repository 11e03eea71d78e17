"""The talks with the ``VoicePipeline`` of mlx-audio: its real class on stub models.

Its device, `sounddevice`, is the talk's microphone and loudspeaker. Its worker, `MLXWorkScheduler`,
is its own, without the GPU's stream. Its player, with its buffer of 0.5 s, is its own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import mlx_audio.sts.audio_player
import mlx_audio.sts.voice_pipeline
import numpy as np

from benchmarks.peers import _talk_scenes as scenes
from benchmarks.peers._talk_models import Models
from benchmarks.peers._talk_user import (
    OUT_RATE,
    Blocks,
    Log,
    Loudspeaker,
    Microphone,
    Recognition,
    loud,
    mark_of,
)

_ITS = cast(Any, mlx_audio.sts.voice_pipeline)
_PLAYER = cast(Any, mlx_audio.sts.audio_player)


class _Card:
    """The module sounddevice, as far as it is asked."""

    class CallbackStop(Exception):
        """As sounddevice's."""

    def __init__(self) -> None:
        self.input: Any = None
        self.output: Any = None
        self._rest = np.zeros(0, np.float32)

    def InputStream(self, *, callback: Any, **_: Any) -> SimpleNamespace:
        def start() -> None:
            self.input = callback

        def stop() -> None:
            self.input = None

        return SimpleNamespace(start=start, stop=stop, close=stop)

    def OutputStream(self, *, callback: Any, blocksize: int, **_: Any) -> SimpleNamespace:
        stream = SimpleNamespace()

        def start() -> None:
            self.output = (stream, callback, blocksize)

        def stop() -> None:
            if self.output is not None and self.output[0] is stream:
                self.output = None

        stream.start, stream.stop, stream.close, stream.active = start, stop, stop, True
        return stream

    def push(self, block: Blocks) -> None:
        if self.input is not None:
            self.input(block[:, None], len(block), None, None)

    def fill(self, frames: int) -> Blocks:
        """Ask for its blocks of 2048 frames as they are due."""
        while len(self._rest) < frames:
            if (output := self.output) is None:
                self._rest = np.concatenate([self._rest, np.zeros(frames, np.float32)])[:frames]
                break
            _, callback, blocksize = output
            block = np.zeros((blocksize, 1), np.float32)
            try:
                callback(block, blocksize, SimpleNamespace(), None)
            except self.CallbackStop:
                if self.output is output:
                    self.output = None
            self._rest = np.concatenate([self._rest, block[:, 0]])
        out, self._rest = self._rest[:frames], self._rest[frames:]
        return np.int16(32_767 * out)


class _Gate:
    """A stub detector."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def feed(self, chunk: Any, state: object, sample_rate: int) -> tuple[Any, object]:
        samples = chunk * (32_768 / 32_767)
        self._log.note("judged", mark_of(samples))
        return np.float32(loud(samples)), state


class _Endpoint:
    def predict(self, audio: object) -> Any:
        return _ITS.EndpointDecision(complete=True, probability=1.0)


class _Recognition(Recognition):
    """Its session is asked for so many tokens, and its sound is divided by 32,768."""

    def feed(self, samples: Any) -> None:
        super().feed(np.asarray(samples) * (32_768 / 32_767))

    def step(self, max_decode_tokens: int = 6) -> list[str]:
        return super().step()


class _Voice:
    """Speaks a reply, a sentence at a time: with ``stream`` its voices give pieces."""

    sample_rate = OUT_RATE

    def __init__(self, models: Models) -> None:
        self._models = models

    def generate(self, *, text: str, **_: object) -> Iterable[SimpleNamespace]:
        for sentence in scenes.sentences(text):
            yield SimpleNamespace(audio=np.float32(self._models.speak(sentence).samples / 32_767))


class _Output(_ITS.AudioOutputStream):
    log: Log

    def queue_audio(self, audio: Any) -> Any:
        self.log.note("sound")
        return super().queue_audio(audio)

    def flush(self) -> Any:
        given = super().flush()
        self.log.note("told", "flush")
        return given


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
    """A pipeline on a loop of its own."""
    card = _Card()
    _ITS.sd = _PLAYER.sd = card
    _ITS.MLXWorkScheduler._run = lambda self, func: func()
    output = _Output(sample_rate=OUT_RATE)
    output.log = log
    config = _ITS.VoicePipelineConfig(vad_end_silence_ms=round(1000 * scenes.ENDS_S))
    loop = asyncio.new_event_loop()

    async def make() -> Any:
        pipeline = _ITS.VoicePipeline(
            config,
            speech_gate=_ITS.SileroSpeechGate(_Gate(log), end_silence_ms=config.vad_end_silence_ms),
            endpoint_detector=_Endpoint(),
            transcriber=_ITS.VoxtralRealtimeTranscriber(
                SimpleNamespace(create_streaming_session=lambda **_: _Recognition(log))
            ),
            response_engine=SimpleNamespace(
                generate=lambda text, context: "".join(models.write(text))
            ),
            tts_responder=_ITS.PocketTTSResponder(_Voice(models)),
            audio_output=output,
        )
        return pipeline, asyncio.create_task(pipeline.start())

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    pipeline, task = asyncio.run_coroutine_threadsafe(make(), loop).result(20)
    microphone = Microphone(card.push, log)
    loudspeaker = Loudspeaker(card.fill, log)
    try:
        yield scenes.Talk(
            log,
            models,
            microphone,
            loudspeaker,
            lambda: [(it["role"], it["content"]) for it in pipeline._conversation],
        )
    finally:

        async def close() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(close(), loop).result(20)
        loudspeaker.stop()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


if __name__ == "__main__":
    scenes.main(opens)
