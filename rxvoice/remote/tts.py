"""Voices behind a server, as synthesizers that give their speech as it comes."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Literal

from rxvoice._audio.pcm16 import from_pcm16
from rxvoice._audio.samples import Samples
from rxvoice._check import at_least, whole
from rxvoice._text.unicode import whole_text
from rxvoice.errors import ConfigError
from rxvoice.remote._server import Server

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["RemoteTts", "tts"]

_SECONDS, _SECONDS_PER_LETTER = 30, 1  # of sound for a text, at most: voices take a tenth of it

_RAW = ("audio/pcm", "audio/x-pcm", "audio/raw", "application/octet-stream", "")
"""The media types under which samples may come; others are something else, and would be noise."""


def tts(
    model: str,
    *,
    base_url: str,
    voice: str,
    api_key: str | None = None,
    response_format: Literal["pcm", "wav"] = "pcm",
    sample_rate: int = 24_000,
    streaming_interval: float | None = 0.32,
    timeout_s: float = 30,
    total_timeout_s: float | None = 120,
    retries: int = 2,
    extra_body: Mapping[str, object] | None = None,
) -> RemoteTts:
    """A voice behind a server, for `synthesize`. Nothing is sent before the first text.

    Args:
        model: the name that the server knows it by.
        base_url: where the interface begins, such as ``"http://127.0.0.1:8000/v1"``.
        voice: as the model names it, such as ``"af_heart"`` for Kokoro.
        api_key: sent as the bearer token; None where the server wants none.
        response_format: ``"pcm"``, samples of 16 bits, little-endian and mono; or ``"wav"``, the
            same in one WAV or several one after the other, which say at which rate.
        sample_rate: Hz, of what the server sends.
        streaming_interval: seconds of sound in a piece, above 0, for mlx-audio's server, which
            streams where it is told to and the model can. None does not ask for it: other servers
            stream by themselves, and may refuse the request otherwise.
        timeout_s: how long the server may be silent, in seconds, above 0: while it is connected
            to, before its sound begins, and within it.
        total_timeout_s: how long the sound of one text may keep us waiting in all, in seconds,
            above 0, pauses between retries included. What is read slowly, as it is played, does not
            count. None for no limit.
        retries: how often to ask again, at least 0, when the server cannot be reached, is silent
            or refuses for the moment (408, 409, 429, 5xx); never once its sound has begun. Waits
            half a second at first, then longer, or as long as the server says.
        extra_body: what else the request says, as the server names it, such as ``{"speed": 1.2}``.

    Raises:
        ConfigError: an argument out of range, or no such `base_url`.
    """
    return RemoteTts(
        model,
        base_url=base_url,
        voice=voice,
        api_key=api_key,
        response_format=response_format,
        sample_rate=sample_rate,
        streaming_interval=streaming_interval,
        timeout_s=timeout_s,
        total_timeout_s=total_timeout_s,
        retries=retries,
        extra_body=extra_body,
    )


class RemoteTts:
    """A voice; made by `tts`, whose arguments it takes. Waits on the thread that calls."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        voice: str,
        api_key: str | None = None,
        response_format: Literal["pcm", "wav"] = "pcm",
        sample_rate: int = 24_000,
        streaming_interval: float | None = 0.32,
        timeout_s: float = 30,
        total_timeout_s: float | None = 120,
        retries: int = 2,
        extra_body: Mapping[str, object] | None = None,
    ) -> None:
        if response_format not in ("pcm", "wav"):
            raise ConfigError(f'response_format must be "pcm" or "wav", got {response_format!r}')
        whole("sample_rate", sample_rate, 1, "Hz")
        self._extra_body: dict[str, object] = {}
        if streaming_interval is not None:
            at_least("streaming_interval", streaming_interval, 0, "seconds")
            if streaming_interval == 0:
                raise ConfigError("streaming_interval must be above 0 seconds, got 0")
            self._extra_body = {"stream": True, "streaming_interval": streaming_interval}
        self._extra_body.update(extra_body or {})
        self._server = Server(
            "voice",
            model,
            base_url=base_url,
            api_key=api_key,
            timeout_s=timeout_s,
            total_timeout_s=total_timeout_s,
            retries=retries,
        )
        self._voice = voice
        self._format: Literal["pcm", "wav"] = response_format
        self._sample_rate = sample_rate

    @property
    def sample_rate(self) -> int:
        """Hz"""
        return self._sample_rate

    def load(self) -> None:
        """Load the client now rather than at the first text; nothing is sent.

        Raises:
            MissingDependency: the package openai is not installed.
        """
        self._server.client()

    def synthesize_stream(self, text: str, /) -> Generator[Samples, None, None]:
        """Speak `text`, in pieces of float32 samples, shape ``(n,)``, never empty, as they come.

        Nothing is sent before the first piece is asked for. Closed early, the connection is closed,
        by which the server knows to stop. White space gives nothing, and is not sent. Sound of 30 s
        and one more for each letter is the most that a server may send.

        Raises:
            RemoteError: the server cannot be reached, is silent, refuses, breaks off or gives
                something else, no sound for one; says what to do.
            MissingDependency: the package openai is not installed.
        """
        if not text.strip():
            return
        seconds = _SECONDS + _SECONDS_PER_LETTER * len(text)
        most = seconds * self._sample_rate
        wavs = _Wavs(self._server, self._sample_rate, most) if self._format == "wav" else None
        given = 0
        odd = b""
        with closing(self._server.streamed(lambda client, _: self._spoken(client, text))) as parts:
            for part in parts:
                data = odd + (part if wavs is None else wavs.feed(part))
                count = len(data) // 2
                odd = data[2 * count :]
                if count:
                    given += count
                    if given > most:
                        raise self._server.error(
                            f"went on after {seconds} s of sound for {text!r}: see the server's log"
                        )
                    yield from_pcm16(data[: 2 * count])
        if odd or (wavs is not None and not wavs.is_complete):
            raise self._server.error(
                f"ended its {self._format} in the middle of a sample or of a header: see whether "
                "the server sends samples of 16 bits, and its log"
            )
        if not given:
            raise self._server.error(f"gave no sound for {text!r}: see the server's log")

    @contextmanager
    def _spoken(self, client: OpenAI, text: str) -> Generator[Iterator[bytes]]:
        with client.audio.speech.with_streaming_response.create(
            model=self._server.model,
            voice=self._voice,
            input=whole_text(text),
            response_format=self._format,
            extra_body=self._extra_body,
        ) as response:
            media = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if self._format == "pcm" and media not in _RAW:
                raise self._server.error(
                    f"was asked for audio/pcm and gave {media}: see whether this server has it, "
                    'or use response_format="wav"'
                )
            yield response.iter_bytes()


class _Wavs:
    """One WAV after another, in parts of any size; mlx-audio's server sends one for each piece."""

    def __init__(self, server: Server, sample_rate: int, most: int) -> None:
        self._server = server
        self._rate = sample_rate
        self._most = 2 * most  # bytes
        self._held = b""
        self._begun = False
        self._samples = 0  # bytes left of the data chunk
        self._skip = 0  # bytes left of what is no data
        self._endless = False

    @property
    def is_complete(self) -> bool:
        """Whether it may end here."""
        return self._endless or not (self._held or self._samples or self._skip)

    def feed(self, data: bytes) -> bytes:
        """The bytes of samples in the next part of the answer."""
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
        """Take the next header, once all of it is there; whether it was."""
        kind, size = self._held[:4], int.from_bytes(self._held[4:8], "little")
        if kind == b"RIFF"[: len(kind)]:
            if len(self._held) < 12:
                return False
            if self._held[8:12] != b"WAVE":
                raise self._none()
            self._take(12)
            self._begun = True
        elif not self._begun:
            raise self._none()
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
            elif size == 0 or size > self._most:  # what those write who cannot know
                self._endless = True
            else:
                self._samples = size
        return True

    def _check(self, form: bytes) -> None:
        rate, bits = int.from_bytes(form[4:8], "little"), int.from_bytes(form[14:16], "little")
        encoding, channels = int.from_bytes(form[:2], "little"), form[2]
        if encoding not in (1, 0xFFFE) or channels != 1 or bits != 16:
            raise self._server.error(
                f"gave a WAV of {bits} bits and {channels} channels, encoding {encoding}, and "
                'wanted is 16-bit mono PCM: see whether it has another voice, or "pcm"'
            )
        if rate != self._rate:
            raise self._server.error(
                f"speaks at {rate} Hz, and sample_rate is {self._rate}: pass sample_rate={rate}"
            )

    def _none(self) -> Exception:
        return self._server.error(
            f"gave something for a WAV that is none, {self._held[:12]!r}: see the server's log"
        )
