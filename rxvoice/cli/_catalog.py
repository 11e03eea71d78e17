"""Models that work with rxvoice, by the memory that they need.

A comment beside each fact names its source. "README" is the README of mlx-audio 0.6.2. "Page" is
the page of the model on the Hugging Face hub. A size without a page is the number of parameters
times the bits that MLX stores for each: 4.5 for "4bit" and 8.5 for "8bit", scales included, 16 for
"bf16", else 32. The bytes of a token are those of its keys and values in all layers, in 16 bits;
tests/mlx/test_cache_size.py has the shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rxvoice.offline.stt import default_backend
from rxvoice.offline.weights import WHISPER_TINY

Slot: TypeAlias = Literal["vad", "turn", "stt", "llm", "tts"]

SLOTS: dict[Slot, tuple[str, str]] = {
    "vad": ("voice activity", 'rxv.silero("{}")'),
    "turn": ("end of turn", 'rxv.mlx.smart_turn("{}")'),
    "stt": ("recognition", 'rxv.mlx.stt("{}")'),
    "llm": ("language", 'rxv.mlx.llm("{}")'),
    "tts": ("speech", 'rxv.mlx.tts("{}")'),
}
"""The purpose of each slot, and the call that makes a model for it."""

TRIED: dict[str, dict[Slot, tuple[str, ...]]] = {
    "real weights": {
        "vad": ("silero_vad",),
        "turn": ("smart_turn",),
        "stt": ("whisper",),
        "llm": ("llama",),
    },
    "trained small": {"stt": ("moonshine",)},
    "random weights": {
        "stt": ("nemotron_asr", "parakeet", "voxtral_realtime"),
        "llm": (
            "qwen3",
            "qwen3_moe",
            "qwen3_5",
            "lfm2",
            "gemma2",
            "gemma3_text",
            "gpt_oss",
            "falcon_h1",
            "smollm3",
            "phi3",
        ),
        "tts": ("kokoro", "pocket_tts", "soprano"),
    },
    "not tried": {},
}
"""The families of mlx-lm and mlx-audio by the best weights that rxvoice's tests run them with.

A family that is nowhere was not tried. ``tests/mlx/FAMILIES.md`` has the same table, and the rest.
"""

MEMORIES = (8, 16, 32, 64)
"""Sizes of machines, in GB of unified memory."""


@dataclass(frozen=True)
class Model:
    """A model on the hub.

    Attributes:
        family: the module of mlx-lm or mlx-audio that runs it.
        parameters: how many parameters it has, for people.
        bytes: the size of its weights; None if it is not known.
        licence: the licence of the weights, in SPDX.
        memories: the sizes of machines that it is recommended for, in GB.
        note: what is special about it, in a few words.
        needs: another package that it needs, as pip takes it.
        cache: how many bytes each token of a conversation takes in memory; 0 for a model without
            one.
    """

    slot: Slot
    name: str
    family: str
    parameters: str
    bytes: int | None
    licence: str
    memories: tuple[int, ...]
    note: str
    needs: str | None = None
    cache: int = 0


@dataclass(frozen=True)
class BuiltIn:
    """A part that needs no download.

    Attributes:
        call: the call that makes it.
        what: what it is.
        licence: its licence, in SPDX.
        module: the module that must be installed; None for nothing.
    """

    slot: Slot
    call: str
    what: str
    licence: str
    module: str | None


def _ears() -> BuiltIn:
    """The recogniser, with the library that runs it on this machine."""
    on_mlx = default_backend() == "mlx"
    what = f"{WHISPER_TINY.name} by {'MLX' if on_mlx else 'faster-whisper'}"
    module = WHISPER_TINY.module if on_mlx else "faster_whisper"
    return BuiltIn("stt", "rxv.offline.stt()", what, WHISPER_TINY.licence, module)


BUILT_IN = (
    BuiltIn("vad", "rxv.offline.silero()", "Silero", "MIT", None),
    BuiltIn("turn", "rxv.silence(1600)", "a length of silence, no model", "MIT", None),
    _ears(),
    BuiltIn("llm", "rxv.offline.llm()", "a demonstration of 78 subjects, with tools", "MIT", None),
    BuiltIn("tts", "rxv.offline.tts()", "Piper, or espeak-ng", "GPL-3.0-or-later", "piper"),
)

MODELS = (
    Model(
        "vad",
        # Name: README, table of VAD models. Licence: repository snakers4/silero-vad.
        "mlx-community/silero-vad",
        "mlx_audio.vad.models.silero_vad",
        "0.5M",  # counted, for both of its sample rates
        2_000_000,
        "MIT",
        MEMORIES,
        "runs in numpy",
    ),
    Model(
        "turn",
        # Name: mlx-audio's sts/voice_pipeline.py. Licence: README of repository
        # pipecat-ai/smart-turn.
        "mlx-community/smart-turn-v3",
        "mlx_audio.vad.models.smart_turn",
        "8M",
        32_000_000,
        "BSD-2-Clause",
        MEMORIES,
        "23 languages",
    ),
    Model(
        "stt",
        # Name, parameters: mlx-audio's stt/models/moonshine/README.md. Size, licence: page.
        "UsefulSensors/moonshine-base",
        "mlx_audio.stt.models.moonshine",
        "61M",
        246_000_000,
        "MIT",
        (8,),
        "English",
    ),
    Model(
        "stt",
        # Name: README. Size: page. Licence: page of nvidia/parakeet-tdt-0.6b-v3.
        "mlx-community/parakeet-tdt-0.6b-v3",
        "mlx_audio.stt.models.parakeet",
        "0.6B",
        2_510_000_000,
        "CC-BY-4.0",
        (16, 32, 64),
        "25 European languages",
    ),
    Model(
        "stt",
        # Name: README. Size: that of the same weights on page mlx-community/whisper-large-v3-turbo,
        # which lacks the tokenizer that mlx-audio wants. Licence: repository openai/whisper.
        "mlx-community/whisper-large-v3-turbo-asr-fp16",
        "mlx_audio.stt.models.whisper",
        "0.8B",
        1_610_000_000,
        "MIT",
        (16, 32, 64),
        "99 languages",
    ),
    Model(
        "stt",
        # Name: README. The rest: page.
        "mlx-community/Voxtral-Mini-4B-Realtime-2602-4bit",
        "mlx_audio.stt.models.voxtral_realtime",
        "4B",
        2_250_000_000,
        "Apache-2.0",
        (32, 64),
        "listens while you speak",
    ),
    Model(
        "llm",
        # All: page.
        "Qwen/Qwen3-1.7B-MLX-4bit",
        "mlx_lm.models.qwen3",
        "1.7B",
        914_000_000,
        "Apache-2.0",
        (8,),
        "",
        cache=114_688,
    ),
    Model(
        "llm",
        # Name: the one that many public repositories load. Licence: pages of other conversions of
        # Qwen/Qwen3-4B-Instruct-2507, such as mlx-community/Qwen3-4B-Instruct-2507-DDWQ.
        "mlx-community/Qwen3-4B-Instruct-2507-4bit",
        "mlx_lm.models.qwen3",
        "4.0B",
        2_300_000_000,
        "Apache-2.0",
        (16,),
        "",
        cache=147_456,
    ),
    Model(
        "llm",
        # Names of this and the next: the hub's list of quantized Qwen3-30B-A3B-Instruct-2507.
        "mlx-community/Qwen3-30B-A3B-Instruct-2507-4bit",
        "mlx_lm.models.qwen3_moe",
        "30.5B",
        17_200_000_000,
        "Apache-2.0",
        (32,),
        "3.3B of them at a time",
        cache=98_304,
    ),
    Model(
        "llm",
        "mlx-community/Qwen3-30B-A3B-Instruct-2507-8bit",
        "mlx_lm.models.qwen3_moe",
        "30.5B",
        32_400_000_000,
        "Apache-2.0",
        (64,),
        "3.3B of them at a time",
        cache=98_304,
    ),
    Model(
        "tts",
        # Name: README. Licence: page. Size: that, and 54 voices of 522 kB.
        "mlx-community/Kokoro-82M-bf16",
        "mlx_audio.tts.models.kokoro",
        "82M",
        192_000_000,
        "Apache-2.0",
        MEMORIES,
        "41 voices, 6 languages",
        "'rxvoice[kokoro]'",
    ),
    Model(
        "tts",
        # Name: mlx-audio's sts/voice_pipeline.py. Licence: page. Size: that of the original's
        # weights, in bfloat16: 100 million parameters, and 18 of the encoder of recordings.
        "mlx-community/pocket-tts",
        "mlx_audio.tts.models.pocket_tts",
        "0.1B",
        236_000_000,
        "CC-BY-4.0",
        MEMORIES,
        "English, speaks while it writes",
        "requests",
    ),
)
"""In each slot, begin with the first model that fits the machine."""


def recommended(memory: int) -> list[Model]:
    """The models for a machine with this many GB: those of the largest size that fits."""
    size = max((it for it in MEMORIES if it <= memory), default=MEMORIES[0])
    return [model for model in MODELS if size in model.memories]


def first_of_each(models: list[Model]) -> list[Model]:
    """The first model of each slot, which is the one to begin with."""
    return list({it.slot: it for it in reversed(models)}.values())
