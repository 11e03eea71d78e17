"""`Models`: what the sessions of a server speak with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from reactivex import abc

from rxvoice.errors import ConfigError
from rxvoice.slots import PolicySlot, SynthesizerSlot, TranscriberSlot, VadSlot


class Workers(Protocol):
    """Where models run: a `rxvoice.mlx.MlxScheduler`, or any object with these attributes.

    None: the model is called on the server's event loop, which is right only if it awaits.
    """

    @property
    def listening(self) -> abc.SchedulerBase | None:
        """Runs the recogniser."""
        ...

    @property
    def text(self) -> abc.SchedulerBase | None:
        """Runs the language model."""
        ...

    @property
    def speech(self) -> abc.SchedulerBase | None:
        """Runs the synthesizer."""
        ...


def _silero() -> VadSlot:
    from rxvoice.offline import silero

    return silero(gather_ms=8)


@dataclass(frozen=True, kw_only=True)
class Models:
    """The models of a server, which all sessions share.

    ```python
    llm = rxv.offline.llm()
    models = Models(
        stt=rxv.offline.stt(),
        llm=llm.fresh,
        tts=rxv.offline.tts(),
        scheduler=rxv.mlx.MlxScheduler(),
    )
    ```

    Args:
        stt: the recogniser.
        llm: makes one session's language model, such as ``llm.fresh``. A model that has
            ``write(messages, ...)`` can do all that a session offers. One that has only
            ``respond(text)`` is asked the last text of the user, and calls no tools.
        tts: the synthesizer.
        vad: makes one session's detector of voice activity, for chunks of 512 samples at 16 kHz,
            such as the default, ``lambda: rxv.offline.silero(gather_ms=8)``, which judges the
            chunks of many sessions at once.
        scheduler: where the models run. None: on the server's event loop.
        smart_turn: makes an end-of-turn policy that judges by a model; it takes the longest silence
            in milliseconds. None: silence and punctuation tell.
        speak_as: makes a synthesizer for a voice and a speed, where 1 is the voice's own. None:
            `tts` speaks for all.
        name: what the server calls its models.
        voices: the names of voices that `speak_as` knows; the first one is the default.

    Raises:
        ConfigError: `llm` or `vad` is not a function.
    """

    stt: TranscriberSlot
    llm: Callable[[], Any]
    tts: SynthesizerSlot
    vad: Callable[[], VadSlot] = _silero
    scheduler: Workers | None = None
    smart_turn: Callable[[int], PolicySlot] | None = None
    speak_as: Callable[[str, float], SynthesizerSlot] | None = None
    name: str = "rxvoice"
    voices: tuple[str, ...] = ()

    def detector(self) -> VadSlot:
        """A detector of voice activity for one session.

        If the detectors of `vad` have ``fresh()``, all come from the first one: they share its
        weights, and the chunks of many sessions may be evaluated together.
        """
        fresh: Callable[[], VadSlot] | None = getattr(self._first_detector, "fresh", None)
        return self.vad() if fresh is None else fresh()

    @cached_property
    def _first_detector(self) -> VadSlot:
        return self.vad()

    def __post_init__(self) -> None:
        for name in ("llm", "vad"):
            made = getattr(self, name)
            if not callable(made):
                raise ConfigError(
                    f"Models {name} must be a function that makes one for each session, such as "
                    f"llm.fresh, got {made!r}"
                )
