"""The talks with pipecat: a pipeline as its documentation builds one, on stub models.

The transport is that of its ``LocalAudioTransport``, on the talk's devices in place of PyAudio's:
the microphone hands over its blocks with ``run_coroutine_threadsafe``, and the loudspeaker's
blocking write runs in an executor. The recogniser streams, with interim transcripts. Models that
block run by ``asyncio.to_thread``, step by step, as pipecat's own local services (Piper, Pocket
TTS, Whisper) run theirs.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import warnings
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from loguru import logger
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    StartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_start import (
    MinWordsUserTurnStartStrategy,
    TranscriptionUserTurnStartStrategy,
    VADUserTurnStartStrategy,
)
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

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
    Recogniser,
    as_float,
    loud,
    mark_of,
)


class _Vad(VADAnalyzer):
    def __init__(self, log: Log) -> None:
        super().__init__(sample_rate=RATE, params=VADParams(min_volume=0.0))
        self._log = log

    def num_frames_required(self) -> int:
        return BLOCK

    def voice_confidence(self, buffer: bytes) -> float:
        samples = as_float(np.frombuffer(buffer, np.int16))
        self._log.note("judged", mark_of(samples))
        return float(loud(samples))


class _Input(BaseInputTransport):
    """As ``LocalAudioInputTransport``, without PyAudio."""

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    def on_block(self, block: Blocks) -> None:
        """On the microphone's thread."""
        frame = InputAudioRawFrame(audio=block.tobytes(), sample_rate=RATE, num_channels=1)
        asyncio.run_coroutine_threadsafe(self.push_audio_frame(frame), self.get_event_loop())


class _Device:
    """A stream to write to, whose write blocks while it is full.

    It holds two buffers of 1024 frames, PyAudio's size where one names none. What it holds is
    played: a write cannot be taken back.
    """

    HOLDS = 2 * 1024

    def __init__(self) -> None:
        self._held = bytearray()
        self._room = threading.Condition()

    def write(self, audio: bytes) -> None:
        with self._room:
            while audio:
                self._room.wait_for(lambda: len(self._held) < 2 * self.HOLDS, 1)
                free = 2 * self.HOLDS - len(self._held)
                self._held += audio[:free]
                audio = audio[free:]

    def fill(self, frames: int) -> Blocks:
        out = np.zeros(frames, np.int16)
        with self._room:
            there = np.frombuffer(bytes(self._held[: 2 * frames]), np.int16)
            del self._held[: 2 * frames]
            self._room.notify_all()
        out[: len(there)] = there
        return out


class _Output(BaseOutputTransport):
    """As ``LocalAudioOutputTransport``, without PyAudio."""

    def __init__(self, params: TransportParams, log: Log) -> None:
        super().__init__(params)
        self.device = _Device()
        self._log = log
        self._executor = ThreadPoolExecutor(max_workers=1)

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        self._log.note("sound")
        await self.get_event_loop().run_in_executor(self._executor, self.device.write, frame.audio)
        return True

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self._log.note("told", "interruption")


class _Stt(STTService):
    """Interim transcripts with each word, and the final one after 192 ms of silence."""

    def __init__(self, log: Log) -> None:
        super().__init__(ttfs_p99_latency=0.2, settings=STTSettings(model=None, language=None))
        self._log = log
        self._recogniser, self._text = Recogniser(), ""

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        new = self._recogniser.feed(as_float(np.frombuffer(audio, np.int16)))
        if new:
            self._text += new
            self._log.note("words", new)
            yield InterimTranscriptionFrame(self._text, "user", "")
        elif self._text and self._recogniser.silent_s >= 0.19:
            text, self._text = self._text.strip(), ""
            self._recogniser = Recogniser()
            self._log.note("final", text)
            yield TranscriptionFrame(text, "user", "", finalized=True)


class _Llm(LLMService):
    """The writer, step by step."""

    def __init__(self, models: Models, how: str) -> None:
        nothing = dict.fromkeys(
            (
                "model",
                "system_instruction",
                "temperature",
                "max_tokens",
                "top_p",
                "top_k",
                "frequency_penalty",
                "presence_penalty",
                "seed",
                "filter_incomplete_user_turns",
                "user_turn_completion_config",
            )
        )
        super().__init__(settings=LLMSettings(**nothing))
        self._models, self._how = models, how

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        question = str(frame.context.get_messages()[-1]["content"])
        await self.push_frame(LLMFullResponseStartFrame())
        try:
            tokens = self._models.write(question)
            if self._how == "inplace":
                for token in tokens:
                    await self.push_frame(LLMTextFrame(token))
                    await asyncio.sleep(0)  # let the other tasks run between two steps
            else:
                while (token := await asyncio.to_thread(next, tokens, "")) != "":
                    await self.push_frame(LLMTextFrame(token))
        finally:
            await self.push_frame(LLMFullResponseEndFrame())


class _Tts(TTSService):
    """The voice, with a sentence in one piece."""

    def __init__(self, models: Models, log: Log, how: str, *, times: bool) -> None:
        super().__init__(
            sample_rate=OUT_RATE,
            push_start_frame=True,
            push_stop_frames=True,
            push_text_frames=not times,
            settings=TTSSettings(model=None, voice=None, language=None),
        )
        self._models, self._how, self._times = models, how, times
        self._spoken: dict[str, float] = {}

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        if self._how == "inplace":
            voiced = self._models.speak(text)
        else:
            voiced = await asyncio.to_thread(self._models.speak, text)
        before = self._spoken.get(context_id, 0.0)
        self._spoken[context_id] = before + len(voiced.samples) / OUT_RATE
        if self._times:  # a time for each word: when it begins, in the context
            starts = (0, *voiced.ends[:-1])
            words = [
                (word, before + at / OUT_RATE)
                for word, at in zip(text.split(), starts, strict=True)
            ]
            await self.add_word_timestamps(words, context_id)
        yield TTSAudioRawFrame(voiced.samples.tobytes(), OUT_RATE, 1, context_id=context_id)


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
    params = TransportParams(
        audio_in_enabled=True,
        audio_in_sample_rate=RATE,
        audio_out_enabled=True,
        audio_out_sample_rate=OUT_RATE,
    )
    ready = threading.Event()
    context = LLMContext([])
    loop = asyncio.new_event_loop()
    parts: dict[str, object] = {}

    async def run() -> None:
        sound_in, sound_out = _Input(params), _Output(params, log)
        strategies = UserTurnStrategies(
            # Tuned: words begin a turn, not voice activity, so a cough cannot. Else its default.
            start=[MinWordsUserTurnStartStrategy(min_words=1)]
            if tuned
            else [VADUserTurnStartStrategy(), TranscriptionUserTurnStartStrategy()],
            # 192 ms until the detector says so, and this: the silence that ends a turn.
            stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=scenes.ENDS_S - 0.192)],
        )
        user, assistant = LLMContextAggregatorPair(
            context,
            user_params=LLMUserAggregatorParams(
                user_turn_strategies=strategies, vad_analyzer=_Vad(log)
            ),
        )
        pipeline = Pipeline(
            [
                sound_in,
                _Stt(log),
                user,
                _Llm(models, how),
                _Tts(models, log, how, times=times),
                sound_out,
                assistant,
            ]
        )
        worker = PipelineWorker(
            pipeline,
            params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=OUT_RATE),
            idle_timeout_secs=None,
        )
        parts.update(input=sound_in, output=sound_out, worker=worker)

        @worker.event_handler("on_pipeline_started")
        async def started(*_: object) -> None:
            ready.set()

        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    if not ready.wait(30):
        raise TimeoutError("the pipeline did not start")
    microphone = Microphone(parts["input"].on_block, log)
    loudspeaker = Loudspeaker(parts["output"].device.fill, log)
    try:
        yield scenes.Talk(
            log,
            models,
            microphone,
            loudspeaker,
            lambda: [(it["role"], str(it["content"])) for it in context.get_messages()],
        )
    finally:
        asyncio.run_coroutine_threadsafe(parts["worker"].cancel(), loop).result(10)
        thread.join(10)
        loudspeaker.stop()


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    scenes.main(opens)
