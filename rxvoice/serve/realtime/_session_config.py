"""The configuration of a session, as clients write it: checked, merged, and read."""

from __future__ import annotations

from copy import deepcopy
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, model_validator

from rxvoice.serve.realtime._audio import RATES, Format


class _Config(BaseModel):
    # Fields that a newer client sends are ignored.
    model_config = ConfigDict(extra="ignore", strict=True)


class FormatConfig(_Config):
    """How sound is encoded. Another rate than the format's breaks clients."""

    type: Format = "audio/pcm"
    rate: int | None = None

    @model_validator(mode="after")
    def _has_its_rate(self) -> Self:
        if self.rate not in (None, RATES[self.type]):
            raise ValueError(f"the rate of {self.type} is {RATES[self.type]}")
        return self


class TranscriptionConfig(_Config):
    """Whether the client is told the words; the model is the server's."""

    model: str | None = None
    language: str | None = None
    prompt: str | None = None


class TurnDetectionConfig(_Config):
    """How the user's turns are found."""

    type: Literal["server_vad", "semantic_vad"] | None = None
    threshold: float | None = Field(None, ge=0, le=1)
    prefix_padding_ms: int | None = Field(None, ge=0, le=10_000)
    silence_duration_ms: int | None = Field(None, ge=0, le=60_000)
    idle_timeout_ms: int | None = Field(None, ge=1, le=3_600_000)
    create_response: bool | None = None
    interrupt_response: bool | None = None
    eagerness: Literal["low", "medium", "high", "auto"] | None = None


class InputConfig(_Config):
    """The microphone."""

    format: FormatConfig | None = None
    noise_reduction: dict[str, Any] | None = None
    transcription: TranscriptionConfig | None = None
    turn_detection: TurnDetectionConfig | None = None


class OutputConfig(_Config):
    """The voice."""

    format: FormatConfig | None = None
    voice: str | dict[str, Any] | None = None
    speed: float | None = Field(None, ge=0.25, le=1.5)


class AudioConfig(_Config):
    """Sound in both directions."""

    input: InputConfig | None = None
    output: OutputConfig | None = None


class ToolConfig(_Config):
    """A tool of the client. Other kinds of tools are accepted, and not offered to the model."""

    type: str = "function"
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None


Modalities = list[Literal["text", "audio"]]


def _tokens(value: object) -> object:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 4_096
    if not is_count and value != "inf":
        raise ValueError("Wanted 1 to 4096, or 'inf'")
    return value


Tokens = Annotated[int | Literal["inf"], PlainValidator(_tokens)]


class ReplyConfig(_Config):
    """What a session and a response have in common."""

    instructions: str | None = None
    output_modalities: Modalities | None = Field(None, min_length=1, max_length=2)
    tools: list[ToolConfig] | None = None
    tool_choice: str | dict[str, Any] | None = None
    max_output_tokens: Tokens | None = None
    audio: AudioConfig | None = None


class ExtensionConfig(_Config):
    """What rxvoice has beside the protocol."""

    voice_activity: bool = False
    interrupt_on: Literal["speech", "words"] = "speech"


class SessionUpdate(ReplyConfig):
    """A session, or what is to change of it."""

    type: Literal["realtime", "transcription"] | None = None
    tracing: Any = None
    truncation: Any = None
    prompt: Any = None
    include: list[str] | None = None
    x_rxvoice: ExtensionConfig | None = None


_BETA = {
    "input_audio_format": ("input", "format"),
    "output_audio_format": ("output", "format"),
    "input_audio_transcription": ("input", "transcription"),
    "input_audio_noise_reduction": ("input", "noise_reduction"),
    "turn_detection": ("input", "turn_detection"),
    "voice": ("output", "voice"),
    "speed": ("output", "speed"),
}
_BETA_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}


def from_beta(given: dict[str, Any]) -> dict[str, Any]:
    """The same configuration in the names of today, if an old client wrote it."""
    config = deepcopy(given)
    for old, (way, new) in _BETA.items():
        if old in config:
            value = config.pop(old)
            if new == "format" and isinstance(value, str):
                value = {"type": _BETA_FORMATS.get(value, value)}
            config["audio"] = _with_field(config.get("audio"), way, new, value)
    if "modalities" in config:
        config["output_modalities"] = config.pop("modalities")
    if "max_response_output_tokens" in config:
        config["max_output_tokens"] = config.pop("max_response_output_tokens")
    modalities = config.get("output_modalities")
    if isinstance(modalities, list) and "audio" in modalities:
        config["output_modalities"] = ["audio"]
    return config


def _with_field(audio: object, way: str, name: str, value: object) -> object:
    if not isinstance(audio, dict | None):
        return audio  # what checks it says so
    ways = cast("dict[str, object]", audio or {})
    side = ways.get(way)
    if not isinstance(side, dict | None):
        return ways
    return {**ways, way: {**cast("dict[str, object]", side or {}), name: value}}


def merged(config: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """The configuration with a change. Objects are merged, all else is replaced."""
    result = dict(config)
    for key, value in change.items():
        old = result.get(key)
        if key == "turn_detection" and isinstance(value, dict):
            result[key] = _turn_detection(old, cast("dict[str, Any]", value))
        elif isinstance(value, dict) and isinstance(old, dict) and key in _MERGED:
            both = merged(cast("dict[str, Any]", old), cast("dict[str, Any]", value))
            result[key] = _with_rate(both) if key == "format" else both
        elif value is None and key in _GROUPS:
            continue
        elif value is None and key in _DEFAULTS:
            result[key] = deepcopy(_DEFAULTS[key])
        else:
            result[key] = value
    return result


def _with_rate(format: dict[str, Any]) -> dict[str, Any]:
    kind = format["type"]
    return {"type": kind, "rate": RATES[kind]} if kind == "audio/pcm" else {"type": kind}


_MERGED = ("audio", "input", "output", "format", "transcription", "x_rxvoice")
"""Objects of known fields. Those whose fields are the client's own are replaced."""
_GROUPS = ("audio", "input", "output")
"""What only holds other fields: null changes none of them."""

_DEFAULTS: dict[str, Any] = {
    "instructions": "",
    "output_modalities": ["audio"],
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "truncation": "auto",
    "format": {"type": "audio/pcm", "rate": 24_000},
    "speed": 1.0,
}
"""What null stands for, where it does not stand for itself."""

SERVER_VAD: dict[str, Any] = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
SEMANTIC_VAD: dict[str, Any] = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}


def _turn_detection(old: object, change: dict[str, Any]) -> dict[str, Any]:
    known = cast("dict[str, Any]", old) if isinstance(old, dict) else SERVER_VAD
    kind = change.get("type") or known["type"]
    start = SEMANTIC_VAD if kind == "semantic_vad" else SERVER_VAD
    if isinstance(old, dict) and known["type"] == kind:
        start = known
    given = {key: it for key, it in change.items() if it is not None or key == "idle_timeout_ms"}
    return {**start, **{key: it for key, it in given.items() if key in start}, "type": kind}


def first_session(model: str, voice: str, *, transcribes: bool) -> dict[str, Any]:
    """The configuration of a session that the client has not changed."""
    heard: dict[str, Any] = {
        "format": {"type": "audio/pcm", "rate": 24_000},
        "transcription": {"model": model, "language": None, "prompt": None},
        "noise_reduction": None,
        "turn_detection": dict(SERVER_VAD),
    }
    if transcribes:
        return {
            "type": "transcription",
            "object": "realtime.transcription_session",
            "audio": {"input": heard},
            "include": None,
        }
    return {
        "type": "realtime",
        "object": "realtime.session",
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "truncation": "auto",
        "tracing": None,
        "prompt": None,
        "include": None,
        "audio": {
            "input": heard,
            "output": {
                "format": {"type": "audio/pcm", "rate": 24_000},
                "voice": voice,
                "speed": 1.0,
            },
        },
    }
