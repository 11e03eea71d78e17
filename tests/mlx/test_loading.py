"""Loading and warming up: real adapters, tiny models, and the hub's real client on the loopback."""

import os

os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import errno
import io
import json
import re
import shutil
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import mlx.core as mx
import numpy as np
import pytest
from huggingface_hub import constants, file_download
from reactivex.testing import TestScheduler

import rxvoice.offline
from benchmarks import _silero_models
from rxvoice._silero import silero
from rxvoice.conversation import Conversation
from rxvoice.errors import ConfigError, RxvoiceError
from rxvoice.mlx import _hub, _precision, _warm_up, _weight_size, loading
from rxvoice.mlx._hub import Remote
from rxvoice.mlx._progress import Meter, gigabytes
from rxvoice.mlx.llm import llm
from rxvoice.mlx.loading import Loaded, Progress, ProgressLine, load
from rxvoice.mlx.scheduler import MlxScheduler
from rxvoice.mlx.smart_turn import smart_turn
from rxvoice.mlx.stt import stt
from rxvoice.mlx.tts import tts
from tests.mlx import tiny_smart_turn, tiny_stt, tiny_tts
from tests.mlx.fake_hub import FakeHub, serving

MODEL = Path(rxvoice.offline.__path__[0]) / "demo-llm"
WEIGHTS = (MODEL / "model.safetensors").stat().st_size
FETCHED = sum((MODEL / it).stat().st_size for it in os.listdir(MODEL) if it != "README.md")
SMALL = ["config.json", "tokenizer_config.json", "phrases.json", "tokenizer.json"]


class Part:
    """A part of somebody else's, that says on which thread it is called."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[str] = []
        self.threads: set[str] = set()

    def load(self) -> None:
        self.note("load")
        if self.error is not None:
            raise self.error

    def warm_up(self) -> Iterator[None]:
        for number in range(3):
            self.note(f"step {number}")
            yield

    def note(self, call: str) -> None:
        self.calls.append(call)
        self.threads.add(threading.current_thread().name)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[FakeHub]:
    with serving(tmp_path / "cache", monkeypatch) as hub:
        hub.add("tiny/llm", MODEL)
        yield hub


@pytest.fixture
def worker() -> Generator[MlxScheduler]:
    with MlxScheduler("models") as worker:
        yield worker


def fetch(name: str = "tiny/llm") -> list[Progress]:
    told: list[Progress] = []
    load(llm(name), progress=told.append)
    return told


# Loading and warming up


@pytest.mark.models
def test_every_kind_is_loaded_and_makes_a_step_on_the_worker(
    tmp_path: Path, worker: MlxScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / name for name in ("vad", "turn", "whole", "live", "voice")]
    _silero_models.write(folders[0], _silero_models.random_weights(1))
    tiny_smart_turn.build(folders[1])
    tiny_stt.moonshine(folders[2])
    tiny_stt.nemotron(folders[3])
    tiny_tts.soprano(folders[4])
    vad, turn = silero(folders[0]), smart_turn(folders[1])
    whole, live, voice, talk = stt(folders[2]), stt(folders[3]), tts(folders[4]), llm(MODEL)

    ran: dict[str, str] = {}

    def watch(owner: object, method: str, name: str) -> None:
        real = getattr(owner, method)

        def call(*args: object, **options: object) -> object:
            ran[name] = threading.current_thread().name
            return real(*args, **options)

        monkeypatch.setattr(owner, method, call)

    for part, method, name in [
        (type(vad), "probability", "vad"),
        (turn, "_predict", "turn"),
        (whole, "_recognised", "whole"),
        (type(live.session()), "step", "live"),
        (voice, "synthesize_stream", "voice"),
        (talk, "_generated", "llm"),
    ]:
        watch(part, method, name)

    loaded = load(vad, turn, whole, live, voice, talk, worker=worker)
    assert [it.kind for it in loaded] == ["vad", "turn", "stt", "stt", "tts", "llm"]
    assert set(ran) == {"vad", "turn", "whole", "live", "voice", "llm"}
    assert set(ran.values()) == {"models"}
    assert all(it.load_s > 0 and it.warm_up_s > 0 for it in loaded)
    assert [it.name for it in loaded if it.kind != "turn"] == [
        *(str(it) for it in folders if it.name != "turn"),
        str(MODEL),
    ]
    assert loaded[-1].bytes == WEIGHTS
    assert loaded[-1].memory >= WEIGHTS
    assert talk.stats.generated_tokens == 1


@pytest.mark.models
def test_a_conversation_is_as_it_was_and_its_system_prompt_known() -> None:
    before = Conversation(system="Be brief.", messages=[{"role": "user", "content": "Hm?"}])
    talk = llm(MODEL, conversation=before)
    load(talk)
    assert talk.conversation is before
    assert [it["content"] for it in before.messages] == ["Be brief.", "Hm?"]
    "".join(talk.respond("How far away is the moon?"))
    assert 0 < talk.stats.prefilled_tokens < talk.stats.prompt_tokens


@pytest.mark.models
def test_a_language_model_is_warmed_up_with_a_long_prompt_if_it_has_room() -> None:
    talk = llm(MODEL)
    load(talk)
    assert talk.stats.prompt_tokens >= 64
    assert talk.stats.generated_tokens == 1
    small = llm(MODEL, context_tokens=60, max_tokens=20)
    load(small)
    assert small.stats.prompt_tokens < 40
    assert small.stats.generated_tokens == 1


@pytest.mark.models
def test_the_stream_of_the_thread_is_left_alone() -> None:
    before = mx.default_stream(mx.default_device())
    load(llm(MODEL))
    assert mx.default_stream(mx.default_device()) == before


def test_a_part_of_somebody_else_is_loaded_and_warms_itself_up(worker: MlxScheduler) -> None:
    part = Part()
    (loaded,) = load(lambda text: text, part, object(), worker=worker)
    assert isinstance(loaded, Loaded)
    assert (loaded.name, loaded.kind, loaded.bytes) == ("Part", "other", 0)
    assert part.calls == ["load", "step 0", "step 1", "step 2"]
    assert part.threads == {"models"}


def test_a_warm_up_may_be_one_call() -> None:
    calls: list[str] = []
    part = SimpleNamespace(load=lambda: calls.append("load"), warm_up=lambda: calls.append("warm"))
    load(part)
    assert calls == ["load", "warm"]


def test_other_work_goes_on_between_the_steps(worker: MlxScheduler) -> None:
    part, seen = Part(), list[int]()
    worker.speech.schedule(lambda *_: seen.append(len(part.calls)))
    real = part.note

    def note(call: str) -> None:
        real(call)
        worker.speech.schedule(lambda *_: seen.append(len(part.calls)))

    part.note = note  # type: ignore[method-assign]
    load(part, worker=worker)
    assert seen == [0, 1, 2, 3] or seen == [0, 1, 2, 3, 4]


def test_nothing_to_load() -> None:
    assert load() == load(str.upper) == []


def test_an_error_of_a_part_comes_here_and_ends_it(worker: MlxScheduler) -> None:
    after = Part()
    with pytest.raises(ConfigError, match="no such thing"):
        load(Part(error=ConfigError("no such thing")), after, worker=worker)
    assert after.calls == []
    assert len(load(after, worker=worker)) == 1


def test_a_worker_that_is_shut_down_is_not_waited_for(worker: MlxScheduler) -> None:
    part, after = Part(), Part()
    part.load = worker.shutdown  # type: ignore[method-assign]
    with pytest.raises(RxvoiceError, match="the worker was shut down before"):
        load(part, after, worker=worker)
    assert after.calls == []


def test_given_up_by_hand_the_rest_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    part, later = Part(), TestScheduler()

    class Waiting(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            raise KeyboardInterrupt

    monkeypatch.setattr(loading.threading, "Event", Waiting)
    with pytest.raises(KeyboardInterrupt):
        load(part, worker=later)
    later.start()
    assert part.calls == []


# Fetching


@pytest.mark.models
def test_a_model_is_fetched_with_progress_and_then_kept(hub: FakeHub) -> None:
    talk, told = llm("tiny/llm"), list[Progress]()
    (loaded,) = load(talk, progress=told.append)
    assert (loaded.name, loaded.kind, loaded.bytes) == ("tiny/llm", "llm", WEIGHTS)
    assert hub.fetched() == [*SMALL, "model.safetensors"]  # no README.md
    assert {it.model for it in told} == {"tiny/llm"}
    assert list(dict.fromkeys(it.file for it in told)) == [*SMALL, "model.safetensors"]
    assert (told[0].done, told[-1].done) == (0, FETCHED)
    assert {it.total for it in told} == {FETCHED}
    assert [it.done for it in told] == sorted(it.done for it in told)
    assert told[-1].rate > 0

    assert fetch() == []
    assert hub.fetched() == [*SMALL, "model.safetensors"]


@pytest.mark.models
def test_without_a_network_what_was_fetched_will_do(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    (loaded,) = load(llm("tiny/llm"))
    assert loaded.bytes == WEIGHTS


def test_what_was_fetched_and_not_yet_loaded_will_do_as_well(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remote() -> Remote:
        return Remote("tiny/llm", "language model", ["*.json", "*.safetensors"])

    configs: list[dict[str, object]] = []
    path = remote().fetch(configs.append, lambda _: None)
    assert sorted(os.listdir(path)) == sorted([*SMALL, "model.safetensors"])
    assert [it["model_type"] for it in configs] == ["llama"]
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert remote().fetch(configs.append, lambda _: None) == path
    assert remote().weights == WEIGHTS


@pytest.mark.models
def test_a_connection_that_breaks_is_taken_up_where_it_broke(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The client keeps whole chunks, of 10 MB.
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 50_000)
    hub.broken["model.safetensors"] = [100_000]
    told = fetch()
    assert [it for it in hub.asked if it.startswith("GET-FILE model")] == [
        "GET-FILE model.safetensors 0-100000",
        f"GET-FILE model.safetensors 100000-{WEIGHTS}",
    ]
    assert told[-1].done == FETCHED


@pytest.mark.models
def test_a_download_that_fails_is_completed_the_next_time(hub: FakeHub) -> None:
    hub.broken["model.safetensors"] = [0] * 6  # as often as the client tries
    with pytest.raises(ConfigError) as raised:
        fetch()
    done = sum((MODEL / it).stat().st_size for it in SMALL)
    assert str(raised.value).startswith(
        f"the download of the language model 'tiny/llm' broke off in model.safetensors at "
        f"{gigabytes(done)} of {gigabytes(FETCHED)} ("
    )
    assert "try again; files that were complete are kept" in str(raised.value)
    hub.asked.clear()
    told = fetch()
    assert hub.fetched() == ["model.safetensors"]
    assert (told[0].done, told[-1].done) == (done, FETCHED)


@pytest.mark.models
def test_a_download_that_is_interrupted_by_hand_starts_again_cleanly(hub: FakeHub) -> None:
    def stop(progress: Progress) -> None:
        if progress.file == "model.safetensors":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(llm("tiny/llm"), progress=stop)
    cache = Path(constants.HF_HUB_CACHE)
    assert not list(cache.rglob("*.incomplete"))
    hub.asked.clear()
    fetch()
    assert hub.fetched() == ["model.safetensors"]


# What is refused, and what to do then


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (
            (404, "RepoNotFound"),
            "there is no language model 'tiny/llm' on the Hugging Face hub, or",
        ),
        ((401, "RepoNotFound"), "`hf auth login`"),
        (
            (403, "GatedRepo"),
            "is gated: .* accept them on the model's page, and run `hf auth login`",
        ),
        ((403, ""), "or it is private"),
        ((418, ""), "the Hugging Face hub answered 418 .* try again later"),
    ],
)
def test_a_hub_that_refuses(hub: FakeHub, refusal: tuple[int, str], message: str) -> None:
    hub.refused["tiny/llm"] = refusal
    with pytest.raises(ConfigError, match=message):
        fetch()


def test_a_gated_model_may_be_listed_and_not_fetched(hub: FakeHub) -> None:
    hub.refused_files["tiny/llm"] = (403, "GatedRepo")
    with pytest.raises(ConfigError, match="the language model 'tiny/llm' is gated"):
        fetch()


@pytest.mark.models
def test_a_model_that_was_fetched_needs_no_permission_any_more(hub: FakeHub) -> None:
    fetch()
    hub.refused["tiny/llm"] = (403, "GatedRepo")
    assert fetch() == []


def test_no_network(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody listens there.
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"hub cannot be reached .* check the network"):
        fetch()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match="HF_HUB_OFFLINE forbids to fetch it: unset that once"):
        fetch()


@pytest.mark.parametrize(
    ("part", "family", "message"),
    [
        (llm, "telepathy", "no language model that the installed mlx-lm can load: .*'telepathy'"),
        (stt, "telepathy", "no recogniser that the installed mlx-audio can load: .* use one of "),
        (stt, "kokoro", "the model_type 'kokoro'; that is a family for tts, so give it to that"),
        (tts, "moonshine", "no speech model .* that is a family for stt"),
        (smart_turn, "whisper", "no end-of-turn model .* that is a family for stt"),
        (silero, "whisper", "no voice activity model .* that is a family for stt"),
    ],
)
def test_an_unknown_family_is_refused_before_its_weights_are_fetched(
    hub: FakeHub, part: type, family: str, message: str
) -> None:
    hub.models["some/thing"] = {
        "config.json": json.dumps({"model_type": family}).encode(),
        "model.safetensors": bytes(1000),
    }
    made = part("some/thing")
    # Until it says itself which model it has.
    made.model = "some/thing"
    with pytest.raises(ConfigError, match=message):
        load(made)
    assert hub.fetched() == ["config.json"]


def test_a_model_without_weights_for_mlx(hub: FakeHub) -> None:
    hub.models["some/gguf"] = {"config.json": b"{}", "model.gguf": bytes(10)}
    with pytest.raises(ConfigError, match=r"'some/gguf' has no weights that MLX can load"):
        fetch("some/gguf")


@pytest.mark.models
def test_too_little_memory_for_all_of_them_together(hub: FakeHub) -> None:
    parts = [llm("tiny/llm"), llm(MODEL, dtype="float16")]
    cache = parts[1].cache_need(MODEL)
    assert cache > 0
    with pytest.raises(ConfigError) as raised:
        load(*parts, memory=2 * WEIGHTS + cache - 1, dtype="float16")
    size = gigabytes(WEIGHTS)
    assert str(raised.value).startswith(
        f"the models take {gigabytes(2 * WEIGHTS + cache)} of memory "
        f"('tiny/llm' {size}, {str(MODEL)!r} {size} and {gigabytes(cache)} for its cache), and "
    )
    assert "rxvoice models" in str(raised.value)
    assert hub.fetched() == []
    # The cache of what is on the hub is known when it was fetched.
    with pytest.raises(ConfigError, match=f"'tiny/llm' {size} and {gigabytes(cache)} for its"):
        load(*parts, memory=2 * (WEIGHTS + cache) - 1, dtype="float16")
    assert len(load(*parts, memory=2 * (WEIGHTS + cache), dtype="float16")) == 2
    with pytest.raises(ConfigError, match="memory must be at least 1 bytes, got 0"):
        load(memory=0)


@pytest.mark.models
def test_weights_of_16_bits_take_twice_as_much_in_float32(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_precision, "on_cpu", lambda: True)  # on a Mac, too
    numbers = sum(it.size for it in cast("Any", mx.load(str(MODEL / "model.safetensors"))).values())
    size = gigabytes(WEIGHTS)
    cache = llm(MODEL).cache_need(MODEL)
    weights = WEIGHTS + 2 * numbers
    needed = weights + cache
    local = f"the models take {gigabytes(needed)} of memory ({str(MODEL)!r} {gigabytes(weights)}, "
    with pytest.raises(ConfigError, match=re.escape(f"{local}{size} on the disk and ")):
        load(llm(MODEL), memory=needed - 1)
    assert len(load(llm(MODEL), memory=needed)) == 1
    assert len(load(llm(MODEL, dtype="bfloat16"), memory=WEIGHTS + cache // 2)) == 1
    # That of a model on the hub is known when it was fetched, and before it is loaded.
    part = llm("tiny/llm")
    with pytest.raises(ConfigError, match=re.escape(f"({'tiny/llm'!r} {gigabytes(weights)}, ")):
        load(part, memory=needed - 1)
    assert "model.safetensors" in hub.fetched()
    assert part._family.model is None
    assert len(load(part, memory=needed)) == 1


def test_only_floats_grow_and_broken_files_do_not(tmp_path: Path) -> None:
    assert _weight_size.growth(MODEL, None) == 0
    weights = {"a": mx.zeros((4, 8), mx.float16), "b": mx.zeros((3,), mx.uint32)}
    mx.save_safetensors(str(tmp_path / "m.safetensors"), weights)
    assert _weight_size.growth(tmp_path, mx.float32) == 4 * 8 * 2
    mx.save_safetensors(str(tmp_path / "n.safetensors"), {"c": mx.zeros((5,), mx.float32)})
    assert _weight_size.growth(tmp_path, mx.float16) == 5 * -2
    (tmp_path / "o.safetensors").write_bytes(b"\xff" * 20)
    assert _weight_size.growth(tmp_path, mx.float16) == 5 * -2


def test_the_memory_of_this_machine(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 80}
    monkeypatch.setattr(mx, "device_info", lambda: {"architecture": "x86_64"})
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    with pytest.raises(ConfigError, match=r"and 246 kB can be used"):
        load(llm("tiny/llm"))
    info = {"max_recommended_working_set_size": 300_000}
    monkeypatch.setattr(mx, "device_info", lambda: info)
    with pytest.raises(ConfigError, match=r"and 300 kB can be used"):
        load(llm("tiny/llm"))
    monkeypatch.setattr(mx, "device_info", lambda: {"total_memory": 400_000})  # CUDA
    with pytest.raises(ConfigError, match=r"and 300 kB can be used"):
        load(llm("tiny/llm"))


@pytest.mark.models
def test_too_little_disk(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_hub.shutil, "disk_usage", lambda _: SimpleNamespace(free=FETCHED - 1))
    with pytest.raises(ConfigError, match=r"still takes 4\.2 MB of disk, and .* set HF_HOME"):
        fetch()
    assert hub.fetched() == []
    monkeypatch.setattr(_hub.shutil, "disk_usage", lambda _: SimpleNamespace(free=FETCHED))
    fetch()


def test_a_disk_that_becomes_full(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(file_download, "http_get", full)
    with pytest.raises(ConfigError, match=r"the disk was full before .*: make room"):
        fetch()


# Progress


def test_the_rate_is_that_of_the_last_five_seconds() -> None:
    now, told = 0.0, list[Progress]()
    meter = Meter("a/b", 50, 1000, told.append, clock=lambda: now)
    meter.begin("weights", 950)
    for now, count in [(1.0, 100), (2.0, 100), (10.0, 0), (11.0, 400), (12.0, 100)]:  # noqa: B007
        meter.add(count)
    assert [it.done for it in told] == [50, 150, 250, 250, 650, 750]
    assert [round(it.rate) for it in told] == [0, 100, 100, 0, 44, 50]
    meter.add(-700)
    assert told[-1].rate == 0
    meter.end()
    assert told[-1] == Progress("a/b", "weights", 1000, 1000, told[-1].rate)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_line_on_a_terminal() -> None:
    out = Terminal()
    line = ProgressLine(out)
    line(Progress("a/model-4bit", "w.safetensors", 1_200_000_000, 2_300_000_000, 34e6))
    line(Progress("a/model-4bit", "w" * 90, 999, 2000, 0.0))
    line.close()
    line.close()
    first, second = out.getvalue().split("\r\x1b[K")[1:]
    assert first == "model-4bit  1.2 GB of 2.3 GB  52 %  34.0 MB/s  0:32 left  w.safetensors"
    assert second.startswith("model-4bit  999 B of 2.0 kB  49 %  www")
    assert len(second) == 79 + len("\n")
    assert second.endswith("w\n")


@pytest.mark.models
def test_the_line_is_quiet_elsewhere(capsys: pytest.CaptureFixture[str], hub: FakeHub) -> None:
    load(llm("tiny/llm"))
    assert hub.fetched()
    told = capsys.readouterr()
    assert told.out == told.err == ""


@pytest.mark.models
def test_on_a_terminal_only_our_line_is_drawn(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Terminal()
    monkeypatch.setattr("sys.stderr", out)
    load(llm("tiny/llm"))
    drawn = out.getvalue()
    assert drawn.startswith("\r\x1b[Kllm  0 B of 4.2 MB  0 %")
    assert drawn.endswith("model.safetensors\n")
    assert "Fetching" not in drawn
    assert "Downloading" not in drawn


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (246_000_000, "246 MB"), (17.2e9, "17.2 GB")],
)
def test_sizes_to_read(count: float, text: str) -> None:
    assert gigabytes(int(count)) == text


def test_half_a_second_is_never_digital_silence() -> None:
    noise = _warm_up._noise(0.5)
    assert noise.shape == (8000,)
    assert noise.dtype == np.float32
    assert 0 < np.abs(noise).max() <= 1e-3


def test_a_copy_of_a_model_directory_counts_its_weights(tmp_path: Path) -> None:
    shutil.copytree(MODEL, tmp_path / "m")
    (tmp_path / "m" / "more").mkdir()
    (tmp_path / "m" / "more" / "extra.safetensors").write_bytes(bytes(10))
    assert _hub.weights_in(tmp_path / "m") == WEIGHTS + 10


@pytest.mark.models
def test_a_part_whose_weights_are_in_the_package_asks_no_hub() -> None:
    (loaded,) = load(rxvoice.offline.silero())
    assert (loaded.kind, Path(loaded.name).name) == ("vad", "silero-v6")
