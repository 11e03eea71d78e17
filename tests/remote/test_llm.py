"""The responder over a server, against one that does as it is told."""

from __future__ import annotations

import sys

import pytest

from rxvoice.errors import ConfigError
from rxvoice.remote import RemoteError, RemoteLlm, llm
from rxvoice.remote._chat import CountedTokens
from tests.remote.servers import (
    CHAT,
    DONE,
    Stub,
    data,
    endless,
    event,
    gives,
    says,
    streams,
    until_closed,
)


def talk(stub: Stub, **options: object) -> RemoteLlm:
    options = {"retries": 0, "timeout_s": 10, **options}
    return llm("little", base_url=stub.base_url, **options)  # type: ignore[arg-type]


def test_deltas_come_one_by_one_and_join_to_the_answer(stub: Stub) -> None:
    stub.answers[CHAT] = [says("Hello", ", you", ".")]
    pieces = list(talk(stub).respond("hi"))
    assert pieces == ["Hello", ", you", ".", ""]


def test_a_delta_is_given_before_the_next_is_written(stub: Stub) -> None:
    stub.answers[CHAT] = [endless(event("on "))]
    answer = talk(stub).respond("hi")
    assert [next(answer), next(answer)] == ["on ", "on "]
    answer.close()


def test_what_is_asked(stub: Stub) -> None:
    stub.answers[CHAT] = [says("One."), says("Two.")]
    bot = talk(stub, system_prompt="Be brief.", max_tokens=7, extra_body={"top_k": 3})
    list(bot.respond("first"))
    list(bot.respond("second"))
    asked = stub.requests[1].json
    assert asked.pop("messages") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "One."},
        {"role": "user", "content": "second"},
    ]
    assert asked == {
        "model": "little",
        "max_tokens": 7,
        "temperature": 0.0,
        "stream": True,
        "stream_options": {"include_usage": True},
        "top_k": 3,
    }


def test_the_client_does_not_walk_through_a_long_history(stub: Stub) -> None:
    def calls(turns: int) -> int:
        stub.answers[CHAT] = [says("One.")]
        bot = talk(stub)
        for n in range(turns):
            bot.conversation.messages += [
                {"role": "user", "content": f"{n}?"},
                {"role": "assistant", "content": f"{n}."},
            ]
        count = 0

        def counted(frame: object, what: str, of: object) -> None:
            nonlocal count
            count += what == "call"

        sys.setprofile(counted)
        try:
            list(bot.respond("hi"))
        finally:
            sys.setprofile(None)
        return count

    calls(1)  # the first one loads something
    few, many = calls(1), calls(101)
    assert (many - few) / 200 < 20, "calls of Python functions for each message"


def test_the_server_counts_the_tokens(stub: Stub) -> None:
    usage = {
        "prompt_tokens": 50,
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 40},
    }
    counted = data({"choices": [], "usage": usage})
    stub.answers[CHAT] = [streams(event("One."), event(None, "stop"), counted, DONE), says("Two.")]
    bot = talk(stub)
    list(bot.write([{"role": "user", "content": "first"}]))
    assert bot.stats is not None
    assert bot.stats == CountedTokens(prompt_tokens=50, prefilled_tokens=10, generated_tokens=2)
    assert bot.fresh().stats is None
    answer = bot.write([{"role": "user", "content": "second"}])
    next(answer)
    assert bot.stats is None  # what it counted is not of this answer
    list(answer)
    assert bot.stats is None


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_does_not_count_is_asked_without(stub: Stub, status: int) -> None:
    told = b'{"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"]}]}'
    stub.answers[CHAT] = [gives(told, status=status), says("One.")]
    bot = talk(stub)
    assert "".join(map(str, bot.respond("first"))) == "One."
    assert "".join(map(str, bot.fresh().respond("second"))) == "One."
    counts = ["stream_options" in it.json for it in stub.requests]
    assert counts == [True, False, False]


def test_nothing_is_sent_before_the_first_piece_is_asked_for(stub: Stub) -> None:
    bot = talk(stub)
    bot.load()
    answer = bot.respond("hi")
    assert not stub.requests
    assert not bot.messages
    answer.close()


def test_closed_early_the_connection_is_closed_and_what_was_given_stays(stub: Stub) -> None:
    stub.answers[CHAT] = [endless(event("on "))]
    bot = talk(stub)
    answer = bot.respond("hi")
    given = next(answer) + next(answer)
    assert not stub.left.is_set()
    answer.close()
    assert stub.left.wait(60)
    assert bot.messages[1:] == [{"role": "assistant", "content": given}]


def test_closed_before_any_text_the_question_stays_and_is_joined_with_the_next(stub: Stub) -> None:
    stub.answers[CHAT] = [streams(event(""), event("x"), event(None, "stop")), says("Yes.")]
    bot = talk(stub)
    answer = bot.respond("are you")
    assert next(answer) == ""
    answer.close()
    assert bot.messages == [{"role": "user", "content": "are you"}]
    list(bot.respond("there"))
    assert stub.requests[1].json["messages"] == [{"role": "user", "content": "are you there"}]


def test_events_without_text_are_empty_pieces_and_those_without_a_choice_are_none(
    stub: Stub,
) -> None:
    thought = b'data: {"choices": [{"index": 0, "delta": {"reasoning": "hm"}}]}\n\n'
    count = b'data: {"choices": [], "usage": null}\n\n'
    stub.answers[CHAT] = [
        streams(b": keepalive 1/2\n\n", thought, count, event("Yes."), event("", "stop"), DONE)
    ]
    assert list(talk(stub).respond("hi")) == ["", "Yes.", ""]


def test_the_answer_ends_where_the_server_says_so_whatever_comes_of_the_connection(
    stub: Stub,
) -> None:
    stub.answers[CHAT] = [streams(event("Yes."), event("", "stop"), end=False)]
    bot = talk(stub)
    assert "".join(bot.respond("hi")) == "Yes."
    assert len(bot.messages) == 2


def test_an_answer_without_its_end_has_broken_off_even_where_the_connection_just_closes(
    stub: Stub,
) -> None:
    stub.answers[CHAT] = [until_closed(event("The "), event("mo"))]
    bot = talk(stub)
    with pytest.raises(
        RemoteError, match=r"little' at http://.*broke off its answer \(the connection was closed"
    ):
        list(bot.respond("hi"))
    assert not bot.messages


def test_a_failure_takes_back_the_question_and_leaves_what_was_before(stub: Stub) -> None:
    stub.answers[CHAT] = [says("One."), streams(event("Tw"), end=False)]
    bot = talk(stub)
    list(bot.respond("first"))
    before = list(bot.messages)
    answer = bot.respond("second")
    assert next(answer) == "Tw"
    assert len(bot.messages) == 4
    with pytest.raises(RemoteError, match="broke off its answer"):
        next(answer)
    assert bot.messages == before


def test_heard_cuts_the_last_answer(stub: Stub) -> None:
    stub.answers[CHAT] = [says("One. ", "Two.")]
    bot = talk(stub)
    list(bot.respond("count"))
    bot.heard(" One.")
    assert bot.messages == [
        {"role": "user", "content": "count"},
        {"role": "assistant", "content": "One."},
    ]
    bot.heard("  ")
    assert bot.messages == [{"role": "user", "content": "count"}]
    bot.heard("One.")
    assert bot.messages == [{"role": "user", "content": "count"}]


def test_heard_ends_an_answer_in_progress_which_then_changes_nothing(stub: Stub) -> None:
    stub.answers[CHAT] = [endless(event("on ")), says("Yes.")]
    bot = talk(stub)
    answer = bot.respond("hi")
    next(answer)
    next(answer)
    bot.heard("on")
    assert next(answer, None) is None
    assert stub.left.wait(60)
    assert bot.messages[1:] == [{"role": "assistant", "content": "on"}]
    list(bot.respond("still there"))
    assert [message["content"] for message in bot.messages] == ["hi", "on", "still there", "Yes."]


def test_forget_takes_back_the_last_question_and_its_answer(stub: Stub) -> None:
    stub.answers[CHAT] = [says("One."), says("Two."), says("Three.")]
    bot = talk(stub)
    list(bot.respond("first"))
    list(bot.respond("second"))
    bot.forget()
    assert [message["content"] for message in bot.messages] == ["first", "One."]
    bot.forget()
    assert [message["content"] for message in bot.messages] == ["first", "One."]
    list(bot.respond("third"))
    assert [message["content"] for message in bot.messages][2:] == ["third", "Three."]


def test_forget_ends_an_answer_in_progress(stub: Stub) -> None:
    stub.answers[CHAT] = [endless(event("on "))]
    bot = talk(stub)
    answer = bot.respond("hi")
    next(answer)
    bot.forget()
    assert next(answer, None) is None
    assert stub.left.wait(60)
    assert bot.messages == []


def test_a_failure_after_heard_keeps_what_was_heard(stub: Stub) -> None:
    stub.answers[CHAT] = [streams(event("One."), event("Two."), end=False)]
    bot = talk(stub)
    answer = bot.respond("count")
    next(answer)
    bot.heard("One.")
    assert list(answer) == []
    assert [message["content"] for message in bot.messages] == ["count", "One."]


def test_reset_forgets_all_but_the_system_prompt_also_within_an_answer(stub: Stub) -> None:
    stub.answers[CHAT] = [says("One.", "Two.")]
    bot = talk(stub, system_prompt="Be brief.")
    answer = bot.respond("count")
    next(answer)
    bot.reset()
    list(answer)
    assert bot.messages == [{"role": "system", "content": "Be brief."}]


def test_fresh_ones_talk_at_once_through_one_client_each_for_itself(stub: Stub) -> None:
    stub.answers[CHAT] = [says("One."), says("A", "B"), says("C", "D")]
    bot = talk(stub, system_prompt="Be brief.", max_tokens=7)
    list(bot.respond("first"))
    other = bot.fresh()
    prompt = {"role": "system", "content": "Be brief."}
    assert other.messages == [prompt]
    one = bot.respond("second")
    given = next(one)
    given_other = list(other.respond("hello"))
    other.heard("C")
    assert given + "".join(one) == "AB"
    assert "".join(given_other) == "CD"
    assert [message["content"] for message in bot.messages[1:]] == ["first", "One.", "second", "AB"]
    assert [message["content"] for message in other.messages[1:]] == ["hello", "C"]
    asked = stub.requests[2].json
    assert asked["messages"] == [prompt, {"role": "user", "content": "hello"}]
    assert asked["max_tokens"] == 7
    assert bot._server is other._server


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tokens": 0}, "max_tokens must be at least 1 tokens, got 0"),
        ({"temperature": -1}, "temperature must be at least 0 .*, got -1"),
        ({"retries": -1}, "retries must be at least 0 times, got -1"),
        ({"retries": 1.5}, "retries must be a whole number of times, got 1.5"),
        ({"timeout_s": 0}, "timeout_s must be above 0 seconds, got 0"),
        ({"timeout_s": float("nan")}, "timeout_s must be at least 0 seconds, got nan"),
        ({"model": " "}, "model must be the name that the server knows, got ' '"),
        ({"base_url": "localhost:80"}, "base_url must be like 'http.*', got 'localhost:80'"),
        ({"base_url": "http:///v1"}, "base_url must be like 'http.*', got 'http:///v1'"),
        ({"base_url": "http://[::1/v1"}, "base_url must be like"),
        ({"base_url": "http://h:port/v1"}, "base_url must be like"),
    ],
)
def test_a_bad_argument_raises_when_it_is_built(options: dict[str, object], message: str) -> None:
    given: dict[str, object] = {"model": "little", "base_url": "http://localhost/v1", **options}
    with pytest.raises(ConfigError, match=message):
        llm(**given)  # type: ignore[arg-type]
