"""WAVs as a server sends them: several in a row, in parts, and perhaps without their sizes."""

from __future__ import annotations

from collections.abc import Callable

from rxvoice.remote._failures import RemoteError


class WavStream:
    """Reads one WAV after another, from parts of any size.

    mlx-audio's server sends a WAV for each piece of speech.

    Args:
        error: makes an error that says what the server did.
        sample_rate: Hz that the WAVs should have.
        most: samples that a WAV can have; one that claims more goes on to the end of the stream.
    """

    def __init__(self, error: Callable[[str], RemoteError], sample_rate: int, most: int) -> None:
        self._error = error
        self._rate = sample_rate
        self._most = 2 * most  # bytes
        self._held = b""
        self._begun = False
        self._samples = 0  # bytes left of the data chunk
        self._skip = 0  # bytes left of another chunk
        self._endless = False

    @property
    def is_complete(self) -> bool:
        """Whether the stream may end here."""
        return self._endless or not (self._held or self._samples or self._skip)

    def feed(self, data: bytes) -> bytes:
        """The bytes of samples in the next part of the stream."""
        self._held += data
        found = b""
        while self._held:
            if self._endless:
                return found + self._take(len(self._held))
            if self._samples:
                part = self._take(self._samples)
                self._samples -= len(part)
                found += part
            elif self._skip:
                self._skip -= len(self._take(self._skip))
            elif not self._header():
                break
        return found

    def _take(self, size: int) -> bytes:
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def _header(self) -> bool:
        """Take the next header if all of it is there. Returns whether it was."""
        kind, size = self._held[:4], int.from_bytes(self._held[4:8], "little")
        if kind == b"RIFF"[: len(kind)]:
            if len(self._held) < 12:
                return False
            if self._held[8:12] != b"WAVE":
                raise self._no_wav()
            self._take(12)
            self._begun = True
        elif not self._begun:
            raise self._no_wav()
        elif len(self._held) < (24 if kind == b"fmt " else 8):
            return False
        elif kind == b"fmt ":
            self._check(self._held[8:24])
            self._take(8)
            self._skip = size + size % 2
        else:
            self._take(8)
            if kind != b"data":
                self._skip = size + size % 2
            elif size == 0 or size > self._most:  # what a server writes that cannot know the size
                self._endless = True
            else:
                self._samples = size
        return True

    def _check(self, form: bytes) -> None:
        rate, bits = int.from_bytes(form[4:8], "little"), int.from_bytes(form[14:16], "little")
        encoding, channels = int.from_bytes(form[:2], "little"), form[2]
        if encoding not in (1, 0xFFFE) or channels != 1 or bits != 16:
            raise self._error(
                f"gave a WAV of {bits} bits and {channels} channels, encoding {encoding}, and "
                'wanted is 16-bit mono PCM: see whether it has another voice, or "pcm"'
            )
        if rate != self._rate:
            raise self._error(
                f"speaks at {rate} Hz, and sample_rate is {self._rate}: pass sample_rate={rate}"
            )

    def _no_wav(self) -> Exception:
        return self._error(
            f"gave something that is no WAV, {self._held[:12]!r}: see the server's log"
        )
