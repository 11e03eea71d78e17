"""The models of ``rxvoice talk``, ``run`` and ``demo``, as the settings choose them."""

from __future__ import annotations

import os
import textwrap
from dataclasses import dataclass
from typing import cast

from rxvoice.cli._scene import UNBROKEN
from rxvoice.cli._settings import CommandSettings
from rxvoice.cli._usage import UsageError
from rxvoice.errors import ConfigError
from rxvoice.slots import ResponderSlot, SynthesizerSlot, TranscriberSlot, VadSlot

_DEMO_LLM = "a small Llama that knows about twenty subjects, on MLX"


@dataclass(frozen=True)
class Parts:
    """The models of a conversation."""

    vad: VadSlot
    stt: TranscriberSlot
    llm: ResponderSlot
    tts: SynthesizerSlot

    @property
    def sample_rate(self) -> int:
        """The sample rate of the voice, in Hz."""
        return getattr(self.tts, "sample_rate", 24_000)


@dataclass(frozen=True)
class Chosen:
    """The models, and a description of each for people."""

    parts: Parts
    transcribes: str
    replies: str
    speaks: str
    can_be_said: tuple[str, ...] = ()
    """The only sentences that the models know; empty if they know more."""

    def told(self, columns: int) -> list[str]:
        """Lines that say what each model is and what can be said to them.

        Args:
            columns: the longest line, in characters.
        """
        each = {"transcribes": self.transcribes, "replies": self.replies, "speaks": self.speaks}
        lines = [line for label, text in each.items() for line in labelled(label, text, columns)]
        if self.can_be_said:
            known = "  ".join(it.replace(" ", UNBROKEN) for it in self.can_be_said)
            lines += [it.replace(UNBROKEN, " ") for it in labelled("say", known, columns)]
        return lines


def labelled(label: str, text: str, columns: int) -> list[str]:
    """A text beside its label, wrapped."""
    head = f"  {label:<13}"
    return textwrap.wrap(text, columns, initial_indent=head, subsequent_indent=" " * len(head))


def choose(settings: CommandSettings) -> Chosen:
    """Make the models that the settings ask for.

    Raises:
        ConfigError: an option belongs to a model that was not chosen, or a model does not exist.
        MissingDependency: a part is not installed. The message says how to install it.
    """
    from rxvoice import offline

    vad = offline.silero()
    stt, transcribes = _stt(settings)
    llm, replies = _llm(settings)
    tts, speaks = _tts(settings)
    # With either demonstration model, only the sentences that both know are of use.
    known = offline.demo_phrases() if settings.llm is None or _is_demo_stt(settings) else ()
    return Chosen(Parts(vad, stt, llm, tts), transcribes, replies, speaks, tuple(known))


def _stt(settings: CommandSettings) -> tuple[TranscriberSlot, str]:
    from rxvoice import offline

    if settings.stt is not None:
        from rxvoice.mlx import stt

        trust = settings.trust_remote_code
        return stt(settings.stt, trust_remote_code=trust), f"{settings.stt}, on MLX"
    if _is_demo_stt(settings):
        return offline.demo_stt(), "a small Moonshine that knows twenty sentences, on MLX"
    return offline.stt(), "Whisper tiny.en, any English"


def _is_demo_stt(settings: CommandSettings) -> bool:
    return settings.stt is None and settings.models == "mlx"


def _llm(settings: CommandSettings) -> tuple[ResponderSlot, str]:
    if settings.llm_url is not None:
        return _remote_llm(settings, settings.llm_url)
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
            "the demonstration's language model takes no --system-prompt: choose another model "
            "with --llm, such as those that `rxvoice models` lists"
        )
    from rxvoice import offline

    return offline.llm(), _DEMO_LLM


def _remote_llm(settings: CommandSettings, url: str) -> tuple[ResponderSlot, str]:
    if settings.llm is None:
        raise UsageError("--llm-url wants --llm too, with the name that the server has for it")
    from rxvoice.remote import llm

    key = os.environ.get("RXVOICE_MODEL_KEY")
    model = llm(settings.llm, base_url=url, api_key=key, system_prompt=settings.system_prompt)
    return model, f"{settings.llm}, on {url}"


def _tts(settings: CommandSettings) -> tuple[SynthesizerSlot, str]:
    if settings.tts is not None:
        from rxvoice.mlx import tts

        # Its pieces are of type mx.array, which sinks take as well as numpy's.
        trust = settings.trust_remote_code
        model = cast(
            "SynthesizerSlot", tts(settings.tts, voice=settings.voice, trust_remote_code=trust)
        )
        return model, f"{settings.tts}, on MLX"
    from rxvoice import offline

    voice = settings.voice or "en_US-joe-medium"
    made_by = "espeak-ng" if voice.startswith("espeak:") else "Piper"
    try:
        return offline.tts(voice), f"{made_by}, {voice.removeprefix('espeak:')}"
    except ConfigError as error:
        raise UsageError(str(error)) from error
