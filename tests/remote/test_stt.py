"""The transcriber over a server, against one that does as it is told."""

from __future__ import annotations

import io
import json
import wave
from email.message import Message
from email.parser import BytesParser

import numpy as np
import pytest
import reactivex as rx

from rxvoice import operators as vox
from rxvoice.elements import Recognised, Transcript
from rxvoice.errors import AudioFormatError
from rxvoice.remote import RemoteError, RemoteStt, stt
from rxvoice.turn import Turn
from tests.remote.servers import HEAR, Request, Stub, gives, hears


def recogniser(stub: Stub, **options: object) -> RemoteStt:
    options = {"retries": 0, "timeout_s": 10, **options}
    return stt("ears", base_url=stub.base_url, **options)  # type: ignore[arg-type]


def fields(request: Request) -> dict[str, Message]:
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    parts = BytesParser().parsebytes(head + request.body).get_payload()
    return {part.get_param("name", header="content-disposition"): part for part in parts}  # type: ignore[misc, union-attr]


def test_the_turn_is_sent_as_a_wav_of_16_bits_and_its_text_comes_back(stub: Stub) -> None:
    stub.answers[HEAR] = [hears(" hello there\n")]
    audio = np.array([0, 0.5, -0.5, 1, -1, 1.5, -1.5, 1 / 32768], np.float32)
    assert recogniser(stub).transcribe_turn(audio) == "hello there"
    form = fields(stub.requests[0])
    assert set(form) == {"model", "file", "response_format"}
    assert form["model"].get_payload() == "ears"
    assert form["response_format"].get_payload() == "json"
    with wave.open(io.BytesIO(form["file"].get_payload(decode=True)), "rb") as sent:  # type: ignore[arg-type]
        assert (sent.getnchannels(), sent.getsampwidth(), sent.getframerate()) == (1, 2, 16_000)
        samples = np.frombuffer(sent.readframes(100), "<i2")
    assert samples.tolist() == [0, 16384, -16384, 32767, -32768, 32767, -32768, 1]


def test_half_a_character_of_its_text_is_replaced(stub: Stub) -> None:
    stub.answers[HEAR] = [hears("hi \ud83d"), hears("hi \ud83d\ude00")]
    ears = recogniser(stub)
    assert ears.transcribe_turn(np.ones(4, np.float32)) == "hi \ufffd"
    assert ears.transcribe_turn(np.ones(4, np.float32)) == "hi 😀"


@pytest.mark.parametrize("error", [{"message": "no memory"}, "no memory"])
def test_an_error_for_an_answer_is_told(stub: Stub, error: object) -> None:
    stub.answers[HEAR] = [gives(json.dumps({"error": error}).encode())]
    with pytest.raises(RemoteError, match=r"'ears' at .* failed \(no memory\): see the server's"):
        recogniser(stub).transcribe_turn(np.ones(4, np.float32))


def test_options_are_sent_with_it(stub: Stub) -> None:
    stub.answers[HEAR] = [hears("ja")]
    ears = recogniser(stub, language="de", extra_body={"prompt": "RxPY"})
    assert ears.transcribe_turn(np.ones(4, np.float32)) == "ja"
    form = fields(stub.requests[0])
    assert form["language"].get_payload() == "de"
    assert form["prompt"].get_payload() == "RxPY"


def test_what_the_server_knows_is_kept(stub: Stub) -> None:
    told = {
        "text": " ja",
        "language": "german",
        "words": [{"word": "ja", "start": 0.1, "end": 0.3}],
    }
    stub.answers[HEAR] = [gives(json.dumps(told).encode())]
    wanted = {"response_format": "verbose_json", "timestamp_granularities": ["word"]}
    ears = recogniser(stub, extra_body=wanted)
    found = ears.recognise_turn(np.ones(4, np.float32))
    assert found == Recognised("ja", words=[("ja", 0.1, 0.3)], language="german")
    form = fields(stub.requests[0])
    assert form["response_format"].get_payload() == "verbose_json"
    assert form["timestamp_granularities[]"].get_payload() == "word"
    turn = Turn.of(np.ones(4, np.float32))
    seen: list[object] = []
    rx.of(turn).pipe(vox.transcribe(ears)).subscribe(seen.append)
    assert seen == [Transcript(turn, "ja", recognised=found)]


def test_no_audio_is_no_text_and_not_sent(stub: Stub) -> None:
    assert recogniser(stub).transcribe_turn(np.empty(0, np.float32)) == ""
    assert not stub.requests


def test_other_audio_is_refused_before_it_is_sent(stub: Stub) -> None:
    with pytest.raises(AudioFormatError, match="wanted float32 samples"):
        recogniser(stub).transcribe_turn(np.zeros(10, np.int16))  # type: ignore[arg-type]
    assert not stub.requests


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (b'{"text": null}', "application/json"),
        (b'{"words": []}', "application/json"),
        (b"[1, 2]", "application/json"),
        (b'{"text": ', "application/json"),
        (b"<html>a login page</html>", "text/html"),
    ],
)
def test_an_answer_without_a_text_is_an_error(stub: Stub, body: bytes, media: str) -> None:
    stub.answers[HEAR] = [gives(body, media)]
    with pytest.raises(
        RemoteError, match=r"the recogniser 'ears' at http.* cannot be read .*base_"
    ):
        recogniser(stub).transcribe_turn(np.ones(4, np.float32))
