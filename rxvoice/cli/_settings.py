"""The settings of ``rxvoice talk`` and ``run``: one table, for the options and the file."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import cast

from rxvoice.cli._setting import Setting, milliseconds, setting

GROUPS = {
    "models": "models",
    "devices": "devices",
    "turns": "when it is your turn",
    "interruption": "interrupting the assistant",
    "output": "what is shown and kept",
}


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Which models to run on this machine."""

    models: str = setting(
        "offline",
        "models",
        "text",
        "what transcribes: Whisper tiny.en ('offline'), or a small Moonshine on MLX that knows "
        "twenty sentences ('mlx'); either way a demonstration that knows 78 subjects writes "
        "the replies, and a Piper voice speaks them",
        choices=("offline", "mlx"),
    )
    stt: str | None = setting(
        None, "models", "text", "transcribe with this model of mlx-audio", metavar="MODEL"
    )
    llm: str | None = setting(
        None, "models", "text", "write the replies with this model of mlx-lm", metavar="MODEL"
    )
    tts: str | None = setting(
        None, "models", "text", "speak with this model of mlx-audio", metavar="MODEL"
    )
    smart_turn: str | None = setting(
        None,
        "models",
        "text",
        "ask this model whether you have finished, such as mlx-community/smart-turn-v3 or a "
        "directory; without it, only silence tells",
        metavar="MODEL",
    )
    trust_remote_code: bool = setting(
        False,
        "models",
        "switch",
        "run the code and the pickles that these models bring; when off, a model that has any is "
        "refused",
    )


@dataclass(frozen=True, kw_only=True)
class CommandSettings(ModelSettings):
    """How to hold a conversation.

    With dashes, a field's name is the name of the option and of the key in the settings file.
    """

    llm_url: tuple[str, ...] = setting(
        (),
        "models",
        "texts",
        "ask --llm at a server with OpenAI's interface, such as http://127.0.0.1:8000/v1; give it "
        "again for each further server",
        metavar="URL",
    )
    model_key: str | None = setting(
        None,
        "models",
        "text",
        "the key that this server wants: a file with it, or 'env' for $RXVOICE_MODEL_KEY",
        metavar="FILE",
    )
    voice: str | None = setting(
        None,
        "models",
        "text",
        "a voice of the speech model, such as af_heart or espeak:en-gb-x-rp",
    )
    system_prompt: str | None = setting(
        None, "models", "text", "instructions for the language model", metavar="TEXT"
    )

    microphone: int | str | None = setting(
        None,
        "devices",
        "device",
        "the number of the microphone, or a part of its name, as 'rxvoice devices' lists them",
        metavar="DEVICE",
    )
    speaker: int | str | None = setting(
        None, "devices", "device", "the loudspeaker, likewise", metavar="DEVICE"
    )

    silence_ms: int = milliseconds(800, "turns", "the silence that ends a turn, in milliseconds")
    vad_start: float = setting(
        0.35, "turns", "number", "speech begins at this probability", most=1, metavar="P"
    )
    vad_stop: float = setting(
        0.2, "turns", "number", "speech ends below this probability", most=1, metavar="P"
    )
    preroll_ms: int = milliseconds(
        250, "turns", "audio to keep from just before speech, in milliseconds"
    )
    max_turn_ms: int = milliseconds(30_000, "turns", "the longest turn, in milliseconds", least=1)
    push_to_talk: bool = setting(
        False, "turns", "switch", "listen only on demand: the space bar begins and ends a turn"
    )

    interruptions: bool = setting(
        True,
        "interruption",
        "switch",
        "stop speaking when you begin to; when off, finish the reply first",
    )
    min_speech_ms: int = milliseconds(
        180, "interruption", "speech that interrupts, in milliseconds; less is a cough"
    )
    min_words: int = setting(
        1,
        "interruption",
        "whole",
        "words that interrupt, if the recogniser transcribes them in time",
        unit="words",
        metavar="N",
    )
    echo: str = setting(
        "correlate",
        "interruption",
        "text",
        "how the assistant ignores its own voice: 'correlate' recognises the voice in the "
        "microphone's signal; 'cancel' removes it from the signal, which changes your voice too "
        "and needs rxvoice[echo]; 'off' is for headphones",
        choices=("correlate", "cancel", "off"),
    )

    record: Path | None = setting(  # noqa: RUF009
        None,
        "output",
        "path",
        "record both sides to a WAV file: you on the left, the assistant on the right",
        metavar="FILE",
    )
    transcript: Path | None = setting(  # noqa: RUF009
        None, "output", "path", "write every event as a line of JSON", metavar="FILE"
    )
    trace: Path | None = setting(  # noqa: RUF009
        None,
        "output",
        "path",
        "record all of the conversation in a new directory, for `rxvoice replay` and `rxvoice "
        "timeline`: the sound, what each model answered, what happened and when",
        metavar="DIR",
    )
    content: bool = setting(
        True,
        "output",
        "switch",
        "with --trace: keep texts and sound; when off, keep their lengths, and all times",
    )
    plain: bool = setting(
        False, "output", "switch", "print lines, as when the output is not a terminal"
    )


def table(of: type = CommandSettings) -> dict[str, tuple[Setting, object]]:
    """Each setting of a dataclass and its default, by the name of its option."""
    return {
        it.name.replace("_", "-"): (cast(Setting, it.metadata["setting"]), cast(object, it.default))
        for it in fields(of)
    }
