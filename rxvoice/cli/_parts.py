"""The models of ``rxvoice talk``, ``run`` and ``demo``, as the settings choose them."""

from __future__ import annotations

import os
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import reactivex as rx
from reactivex import Observable

from rxvoice.cli._key import key_from
from rxvoice.cli._scene import UNBROKEN
from rxvoice.cli._settings import CommandSettings, ModelSettings
from rxvoice.cli._usage import UsageError
from rxvoice.elements import Say
from rxvoice.errors import ConfigError
from rxvoice.slots import ResponderSlot, SynthesizerSlot, TranscriberSlot, VadSlot

if TYPE_CHECKING:
    from rxvoice.mlx import SmartTurn
    from rxvoice.offline import OfflineTools

_LIBRARIES = {"mlx": "MLX", "faster-whisper": "faster-whisper"}
_DEMO_LLM = "a small Llama that knows 78 subjects, on MLX"


@dataclass(frozen=True)
class Parts:
    """The models of a conversation."""

    vad: VadSlot
    stt: TranscriberSlot
    llm: ResponderSlot
    tts: SynthesizerSlot
    says: Observable[Say] = field(default_factory=rx.never)
    """What the tools of the language model say by themselves."""
    smart_turn: SmartTurn | None = None
    """Judges whether the user has finished."""

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
    """The only sentences that the recogniser knows; empty if it knows more."""

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
    stt, transcribes = choose_stt(settings)
    tools = offline.OfflineTools()
    llm, replies = choose_llm(settings, tools)
    tts, speaks = choose_tts(settings)
    known = offline.demo_phrases() if _is_demo_stt(settings) else ()
    turn = choose_smart_turn(settings)
    parts = Parts(vad, stt, llm, tts, tools.rings, turn)
    return Chosen(parts, transcribes, replies, speaks, tuple(known))


def choose_smart_turn(settings: ModelSettings) -> SmartTurn | None:
    """The model that judges whether the user has finished, if there is to be one."""
    if settings.smart_turn is None:
        return None
    from rxvoice.mlx import smart_turn

    return smart_turn(settings.smart_turn, trust_remote_code=settings.trust_remote_code)


def choose_stt(settings: CommandSettings) -> tuple[TranscriberSlot, str]:
    """The recogniser, and what it is."""
    from rxvoice import offline

    if settings.stt is not None:
        from rxvoice.mlx import stt

        trust = settings.trust_remote_code
        return stt(settings.stt, trust_remote_code=trust), f"{settings.stt}, on MLX"
    if _is_demo_stt(settings):
        return offline.demo_stt(), "a small Moonshine that knows twenty sentences, on MLX"
    ears = offline.stt()
    return ears, f"{ears.model} by {_LIBRARIES[ears.backend]}, any English"


def _is_demo_stt(settings: CommandSettings) -> bool:
    return settings.stt is None and settings.models == "mlx"


def choose_llm(
    settings: CommandSettings, tools: OfflineTools | None = None
) -> tuple[ResponderSlot, str]:
    """The language model, and what it is."""
    if settings.llm_url:
        return _llm_elsewhere(settings)
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

    return offline.llm(tools), _DEMO_LLM


def _llm_elsewhere(settings: CommandSettings) -> tuple[ResponderSlot, str]:
    from rxvoice import remote

    check_named("llm", settings.llm)
    key = key_from("--model-key", settings.model_key, "RXVOICE_MODEL_KEY", dict(os.environ))
    model = remote.llm(
        settings.llm or "",
        base_url=settings.llm_url,
        api_key=key or None,
        system_prompt=settings.system_prompt,
    )
    return model, elsewhere(settings.llm, settings.llm_url)


def check_named(kind: str, model: str | None) -> None:
    """Check that a model behind a server has a name.

    Raises:
        UsageError: it has none.
    """
    if model is None:
        raise UsageError(
            f"--{kind}-url says where a model is, and not which: name it with --{kind}"
        )


def elsewhere(model: str | None, urls: tuple[str, ...]) -> str:
    """What a model behind servers is, for people."""
    return f"{model}, at {' and '.join(urls)}"


def choose_tts(settings: CommandSettings) -> tuple[SynthesizerSlot, str]:
    """The voice, and what it is."""
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
