"""`Voices`: the voices of ``rxvoice serve``, at the speeds that clients choose."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rxvoice.slots import SynthesizerSlot

_STEP = 0.05


class Voices:
    """Gives the synthesizer for a voice and a speed. Those that were made are kept.

    Args:
        default: speaks for a name that is not among the others.
        named: the voices that clients may choose, by name.
    """

    def __init__(self, default: SynthesizerSlot, named: Mapping[str, SynthesizerSlot]) -> None:
        self._default = default
        self._named = named
        self._made: dict[tuple[str, float], SynthesizerSlot] = {}

    def speak_as(self, voice: str, speed: float) -> SynthesizerSlot:
        """The voice at about this speed; at its own if it has no other."""
        own = self._named.get(voice, self._default)
        # In steps, so that there are never more than a few of each voice.
        speed = round(round(speed / _STEP) * _STEP, 2)
        at_speed: Callable[[float], SynthesizerSlot] | None = getattr(own, "at_speed", None)
        if speed == 1 or at_speed is None:
            return own
        key = (voice if voice in self._named else "", speed)
        if key not in self._made:
            self._made[key] = at_speed(speed)
        return self._made[key]
