"""Train the demo's tiny recogniser: a small Moonshine that transcribes the demo's questions.

The program reads demo_stt.json. espeak-ng and flite speak every question in many voices, and
foreign sentences in some, for which the transcript is empty. The program writes a model directory
that `mlx_audio.stt.load` opens: config.json, model.safetensors, tokenizer.json and
tokenizer_config.json. It also writes phrases.json, the sentences that the model knows. Then it
transcribes, through `rxvoice.mlx.stt`, voices that it was not trained on, noise, and the demo's
recording in the real pipe. It fails unless the recording is transcribed right. The same seed on the
same machine writes the same bytes. The model learns the first phrasing of each subject; with --all
it learns every phrasing, which takes several times the steps.

    apt-get install flite libopenblas0-pthread
    export LD_PRELOAD=libopenblas.so.0 OPENBLAS_NUM_THREADS=1
    python training/demo_stt.py OUT --foreign 0
    python training/demo_stt.py OUT --resume --steps 1400 --tune 160 --rate 2e-3 --reuse 2 \\
        --espeaks 58
    python training/demo_stt.py OUT --check

These commands made rxvoice/offline/demo-stt: the first teaches its own sentences, the second adds
foreign ones. Each takes about a quarter of an hour on two Linux cores. More threads of OpenBLAS are
slower.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# On a CPU, compiling starts a C++ compiler; this model is too small to win it back.
os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
import soundfile as sf
import soxr
from mlx.utils import tree_flatten
from mlx_audio.stt.models.moonshine import Model, ModelConfig
from tokenizers import Tokenizer, models, pre_tokenizers

HERE = Path(__file__).parent
SENTENCES = HERE / "demo_stt.json"
RATE = 16_000
PAD, START, END, UNKNOWN = 0, 1, 2, 3
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"]

DEMO = (
    "Hello, who are you?",
    "What can you talk about?",
    "How far away is the moon?",
    "Thank you, goodbye.",
)

CONFIG: dict[str, object] = {
    "architectures": ["MoonshineForConditionalGeneration"],
    "model_type": "moonshine",
    "hidden_size": 64,
    "intermediate_size": 192,
    "encoder_num_hidden_layers": 3,
    "decoder_num_hidden_layers": 1,
    "encoder_num_attention_heads": 4,
    "decoder_num_attention_heads": 4,
    "encoder_num_key_value_heads": 4,
    "decoder_num_key_value_heads": 4,
    "encoder_hidden_act": "gelu",
    "decoder_hidden_act": "silu",
    "max_position_embeddings": 512,
    "partial_rotary_factor": 0.9,
    "rope_theta": 10000.0,
    "attention_bias": False,
    "bos_token_id": START,
    "eos_token_id": END,
    "pad_token_id": PAD,
    "decoder_start_token_id": START,
    "tie_word_embeddings": True,
}

Samples = np.ndarray


def spoken(text: str) -> str:
    """A text as a recogniser transcribes it: lower case, no punctuation."""
    return " ".join(re.findall(r"[a-z']+", text.lower()))


# Voices. Flite's awb, and the espeak variants below, are never trained on; rms at these speeds.

ESPEAK_ACCENTS = ("en-us", "en", "en-gb-x-rp", "en-gb-scotland", "en-us-nyc", "en-029")
ESPEAK_VARIANTS = (
    "", "f1", "f2", "f3", "m1", "m2", "m3", "m4", "m5", "m7", "m8",
    "klatt", "klatt2", "klatt4", "klatt6", "steph", "belinda", "Alex", "adam", "kaukovalta",
    "Gene", "linda", "john", "anika", "Andy", "Annie", "edward", "paul", "rob",
)  # fmt: skip
HELD_OUT_VARIANTS = ("f4", "m6", "klatt3", "Michael", "robert", "Denis")
FLITE_TRAINED = tuple((voice, s) for s in (1.0, 0.9, 1.15) for voice in ("slt", "rms", "kal16"))
FLITE_HELD_OUT = (("awb", 1.0), ("awb", 1.2), ("rms", 0.8), ("rms", 1.3))


def espeak(text: str, voice: str, rate_wpm: int, pitch: int) -> Samples:
    from rxvoice import offline

    talker = offline.tts(f"espeak:{voice}", rate_wpm=rate_wpm, pitch=pitch)
    samples = np.concatenate(list(talker.synthesize_stream(text)))
    return soxr.resample(samples, talker.sample_rate, RATE)


def flite(text: str, voice: str, stretch: float, cache: Path) -> Samples:
    key = hashlib.sha1(f"{text}|{voice}|{stretch}".encode()).hexdigest()[:20]
    path = cache / f"{key}.wav"
    if not path.exists():
        partial = path.with_suffix(f".{os.getpid()}.wav")
        how = ["-voice", voice, "--setf", f"duration_stretch={stretch}"]
        subprocess.run(["flite", *how, "-t", text, str(partial)], check=True)
        partial.rename(path)
    samples, rate = sf.read(path, dtype="float32")
    if rate != RATE:
        sys.exit(f"flite's voice {voice} is of {rate} Hz, wanted {RATE}")
    return samples


def trimmed(samples: Samples) -> Samples:
    """A clip without the silence around it, at an RMS of 0.1."""
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    samples = samples[loud[0] : loud[-1] + 1]
    return (samples * (0.1 / np.sqrt(np.mean(samples**2)))).astype(np.float32)


@dataclass(frozen=True)
class Clip:
    samples: Samples
    text: str
    voice: str


def trained_clips(texts: list[str], espeaks: int, seed: int, cache: Path) -> list[Clip]:
    """Each text in `espeaks` voices of espeak-ng and all of flite's."""
    rng = np.random.default_rng(seed)
    clips: list[Clip] = []
    for text in texts:
        for at in range(espeaks):
            accent = ESPEAK_ACCENTS[0 if rng.random() < 0.4 else rng.integers(len(ESPEAK_ACCENTS))]
            variant = ESPEAK_VARIANTS[at % len(ESPEAK_VARIANTS)]
            voice = f"{accent}+{variant}" if variant else accent
            samples = espeak(text, voice, int(rng.integers(130, 215)), int(rng.integers(25, 80)))
            clips.append(Clip(trimmed(samples), text, voice))
    jobs = [(text, *how) for text in texts for how in FLITE_TRAINED]
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda job: flite(*job, cache), jobs))
    clips += [
        Clip(trimmed(samples), text, f"flite {voice}")
        for samples, (text, voice, _) in zip(said, jobs, strict=True)
    ]
    return clips


def foreign_clips(texts: list[str], seed: int, cache: Path) -> list[Clip]:
    """Sentences that the model does not know, each in a few voices: their transcript is empty."""
    rng = np.random.default_rng(seed)
    clips: list[Clip] = []
    for text in texts:
        for variant in rng.choice(ESPEAK_VARIANTS, 10, replace=False):
            voice = f"{rng.choice(ESPEAK_ACCENTS)}{f'+{variant}' if variant else ''}"
            samples = espeak(text, voice, int(rng.integers(130, 215)), int(rng.integers(25, 80)))
            clips.append(Clip(trimmed(samples), "", voice))
        for voice, stretch in (
            FLITE_TRAINED[at] for at in rng.choice(len(FLITE_TRAINED), 3, False)
        ):
            samples = flite(text, voice, stretch, cache)
            clips.append(Clip(trimmed(samples), "", f"flite {voice}"))
    return clips


def held_out_clips(texts: list[str], cache: Path) -> list[Clip]:
    clips: list[Clip] = []
    for text in texts:
        for at, variant in enumerate(HELD_OUT_VARIANTS):
            voice = f"{('en-us', 'en')[at % 2]}+{variant}"
            clips.append(Clip(trimmed(espeak(text, voice, 150 + 10 * at, 50)), text, voice))
    jobs = [(text, *how) for text in texts for how in FLITE_HELD_OUT]
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda job: flite(*job, cache), jobs))
    for samples, (text, voice, stretch) in zip(said, jobs, strict=True):
        clips.append(Clip(trimmed(samples), text, f"flite {voice} x{stretch}"))
    return clips


# The room.


@cache
def noises() -> list[Samples]:
    """Half a minute each, of RMS 1: white, and falling with frequency as in quiet rooms."""
    rng = np.random.default_rng(0)
    tracks: list[Samples] = []
    for slope in np.linspace(0, 1.1, 12):
        white = np.fft.rfft(rng.standard_normal(1 << 19))
        tint = np.maximum(np.fft.rfftfreq(1 << 19, 1 / RATE), 60.0) ** -slope
        colored = np.fft.irfft(white * tint)
        tracks.append((colored / np.sqrt(np.mean(colored**2))).astype(np.float32))
    return tracks


def noise(n: int, rng: np.random.Generator) -> Samples:
    """Noise of about RMS 1."""
    track = noises()[rng.integers(len(noises()))]
    at = rng.integers(len(track) - n)
    return track[at : at + n]


def burst(rng: np.random.Generator) -> Samples:
    """A cough, a knock or a hum, for which a voice detector may open a turn."""
    n = int(rng.uniform(0.02, 0.5) * RATE)
    t = np.arange(n) / RATE
    envelope = np.exp(-t / rng.uniform(0.01, 0.2)) * np.minimum(t / 0.005, 1)
    if rng.random() < 0.75:
        body = noise(n, rng)
        if rng.random() < 0.5:
            body = body * (1 + np.sin(2 * np.pi * rng.uniform(60, 250) * t))
    else:
        body = np.sin(2 * np.pi * rng.uniform(80, 3000) * t)
    loud = body * envelope
    return (loud * (0.1 / max(1e-6, float(np.sqrt(np.mean(loud**2)))))).astype(np.float32)


def worded(samples: Samples, rng: np.random.Generator) -> Samples:
    """A clip at another speed, in another room and through another microphone."""
    speed = rng.uniform(0.88, 1.12)
    n = int(len(samples) / speed)
    samples = np.interp(np.arange(n) * speed, np.arange(len(samples)), samples)
    size = 1 << (n + 2_400).bit_length()
    spectrum = np.fft.rfft(samples.astype(np.float32), size)
    frequencies = np.fft.rfftfreq(size, 1 / RATE)
    octaves = np.log2(np.maximum(frequencies, 50) / 1_000)
    decibels = rng.uniform(-3, 3) * octaves + rng.uniform(0, 3) * np.sin(
        octaves * rng.uniform(0.5, 2) + rng.uniform(0, 6.3)
    )
    spectrum *= 10 ** (decibels / 20)
    if rng.random() < 0.4:
        tail = rng.standard_normal(2_400) * np.exp(-np.arange(2_400) / rng.uniform(150, 700))
        tail *= rng.uniform(0.1, 0.5) / np.sqrt(np.sum(tail**2))
        tail[0] = 1
        spectrum *= np.fft.rfft(tail, size)
    samples = np.fft.irfft(spectrum, size)[: n + 1_200]
    return (samples * (0.1 / np.sqrt(np.mean(samples[:n] ** 2)))).astype(np.float32)


class Turns:
    """Endless batches of turns as `turn_window` cuts them, of one length each, with their words."""

    def __init__(
        self, clips: list[Clip], words: dict[str, int], batch: int, foreign: float, seed: int
    ) -> None:
        self.clips = sorted(clips, key=lambda clip: len(clip.samples))
        # The demo's own sentences and flite's voices, the nearest to people's, come more often.
        weights = np.array(
            [
                (4.0 if c.voice.startswith("flite") else 1.0) * (2.0 if c.text in DEMO else 1.0)
                for c in self.clips
            ]
        )
        others = np.array([not c.text for c in self.clips])
        if others.any():
            weights[others] *= foreign * weights[~others].sum() / weights[others].sum()
        self.edges = np.cumsum(weights) / weights.sum()
        self.words = words
        self.longest = max(len(spoken(clip.text).split()) for clip in clips)
        self.labels = {
            text: at for at, text in enumerate(sorted({c.text for c in clips if c.text}), 1)
        }
        self.batch = batch
        self.rng = np.random.default_rng(seed)

    def next(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Audio (batch, n), word ids with start and end (batch, words + 2), phrase numbers."""
        rng = self.rng
        # Neighbours in length, so that little of a batch is padding.
        middle, spread = rng.random(), 0.12
        at = np.clip(middle + rng.uniform(-spread, spread, self.batch), 0, 1 - 1e-9)
        at = np.where(rng.random(self.batch) < 0.9, at, rng.random(self.batch) * middle)
        picked = [self.clips[i] for i in np.searchsorted(self.edges, at)]
        said = [None if rng.random() < 0.06 else worded(clip.samples, rng) for clip in picked]
        leads = (rng.uniform(0.08, 0.45, self.batch) * RATE).astype(int)
        ends = [
            lead + (0 if sound is None else len(sound))
            for lead, sound in zip(leads, said, strict=True)
        ]
        n = max(max(ends), RATE) + int(
            (rng.uniform(0.1, 1.0) if rng.random() < 0.7 else rng.uniform(1.0, 1.65)) * RATE
        )
        audio = np.zeros((self.batch, n), np.float32)
        ids = np.full((self.batch, self.longest + 2), PAD, np.int32)
        labels = np.zeros(self.batch, np.int32)
        for row, (clip, sound, lead) in enumerate(zip(picked, said, leads, strict=True)):
            words: list[str] = []
            if sound is not None:
                audio[row, lead : lead + len(sound)] = sound
                words = spoken(clip.text).split()
                labels[row] = self.labels.get(clip.text, 0)
            elif rng.random() < 0.7:
                for _ in range(rng.integers(1, 4)):
                    start = rng.integers(0, n - RATE // 2)
                    loud = burst(rng)
                    audio[row, start : start + len(loud)] += loud[: n - start]
            audio[row] += noise(n, rng) * 0.1 * 10 ** (-rng.uniform(12, 55) / 20)
            audio[row] *= 10 ** (rng.uniform(-20, 6) / 20)
            ids[row, : len(words) + 2] = [START, *(self.words[word] for word in words), END]
        np.clip(audio, -1, 1, out=audio)
        return audio, ids, labels


# Training.


def convolved(x: mx.array, conv: nn.Conv1d, stride: int) -> mx.array:
    """The convolution as matrix products: MLX on a CPU has no fast gradient of a convolution.

    The input is cut into blocks of `stride`, the kernel too, and each of its parts meets each block
    in a product.
    """
    out, kernel, channels = conv.weight.shape
    batch, n, _ = x.shape
    parts = -(-kernel // stride)
    frames = (n - kernel) // stride + 1
    rows = frames + parts - 1
    x = mx.pad(x, [(0, 0), (0, max(0, rows * stride - n)), (0, 0)])[:, : rows * stride]
    x = x.reshape(batch, rows, stride * channels)
    weight = mx.pad(conv.weight, [(0, 0), (0, parts * stride - kernel), (0, 0)])
    weight = weight.reshape(out, parts, stride * channels)
    y = sum(x[:, at : at + frames] @ weight[:, at].T for at in range(parts))
    return y + conv.bias if "bias" in conv else y


def quick_gelu(x: mx.array) -> mx.array:
    """GELU within 0.02, and cheaper; the end of the training uses the exact one."""
    return x * mx.sigmoid(1.702 * x)


class Trainee(nn.Module):
    """The model, and a head that names the phrase from the encoder's mean; only for training."""

    def __init__(self, model: Model, phrases: int) -> None:
        super().__init__()
        self.model = model
        width = model.config.hidden_size
        self.head = nn.Linear(2 * width, phrases)
        self.act(quick_gelu)

    def act(self, gelu: Callable[[mx.array], mx.array]) -> None:
        for layer in self.model.encoder.layers:
            layer.mlp.act = gelu

    def ears(self) -> list[nn.Module]:
        encoder = self.model.encoder
        return [encoder.conv1, encoder.groupnorm, encoder.conv2, encoder.conv3]

    def ear(self, audio: mx.array) -> mx.array:
        encoder = self.model.encoder
        x = mx.tanh(convolved(audio[:, :, None], encoder.conv1, 64))
        x = encoder.groupnorm(x)
        x = nn.gelu(convolved(x, encoder.conv2, 3))
        return nn.gelu(convolved(x, encoder.conv3, 2))

    def __call__(self, heard: mx.array, ids: mx.array) -> tuple[mx.array, mx.array]:
        encoder = self.model.encoder
        positions = mx.arange(heard.shape[1])[None]
        for layer in encoder.layers:
            heard = layer(heard, position_ids=positions)
        encoded = encoder.layer_norm(heard)
        hidden, _ = self.model.decoder(ids, encoded)
        pooled = mx.concatenate([encoded.mean(axis=1), encoded.max(axis=1)], axis=-1)
        return self.model._get_logits(hidden), self.head(pooled)


def loss(trainee: Trainee, heard: mx.array, ids: mx.array, labels: mx.array) -> mx.array:
    logits, named = trainee(heard, ids[:, :-1])
    wanted = ids[:, 1:]
    counts = wanted != PAD
    each = nn.losses.cross_entropy(logits, wanted, label_smoothing=0.05) * counts
    return each.sum() / counts.sum() + 0.3 * nn.losses.cross_entropy(named, labels).mean()


def whole_loss(trainee: Trainee, audio: mx.array, ids: mx.array, labels: mx.array) -> mx.array:
    return loss(trainee, trainee.ear(audio), ids, labels)


def tuned(model: Model) -> None:
    """Start the convolutions as an ear: what they give at first is the loudness in each band.

    The first is a bank of band filters, spaced as the ear's, in pairs a quarter wave apart; the
    second gives both signs of each, which GELU then rectifies; the third adds up what belongs to a
    band, and gives its average and its change. The rest is noise to learn from.
    """
    encoder = model.encoder
    width, kernel, _ = encoder.conv1.weight.shape
    bands = width // 2
    mel = np.linspace(2595 * np.log10(1 + 120 / 700), 2595 * np.log10(1 + 6000 / 700), bands)
    hertz = 700 * (10 ** (mel / 2595) - 1)
    t = (np.arange(kernel) - kernel // 2) / RATE
    window = np.hanning(kernel + 2)[1:-1] * 0.15
    # Speech is weaker the higher it is.
    waves = [
        wave(2 * np.pi * hz * t) * window * (hz / 500) ** 0.7
        for hz in hertz
        for wave in (np.cos, np.sin)
    ]
    encoder.conv1.weight = mx.array(np.array(waves, np.float32)[:, :, None])
    second = np.array(encoder.conv2.weight) * 0.1
    third = np.array(encoder.conv3.weight) * 0.1
    for of in range(width):
        second[2 * of, 3, of] += 1
        second[2 * of + 1, 3, of] -= 1
    for band in range(bands):
        third[2 * band, :, 4 * band : 4 * band + 4] += 1 / 3
        third[2 * band + 1, 0, 4 * band : 4 * band + 4] -= 0.7
        third[2 * band + 1, 2, 4 * band : 4 * band + 4] += 0.7
    encoder.conv2.weight = mx.array(second)
    encoder.conv3.weight = mx.array(third)
    encoder.conv3.bias = mx.array(np.tile([0.0, 0.2], bands), mx.float32)


def train(texts: list[str], clips: list[Clip], args: argparse.Namespace) -> tuple[Model, list[str]]:
    vocabulary = SPECIAL + sorted({word for text in texts for word in spoken(text).split()})
    words = {word: at for at, word in enumerate(vocabulary)}
    mx.random.seed(args.seed)
    config = CONFIG | {"vocab_size": len(vocabulary)}
    model = Model(ModelConfig.from_dict(config))
    if args.resume:
        weights = model.sanitize(dict(mx.load(str(args.out / "model.safetensors"))))
        model.load_weights([(name, value.astype(mx.float32)) for name, value in weights.items()])
    else:
        tuned(model)
    turns = Turns(clips, words, args.batch, args.foreign, args.seed + 1)
    trainee = Trainee(model, 1 + len(turns.labels))
    mx.eval(trainee.parameters())
    size = sum(x.size for _, x in tree_flatten(model.parameters()))
    print(f"{len(texts)} phrases, {len(vocabulary)} words, {len(clips)} clips, {size:,} parameters")
    rng = np.random.default_rng(args.seed + 2)
    started, total, since = time.monotonic(), 0.0, 0
    # Most of the time would go into the convolutions. They start well enough to be left alone, and
    # their output is used again; they are trained only at the end.
    for part in trainee.ears():
        part.freeze()
    grade, optimizer = nn.value_and_grad(trainee, loss), adam(args.rate, args.steps)
    kept: list[tuple[mx.array, mx.array, mx.array]] = []
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(turns.next)
        for step in range(1, args.steps + args.tune + 1):
            tuning = step > args.steps
            if step == args.steps + 1:
                trainee.act(nn.gelu)
                trainee.unfreeze()
                grade = nn.value_and_grad(trainee, whole_loss)
                optimizer = adam(args.rate / 5, args.tune)
            if tuning or step % args.reuse == 1:
                batch = [mx.array(array) for array in coming.result()]
                coming = pool.submit(turns.next)
                if not tuning:
                    batch[0] = trainee.ear(batch[0])
                    mx.eval(batch)
                    kept.append((batch[0], batch[1], batch[2]))
            else:
                batch = list(kept[rng.integers(len(kept))])
            value, grads = grade(trainee, *batch)
            grads, _ = optim.clip_grad_norm(grads, 1.0)
            optimizer.update(trainee, grads)
            mx.eval(trainee.parameters(), optimizer.state, value)
            total, since = total + value.item(), since + 1
            if step % args.every == 0 or step == args.steps + args.tune:
                passed = time.monotonic() - started
                print(f"step {step} loss {total / since:.3f} {passed:.0f} s", flush=True)
                total, since = 0.0, 0
            if args.save_every and step % args.save_every == 0:
                save(model, vocabulary, texts, args.out)
    return model, vocabulary


def adam(rate: float, steps: int) -> optim.Optimizer:
    rise = max(1, min(100, steps // 10))
    up = optim.linear_schedule(rate / 100, rate, rise)
    down = optim.cosine_decay(rate, max(1, steps - rise), rate / 50)
    return optim.AdamW(
        optim.join_schedules([up, down], [rise]),
        weight_decay=0.02,
        betas=[0.9, 0.98],
        bias_correction=True,
    )


def save(model: Model, vocabulary: list[str], texts: list[str], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    weights = {}
    for name, value in tree_flatten(model.parameters()):
        # As Hugging Face has them: PyTorch's order of axes, half precision.
        value = value.transpose(0, 2, 1) if "conv" in name and value.ndim == 3 else value
        weights[f"model.{name}"] = value.astype(mx.float16)
    mx.save_safetensors(str(out / "model.safetensors"), weights, {"format": "pt"})
    config = CONFIG | {"vocab_size": len(vocabulary)}
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    ids = {word: at for at, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=SPECIAL[UNKNOWN]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.save(str(out / "tokenizer.json"))
    special = dict(zip(("pad_token", "bos_token", "eos_token", "unk_token"), SPECIAL, strict=True))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        **special,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", "utf-8")
    (out / "phrases.json").write_text(json.dumps(texts, indent=1) + "\n", "utf-8")


# Checks, all through rxvoice.


def as_turn(samples: Samples, rng: np.random.Generator, tail_s: float = 1.6) -> Samples:
    """A clip with the pre-roll, the silence at its end and a quiet room."""
    lead = np.zeros(int(rng.uniform(0.15, 0.3) * RATE), np.float32)
    audio = np.concatenate([lead, samples, np.zeros(int(tail_s * RATE), np.float32)])
    return np.clip(audio + noise(len(audio), rng) * 1e-3, -1, 1).astype(np.float32)


def demo_turns(path: Path) -> list[str]:
    """The transcripts of the demo's recording in the real pipe."""
    import rxvoice as rxv
    from rxvoice import offline, sources
    from rxvoice import operators as vox
    from rxvoice.mlx.stt import stt

    heard: list[str] = []
    failed: list[Exception] = []

    def hear(element: object) -> None:
        if isinstance(element, rxv.Transcript) and element.final:
            heard.append(element.text)
        elif isinstance(element, rxv.TurnFailed):
            failed.append(element.error)

    sources.wav(HERE.parent / "rxvoice" / "data" / "demo.wav").pipe(
        vox.chunk(512),
        vox.vad(offline.silero()),
        vox.preroll(250),
        vox.turn_window(rxv.silence(1600)),
        vox.transcribe(stt(path)),
    ).subscribe(hear, failed.append)
    if failed:
        raise failed[0]
    return heard


def check(path: Path, cache: Path, seed: int) -> bool:
    from rxvoice.mlx.stt import stt

    recogniser = stt(path)
    texts = json.loads((path / "phrases.json").read_text("utf-8"))
    rng = np.random.default_rng(seed + 7)
    right: dict[str, list[bool]] = {}
    wrong: list[str] = []
    took: list[float] = []
    for clip in held_out_clips(texts, cache):
        turn = as_turn(clip.samples, rng)
        started = time.perf_counter()
        heard = recogniser.transcribe_turn(turn)
        took.append(time.perf_counter() - started)
        right.setdefault(clip.voice, []).append(heard == spoken(clip.text))
        if not right[clip.voice][-1]:
            wrong.append(f"  {clip.voice}: {clip.text!r} heard as {heard!r}")
    print("\n".join(wrong[:40]))
    for voice, marks in right.items():
        print(f"held out {voice}: {sum(marks)}/{len(marks)}")
    marks = [mark for each in right.values() for mark in each]
    print(
        f"held out, all: {sum(marks)}/{len(marks)} = {np.mean(marks):.1%}; "
        f"decoding p50 {np.median(took) * 1e3:.0f} ms, max {max(took) * 1e3:.0f} ms"
    )
    strange = held_out_clips(json.loads(SENTENCES.read_text("utf-8"))["held_out"], cache)
    refused = sum(recogniser.transcribe_turn(as_turn(clip.samples, rng)) == "" for clip in strange)
    print(f"held out, foreign sentences heard as nothing: {refused}/{len(strange)}")
    quiet = 0
    for at in range(60):
        n = int(rng.uniform(1.2, 3.5) * RATE)
        audio = noise(n, rng) * 10 ** (-rng.uniform(25, 70) / 20)
        if at % 2:
            loud = burst(rng)
            audio[4_000 : 4_000 + len(loud)] += loud
        quiet += recogniser.transcribe_turn(np.clip(audio, -1, 1).astype(np.float32)) == ""
    print(f"noise and bursts heard as nothing: {quiet}/60")
    print(f"silence: {recogniser.transcribe_turn(np.zeros(2 * RATE, np.float32))!r}")
    heard = demo_turns(path)
    wanted = [spoken(text) for text in DEMO]
    for one, two in zip(wanted, [*heard, *[""] * 4], strict=False):
        print(f"demo: {two!r} {'right' if one == two else f'WRONG, wanted {one!r}'}")
    return heard == wanted


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="the model directory to write")
    parser.add_argument("--check", action="store_true", help="only check the model in it")
    parser.add_argument("--demo-only", action="store_true", help="just the demo's four sentences")
    parser.add_argument("--resume", action="store_true", help="go on from the model in it")
    parser.add_argument("--all", action="store_true", help="every phrasing, not only the first")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--tune", type=int, default=40, help="steps after them, of all weights")
    parser.add_argument("--reuse", type=int, default=4, help="steps for each batch spoken")
    parser.add_argument("--batch", type=int, default=32, help="turns a step")
    parser.add_argument("--rate", type=float, default=3e-3, help="learning rate")
    parser.add_argument(
        "--foreign", type=float, default=0.6, help="foreign sentences for each of its own"
    )
    parser.add_argument("--espeaks", type=int, default=36, help="espeak-ng voices for each phrase")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=100, help="steps between progress lines")
    parser.add_argument("--save-every", type=int, default=0, help="steps between saves; 0: at end")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "rxvoice-flite",
        help="where what flite said is kept",
    )
    args = parser.parse_args()
    args.cache.mkdir(parents=True, exist_ok=True)
    if not args.check:
        sentences = json.loads(SENTENCES.read_text("utf-8"))
        texts = [t for asked in sentences["phrases"] for t in asked[: None if args.all else 1]]
        texts = list(DEMO) if args.demo_only else texts
        started = time.monotonic()
        clips = trained_clips(texts, args.espeaks, args.seed, args.cache)
        if args.foreign:
            clips += foreign_clips(sentences["foreign"], args.seed, args.cache)
        print(f"{len(clips)} clips spoken in {time.monotonic() - started:.0f} s", flush=True)
        model, vocabulary = train(texts, clips, args)
        save(model, vocabulary, texts, args.out)
    if not check(args.out, args.cache, args.seed):
        sys.exit(1)


if __name__ == "__main__":
    main()
