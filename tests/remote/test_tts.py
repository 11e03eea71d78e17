"""The synthesizer over a server, against one that does as it is told."""

from __future__ import annotations

import numpy as np
import pytest

from rxvoice.errors import ConfigError
from rxvoice.remote import RemoteError, RemoteTts, tts
from tests.remote.servers import SPEAK, Answer, Stub, endless, gives, pcm, streams, wav


def voice(stub: Stub, **options: object) -> RemoteTts:
    options = {"voice": "ann", "retries": 0, "timeout_s": 10, **options}
    return tts("mouth", base_url=stub.base_url, **options)  # type: ignore[arg-type]


def sends(*parts: bytes, media: str = "audio/pcm", end: bool = True) -> Answer:
    return streams(*parts, media=media, end=end)


def spoken(speech: RemoteTts) -> list[int]:
    pieces = list(speech.synthesize_stream("Hi."))
    for piece in pieces:
        assert piece.dtype == np.float32
        assert piece.ndim == 1
        assert len(piece)
    return (np.concatenate(pieces) * 32768).tolist()


def test_samples_come_as_they_are_sent(stub: Stub) -> None:
    stub.answers[SPEAK] = [endless(pcm(16384, -32768), media="audio/pcm")]
    speech = voice(stub)
    pieces = speech.synthesize_stream("Hi.")
    assert next(pieces)[:2].tolist() == [0.5, -1.0]
    assert next(pieces)[:2].tolist() == [0.5, -1.0]
    assert not stub.left.is_set()
    pieces.close()
    assert stub.left.wait(60)


def test_what_is_asked(stub: Stub) -> None:
    stub.answers[SPEAK] = [sends(pcm(1))]
    spoken(voice(stub, extra_body={"speed": 1.5}))
    assert stub.requests[0].json == {
        "model": "mouth",
        "voice": "ann",
        "input": "Hi.",
        "response_format": "pcm",
        "stream": True,
        "streaming_interval": 0.32,
        "speed": 1.5,
    }
    spoken(voice(stub, streaming_interval=None))
    assert set(stub.requests[1].json) == {"model", "voice", "input", "response_format"}


def test_half_a_character_does_not_keep_the_rest_from_being_spoken(stub: Stub) -> None:
    stub.answers[SPEAK] = [sends(pcm(1))]
    list(voice(stub).synthesize_stream("Hi \ud83d."))
    assert stub.requests[0].json["input"] == "Hi \ufffd."


def test_nothing_is_sent_for_white_space_or_before_the_first_piece(stub: Stub) -> None:
    speech = voice(stub)
    speech.load()
    assert list(speech.synthesize_stream(" \n")) == []
    speech.synthesize_stream("Hi.").close()
    assert not stub.requests


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_an_odd_byte_goes_with_the_next_part(stub: Stub, size: int) -> None:
    samples = [1, -2, 300, -30000, 32767, 77, -1]
    data = pcm(*samples)
    stub.answers[SPEAK] = [sends(*(data[at : at + size] for at in range(0, len(data), size)))]
    assert spoken(voice(stub)) == samples


def test_an_odd_number_of_bytes_is_an_error_once_all_samples_are_given(stub: Stub) -> None:
    stub.answers[SPEAK] = [sends(pcm(5, 6), b"\x07")]
    pieces = voice(stub).synthesize_stream("Hi.")
    given: list[float] = []
    with pytest.raises(RemoteError, match="ended its pcm in the middle of a sample"):
        given.extend(sample for piece in pieces for sample in piece * 32768)
    assert given == [5, 6]


def test_no_sound_is_an_error(stub: Stub) -> None:
    stub.answers[SPEAK] = [sends()]
    with pytest.raises(RemoteError, match=r"'mouth' at .* gave no sound for 'Hi.': see"):
        spoken(voice(stub))


@pytest.mark.parametrize("media", ["audio/mpeg", "application/json", "text/html; charset=utf-8"])
def test_something_else_than_samples_is_refused_before_it_is_noise(stub: Stub, media: str) -> None:
    stub.answers[SPEAK] = [gives(b"ID3\x04\x00\x00", media)]
    kind = media.partition(";")[0]
    with pytest.raises(RemoteError, match=f"asked for audio/pcm and gave {kind}: .*wav"):
        spoken(voice(stub))


@pytest.mark.parametrize("size", [1, 7, 43, 44, 45, 10_000])
def test_wavs_one_after_another_are_joined_however_they_are_cut(stub: Stub, size: int) -> None:
    listed = wav(pcm(8, 9))
    listed = listed[:36] + b"LIST\x03\x00\x00\x00abc\x00" + listed[36:]
    data = wav(pcm(1, 2, 3)) + listed + wav(pcm(-4))
    stub.answers[SPEAK] = [
        sends(*(data[at : at + size] for at in range(0, len(data), size)), media="audio/wav")
    ]
    assert spoken(voice(stub, response_format="wav")) == [1, 2, 3, 8, 9, -4]
    assert stub.requests[0].json["response_format"] == "wav"


@pytest.mark.parametrize("length", [b"\xff\xff\xff\xff", b"\0\0\0\0"])
def test_a_wav_of_unknown_length_goes_on_to_the_end(stub: Stub, length: bytes) -> None:
    whole = wav(pcm(1, 2, 3))
    stub.answers[SPEAK] = [
        sends(
            whole[:4] + length + whole[8:40] + length, whole[44:47], whole[47:], media="audio/wav"
        )
    ]
    assert spoken(voice(stub, response_format="wav")) == [1, 2, 3]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            wav(pcm(1), rate=16_000),
            "speaks at 16000 Hz, and sample_rate is 24000: pass sample_rate=16",
        ),
        (wav(pcm(1, 1), channels=2), "gave a WAV of 16 bits and 2 channels, encoding 1, .*mono"),
        (wav(b"abc", width=3), "gave a WAV of 24 bits and 1 channels"),
        (b"ID3\x04 something else", "gave something that is no WAV, b'ID3"),
        (b"RIFF\0\0\0\0AVI LIST", "gave something that is no WAV, b'RIFF"),
        (wav(pcm(1, 2, 3))[:-3], "ended its wav in the middle"),
        (wav(pcm(1, 2, 3))[:30], "ended its wav in the middle"),
        (wav(b""), "gave no sound for 'Hi.'"),
        (b"", "gave no sound for 'Hi.'"),
    ],
)
def test_another_wav_is_an_error(stub: Stub, body: bytes, message: str) -> None:
    stub.answers[SPEAK] = [gives(body, "audio/wav")]
    with pytest.raises(RemoteError, match=message):
        spoken(voice(stub, response_format="wav"))


def test_the_sample_rate_is_as_it_was_told() -> None:
    speech = tts("mouth", base_url="http://localhost/v1", voice="ann", sample_rate=16_000)
    assert speech.sample_rate == 16_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"response_format": "mp3"}, 'response_format must be "pcm" or "wav", got \'mp3\''),
        ({"sample_rate": 0}, "sample_rate must be at least 1 Hz, got 0"),
        ({"streaming_interval": 0}, "streaming_interval must be above 0 seconds, got 0"),
        ({"streaming_interval": -1}, "streaming_interval must be at least 0 seconds, got -1"),
    ],
)
def test_a_bad_argument_raises_when_it_is_built(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tts("mouth", base_url="http://localhost/v1", voice="ann", **options)  # type: ignore[arg-type]
