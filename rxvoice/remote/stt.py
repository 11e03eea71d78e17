"""Recognisers behind a server, as transcribers of whole turns."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from rxvoice._answers.recognised import recognised
from rxvoice._audio.pcm16 import to_pcm16
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._audio.wav import header
from rxvoice._text.unicode import whole_text
from rxvoice.elements import Recognised
from rxvoice.remote._chat import ErrorEvent, events
from rxvoice.remote._server import Server

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["RemoteStt", "stt"]


def stt(
    model: str,
    *,
    base_url: str,
    api_key: str | None = None,
    language: str | None = None,
    timeout_s: float = 30,
    total_timeout_s: float | None = 120,
    retries: int = 2,
    extra_body: Mapping[str, object] | None = None,
) -> RemoteStt:
    """A recogniser behind a server, for `transcribe`. Nothing is sent before the first turn.

    Args:
        model: the name that the server knows it by.
        base_url: where the interface begins, such as ``"http://127.0.0.1:8000/v1"``.
        api_key: sent as the bearer token; None where the server wants none.
        language: what is spoken, as the model names it, such as ``"en"``; None lets it decide.
        timeout_s: how long the server may be silent, in seconds, above 0: a turn's recognition
            has to fit in.
        total_timeout_s: how long one turn may take in all, in seconds, above 0, pauses between
            retries included. None for no limit.
        retries: how often to ask again, at least 0, when the server cannot be reached, is silent
            or refuses for the moment (408, 409, 429, 5xx). Waits half a second at first, then
            longer, or as long as the server says.
        extra_body: what else the request says, as the server names it, such as
            ``{"prompt": "rxvoice, RxPY"}``.

    Raises:
        ConfigError: an argument out of range, or no such `base_url`.
    """
    return RemoteStt(
        model,
        base_url=base_url,
        api_key=api_key,
        language=language,
        timeout_s=timeout_s,
        total_timeout_s=total_timeout_s,
        retries=retries,
        extra_body=extra_body,
    )


class RemoteStt:
    """A recogniser; made by `stt`, whose arguments it takes. Waits on the thread that calls."""

    sample_rate = 16_000
    """Hz"""

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        api_key: str | None = None,
        language: str | None = None,
        timeout_s: float = 30,
        total_timeout_s: float | None = 120,
        retries: int = 2,
        extra_body: Mapping[str, object] | None = None,
    ) -> None:
        self._server = Server(
            "recogniser",
            model,
            base_url=base_url,
            api_key=api_key,
            timeout_s=timeout_s,
            total_timeout_s=total_timeout_s,
            retries=retries,
        )
        self._extra_body = dict(extra_body or {})
        if language is not None:
            self._extra_body["language"] = language

    def load(self) -> None:
        """Load the client now rather than at the first turn; nothing is sent.

        Raises:
            MissingDependency: the package openai is not installed.
        """
        self._server.client()

    def transcribe_turn(self, audio: Samples, /) -> str:
        """The text of a turn, without space around it. No audio is no text, and not sent.

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
        """As `transcribe_turn`, with the language and the times that the server tells.

        Most tell them when they are asked: ``extra_body={"response_format": "verbose_json",
        "timestamp_granularities": ["word"]}``.
        """
        if not len(audio_samples(audio)):
            return Recognised("")
        turn = _wav(audio, self.sample_rate)
        with closing(self._server.streamed(lambda client, _: self._asked(client, turn))) as answers:
            return next(answers)

    @contextmanager
    def _asked(self, client: OpenAI, turn: bytes) -> Generator[Iterator[Recognised]]:
        with client.audio.transcriptions.with_streaming_response.create(
            model=self._server.model,
            file=("turn.wav", turn, "audio/wav"),
            response_format="json",
            extra_body=self._extra_body,
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
