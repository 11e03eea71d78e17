"""A spoken conversation in which every model runs on MLX, all of them on one thread."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import mlx.core as mx
import pytest
from reactivex import operators as ops
from reactivex.scheduler import EventLoopScheduler
from thorough import THOROUGH

import rxvoice as rxv
from rxvoice import offline
from rxvoice import operators as vox
from tests.mlx import tiny_smart_turn, tiny_tts

DATA = Path(rxv.__file__).parent / "data"

ANSWERS = [
    "Hello! I am the little voice of rxvoice. I run entirely on this computer.",
    "I know some eighty things: the sky, animals, the kitchen, and how I work. "
    "I can tell you the time, roll a die, set a timer, and calculate.",
    "The moon is about three hundred and eighty four thousand kilometers away. "
    "Its light reaches us in a little more than one second.",
    "You are welcome. Goodbye, and have a lovely day!",
]


@pytest.mark.models
def test_spoken_audio_in_spoken_audio_out(tmp_path: Path) -> None:
    # Pocket speaks piece by piece, and computes ten times as much.
    make = tiny_tts.pocket if THOROUGH else tiny_tts.soprano
    voice = rxv.mlx.tts(make(tmp_path / "voice"))
    said = json.loads((DATA / "demo.json").read_text("utf-8"))["turns"]
    wanted = [turn["text"].lower().replace(",", "").rstrip("?.") for turn in said]
    sink = rxv.sinks.memory()
    events: list[rxv.FinishedTurn | rxv.Event] = []
    errors: list[Exception] = []
    threads: set[str] = set()
    spoken: list[str] = []
    over = threading.Event()

    def note(event: rxv.FinishedTurn | rxv.Event) -> None:
        threads.add(threading.current_thread().name)
        events.append(event)

    def note_speech(speech: rxv.Speech | rxv.Event) -> None:
        if isinstance(speech, rxv.Speech) and speech.text and speech.text not in spoken:
            spoken.append(speech.text)

    def failed(error: Exception) -> None:
        errors.append(error)
        over.set()

    conversation = EventLoopScheduler(thread_factory=named)
    with rxv.mlx.MlxScheduler() as models:
        stt, llm = offline.demo_stt(), offline.llm()
        policy = rxv.mlx.smart_turn(
            tiny_smart_turn.build(tmp_path / "turn"), threshold=1.0, worker=models.listening
        )
        loaded = rxv.mlx.load(stt, llm, voice, policy, worker=models)
        assert [each.kind for each in loaded] == ["stt", "llm", "tts", "turn"]
        # By chance, soprano would have no sound for a short sentence.
        models.speech.schedule(lambda *_: mx.random.seed(1))
        turns = rxv.sources.wav(DATA / "demo.wav").pipe(
            vox.chunk(512),
            vox.vad(offline.silero()),
            vox.preroll(250),
            vox.turn_window(policy),
            vox.transcribe(stt, worker=models.listening),
        )
        turns.pipe(
            vox.respond(llm, worker=models.text),
            vox.synthesize(voice, worker=models.speech),
            ops.do_action(note_speech),
            vox.play(sink),
        ).subscribe(note, failed, over.set, scheduler=conversation)
        assert over.wait(120)
    conversation.dispose()

    assert errors == []
    log = [event for event in events if isinstance(event, rxv.FinishedTurn)]
    assert [event.user_text for event in log] == wanted
    assert [event.assistant_text for event in log] == ANSWERS
    assert " ".join(spoken) == " ".join(ANSWERS)
    assert sink.sample_rate == voice.sample_rate
    assert len(sink.samples) > 0
    assert threads == {"conversation"}


def named(target: object) -> threading.Thread:
    return threading.Thread(target=target, name="conversation", daemon=True)  # type: ignore[arg-type]
