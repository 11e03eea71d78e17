"""Voices behind a server, as synthesizers that give their speech as it comes."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Literal, Unpack

from rxvoice._audio.pcm16 import from_pcm16
from rxvoice._audio.samples import Samples
from rxvoice._check import above, whole
from rxvoice._language.options import shows_options_of
from rxvoice._text.unicode import whole_text
from rxvoice.errors import ConfigError
from rxvoice.remote._host import ServerState
from rxvoice.remote._options import ServerOptions
from rxvoice.remote._server import Call, Server
from rxvoice.remote._wav_stream import WavStream

__all__ = ["RemoteTts", "tts"]

_SECONDS, _SECONDS_PER_LETTER = 30, 1  # of sound for a text, at most: voices take a tenth of it

_RAW = ("audio/pcm", "audio/x-pcm", "audio/raw", "application/octet-stream", "")
"""The media types of raw samples; any other type is something else, and would be noise."""


@shows_options_of(Server.__init__)
def tts(
    model: str,
    *,
    voice: str,
    response_format: Literal["pcm", "wav"] = "pcm",
    sample_rate: int = 24_000,
    streaming_interval: float | None = 0.32,
    **server: Unpack[ServerOptions],
) -> RemoteTts:
    """A voice behind a server, for `synthesize`. It sends nothing before the first text.

    ```python
    rxv.remote.tts("kokoro", base_url="http://127.0.0.1:8000/v1", voice="af_heart")
    ```

    Args:
        model: the name that the server knows it by.
        voice: as the model names it, such as ``"af_heart"`` for Kokoro.
        response_format: ``"pcm"``, samples of 16 bits, little-endian and mono; or ``"wav"``, the
            same in one WAV or in several in a row, which say their rate.
        sample_rate: Hz, of what the server sends.
        streaming_interval: seconds of sound in a piece, above 0, for mlx-audio's server, which
            streams if it is told to and the model can. None for other servers: they stream by
            themselves, and may refuse a request with this entry.
        **server: where the model is and how patiently to ask it, as `rxvoice.remote.ServerOptions`
            describes it: `base_url`, which is required, `api_key`, `timeout_s`, `total_timeout_s`,
            `retries` and `extra_body`.

    Raises:
        ConfigError: an argument out of range, or a `base_url` that is none.
    """
    if response_format not in ("pcm", "wav"):
        raise ConfigError(f'response_format must be "pcm" or "wav", got {response_format!r}')
    whole("sample_rate", sample_rate, 1, "Hz")
    body: dict[str, object] = {}
    if streaming_interval is not None:
        above("streaming_interval", streaming_interval, 0, "seconds")
        body = {"stream": True, "streaming_interval": streaming_interval}
    asked = Server("voice", model, **server)
    return RemoteTts(asked, voice, response_format, sample_rate, {**body, **asked.extra_body})


class RemoteTts:
    """A voice behind a server; made by `tts`. It waits on the thread that calls."""

    def __init__(
        self,
        server: Server,
        voice: str,
        response_format: Literal["pcm", "wav"],
        sample_rate: int,
        body: dict[str, object],
    ) -> None:
        self._server = server
        self._voice = voice
        self._format: Literal["pcm", "wav"] = response_format
        self._sample_rate = sample_rate
        self._body = body

    @property
    def sample_rate(self) -> int:
        """Hz"""
        return self._sample_rate

    @property
    def servers(self) -> tuple[ServerState, ...]:
        """How each server fares."""
        return self._server.states

    def with_voice(self, voice: str) -> RemoteTts:
        """The same model in another voice; both ask through the same client."""
        return RemoteTts(self._server, voice, self._format, self._sample_rate, self._body)

    def at_speed(self, speed: float) -> RemoteTts:
        """The same voice, `speed` times as fast, if the server takes the field ``speed``.

        Errors: `ConfigError` for a speed that is not above 0.
        """
        above("speed", speed, 0, "times the voice's own")
        body = {**self._body, "speed": speed}
        return RemoteTts(self._server, self._voice, self._format, self._sample_rate, body)

    def load(self) -> None:
        """Load the client now, and not with the first text. It sends nothing.

        Raises:
            MissingDependency: the package openai is not installed.
        """
        self._server.load()

    def synthesize_stream(self, text: str, /) -> Generator[Samples, None, None]:
        """Speak `text`, in pieces of float32 samples, shape ``(n,)``, never empty, as they come.

        Nothing is sent before the first piece is asked for. Closing the generator early closes the
        connection, which tells the server to stop. White space gives nothing and is not sent. A
        server may send 30 s of sound and one second more for each letter.

        Raises:
            RemoteError: the server cannot be reached, is silent, refuses, breaks off, or gives
                something else or no sound; says what to do.
            MissingDependency: the package openai is not installed.
        """
        if not text.strip():
            return
        with closing(self._server.streamed(lambda call: self._spoken(call, text))) as pieces:
            yield from pieces

    @contextmanager
    def _spoken(self, call: Call, text: str) -> Generator[Iterator[Samples]]:
        with call.client.audio.speech.with_streaming_response.create(
            model=self._server.model,
            voice=self._voice,
            input=whole_text(text),
            response_format=self._format,
            extra_body=self._body,
        ) as response:
            media = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if self._format == "pcm" and media not in _RAW:
                raise call.error(
                    f"was asked for audio/pcm and gave {media}: see whether this server has it, "
                    'or use response_format="wav"'
                )
            yield self._pieces(call, response.iter_bytes(), text)

    def _pieces(
        self, call: Call, parts: Iterator[bytes], text: str
    ) -> Generator[Samples, None, None]:
        seconds = _SECONDS + _SECONDS_PER_LETTER * len(text)
        most = seconds * self._sample_rate
        wavs = WavStream(call.error, self._sample_rate, most) if self._format == "wav" else None
        given = 0
        odd = b""
        for part in parts:
            data = odd + (part if wavs is None else wavs.feed(part))
            count = len(data) // 2
            odd = data[2 * count :]
            if count:
                given += count
                if given > most:
                    raise call.error(
                        f"went on after {seconds} s of sound for {text!r}: see the server's log"
                    )
                yield from_pcm16(data[: 2 * count])
        if odd or (wavs is not None and not wavs.is_complete):
            raise call.error(
                f"ended its {self._format} in the middle of a sample or of a header: see whether "
                "the server sends samples of 16 bits, and its log"
            )
        if not given:
            raise call.error(f"gave no sound for {text!r}: see the server's log")
