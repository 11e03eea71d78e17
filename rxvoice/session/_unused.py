"""Warnings about settings that were changed and have no effect where they are given."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_log = logging.getLogger("rxvoice")

_CONVERSATION = "vox.converse(..., **config.conversation_options())"
_ECHO = "rxv.echo.correlation(speaker, **config.echo_options())"
_POLICY = "turn_policy=config.turn_policy(model)"
_ACTS_THROUGH = {
    "latency_profile": "rxv.mlx.stt(..., transcription_delay_ms=config.stt_transcription_delay_ms) "
    "and rxv.mlx.tts(..., streaming_interval=config.tts_streaming_interval)",
    "vad_end_silence_ms": _POLICY,
    "turn_threshold": _POLICY,
    "turn_max_incomplete_silence_ms": "turn_policy=config.turn_policy()",
    "min_barge_in_ms": _CONVERSATION,
    "ignore_playback_echo_ms": _CONVERSATION,
    "barge_in_min_transcript_chars": _CONVERSATION,
    "echo_delay_min_ms": _ECHO,
    "echo_delay_max_ms": _ECHO,
    "echo_correlation_step_ms": _ECHO,
    "queue_size": "rxv.microphone(max_ms=config.queue_ms) or vox.handoff(max_ms=config.queue_ms)",
}
"""What to write for a setting that a `VoiceSession` does not use."""


def tell_unused(config: DataclassInstance, names: Iterable[str], where: str) -> None:
    """Log a warning for each of these settings that was changed.

    Args:
        names: settings that have no effect.
        where: they have none, such as "in this VoiceSession".
    """
    are_changed = changed(config)
    for name in names:
        if name in are_changed:
            _log.warning(
                "%s=%r has no effect %s: it acts through %s",
                name,
                getattr(config, name),
                where,
                _ACTS_THROUGH[name],
            )


def changed(config: DataclassInstance) -> set[str]:
    """Return the names of the settings that are not at their defaults."""
    return {it.name for it in fields(config) if getattr(config, it.name) != it.default}
