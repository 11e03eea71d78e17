"""Several servers of one model: one that fails before the first word is not noticed."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from threading import Event
from typing import Any

import numpy as np
import pytest

from rxvoice import remote
from rxvoice.errors import ConfigError
from rxvoice.remote import RemoteError, _pool, _server
from tests.remote.servers import (
    CHAT,
    HEAR,
    SPEAK,
    Answer,
    Stub,
    delta,
    event,
    gives,
    hangs,
    hangs_up,
    hears,
    pcm,
    refuses,
    says,
    streams,
    stub_server,
)

AUDIO = np.full(160, 0.1, np.float32)

CALL = delta(tool_calls=[{"index": 0, "id": "1", "function": {"name": "f", "arguments": "{"}}])


@pytest.fixture
def two() -> Iterator[tuple[Stub, Stub]]:
    with ExitStack() as stack:
        yield stack.enter_context(stub_server()), stack.enter_context(stub_server())


def _llm(*stubs: Stub, **options: Any) -> remote.RemoteLlm:
    bot = remote.llm("m", base_url=[it.base_url for it in stubs], **options)
    _first_asks(bot, 0)
    return bot


def _first_asks(model: Any, index: int) -> None:
    """Let this server be asked first, instead of any idle one."""
    pool = model._server._pool
    pool._turn = len(pool) - 1 + index


def _spoken(bot: remote.RemoteLlm, question: str = "hi") -> str:
    return "".join(it for it in bot.respond(question) if isinstance(it, str))


@pytest.mark.parametrize(
    "bad",
    [
        refuses(503, "loading"),
        refuses(500),
        refuses(429),
        refuses(401),
        refuses(404, "no such model"),
        hangs_up,
        streams(end=False),
        streams(event(""), end=False),
        streams(delta(reasoning_content="Hm."), end=False),
        streams(CALL, end=False),
        streams(b'data: {"error": {"message": "out of memory"}}\n\n'),
        gives(b"<html>", media="text/html"),
    ],
    ids=[
        *("503", "500", "429", "401", "404", "hangs up", "no event", "blank event", "thought"),
        *("half a call", "error event", "a web page"),
    ],
)
def test_the_next_server_is_asked_if_one_fails_before_the_first_word(
    two: tuple[Stub, Stub], bad: Answer
) -> None:
    one, other = two
    one.answers[CHAT] = [bad]
    other.answers[CHAT] = [says("Ye", "s.")]
    bot = _llm(one, other, retries=0)
    assert _spoken(bot) == "Yes."
    assert [message["content"] for message in bot.messages] == ["hi", "Yes."]
    assert (len(one.requests), len(other.requests)) == (1, 1)
    assert [it.is_available for it in bot.servers] == [False, True]
    # It is left out: the next question does not try it.
    assert _spoken(bot, "and?") == "Yes."
    assert (len(one.requests), len(other.requests)) == (1, 2)


def test_a_silent_server_is_left_for_the_next_one(two: tuple[Stub, Stub]) -> None:
    one, other = two
    one.answers[CHAT] = [hangs(event(""))]
    other.answers[CHAT] = [says("Yes.")]
    assert _spoken(_llm(one, other, timeout_s=0.2)) == "Yes."


def test_nothing_is_asked_again_once_a_word_was_given(two: tuple[Stub, Stub]) -> None:
    one, other = two
    one.answers[CHAT] = [streams(event("Y"), end=False)]
    other.answers[CHAT] = [says("No.")]
    bot = _llm(one, other)
    given: list[object] = []
    with pytest.raises(RemoteError, match=f"'m' at {one.base_url} broke off its answer"):
        given.extend(bot.respond("hi"))
    assert not other.requests


def test_a_question_that_no_server_would_take_is_not_passed_on(two: tuple[Stub, Stub]) -> None:
    one, other = two
    one.answers[CHAT] = [refuses(400, "temperature must not be hot")]
    bot = _llm(one, other)
    with pytest.raises(RemoteError, match="temperature must not be hot"):
        _spoken(bot)
    assert not other.requests
    assert all(it.is_available for it in bot.servers)


def test_if_all_fail_the_error_is_the_last_and_names_the_others(two: tuple[Stub, Stub]) -> None:
    one, other = two
    one.answers[CHAT] = [refuses(503, "loading")]
    other.answers[CHAT] = [refuses(500, "broken")]
    with pytest.raises(
        RemoteError,
        match=rf"at {other.base_url} refused with 500 .*broken.*; before it failed: {one.base_url}",
    ) as caught:
        _spoken(_llm(one, other, retries=0))
    assert caught.value.status == 500


def test_all_are_asked_again_as_often_as_retries_says(
    two: tuple[Stub, Stub], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(_server.time, "sleep", pauses.append)
    one, other = two
    one.answers[CHAT] = [refuses(503)]
    other.answers[CHAT] = [refuses(503), refuses(503), says("Yes.")]
    assert _spoken(_llm(one, other, retries=2)) == "Yes."
    assert len(other.requests) == 3
    assert len(pauses) == 2


def test_a_host_that_does_not_answer_the_connection_costs_little(
    two: tuple[Stub, Stub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_server, "_CONNECT_S", 0.2)
    other = two[1]
    other.answers[CHAT] = [says("Yes.")]
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as waiting:
        for _ in range(2):  # the kernel's queue is full: further connections hang
            caller = waiting.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        bot = remote.llm("m", base_url=[url, other.base_url])
        _first_asks(bot, 0)
        assert _spoken(bot) == "Yes."
        alone = remote.llm("m", base_url=[url, f"{url}/"], retries=0)
        with pytest.raises(RemoteError, match=r"cannot be reached \(no connection within 0.2 s\)"):
            _spoken(alone)


def test_recognisers_and_voices_do_so_too(two: tuple[Stub, Stub]) -> None:
    one, other = two
    urls = [one.base_url, other.base_url]
    one.answers = {HEAR: [refuses(503)], SPEAK: [streams(media="audio/pcm")]}
    other.answers = {HEAR: [hears("hello")], SPEAK: [streams(pcm(1, 2), media="audio/pcm")]}
    ears = remote.stt("m", base_url=urls)
    _first_asks(ears, 0)
    assert ears.transcribe_turn(AUDIO) == "hello"
    voice = remote.tts("m", base_url=urls, voice="ann")
    _first_asks(voice, 0)
    assert sum(map(len, voice.synthesize_stream("Hi."))) == 2
    assert not ears.servers[0].is_available
    assert not voice.servers[0].is_available


def test_a_voice_that_broke_off_is_not_asked_for_the_same_sound_again(
    two: tuple[Stub, Stub],
) -> None:
    one, other = two
    one.answers[SPEAK] = [streams(pcm(1, 2), media="audio/pcm", end=False)]
    voice = remote.tts("m", base_url=[one.base_url, other.base_url], voice="ann")
    _first_asks(voice, 0)
    with pytest.raises(RemoteError, match="broke off"):
        list(voice.synthesize_stream("Hi."))
    assert not other.requests


def test_a_server_comes_back_when_it_lists_its_models(
    two: tuple[Stub, Stub], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    one.answers[CHAT] = [refuses(503), says("One.")]
    other.answers[CHAT] = [says("Other.")]
    bot = _llm(one, other)
    pool = bot._server._pool
    monkeypatch.setattr(pool, "_clock", lambda: now)
    probed = Event()

    def start(act: Callable[[], None]) -> None:
        def probe() -> None:
            act()
            probed.set()

        _pool.in_background(probe)

    monkeypatch.setattr(pool, "_start", start)
    now = 0.0
    assert _spoken(bot) == "Other."
    one.models_status = 503
    now = 2.0
    assert _spoken(bot) == "Other."  # it does not wait for the probe
    assert probed.wait(60)
    probed.clear()
    assert (one.probes, other.probes) == (1, 0)
    one.models_status = 200
    now = 40.0
    assert _spoken(bot) == "Other."
    assert probed.wait(60)
    assert [it.is_available for it in bot.servers] == [True, True]
    # Another conversation may go there; this one stays where its beginning is cached.
    assert {_spoken(bot.fresh()), _spoken(bot.fresh())} == {"One.", "Other."}
    assert _spoken(bot) == "Other."


def test_the_session_header_names_the_conversation(stub: Stub) -> None:
    stub.answers[CHAT] = [says("Yes.")]
    bot = remote.llm("m", base_url=stub.base_url)
    other = bot.fresh()
    for each in (bot, bot, other):
        _spoken(each)
    ids = [it.headers["x-session-id"] for it in stub.requests]
    assert ids[0] == ids[1] != ids[2]
    _spoken(remote.llm("m", base_url=stub.base_url, session_header="X-User-Id"))
    assert len(stub.requests[-1].headers["x-user-id"]) == 32
    assert "x-session-id" not in stub.requests[-1].headers
    _spoken(remote.llm("m", base_url=stub.base_url, session_header=None))
    assert "x-session-id" not in stub.requests[-1].headers


def test_connections_are_kept_and_used_again(two: tuple[Stub, Stub]) -> None:
    one, other = two
    one.answers[CHAT] = other.answers[CHAT] = [says("Yes.")]
    bot = _llm(one, other)
    for _ in range(3):
        for it in (bot, bot.fresh(), bot.fresh()):
            assert _spoken(it) == "Yes."
    assert len(one.requests) + len(other.requests) == 9
    assert one.connections == other.connections == 1


def test_answers_in_progress_are_counted_until_they_are_closed(two: tuple[Stub, Stub]) -> None:
    one, other = two
    one.answers[CHAT] = other.answers[CHAT] = [hangs(event("Y"))]
    bot = _llm(one, other)
    first, second = bot.respond("hi"), bot.fresh().respond("hi")
    next(first)
    next(second)
    assert [it.in_progress for it in bot.servers] == [1, 1]
    first.close()
    second.close()
    assert [it.in_progress for it in bot.servers] == [0, 0]


def test_what_was_said_is_not_logged(
    two: tuple[Stub, Stub], caplog: pytest.LogCaptureFixture
) -> None:
    one, other = two
    one.answers[CHAT] = [refuses(500, "cannot answer: my password is swordfish")]
    other.answers[CHAT] = [says("Yes.")]
    with caplog.at_level(logging.INFO, "rxvoice"):
        _spoken(_llm(one, other), "my password is swordfish")
    assert "refused with 500" in caplog.text
    assert "swordfish" not in caplog.text


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ([], r"base_url must be an address such as .*, or a list of different ones, got \[\]"),
        (["http://a/v1", "http://a/v1"], "a list of different ones, got"),
        (["http://a/v1", "b"], "base_url must be like 'http://127.0.0.1:8080/v1', got 'b'"),
        (["http://a/v1", 7], "base_url must be like 'http://127.0.0.1:8080/v1', got 7"),
    ],
)
def test_a_wrong_address_is_told(url: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        remote.llm("m", base_url=url)


def test_a_wrong_header_is_told() -> None:
    with pytest.raises(ConfigError, match="session_header must be the name of a header"):
        remote.llm("m", base_url="http://a/v1", session_header="X Y")
