from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten
from mlx_audio.vad import load
from mlx_audio.vad.models import silero_vad
from mlx_audio.vad.models.smart_turn import Model
from reactivex import Observable, Subject
from reactivex import operators as ops
from reactivex.scheduler import EventLoopScheduler
from reactivex.testing import TestScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.errors import AudioFormatError, ConfigError
from rxvoice.mlx.scheduler import MlxScheduler
from rxvoice.mlx.smart_turn import SmartTurn, smart_turn
from rxvoice.policies import any_of, silence
from rxvoice.stage_error import StageError
from rxvoice.testing.fakes import FakePolicy
from rxvoice.testing.marbles import sound
from rxvoice.turn import Turn
from tests.mlx.tiny_smart_turn import CONFIG, build

SIZE = 512  # 32 ms
DUE = [608, 800, 1024, 1216, 1408]  # the chunks at which 600, 800 ... 1400 ms are reached


class FakeModel:
    """Answers probabilities, one a question; after the last one: 0. Errors are raised."""

    def __init__(self, *answers: float | Exception) -> None:
        self.answers = list(answers)
        self.heard: list[np.ndarray] = []
        self.asked: list[tuple[int, float]] = []

    def predict_endpoint(self, audio: Any, sample_rate: int = 0, threshold: float = -1) -> Any:
        self.heard.append(np.array(audio))
        self.asked.append((sample_rate, threshold))
        answer = self.answers.pop(0) if self.answers else 0.0
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(prediction=int(answer > threshold), probability=answer)

    @property
    def silences(self) -> list[int]:
        """The silence at the end of what it heard, in milliseconds."""
        return [
            (len(audio) - int(np.flatnonzero(audio)[-1]) - 1) // 16 if audio.any() else len(audio)
            for audio in self.heard
        ]


class Run:
    """A microphone pushed by hand: ``~`` speech, ``_`` silence, of 32 ms each.

    The worker and the conversation are virtual: what was scheduled on them waits for `work`
    and `deliver`.
    """

    def __init__(self, policy: Any) -> None:
        self.source: Subject[Any] = Subject()
        self.conversation = TestScheduler()
        self.turns: list[Turn] = []
        self.failed: list[Exception] = []
        self.errors: list[Exception] = []
        self.pushed = 0
        self.life = self.source.pipe(vox.turn_window(policy)).subscribe(
            self._turn, self.errors.append, scheduler=self.conversation
        )

    def _turn(self, turn: Turn) -> None:
        self.turns.append(turn)
        self.listening = turn.subscribe(on_error=self.failed.append)

    def push(self, pattern: str, times: int = 1) -> None:
        for char in pattern * times:
            samples = np.full(SIZE, (self.pushed % 99 + 1) / 100 * (char == "~"), np.float32)
            chunk = sound(samples, speech=char == "~").chunk(self.pushed * SIZE, SIZE, 16_000)
            self.pushed += 1
            self.source.on_next(chunk)

    def deliver(self) -> None:
        self.conversation.advance_by(1)

    @property
    def ends(self) -> list[str | None]:
        return [turn.ended_by for turn in self.turns]

    @property
    def lengths(self) -> list[int]:
        return [turn.ms for turn in self.turns]


def in_place(*answers: float | Exception, **options: Any) -> tuple[FakeModel, SmartTurn]:
    """A policy whose model gets all the silence, so that a test sees when it was asked."""
    model = FakeModel(*answers)
    return model, smart_turn(model, **{"keep_silence_ms": None, **options})


@pytest.fixture
def worker() -> TestScheduler:
    return TestScheduler()


# When it is asked


def test_it_is_asked_at_each_step_of_silence_and_not_after_each_chunk() -> None:
    model, policy = in_place()
    run = Run(policy)
    run.push("~~" + "_" * 49)
    assert model.silences == DUE
    assert run.ends == [None]
    run.push("_")
    assert run.ends == ["policy"]
    assert run.lengths == [64 + 1600]
    assert model.silences == DUE


def test_the_steps_are_what_the_options_say() -> None:
    model, policy = in_place(ask_after_ms=64, max_silence_ms=400, every_ms=100)
    run = Run(policy)
    run.push("~" + "_" * 20)
    assert model.silences == [64, 192, 288, 384]
    assert run.lengths == [32 + 416]


@pytest.mark.parametrize("size", [80, 160, 320, 512, 1600, 8000])
def test_one_question_a_step_whatever_the_chunk(size: int) -> None:
    _, policy = in_place()
    chunk_ms = size // 16
    asked = [
        n * chunk_ms
        for n in range(1, -(-1600 // chunk_ms))
        if isinstance(
            policy.user_finished(np.zeros(n * size, np.float32), n * chunk_ms), Observable
        )
    ]
    # The first chunk at or after each step; one question where a chunk spans several.
    assert asked == sorted(
        {-(-step // chunk_ms) * chunk_ms for step in range(600, 1401, 200)} - {1600}
    )


def test_a_yes_ends_the_turn_there() -> None:
    model, policy = in_place(0.2, 0.50001)
    run = Run(policy)
    run.push("~" + "_" * 40)
    assert model.silences == [608, 800]
    assert run.ends == ["policy"]
    assert run.lengths == [32 + 800]


def test_at_the_threshold_the_turn_is_not_complete() -> None:
    model, policy = in_place(0.7, 0.70001, threshold=0.7)
    run = Run(policy)
    run.push("~" + "_" * 40)
    assert model.asked == [(16_000, 0.7)] * 2
    assert run.lengths == [32 + 800]


def test_speech_starts_the_silence_anew() -> None:
    model, policy = in_place()
    run = Run(policy)
    run.push("~" + "_" * 18 + "~" + "_" * 30 + "~" + "_" * 20)
    assert model.silences == [608, 800, 608]


def test_two_turns_in_a_row_are_asked_alike() -> None:
    model, policy = in_place(0, 0.9, 0, 0, 0.9)
    run = Run(policy)
    run.push("~~" + "_" * 30 + "~" + "_" * 40)
    assert model.silences == [608, 800, 608, 800, 1024]
    assert run.ends == ["policy", "policy"]
    assert run.lengths == [64 + 800, 32 + 1024]


def test_it_hears_the_last_8_seconds_of_the_turn() -> None:
    model, policy = in_place()
    run = Run(policy)
    run.push("~", 300)
    run.push("_", 19)
    assert [len(audio) for audio in model.heard] == [128_000]
    np.testing.assert_array_equal(model.heard[0], run.turns[0].audio[-128_000:])


def test_it_hears_no_more_of_the_silence_than_it_is_to() -> None:
    model = FakeModel(0.1, 0.9)
    run = Run(smart_turn(model))
    run.push("~~" + "_" * 49)
    # 600 ms were reached at 608 ms; a second question would be about the same sound.
    assert model.silences == [200]
    assert len(model.heard[0]) == 2 * SIZE + 200 * 16
    np.testing.assert_array_equal(model.heard[0], run.turns[0].audio[: 2 * SIZE + 200 * 16])
    run.push("_")
    assert run.ends == ["policy"]
    assert run.lengths == [64 + 1600]
    run.push("~" + "_" * 19)
    assert model.silences == [200, 200]
    assert run.ends == ["policy", "policy"]


@pytest.mark.parametrize(
    ("ask_after_ms", "heard"),
    [(32, [32, 250]), (64, [64, 250]), (224, [224, 250]), (256, [250]), (800, [250])],
)
def test_it_is_asked_until_it_has_heard_all_that_it_is_to(
    ask_after_ms: int, heard: list[int]
) -> None:
    model = FakeModel()
    run = Run(smart_turn(model, ask_after_ms=ask_after_ms, keep_silence_ms=250))
    run.push("~" + "_" * 49)
    assert model.silences == heard


def test_a_silence_that_is_longer_than_the_audio_leaves_none() -> None:
    model, policy = in_place(keep_silence_ms=100)
    answer = policy.user_finished(np.ones(1600, np.float32), 700)
    assert isinstance(answer, Observable)
    answer.subscribe()
    assert [len(it) for it in model.heard] == [0]


def test_a_callable_is_a_model_too() -> None:
    def never(audio: Any, sample_rate: int, threshold: float) -> Any:
        assert (len(audio), sample_rate, threshold) == (20 * SIZE, 16_000, 0.5)
        return SimpleNamespace(prediction=1)

    run = Run(smart_turn(never, keep_silence_ms=None))
    run.push("~" + "_" * 19)
    assert run.ends == ["policy"]


@pytest.mark.parametrize("inside", [lambda policy: policy, lambda policy: any_of(policy)])
def test_two_subscriptions_keep_apart(inside: Any) -> None:
    model, policy = in_place()
    shared = inside(policy)
    runs = [Run(shared), Run(shared)]
    runs[0].push("~___")
    for _ in range(40):
        for run in runs:
            run.push("~_"[run.pushed > 0])
    assert sorted(model.silences) == sorted(2 * DUE[:4])


def test_audio_at_another_rate_ends_the_stream() -> None:
    errors: list[Exception] = []
    source: Subject[Any] = Subject()
    source.pipe(vox.turn_window(smart_turn(FakeModel()))).subscribe(on_error=errors.append)
    source.on_next(sound(speech=True).chunk(0, 256, 8_000))
    assert isinstance(errors[0], AudioFormatError)
    assert "this policy wants audio at 16000 Hz, got 8000 Hz" in str(errors[0])


# Answers that come later


def test_the_worker_is_asked_and_the_conversation_told(worker: TestScheduler) -> None:
    model, policy = in_place(0.9, worker=worker)
    run = Run(policy)
    run.push("~" + "_" * 20)
    assert model.heard == []
    run.deliver()
    assert run.ends == [None]
    worker.advance_by(1)
    assert len(model.heard) == 1
    assert run.ends == [None]
    run.deliver()
    assert run.ends == ["policy"]


def test_an_answer_may_be_late(worker: TestScheduler) -> None:
    model, policy = in_place(0.9, worker=worker)
    run = Run(policy)
    run.push("~" + "_" * 23)
    worker.advance_by(1)
    run.push("_")
    run.deliver()
    assert run.ends == ["policy"]
    assert run.lengths == [32 + 768]
    # What it heard is the turn as it was when it was asked.
    assert model.silences == [608]
    run.push("_" * 40)
    worker.advance_by(1)
    assert len(model.heard) == 1


def test_the_audio_is_that_of_the_question_while_the_turn_goes_on(worker: TestScheduler) -> None:
    model, policy = in_place(worker=worker)
    run = Run(policy)
    run.push("~", 12)  # the buffer doubles at 32 chunks, between question and prediction
    run.push("_", 19)
    before = run.turns[0].audio.copy()
    run.push("_", 5)
    worker.advance_by(1)
    np.testing.assert_array_equal(model.heard[0], before)


def test_a_question_is_void_when_the_user_speaks_again(worker: TestScheduler) -> None:
    model, policy = in_place(0.9, 0.9, worker=worker)
    run = Run(policy)
    run.push("~" + "_" * 19 + "~")
    worker.advance_by(1)
    run.deliver()
    assert model.heard == []
    assert run.ends == [None]


def test_an_answer_under_way_is_void_when_the_user_speaks_again(worker: TestScheduler) -> None:
    model, policy = in_place(0.9, worker=worker)
    run = Run(policy)
    run.push("~" + "_" * 19)
    worker.advance_by(1)
    assert len(model.heard) == 1
    run.push("~")
    run.deliver()
    assert run.ends == [None]
    run.push("_" * 19)
    worker.advance_by(1)
    assert len(model.heard) == 2


def test_at_the_longest_silence_the_model_is_not_waited_for(worker: TestScheduler) -> None:
    model, policy = in_place(worker=worker)
    run = Run(policy)
    run.push("~" + "_" * 50)
    assert run.ends == ["policy"]
    assert run.lengths == [32 + 1600]
    # Nor bothered any more.
    worker.advance_by(1)
    run.deliver()
    assert model.heard == []


def test_leaving_takes_the_question_back(worker: TestScheduler) -> None:
    model, policy = in_place(worker=worker)
    run = Run(policy)
    run.push("~" + "_" * 20)
    run.life.dispose()
    run.listening.dispose()  # the turn goes on for as long as somebody listens to it
    worker.advance_by(1)
    assert model.heard == []


def test_without_a_scheduler_the_worker_tells(worker: TestScheduler) -> None:
    _, policy = in_place(0.9, worker=worker)
    answer = policy.user_finished(np.zeros(16_000, np.float32), 700)
    assert isinstance(answer, Observable)
    seen: list[Any] = []
    answer.subscribe(seen.append, seen.append, lambda: seen.append("completed"))
    assert seen == []
    worker.advance_by(1)
    assert seen == [True, "completed"]


def test_nothing_is_asked_before_somebody_wants_to_know() -> None:
    model, policy = in_place(0.9)
    # silence() says yes at once, so the question to the model is never subscribed to.
    run = Run(any_of(policy, silence(608)))
    run.push("~" + "_" * 19)
    assert run.ends == ["policy"]
    assert model.heard == []


def test_beside_another_policy(worker: TestScheduler) -> None:
    model, policy = in_place(0.1, 0.9, worker=worker)
    run = Run(any_of(silence(1000), policy))
    for _ in range(2):
        run.push("~")
        for _ in range(40):
            run.push("_")
            worker.advance_by(1)
            run.deliver()
    assert run.lengths == [32 + 800, 32 + 1024]
    assert model.silences == [608, 800, 608, 800]


# Errors


def test_a_model_that_raises_fails_only_its_turn(worker: TestScheduler) -> None:
    model, policy = in_place(RuntimeError("out of memory"), 0.9, worker=worker)
    run = Run(policy)
    run.push("~" + "_" * 19)
    worker.advance_by(1)
    assert run.failed == []
    run.deliver()
    run.push("~" + "_" * 19)
    worker.advance_by(1)
    run.deliver()
    assert len(run.failed) == 1
    assert isinstance(run.failed[0], StageError)
    assert "turn_window (turn 1) failed: RuntimeError: out of memory" in str(run.failed[0])
    assert run.ends == [None, "policy"]
    assert run.errors == []
    assert len(model.heard) == 2


def test_something_that_is_no_judgement_fails_the_turn() -> None:
    run = Run(smart_turn(lambda audio, sample_rate, threshold: 0.9))
    run.push("~" + "_" * 19)
    assert "AttributeError: 'float' object has no attribute 'prediction'" in str(run.failed[0])


def test_what_a_subscriber_raises_is_not_the_models_error() -> None:
    _, policy = in_place(0.9, 0.9)
    for finished in (policy, any_of(policy, FakePolicy((), after_ms=1))):
        run = Run(finished)
        run.push("~")
        run.turns[0].subscribe(on_completed=lambda: 1 // 0)  # type: ignore[arg-type]
        with pytest.raises(ZeroDivisionError):
            run.push("_" * 19)
        assert run.failed == []
        assert run.ends == ["policy"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.5}, r"smart_turn threshold must be from 0.0 to 1.0 \(probability\)"),
        ({"ask_after_ms": 0}, "ask_after_ms must be at least 1 ms, got 0"),
        ({"ask_after_ms": 0.6}, "ask_after_ms must be a whole number of ms, got 0.6"),
        ({"keep_silence_ms": 0}, "keep_silence_ms must be at least 1 ms, got 0"),
        ({"every_ms": 0}, "every_ms must be at least 1 ms, got 0"),
        ({"max_silence_ms": 600}, r"max_silence_ms must be above ask_after_ms=600 \(ms\), got 600"),
    ],
)
def test_bad_options_raise_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        smart_turn(FakeModel(), **options)


@pytest.mark.parametrize("path", ["/no/such/model", "./model", Path("models/a/b"), "a b"])
def test_a_path_that_is_not_there_raises_at_once(path: str | Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no directory '.*'"):
        smart_turn(path)


def test_an_object_that_is_no_model_raises_at_once() -> None:
    with pytest.raises(ConfigError, match=r"wanted an object with predict_endpoint\(...\)"):
        smart_turn(SimpleNamespace(predict=1))  # type: ignore[arg-type]


# The real thing


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("models") / "tiny")


def passed(scheduler: Any) -> None:
    """Wait until the scheduler has come to what was scheduled now."""
    done = threading.Event()
    scheduler.schedule(lambda *_: done.set())
    assert done.wait(60)


@pytest.fixture
def conversation() -> Iterator[EventLoopScheduler]:
    loop = EventLoopScheduler()
    yield loop
    loop.dispose()


@pytest.fixture
def models() -> Iterator[MlxScheduler]:
    with MlxScheduler() as scheduler:
        yield scheduler


def voice() -> np.ndarray:
    rng = np.random.default_rng(5)
    tone = np.sin(np.arange(20 * SIZE) / 9) * np.linspace(0.5, 0.1, 20 * SIZE)
    return (tone + 0.01 * rng.standard_normal(20 * SIZE)).astype(np.float32)


def hushed(n: int) -> np.ndarray:
    return 1e-3 * np.random.default_rng(6).standard_normal(n * SIZE).astype(np.float32)


@pytest.mark.models
def test_the_answers_of_a_real_model_end_the_turn(
    tiny: Path,
    conversation: EventLoopScheduler,
    models: MlxScheduler,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mic = np.concatenate([voice(), hushed(50)])
    model = load(str(tiny), strict=True)
    expected = [
        model.predict_endpoint(mic[: 20 * SIZE + due * 16], 16_000).probability for due in DUE
    ]
    # It says yes where it is surest, and there only.
    sure = int(np.argmax(expected))
    assert sure > 0
    best, second = sorted(expected, reverse=True)[:2]
    assert best > second

    threads: set[str] = set()
    probabilities: list[float] = []
    predict = Model.predict_endpoint

    def watch(self: Any, audio: Any, sample_rate: int, threshold: float) -> Any:
        threads.add(threading.current_thread().name)
        result = predict(self, audio, sample_rate, threshold)
        probabilities.append(result.probability)
        return result

    monkeypatch.setattr(Model, "predict_endpoint", watch)
    policy = smart_turn(
        tiny, threshold=(best + second) / 2, keep_silence_ms=None, worker=models.listening
    )
    turns: list[Turn] = []
    told: list[str] = []
    events: list[Any] = []
    source: Subject[Any] = Subject()

    def note(turn: Turn) -> None:
        turns.append(turn)
        turn.subscribe(on_completed=lambda: told.append(threading.current_thread().name))

    def heard(audio: Any) -> str:
        return f"{len(audio)} samples"

    source.pipe(
        vox.chunk(SIZE),
        vox.vad(lambda samples: float(np.abs(samples).max()) > 0.05),
        vox.turn_window(policy),
        ops.do_action(note),
        vox.transcribe(heard),
    ).subscribe(events.append, events.append, scheduler=conversation)
    for block in np.split(mic, 70):
        conversation.schedule(lambda *_, block=block: source.on_next(block))
        passed(conversation)
        passed(models.listening)
        passed(conversation)
    assert probabilities == expected[: sure + 1]
    assert threads == {"rxvoice-mlx"}
    assert [turn.ended_by for turn in turns] == ["policy"]
    assert [turn.ms for turn in turns] == [640 + DUE[sure]]
    assert [event.text for event in events] == [f"{(640 + DUE[sure]) * 16} samples"]
    assert told != ["rxvoice-mlx"]
    assert len(told) == 1


@pytest.mark.models
def test_loaded_beforehand_on_the_worker_it_loads_once(
    tiny: Path, models: MlxScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []
    monkeypatch.setattr(
        "mlx_audio.vad.load",
        lambda *args, **options: (
            loads.append(threading.current_thread().name) or load(*args, **options)
        ),
    )
    policy = smart_turn(tiny, worker=models)
    assert loads == []
    models.schedule(lambda *_: policy.load())
    passed(models)
    assert loads == ["rxvoice-mlx"]
    for own in (policy, policy.fresh()):
        answer = own.user_finished(voice(), 608)
        assert isinstance(answer, Observable)
        seen: list[Any] = []
        answer.subscribe(seen.append)
        passed(models)
        assert len(seen) == 1
    assert loads == ["rxvoice-mlx"]


@pytest.mark.models
def test_in_place_it_gives_what_the_model_gives(tiny: Path) -> None:
    audio = np.concatenate([voice(), hushed(19)])
    probability = load(tiny, strict=True).predict_endpoint(audio, 16_000).probability
    assert 0.01 < probability < 0.99
    seen: list[Any] = []
    for threshold in (probability - 1e-3, probability + 1e-3):
        policy = smart_turn(tiny, threshold=threshold, keep_silence_ms=None)
        answer = policy.user_finished(audio, 608)
        assert isinstance(answer, Observable)
        answer.subscribe(seen.append)
    assert seen == [True, False]


@pytest.mark.models
def test_weights_that_are_missing_are_not_made_up(tmp_path: Path) -> None:
    model = build(tmp_path / "m", leave_out="inner.classifier.6.bias")
    with pytest.raises(ConfigError, match=r"Missing 1 parameters: \s*classifier_6\.bias") as error:
        smart_turn(model).load()
    assert "needs config.json" in str(error.value)


@pytest.mark.models
def test_a_load_that_failed_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    run = Run(smart_turn(tmp_path / "m"))
    run.push("~" + "_" * 19)
    assert "holds no smart-turn model that mlx-audio can load (Config not found" in str(
        run.failed[0]
    )
    build(tmp_path / "m")
    run.push("~" + "_" * 50)
    assert len(run.failed) == 1
    assert run.ends == [None, "policy"]


@pytest.mark.models
@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({**CONFIG, "model_type": "no_such"}, "Model type no_such not supported for vad"),
        ({"model_type": "silero_vad"}, "parameters not in model"),
    ],
)
def test_a_directory_of_something_else(
    tmp_path: Path, config: dict[str, Any], message: str
) -> None:
    model = build(tmp_path / "m")
    (model / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=message):
        smart_turn(model).load()


@pytest.mark.models
def test_a_file_cut_short(tmp_path: Path) -> None:
    model = build(tmp_path / "m")
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ConfigError, match="holds no smart-turn model that mlx-audio can load"):
        smart_turn(model).load()


@pytest.mark.models
def test_another_family_of_models(tmp_path: Path) -> None:
    silero = silero_vad.Model(silero_vad.ModelConfig())
    model = tmp_path / "m"
    model.mkdir()
    (model / "config.json").write_text(json.dumps({"model_type": "silero_vad"}))
    mx.save_safetensors(str(model / "model.safetensors"), dict(tree_flatten(silero.parameters())))
    with pytest.raises(ConfigError, match="is a silero_vad model, not a smart-turn one"):
        smart_turn(model).load()


@pytest.mark.models
def test_a_name_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match="'nobody/no-such-model-here' is not a directory") as e:
        smart_turn("nobody/no-such-model-here").load()
    assert "check the path or the name, the network" in str(e.value)


def test_the_defaults_are_those_of_the_session() -> None:
    config = rxv.SessionConfig()
    options = inspect.signature(smart_turn).parameters
    assert options["threshold"].default == config.turn_threshold
    assert options["ask_after_ms"].default == config.vad_end_silence_ms
    assert options["max_silence_ms"].default == config.turn_max_incomplete_silence_ms
