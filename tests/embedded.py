"""The embedded models for programs that one process of the tests runs one after the other.

`shared` puts them in the places of those of `rxvoice.offline`. They are the real ones, but:

- the recogniser is loaded once, gives no partial texts, and hears each sound once;
- the voice of `offline.tts()` is one of espeak, as quick and of less computing; a voice that is
  asked for by name or speed is the real one, for somebody listens to it.

With ``RXVOICE_THOROUGH=1`` examples and pages run in processes of their own, with the models as
they are.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any
from unittest import mock

from rxvoice import offline
from rxvoice.offline._whisper import Transcription
from rxvoice.offline.stt import WhisperSession, WhisperStt


class WholeTurns(WhisperStt):
    """Whisper, which decodes a turn when it has ended, and the same sound once."""

    def __init__(self, real: WhisperStt) -> None:
        super().__init__(real._detector, real._backend)
        self._heard: dict[tuple[bytes, bool], Transcription] = {}

    def session(self) -> WhisperSession:
        """A session without partial texts."""
        session = super().session()
        session._is_due = lambda: False  # type: ignore[method-assign]
        return session

    def _decoding(self, audio: Any, *rest: Any, timed: bool) -> Transcription:
        if self.backend == "mlx":  # belongs to the thread that decodes
            return super()._decoding(audio, *rest, timed=timed)
        key = audio.tobytes(), timed
        if key not in self._heard:
            self._heard[key] = super()._decoding(audio, *rest, timed=timed)
        return self._heard[key]


@functools.cache
def stt() -> WholeTurns:
    """The recogniser of this process."""
    return WholeTurns(_stt())


_stt, _tts = offline.stt, offline.tts


def quick(*voice: str, **options: Any) -> Any:
    """A voice for `offline.tts`."""
    return _tts(*voice, **options) if voice or options else _tts("espeak:en-us")


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Put these models in the places of the real ones, for as long as it lasts."""
    with (
        mock.patch.object(offline, "stt", lambda **it: _stt(**it) if it else stt()),
        mock.patch.object(offline, "tts", quick),
    ):
        yield
