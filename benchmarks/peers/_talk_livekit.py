"""The talks with livekit-agents: an `AgentSession` as its documentation builds one, on stub models.

Sound goes in and out as in its console mode, without a LiveKit server: its console's own input and
output and its transcript synchronizer, on the talk's devices in place of sounddevice's. Its
detector is its own, with a stub in place of Silero's network. Models that block run by
``asyncio.to_thread``, step by step.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import Agent, AgentSession, inference, llm, stt, tokenize, tts
from livekit.agents.cli._legacy import ConsoleAudioInput, ConsoleAudioOutput
from livekit.agents.language import LanguageCode
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS as _OPTIONS
from livekit.agents.types import TimedString
from livekit.agents.voice.transcription import TranscriptSynchronizer

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


class _Network:
    """In place of Silero's."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def predict(self, window: Any) -> float:
        samples = as_float(window)
        self._log.note("judged", mark_of(samples))
        return float(loud(samples))

    def reset(self) -> None: ...


class _Vad(inference.VAD):
    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def stream(self) -> Any:
        stream = super().stream()
        stream._native_vad = _Network(self._log)
        return stream


class _Stt(stt.STT):
    """Interim transcripts with each word, and the final one after 192 ms of silence."""

    def __init__(self, log: Log) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self.log = log

    async def _recognize_impl(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    def stream(self, *, language: Any = None, conn_options: Any = _OPTIONS) -> Any:
        return _Recognising(stt=self, conn_options=conn_options, sample_rate=RATE)


class _Recognising(stt.RecognizeStream):
    async def _run(self) -> None:
        recogniser, text = Recogniser(), ""

        def send(kind: stt.SpeechEventType) -> None:
            data = stt.SpeechData(language=LanguageCode("en"), text=text.strip(), confidence=1.0)
            self._event_ch.send_nowait(stt.SpeechEvent(type=kind, alternatives=[data]))

        async for frame in self._input_ch:
            if not isinstance(frame, rtc.AudioFrame):
                continue
            new = recogniser.feed(as_float(np.frombuffer(frame.data, np.int16)))
            if new:
                self._stt.log.note("words", new)
                if not text:
                    self._event_ch.send_nowait(
                        stt.SpeechEvent(type=stt.SpeechEventType.START_OF_SPEECH)
                    )
                text += new
                send(stt.SpeechEventType.INTERIM_TRANSCRIPT)
            elif text and recogniser.silent_s >= 0.19:
                self._stt.log.note("final", text)
                send(stt.SpeechEventType.FINAL_TRANSCRIPT)
                self._event_ch.send_nowait(stt.SpeechEvent(type=stt.SpeechEventType.END_OF_SPEECH))
                recogniser, text = Recogniser(), ""


class _Llm(llm.LLM):
    """The writer, step by step."""

    def __init__(self, models: Models, how: str) -> None:
        super().__init__()
        self.models, self.how = models, how

    def chat(
        self,
        *,
        chat_ctx: Any,
        tools: Any = None,
        conn_options: Any = _OPTIONS,
        **_: Any,
    ) -> Any:
        return _Writing(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class _Writing(llm.LLMStream):
    async def _run(self) -> None:
        question = next(
            it.text_content
            for it in reversed(self._chat_ctx.items)
            if it.type == "message" and it.role == "user"
        )
        tokens = self._llm.models.write(question)
        if self._llm.how == "inplace":
            for token in tokens:
                self._send(token)
                await asyncio.sleep(0)  # let the other tasks run between two steps
        else:
            while (token := await asyncio.to_thread(next, tokens, "")) != "":
                self._send(token)

    def _send(self, token: str) -> None:
        delta = llm.ChoiceDelta(role="assistant", content=token)
        self._event_ch.send_nowait(llm.ChatChunk(id="1", delta=delta))


class _Tts(tts.TTS):
    """The voice, which takes a sentence: livekit's adapter cuts the text."""

    def __init__(self, models: Models, how: str) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False), sample_rate=OUT_RATE, num_channels=1
        )
        self.models, self.how = models, how

    def synthesize(self, text: str, *, conn_options: Any = _OPTIONS) -> Any:
        return _Speaking(tts=self, input_text=text, conn_options=conn_options)


class _Speaking(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        voiced = await _voiced(self._tts.models, self._tts.how, self._input_text)
        output_emitter.initialize(
            request_id="1", sample_rate=OUT_RATE, num_channels=1, mime_type="audio/pcm"
        )
        output_emitter.push(voiced.samples.tobytes())
        output_emitter.flush()


class _TimedTts(tts.TTS):
    """The voice, which takes text as it comes and tells when each word is spoken."""

    def __init__(self, models: Models, how: str) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=True, aligned_transcript=True),
            sample_rate=OUT_RATE,
            num_channels=1,
        )
        self.models, self.how = models, how

    def synthesize(self, text: str, *, conn_options: Any = _OPTIONS) -> Any:
        return _Speaking(tts=self, input_text=text, conn_options=conn_options)

    def stream(self, *, conn_options: Any = _OPTIONS) -> Any:
        return _SpeakingTimed(tts=self, conn_options=conn_options)


class _SpeakingTimed(tts.SynthesizeStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        sentences = tokenize.blingfire.SentenceTokenizer(retain_format=True).stream()
        output_emitter.initialize(
            request_id="1", sample_rate=OUT_RATE, num_channels=1, mime_type="audio/pcm", stream=True
        )
        output_emitter.start_segment(segment_id="1")

        async def cut() -> None:
            async for text in self._input_ch:
                if isinstance(text, str):
                    sentences.push_text(text)
                else:
                    sentences.flush()
            sentences.end_input()

        cutting = asyncio.create_task(cut())
        before = 0.0
        async for it in sentences:
            self._mark_started()
            voiced = await _voiced(self._tts.models, self._tts.how, it.token)
            begin = 0
            for word, end in zip(it.token.split(), voiced.ends, strict=True):
                output_emitter.push_timed_transcript(
                    TimedString(
                        word + " ",
                        start_time=before + begin / OUT_RATE,
                        end_time=before + end / OUT_RATE,
                    )
                )
                begin = end
            output_emitter.push(voiced.samples.tobytes())
            output_emitter.flush()
            before += len(voiced.samples) / OUT_RATE
        await cutting


async def _voiced(models: Models, how: str, text: str) -> Any:
    if how == "inplace":
        return models.speak(text)
    return await asyncio.to_thread(models.speak, text)


class _Output(ConsoleAudioOutput):
    def __init__(self, loop: asyncio.AbstractEventLoop, log: Log) -> None:
        super().__init__(loop)
        self._log = log

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        self._log.note("sound")
        await super().capture_frame(frame)

    def pause(self) -> None:
        super().pause()
        self._log.note("told", "pause")

    def resume(self) -> None:
        super().resume()
        self._log.note("resume")

    def clear_buffer(self) -> None:
        super().clear_buffer()
        self._log.note("told", "clear")

    def fill(self, frames: int) -> Blocks:
        out = np.zeros((frames, 1), np.int16)
        self.read_into(out, frames)
        return out[:, 0]


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
    """A session on a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[AgentSession[Any], ConsoleAudioInput, _Output]:
        session: AgentSession[Any] = AgentSession(
            vad=_Vad(log),
            stt=_Stt(log),
            llm=_Llm(models, how),
            tts=_TimedTts(models, how) if times else _Tts(models, how),
            use_tts_aligned_transcript=True,
            aec_warmup_duration=None,  # there is no echo
            user_away_timeout=None,
            turn_handling={
                "turn_detection": "vad",
                "endpointing": {"min_delay": scenes.ENDS_S},
                "interruption": {
                    "mode": "vad",
                    # Tuned: pause at the first speech, and go on sooner if it has no words.
                    **({"min_duration": 0.05, "false_interruption_timeout": 0.6} if tuned else {}),
                },
                "preemptive_generation": {"enabled": early},
            },
        )
        sound_in, sound_out = ConsoleAudioInput(loop), _Output(loop, log)
        together = TranscriptSynchronizer(next_in_chain_audio=sound_out, next_in_chain_text=None)
        session.input.audio = sound_in
        session.output.audio = together.audio_output
        session.output.transcription = together.text_output
        await session.start(Agent(instructions="Answer."))
        return session, sound_in, sound_out

    session, sound_in, sound_out = asyncio.run_coroutine_threadsafe(start(), loop).result(60)

    def push(block: Blocks) -> None:
        """As the console's callback, on the microphone's thread."""
        frame = rtc.AudioFrame(
            data=block.tobytes(), samples_per_channel=BLOCK, sample_rate=RATE, num_channels=1
        )
        loop.call_soon_threadsafe(sound_in.push_frame, frame)

    async def close() -> None:
        await session.aclose()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def messages() -> list[tuple[str, str]]:
        return [
            (it.role, it.text_content or "")
            for it in session.history.items
            if it.type == "message" and it.role in ("user", "assistant")
        ]

    microphone = Microphone(push, log)
    loudspeaker = Loudspeaker(sound_out.fill, log)
    try:
        yield scenes.Talk(log, models, microphone, loudspeaker, messages)
    finally:
        asyncio.run_coroutine_threadsafe(close(), loop).result(20)
        loudspeaker.stop()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    scenes.main(opens)
