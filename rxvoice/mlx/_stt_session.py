"""One turn that is transcribed while the user speaks, or at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._check import whole
from rxvoice.elements import Recognised
from rxvoice.errors import ConfigError, RxvoiceError
from rxvoice.events import Notice
from rxvoice.mlx._stream import same_stream
from rxvoice.mlx._stt_model import LiveTurn

SAMPLE_RATE = 16_000


@dataclass(frozen=True, slots=True)
class Recognition:
    """How a model transcribes; `rxvoice.mlx.stt` describes the fields."""

    language: str | None
    max_decode_tokens_per_step: int
    max_turn_tokens: int
    finalization_max_steps: int
    transcription_delay_ms: int
    word_times: bool

    def __post_init__(self) -> None:
        whole("max_decode_tokens_per_step", self.max_decode_tokens_per_step, 1, "tokens")
        whole("max_turn_tokens", self.max_turn_tokens, 1, "tokens")
        whole("finalization_max_steps", self.finalization_max_steps, 1, "steps")
        whole("transcription_delay_ms", self.transcription_delay_ms, 80, "ms")
        if self.language is not None and not self.language.strip():
            raise ConfigError(
                f"language must be a name such as 'en', or None for any, got {self.language!r}"
            )


class SttSession:
    """One turn; made by `Stt.session`. For one thread at a time."""

    def __init__(self, live: LiveTurn, *, name: str, recognition: Recognition) -> None:
        self._live = live
        self._name = name
        self._recognition = recognition
        self._pieces = self._steps = self._missed = 0
        self._silent: list[Samples] | None = []
        self._notices: list[Notice] = []
        self._closed = False
        self._over = False

    @property
    def done(self) -> bool:
        """Whether the turn is closed, its text complete and every notice given."""
        return self._closed and self._over and not self._notices

    def feed(self, samples: Samples) -> None:
        """Take audio without decoding it. Digital silence waits until something else follows.

        Errors: `AudioFormatError` for other audio; `RxvoiceError` after `close`.

        Args:
            samples: float32 of shape ``(n,)`` in [-1, 1], at 16 kHz; any number.
        """
        audio_samples(samples)
        if self._closed:
            raise RxvoiceError("this turn is closed: open another session() for more audio")
        if self._silent is not None:
            self._silent.append(samples)
            if not samples.any():
                return
            samples, self._silent = np.concatenate(self._silent), None
        if self._over:
            self._missed += len(samples)
        else:
            self._live.feed(samples)

    def step(self) -> list[str | Recognised | Notice]:
        """Decode some audio, and give the new text in pieces that are never empty.

        All pieces joined are the text of the turn. A model of whole turns gives `Recognised` if it
        knows more than the text. After `close`, at most ``finalization_max_steps`` steps follow. A
        turn that needs more is cut, as is one of more than ``max_turn_tokens``; a `Notice` among
        the pieces says so.

        Errors: what the model raises.
        Runs on: this thread, the same one for all steps.
        """
        if self._over or self._silent is not None:
            return self._told()
        most = self._recognition
        with same_stream():
            news = self._live.step(max_decode_tokens=most.max_decode_tokens_per_step)
        self._notices += (piece for piece in news if isinstance(piece, Notice))
        pieces = [piece for piece in news if _has_text(piece)]
        self._pieces += len(pieces)
        self._over = self._live.done
        if self._pieces > most.max_turn_tokens:
            del pieces[most.max_turn_tokens - self._pieces :]
            self._cut("max_turn_tokens", most.max_turn_tokens)
        self._steps += self._closed
        if self._steps >= most.finalization_max_steps and not self._over:
            self._cut("finalization_max_steps", most.finalization_max_steps)
        return [*pieces, *self._told()]

    def close(self) -> None:
        """End the audio. Closing again does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._silent is not None:
            self._over = True
            return
        self._live.close()
        if self._missed:
            self._tell(
                f"the last {self._missed / SAMPLE_RATE:.1f} s of a turn were not transcribed, "
                "since its text had ended; if it was long, raise max_turn_tokens="
                f"{self._recognition.max_turn_tokens}, or end turns earlier"
            )

    def _cut(self, limit: str, value: int) -> None:
        self._over = True
        self._tell(f"the text of a turn was cut at {limit}={value}")

    def _tell(self, what: str) -> None:
        self._notices.append(Notice(f"{self._name}: {what}"))

    def _told(self) -> list[str | Recognised | Notice]:
        told, self._notices = self._notices, []
        return [*told]


class WholeTurn:
    """A session with a model that takes whole turns: it keeps the audio until the end.

    Args:
        recognise: gives what was said, and a complaint or "".
    """

    def __init__(self, recognise: Callable[[Samples], tuple[Recognised, str]]) -> None:
        self._recognise = recognise
        self._audio: list[Samples] = []
        self._closed = False
        self.done = False

    def feed(self, samples: Samples) -> None:
        self._audio.append(samples)

    def close(self) -> None:
        self._closed = True

    def step(self, *, max_decode_tokens: int) -> list[str | Recognised | Notice]:
        if not self._closed:
            return []
        self.done = True
        found, complaint = self._recognise(np.concatenate(self._audio))
        piece = found.text if found == Recognised(found.text) else found
        return [piece, Notice(complaint)] if complaint else [piece]


def _has_text(piece: str | Recognised | Notice) -> TypeGuard[str | Recognised]:
    return bool(piece.text if isinstance(piece, Recognised) else isinstance(piece, str) and piece)
