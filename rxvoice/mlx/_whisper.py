"""What mlx-audio's Whisper needs beyond its loader."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any, cast

import mlx.core as mx

from rxvoice.errors import ConfigError

TIMES = [f"<|{number * 0.02:.2f}|>" for number in range(1501)]
"""The last tokens of every Whisper: times, 20 ms apart."""

_FULL_S = 30
_SHORT_S = (10, 15)
_POSITIONS = 50  # of the encoder, in a second

_LOG_PROBABILITY = -1.0
_COMPRESSION = 2.4
"""Beyond these, Whisper itself decodes again."""

_SPARE_S = 1
"""The least silence in a window behind the turn."""


def convert_whisper(name: str, model: Any, path: Path, dtype: mx.Dtype | None) -> None:
    """Convert a Whisper; mlx-audio's loader makes float16 of whatever the weights are.

    Raises:
        ConfigError: it cannot run in this type.
    """
    if dtype is None or dtype == model.dtype:
        return
    if dtype == mx.bfloat16:
        raise ConfigError(
            f"the recogniser {name!r} is a Whisper, which mlx-audio runs in float32 or float16 "
            "only, got dtype='bfloat16'"
        )
    model.dtype = dtype
    weights = cast("dict[str, mx.array]", import_module("mlx_audio.utils").load_weights(path))
    # It converts to the model's type.
    model.load_weights(list(model.sanitize(weights).items()), strict=False)
    # No parameters, so that nothing else converts them.
    model.encoder._positional_embedding = model.encoder._positional_embedding.astype(dtype)
    model.decoder._mask = model.decoder._mask.astype(dtype)
    mx.eval(model.parameters())  # pyright: ignore[reportUnknownMemberType]


def own_options(model: object) -> dict[str, object]:
    """What ``generate`` has to be told beside the options of every recogniser."""
    is_whisper = type(model).__module__.startswith("mlx_audio.stt.models.whisper")
    return {"fp16": False} if is_whisper and getattr(model, "dtype", None) == mx.float32 else {}


def repair_tokenizer(name: str, model: Any) -> None:
    """Add the tokens of times that some conversions lack. With them missing, it writes garbage.

    Raises:
        ConfigError: other tokens are missing too.
    """
    tokenizer = model._processor.tokenizer
    known = cast("dict[str, int]", tokenizer.get_vocab())
    if TIMES[0] in known:
        return
    first = known.get("<|notimestamps|>", -1) + 1
    if not first or first != max(known.values()) + 1 or first + len(TIMES) > model.dims.n_vocab:
        raise ConfigError(
            f"the recogniser {name!r} has a tokenizer without the tokens of times, <|0.00|> to "
            f"<|30.00|>, and with {len(known)} others for {model.dims.n_vocab} in its config.json: "
            "put the tokenizer.json of the model there from which it was converted"
        )
    token = import_module("tokenizers").AddedToken
    tokenizer.add_tokens([token(it, normalized=False, special=False) for it in TIMES])


class Windows:
    """A Whisper with windows shorter than 30 s, for turns that fit in. They share its weights.

    A window costs its length, whatever the turn in it.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._short: dict[int, Any] = {}
        # Another version of mlx-audio may be built in another way.
        function = cast("FunctionType", cast("Any", type(model)).generate)
        self._can = (
            "N_FRAMES" in function.__code__.co_names
            and model.dims.n_audio_ctx == _FULL_S * _POSITIONS
        )

    def fitting(self, seconds: float) -> tuple[Any, dict[str, object]]:
        """The model with the shortest window for a turn, and options for its ``generate``."""
        size = next((it for it in _SHORT_S if seconds + _SPARE_S <= it), None)
        if size is None or not self._can:
            return self._model, {}
        if size not in self._short:
            self._short[size] = _shortened(self._model, size)
        # mlx-audio takes the window for 30 s when it works out the latest start of the first word.
        options: dict[str, object] = {"max_initial_timestamp": _FULL_S / size, "temperature": 0.0}
        return self._short[size], options


def is_doubtful(result: object) -> bool:
    """Whether Whisper's own measures say that a text is not to be trusted.

    A short window makes a few turns worse, and these show it. The whole window decides then.
    """
    segments = cast("list[dict[str, float]] | None", getattr(result, "segments", None))
    return any(
        it["avg_logprob"] < _LOG_PROBABILITY or it["compression_ratio"] > _COMPRESSION
        for it in segments or ()
    )


def _shortened(model: Any, seconds: int) -> Any:
    """The same network, for this many seconds."""
    short, encoder = copy(model), copy(model.encoder)
    positions = seconds * _POSITIONS
    encoder._positional_embedding = encoder._positional_embedding[:positions]
    mx.eval(encoder._positional_embedding)  # pyright: ignore[reportUnknownMemberType]
    short.encoder = encoder
    short.dims = replace(model.dims, n_audio_ctx=positions)
    samples = seconds * 16_000
    sizes = {"N_SAMPLES": samples, "N_FRAMES": samples // 160}
    for name in ("generate", "_prepare_audio", "_detect_language"):
        function = cast("FunctionType", getattr(cast("object", type(model)), name))
        own = FunctionType(
            function.__code__,
            # mlx-audio has the length of a window in its module, which other models use too.
            {**function.__globals__, **sizes},
            name,
            (samples,) if name == "_prepare_audio" else function.__defaults__,
            function.__closure__,
        )
        own.__kwdefaults__ = function.__kwdefaults__
        object.__setattr__(short, name, MethodType(own, short))
    return short
