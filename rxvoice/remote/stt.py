"""Recognisers behind a server, as transcribers of whole turns."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Unpack, cast

from rxvoice._answers.recognised import recognised
from rxvoice._audio.pcm16 import to_pcm16
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._audio.wav import header
from rxvoice._language.options import shows_options_of
from rxvoice._text.unicode import whole_text
from rxvoice.elements import Recognised
from rxvoice.remote._chat import ErrorEvent, events
from rxvoice.remote._host import ServerState
from rxvoice.remote._options import ServerOptions
from rxvoice.remote._server import Call, Server

__all__ = ["RemoteStt", "stt"]


@shows_options_of(Server.__init__)
def stt(model: str, *, language: str | None = None, **server: Unpack[ServerOptions]) -> RemoteStt:
    """A recogniser behind a server, for `transcribe`. It sends nothing before the first turn.

    ```python
    rxv.remote.stt("whisper-large-v3-turbo", base_url="http://127.0.0.1:8000/v1")
    ```

    Args:
        model: the name that the server knows it by.
        language: what the user speaks, as the model names it, such as ``"en"``; None lets the model
            decide.
        **server: where the model is and how patiently to ask it, as `rxvoice.remote.ServerOptions`
            describes it: `base_url`, which is required, `api_key`, `timeout_s`, `total_timeout_s`,
            `retries` and `extra_body`. The transcription of one turn has to fit into `timeout_s`.

    Raises:
        ConfigError: an argument out of range, or a `base_url` that is none.
    """
    return RemoteStt(Server("recogniser", model, **server), language)


class RemoteStt:
    """A recogniser behind a server; made by `stt`. It waits on the thread that calls."""

    sample_rate = 16_000
    """Hz"""

    def __init__(self, server: Server, language: str | None) -> None:
        self._server = server
        self._body = {**server.extra_body, **({} if language is None else {"language": language})}

    @property
    def servers(self) -> tuple[ServerState, ...]:
        """How each server fares."""
        return self._server.states

    def load(self) -> None:
        """Load the client now, and not with the first turn. It sends nothing.

        Raises:
            MissingDependency: the package openai is not installed.
        """
        self._server.load()

    def transcribe_turn(self, audio: Samples, /) -> str:
        """The text of a turn, without white space around it. An empty turn is not sent.

        Args:
            audio: float32 of shape ``(n,)`` at 16 kHz; sent as a WAV of 16 bits.

        Raises:
            AudioFormatError: other audio.
            RemoteError: the server cannot be reached, is silent, takes too long, refuses, breaks
                off or gives something else; says what to do.
            MissingDependency: the package openai is not installed.
        """
        return self.recognise_turn(audio).text

    def recognise_turn(self, audio: Samples, /) -> Recognised:
        """As `transcribe_turn`, with the language and the times that the server gives.

        Most servers give them on request: ``extra_body={"response_format": "verbose_json",
        "timestamp_granularities": ["word"]}``.
        """
        if not len(audio_samples(audio)):
            return Recognised("")
        turn = _wav(audio, self.sample_rate)
        with closing(self._server.streamed(lambda call: self._asked(call, turn))) as answers:
            return next(answers)

    @contextmanager
    def _asked(self, call: Call, turn: bytes) -> Generator[Iterator[Recognised]]:
        with call.client.audio.transcriptions.with_streaming_response.create(
            model=self._server.model,
            file=("turn.wav", turn, "audio/wav"),
            response_format="json",
            extra_body=self._body,
        ) as response:
            yield map(_recognised, events(response.iter_bytes(), "json"))


def _recognised(answer: object) -> Recognised:
    if not isinstance(answer, dict):
        raise TypeError(f"wanted an object with a text, got {answer!r}")
    given = cast("dict[str, object]", answer)
    if given.get("error") and "text" not in given:
        raise ErrorEvent(given)
    text = given["text"]
    if not isinstance(text, str):
        raise TypeError(f"wanted a text, got {text!r}")
    said = whole_text(text).strip()
    found = recognised(given)
    return Recognised(said) if isinstance(found, str) else replace(found, text=said)


def _wav(audio: Samples, sample_rate: int) -> bytes:
    pcm = to_pcm16(audio).tobytes()
    return header(1, sample_rate, len(pcm)) + pcm
