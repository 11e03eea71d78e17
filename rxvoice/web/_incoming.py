"""What a client sends: checked, and passed to its pipe."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import NoReturn, cast

from reactivex import Subject

from rxvoice._audio.pcm16 import from_pcm16
from rxvoice._audio.resample import SoxrResampler
from rxvoice._audio.samples import Samples
from rxvoice._files.json import read_json
from rxvoice._text.unicode import whole_text
from rxvoice.chunks import AudioChunk
from rxvoice.errors import ConfigError
from rxvoice.web._limits import Limits, Over

_RATE = 16_000
_RATES = (8_000, 96_000)
_BURST = 10.0  # seconds of audio that may come at once, after a gap in the network
# Seconds of audio that every message counts for, at least. A browser's smallest frame, 128 samples
# at 48 kHz, is a little more.
_LEAST = 0.0025


class Incoming:
    """The messages of one client. A bad message raises `Over`.

    Args:
        limits: what the client may send.
        query_rate: the sample rate in its request; None if there is none.
        acknowledge: called with the number of samples that the client has played, and the last
            ``clear`` that it saw; raises ValueError for an impossible number.
        ask: called for each text that the client types; raises `Over` if there are too many.

    Attributes:
        microphone: the client's audio, at 16 kHz.
        interrupts: None when the client wants silence, or a text to reply to.
        last: when the last message came, in the time of the loop.
        ended: whether the client has ended its audio.
    """

    def __init__(
        self,
        limits: Limits,
        query_rate: str | None,
        acknowledge: Callable[[int, int], None],
        ask: Callable[[], None] = lambda: None,
    ) -> None:
        self.microphone: Subject[AudioChunk] = Subject()
        self.interrupts: Subject[str | None] = Subject()
        self.ended = False
        self._limits = limits
        self._query_rate = query_rate
        self._acknowledge = acknowledge
        self._ask = ask
        self._now = asyncio.get_running_loop().time
        self.last = self._refilled = self._now()
        self._credit = _BURST
        self._messages = 0
        self._rate = _RATE
        self._resampler = SoxrResampler(_RATE, _RATE)
        self._start = 0

    def admit(self, data: bytes | str) -> None:
        """Check the size of a message, and of the first one the sample rate that it asks for."""
        self.last = self._now()
        most = self._limits.max_frame_bytes
        size = len(data if isinstance(data, bytes) else data.encode("utf-8", "replace"))
        if size > most:
            raise Over("too_big", 1009, f"a message may have {most} bytes, got {size}")
        self._messages += 1
        if self._messages == 1:
            self._rate = self._asked_rate(data)
            self._resampler = SoxrResampler(self._rate, _RATE)

    def take(self, data: bytes | str) -> None:
        """Do what an admitted message says."""
        if isinstance(data, str):
            self._pay(0)
            self._command(_parsed(data))
            return
        if len(data) % 2:
            _bad(f"wanted 16-bit samples, got {len(data)} bytes, an odd number")
        if self.ended:
            _bad('got audio after {"type": "end"}')
        self._pay(len(data) / 2 / self._rate)
        samples = from_pcm16(data)
        self._pass_on(self._resampler.feed(samples))

    def _asked_rate(self, first: bytes | str) -> int:
        """Return the sample rate of the client's first message, or of its query."""
        if isinstance(first, str):
            message = _parsed(first)
            if message.get("type") == "start" and "sample_rate" in message:
                return _rate(message["sample_rate"])
        given = self._query_rate
        if given is None:
            return _RATE
        return _rate(int(given) if re.fullmatch("[0-9]{1,9}", given) else given)

    def _command(self, message: dict[str, object]) -> None:
        match message.get("type"):
            case "interrupt":
                self.interrupts.on_next(None)
            case "text":
                self._text(message.get("text"))
            case "played":
                self._played(message)
            case "start":
                if self._messages > 1:
                    _bad('"start" must be the first message')
            case "end":
                self._end()
            case kind:
                wanted = "a type of start, text, interrupt, played or end"
                _bad(f"wanted {wanted}, got {_shown(kind)}")

    def _text(self, given: object) -> None:
        if not isinstance(given, str) or not given.strip():
            _bad(f"wanted some text, got {_shown(given)}")
        most = self._limits.max_text_chars
        if len(given) > most:
            raise Over("too_big", 1009, f"a text may have {most} characters, got {len(given)}")
        self._ask()
        self.interrupts.on_next(whole_text(given))

    def _played(self, message: dict[str, object]) -> None:
        samples, clears = message.get("samples"), message.get("clears", 0)
        if not _is_count(samples) or not _is_count(clears):
            _bad(f"wanted numbers of samples and clears, got {_shown(message)}")
        try:
            self._acknowledge(cast("int", samples), cast("int", clears))
        except ValueError as error:
            _bad(f"wanted {error}, got {samples}")

    def _end(self) -> None:
        if self.ended:
            return
        self.ended = True
        self._pass_on(self._resampler.end())
        self.microphone.on_completed()
        self.interrupts.on_completed()

    def _pay(self, seconds: float) -> None:
        now = self._now()
        earned = (now - self._refilled) * self._limits.max_speed
        self._credit = min(_BURST, self._credit + earned) - max(seconds, _LEAST)
        self._refilled = now
        if self._credit < 0:
            raise Over(
                "flood",
                1008,
                "audio came faster than it is spoken, or in too many messages: pace it, in frames "
                "of some 20 ms",
            )

    def _pass_on(self, samples: Samples) -> None:
        if not len(samples):
            return
        start, self._start = self._start, self._start + len(samples)
        captured = time.monotonic() - len(samples) / _RATE
        self.microphone.on_next(AudioChunk(samples, _RATE, start, time=captured))


def _parsed(data: str) -> dict[str, object]:
    try:
        message = read_json(data, "the message")
    except ConfigError:
        _bad(f"wanted JSON, got {_shown(data)}")
    if not isinstance(message, dict):
        _bad(f"wanted a JSON object, got {_shown(message)}")
    return cast("dict[str, object]", message)


def _rate(value: object) -> int:
    least, most = _RATES
    if not _is_count(value) or not least <= cast("int", value) <= most:
        _bad(f"sample_rate must be a whole number from {least} to {most} Hz, got {_shown(value)}")
    return cast("int", value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def _bad(message: str) -> NoReturn:
    raise Over("bad_message", 1007, message)
