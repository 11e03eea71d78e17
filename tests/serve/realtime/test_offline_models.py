"""The documentation's client of openai against the embedded models."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
import soundfile
import soxr
from openai import OpenAI
from serve.server_kit import pcm, serving

import rxvoice as rxv
from rxvoice import serve
from rxvoice._audio.pcm16 import to_pcm16

pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("ignore:connect:DeprecationWarning"),
]

DEMO = Path(rxv.__file__).parent / "data" / "demo.wav"


def test_a_question_is_heard_and_answered() -> None:
    with rxv.mlx.MlxScheduler() as worker:
        llm = rxv.offline.llm()
        models = serve.Models(
            stt=rxv.offline.stt(),
            llm=llm.fresh,
            tts=rxv.offline.tts(),
            vad=lambda: rxv.offline.silero(gather_ms=8),
            scheduler=worker,
        )
        with serving(serve.app(models)) as address:
            client = OpenAI(base_url=f"http://{address}/v1", api_key="any")
            with client.realtime.connect(model="gpt-realtime") as connection:
                sound, rate = soundfile.read(DEMO, dtype="float32", frames=16_000 * 3)
                said = to_pcm16(soxr.resample(sound, rate, 24_000)).tobytes()
                for data in [*(said[at : at + 4_800] for at in range(0, len(said), 4_800))]:
                    connection.input_audio_buffer.append(audio=b64encode(data).decode())
                for _ in range(15):
                    quiet = b64encode(pcm(100, 0)).decode()
                    connection.input_audio_buffer.append(audio=quiet)
                heard, words, samples = "", "", 0
                for event in connection:
                    if event.type == "conversation.item.input_audio_transcription.completed":
                        heard = event.transcript
                    elif event.type == "response.output_audio_transcript.done":
                        words = event.transcript
                    elif event.type == "response.output_audio.delta":
                        samples += len(event.delta) * 3 // 8
                    elif event.type == "response.done":
                        assert event.response.status == "completed"
                        assert event.response.usage is not None
                        break
    assert "who are you" in heard.lower()
    assert words
    # A voice speaks some 15 characters a second.
    assert samples / 24_000 == pytest.approx(len(words) / 15, rel=0.6)
