"""Turns of the user: voice activity, commits, interruptions, timeouts, transcription sessions."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from reactivex import Observable
from serve.realtime_kit import RATE, ToolCaller, VirtualSession, fake_models, loud, message

import rxvoice
from rxvoice._audio.pcm16 import to_pcm16
from rxvoice.offline import silero
from rxvoice.testing import (
    FakeResponder,
    FakeStreamingTranscriber,
    FakeTranscriber,
)

DEMO = Path(rxvoice.__file__).parent / "data" / "demo.wav"
LONG = "One two three four five. Six seven eight nine ten."


def a_turn(session: VirtualSession, ms: int = 400) -> list[dict[str, Any]]:
    session.take()
    session.speak(ms)
    session.be_silent(700)
    session.advance(20)
    return session.take()


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def detect(session: VirtualSession, **fields: Any) -> None:
    session.configure(audio={"input": {"turn_detection": fields or None}})
    session.take()


def text_of(session: VirtualSession, item_id: str) -> str:
    session.send("conversation.item.retrieve", item_id=item_id)
    part = session.last("conversation.item.retrieved")["item"]["content"][0]
    return part.get("transcript", part.get("text"))


# Voice activity


@pytest.mark.parametrize(("silence_ms", "prefix_ms"), [(200, 0), (500, 300), (900, 600)])
def test_silence_and_prefix(silence_ms: int, prefix_ms: int) -> None:
    session = VirtualSession()
    detect(
        session,
        type="server_vad",
        silence_duration_ms=silence_ms,
        prefix_padding_ms=prefix_ms,
    )
    session.be_silent(1_000)
    session.speak(400)
    session.be_silent(1_200)
    started = session.last("input_audio_buffer.speech_started")
    stopped = session.last("input_audio_buffer.speech_stopped")
    assert started["audio_start_ms"] == pytest.approx(1_000 - prefix_ms, abs=35)
    assert stopped["audio_end_ms"] == pytest.approx(1_400 + silence_ms, abs=40)


def test_the_first_sound_is_heard() -> None:
    session = VirtualSession()
    data = np.full(RATE * 4 // 10, 0.5 * 32767, "<i2").tobytes()
    audio = json.dumps({"type": "input_audio_buffer.append", "audio": b64encode(data).decode()})
    for _ in session.commands.follow(audio):
        pass  # before anything else could run
    session.be_silent(700)
    assert session.last("input_audio_buffer.speech_started")["audio_start_ms"] == 0


def test_a_detector_may_gather_the_chunks_of_many_sessions() -> None:
    pcm, rate = soundfile.read(DEMO, dtype="float32", frames=16_000 * 10)
    sound = to_pcm16(soxr.resample(pcm, rate, RATE)).tobytes()
    told: list[list[tuple[int, int]]] = []
    for gather_ms in (0, 8):
        models = fake_models(words=("hello", "and you"))
        detector = silero(gather_ms=gather_ms)
        object.__setattr__(models, "vad", lambda detector=detector: detector)
        session = VirtualSession(models)
        detect(session, type="server_vad", create_response=False)
        for at in range(0, len(sound), 4_800):
            session.append(sound[at : at + 4_800])
            session.advance(100)
        starts = session.named("input_audio_buffer.speech_started")
        ends = session.named("input_audio_buffer.speech_stopped")
        told.append(
            [(a["audio_start_ms"], b["audio_end_ms"]) for a, b in zip(starts, ends, strict=False)]
        )
    assert told[0] == told[1]
    assert len(told[0]) >= 2


def test_the_threshold_decides_what_is_speech() -> None:
    models = fake_models()
    object.__setattr__(models, "vad", lambda: lambda samples: float(np.abs(samples).max()))
    session = VirtualSession(models)
    detect(session, type="server_vad", threshold=0.9)
    session.speak(400, value=0.5)
    assert session.named("input_audio_buffer.speech_started") == []
    detect(session, type="server_vad", threshold=0.4)
    session.speak(400, value=0.5)
    assert len(session.named("input_audio_buffer.speech_started")) == 1


def test_words_are_told_while_they_are_spoken() -> None:
    session = VirtualSession(fake_models(stt=FakeStreamingTranscriber("one two three four")))
    events = a_turn(session)
    told = "conversation.item.input_audio_transcription"
    deltas = [event["delta"] for event in events if event["type"] == f"{told}.delta"]
    assert len(deltas) > 2
    assert "one two three four".startswith("".join(deltas))
    assert kinds(events).index(f"{told}.delta") < kinds(events).index(
        "input_audio_buffer.speech_stopped"
    )
    completed = next(event for event in events if event["type"] == f"{told}.completed")
    assert completed["transcript"] == "one two three four"


def test_a_client_that_wants_no_words_gets_none() -> None:
    session = VirtualSession()
    session.configure(audio={"input": {"transcription": None}})
    events = a_turn(session)
    assert not any("transcription" in kind for kind in kinds(events))
    assert kinds(events)[-1] == "response.done"


def test_no_reply_is_made_if_the_client_makes_its_own() -> None:
    session = VirtualSession()
    detect(session, type="server_vad", create_response=False)
    events = a_turn(session)
    assert kinds(events)[-1].endswith("transcription.completed")
    session.send("response.create")
    session.advance(20)
    assert session.last("response.done")["response"]["status"] == "completed"


def test_a_turn_without_words_gets_no_reply() -> None:
    events = a_turn(VirtualSession(fake_models(words=("",))))
    assert kinds(events)[-1].endswith("transcription.completed")
    assert events[-1]["transcript"] == ""


def test_a_recogniser_that_fails() -> None:
    def broken(_: Any) -> str:
        raise RuntimeError("broken")

    session = VirtualSession(fake_models(stt=broken))
    assert kinds(a_turn(session))[-1].endswith("transcription.failed")
    session.send("response.create")  # does not wait for words that never come
    session.advance(20)
    assert session.last("response.done")["response"]["status"] == "completed"


# The client says when a turn is over


def test_a_commit_ends_a_turn_under_voice_activity() -> None:
    session = VirtualSession()
    session.speak(400)
    session.take()
    session.send("input_audio_buffer.commit")
    session.advance(20)
    events = session.take()
    assert kinds(events)[:2] == [
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
    ]
    assert kinds(events)[-1].endswith("transcription.completed")  # the client asks for a reply
    session.send("response.create")
    session.advance(20)
    assert session.last("response.done")["response"]["status"] == "completed"


def test_a_commit_of_silence_is_an_item() -> None:
    stt = FakeTranscriber("whispered")
    session = VirtualSession(fake_models(stt=stt))
    session.be_silent(1_000)
    session.take()
    session.send("input_audio_buffer.commit")
    session.advance(20)
    assert session.last("input_audio_buffer.committed")
    assert len(stt.given[0]) == pytest.approx(16_000, abs=5)
    completed = session.last("conversation.item.input_audio_transcription.completed")
    assert completed["transcript"] == "whispered"
    session.send("input_audio_buffer.commit")
    assert session.last("error")["error"]["code"] == "input_audio_buffer_commit_empty"


def test_no_sound_is_lost_around_a_commit() -> None:
    stt = FakeTranscriber("a", "b")
    session = VirtualSession(fake_models(stt=stt))
    detect(session)
    for value in (0.25, 0.5):
        data = np.full(RATE * 3 // 10, value * 32767, "<i2").tobytes()
        session.append(data)
        session.send("input_audio_buffer.commit")
    session.advance(100)
    lengths = [len(audio) for audio in stt.given]
    assert sum(lengths) == pytest.approx(16_000 * 0.6, abs=5)
    assert abs(lengths[0] - lengths[1]) < 5
    assert float(np.median(stt.given[0])) == pytest.approx(0.25, abs=0.01)
    assert float(np.median(stt.given[1])) == pytest.approx(0.5, abs=0.01)


def test_a_cleared_buffer_is_no_item() -> None:
    stt = FakeTranscriber("b")
    session = VirtualSession(fake_models(stt=stt))
    detect(session)
    session.speak(500)
    session.send("input_audio_buffer.clear")
    assert session.last("input_audio_buffer.cleared")
    session.send("input_audio_buffer.commit")
    assert session.last("error")["error"]["code"] == "input_audio_buffer_commit_empty"
    session.speak(300)
    session.send("input_audio_buffer.commit")
    session.advance(20)
    assert len(stt.given) == 1
    assert len(stt.given[0]) == pytest.approx(16_000 * 0.3, abs=600)


def test_a_reply_waits_for_the_words_of_the_commit() -> None:
    llm = FakeResponder("Fine.")
    session = VirtualSession(fake_models(llm=llm, stt=FakeTranscriber("hello", after_ms=500)))
    detect(session)
    session.speak(300)
    session.send("input_audio_buffer.commit")
    session.send("response.create")
    assert session.last("response.created")
    assert llm.asked == []
    session.advance(600)
    assert llm.asked == ["hello"]
    assert session.last("response.done")["response"]["status"] == "completed"


# Interruptions


def interrupted(session: VirtualSession, play_ms: float = 1_500, ms: int = 300) -> str:
    """Let a reply play for a while, and speak over it. Returns its item."""
    events = a_turn(session)
    item = next(e["item_id"] for e in events if e["type"] == "response.content_part.added")
    session.advance(play_ms)
    session.speak(ms)
    return item


def test_a_reply_that_is_interrupted_keeps_what_was_heard() -> None:
    session = VirtualSession(fake_models(LONG))
    item = interrupted(session)
    assert session.named("input_audio_buffer.speech_started")
    # Ten characters a second: 0.2 s until the turn's end, 1.5 s, and 0.18 s of speech.
    assert text_of(session, item) == "One two three four"


def test_the_next_reply_follows_what_was_heard() -> None:
    llm = ToolCaller([LONG])
    session = VirtualSession(fake_models(llm=llm))
    item = interrupted(session)
    session.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=700)
    session.be_silent(700)
    session.advance(20)
    assert [it["content"] for it in llm.given[-1]] == ["hello", "One two", "hello"]


@pytest.mark.parametrize("end", [0, 10**9])
def test_a_truncation_is_clamped(end: int) -> None:
    session = VirtualSession(fake_models("One two."))
    a_turn(session)
    item = session.dialogue._replies.playing.message_id  # type: ignore[union-attr]
    session.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=end)
    truncated = session.last("conversation.item.truncated")
    assert truncated["audio_end_ms"] == (0 if end == 0 else 800)
    assert truncated["x_rxvoice"]["heard"] == ("" if end == 0 else "One two.")


def test_a_cough_interrupts_nothing() -> None:
    session = VirtualSession(fake_models(LONG))
    a_turn(session)
    session.advance(1_000)
    session.speak(100)
    session.be_silent(900)
    assert kinds(session.take()) == []


def test_words_alone_interrupt_if_the_client_says_so() -> None:
    stt = FakeStreamingTranscriber("hello", "one two", "but listen")
    session = VirtualSession(fake_models(LONG, stt=stt))
    session.configure(x_rxvoice={"interrupt_on": "words"})
    a_turn(session)
    session.advance(800)
    session.speak(400)  # the assistant's own words come back
    session.be_silent(700)
    assert kinds(session.take()) == []
    session.speak(400)
    assert "input_audio_buffer.speech_started" in kinds(session.take())


def test_a_turn_waits_if_it_may_not_interrupt() -> None:
    session = VirtualSession(fake_models(LONG))
    detect(session, type="server_vad", interrupt_response=False)
    a_turn(session)
    session.advance(1_000)
    events = a_turn(session)
    assert kinds(events)[-1].endswith("transcription.completed")
    session.advance(5_000)
    assert len(session.named("response.done")) == 1
    assert session.last("response.done")["response"]["status"] == "completed"


def test_a_reply_that_was_made_whole_is_not_cut_by_the_next_one() -> None:
    session = VirtualSession(fake_models(LONG))
    events = a_turn(session)
    item = next(e["item_id"] for e in events if e["type"] == "response.content_part.added")
    session.send("conversation.item.create", item=message("go on"))
    session.send("response.create")
    session.advance(20)
    assert text_of(session, item) == LONG
    # The second one is heard after the first: 10 s of both, of which 6 s are over.
    second = session.last("response.content_part.added")["item_id"]
    session.advance(6_000)
    session.speak(300)
    assert text_of(session, second).startswith("One two")
    assert len(text_of(session, second)) < 20


def test_a_cancelled_reply() -> None:
    session = VirtualSession(fake_models(llm=ToolCaller(["One two. "] * 9, every_ms=300)))
    session.send("response.create")
    session.advance(1_000)
    session.take()
    session.send("response.cancel")
    events = session.take()
    assert kinds(events) == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    over = events[-1]["response"]
    assert over["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    session.advance(5_000)
    assert session.take() == []


def test_speech_cancels_a_reply_that_waits() -> None:
    session = VirtualSession(fake_models(stt=FakeTranscriber("hello", after_ms=5_000)))
    session.speak(400)
    session.be_silent(700)
    session.send("response.create")
    session.speak(400)
    over = session.last("response.done")["response"]
    assert over["status_details"] == {"type": "cancelled", "reason": "turn_detected"}


# Nobody speaks


def test_the_idle_timeout_counts_from_the_end_of_the_sound() -> None:
    session = VirtualSession(fake_models("One two."))
    detect(session, type="server_vad", idle_timeout_ms=2_000)
    a_turn(session)  # 0.8 s of sound, of which 0.2 s were heard
    session.advance(2_500)
    assert session.take() == []
    session.advance(200)
    events = session.take()
    assert kinds(events)[:5] == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    assert events[0]["audio_end_ms"] - events[0]["audio_start_ms"] <= 2_000


def test_speech_stops_the_idle_timeout() -> None:
    session = VirtualSession(fake_models("One two."))
    detect(session, type="server_vad", idle_timeout_ms=2_000)
    a_turn(session)
    session.advance(2_000)
    session.speak(400)
    session.advance(3_000)
    assert session.named("input_audio_buffer.timeout_triggered") == []


# Semantic


@pytest.mark.parametrize(
    ("words", "eagerness", "silence_ms"),
    [
        ("I am done.", "auto", 500),
        ("I am not", "auto", 1_600),
        ("I am not", "high", 800),
        ("I am not", "low", 3_200),
    ],
)
def test_semantic_turn_detection(words: str, eagerness: str, silence_ms: int) -> None:
    session = VirtualSession(fake_models(stt=FakeStreamingTranscriber(words)))
    detect(session, type="semantic_vad", eagerness=eagerness)
    session.speak(400)
    session.be_silent(silence_ms - 60)
    assert session.named("input_audio_buffer.speech_stopped") == []
    session.be_silent(120)
    assert len(session.named("input_audio_buffer.speech_stopped")) == 1


def test_a_model_may_judge_the_end_of_a_turn() -> None:
    patiences: list[int] = []

    def smart_turn(patience_ms: int) -> Any:
        patiences.append(patience_ms)

        def finished(_: Any, silence_ms: int) -> bool | Observable[bool]:
            return silence_ms >= 320

        return finished

    session = VirtualSession(fake_models(smart_turn=smart_turn))
    detect(session, type="semantic_vad", eagerness="low")
    session.speak(400)
    session.be_silent(400)
    assert patiences == [8_000]
    assert len(session.named("input_audio_buffer.speech_stopped")) == 1


# Transcription


def test_a_transcription_session() -> None:
    session = VirtualSession(transcribes=True)
    events = a_turn(session)
    assert kinds(events)[-1].endswith("transcription.completed")
    session.send("response.create")
    assert session.last("error")["error"]["code"] == "invalid_event"
    session.send(
        "session.update",
        session={
            "type": "transcription",
            "audio": {"input": {"turn_detection": None, "format": {"type": "audio/pcmu"}}},
        },
    )
    now = session.last("session.updated")["session"]
    assert now["type"] == "transcription"
    assert now["object"] == "realtime.transcription_session"
    session.append(bytes([0x00]) * 4_000)
    session.send("input_audio_buffer.commit")
    session.advance(20)
    assert session.last("conversation.item.input_audio_transcription.completed")


def test_voice_activity_is_told_if_the_client_asks() -> None:
    session = VirtualSession()
    a_turn(session)
    assert session.named("x_rxvoice.voice_activity") == []
    session.configure(x_rxvoice={"voice_activity": True})
    session.speak(500)
    session.be_silent(500)
    told = session.named("x_rxvoice.voice_activity")
    assert 9 <= len(told) <= 11
    assert told[2]["probability"] == 1.0
    assert told[-1]["probability"] == 0.0
    assert loud(np.ones(1))
