"""A model behind a server that calls tools, and conversations that exceed its context."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
import reactivex as rx

from rxvoice._answers.pauses import Waiting
from rxvoice.conversation import Conversation, Message
from rxvoice.errors import ConfigError
from rxvoice.events import Notice
from rxvoice.remote import RemoteError, RemoteLlm, llm
from rxvoice.tools import ToolCall
from tests.remote.servers import (
    CHAT,
    DONE,
    Handler,
    Stub,
    choice,
    data,
    delta,
    event,
    gives,
    refuses,
    says,
    streams,
)


def weather(city: str, days: int = 1) -> str:
    """The weather.

    Args:
        city: where
        days: how many
    """
    if city == "Atlantis":
        raise LookupError("no such city")
    return f"sunny in {city} for {days} days"


def talk(stub: Stub, **options: object) -> RemoteLlm:
    options = {"retries": 0, "timeout_s": 10, "tools": [weather], **options}
    return llm("little", base_url=stub.base_url, **options)  # type: ignore[arg-type]


def said(bot: RemoteLlm, question: str = "hi") -> str:
    return "".join(piece for piece in bot.respond(question) if isinstance(piece, str))


def called(arguments: object, **more: object) -> dict[str, object]:
    return {"function": {"name": "weather", "arguments": arguments}, **more}


PARIS = '{"city": "Paris", "days": "2"}'
CALL = {"index": 0, "id": "call_1", "type": "function"}


def test_a_tool_is_called_and_its_result_sent(stub: Stub) -> None:
    stub.answers[CHAT] = [
        streams(
            event("Let me look."),
            delta(tool_calls=[called("", **CALL)]),
            *(delta(tool_calls=[{"index": 0, "function": {"arguments": it}}]) for it in PARIS),
            event(None, "tool_calls"),
            DONE,
        ),
        says("It is", " sunny."),
    ]
    bot = talk(stub, system_prompt="Be brief.")
    pieces = [piece for piece in bot.respond("Weather in Paris?") if piece]
    result = "sunny in Paris for 2 days"
    arguments = {"city": "Paris", "days": "2"}
    assert pieces == [
        "Let me look.",
        Notice(
            f"weather(city='Paris', days='2') gave {result}",
            ToolCall("weather", arguments, result, None),
        ),
        " It is",
        " sunny.",
    ]
    call = {"id": "000000001", "type": "function"}
    assert bot.messages[2:] == [
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [{**call, "function": {"name": "weather", "arguments": arguments}}],
        },
        {"role": "tool", "content": result, "name": "weather", "tool_call_id": "000000001"},
        {"role": "assistant", "content": "It is sunny."},
    ]
    first, second = (request.json for request in stub.requests)
    assert first["tools"] == second["tools"]
    assert first["tools"][0]["function"]["name"] == "weather"
    # The interface has arguments as text.
    function = {"name": "weather", "arguments": json.dumps(arguments)}
    assert second["messages"][2:] == [
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [{**call, "function": function}],
        },
        {"role": "tool", "content": result, "tool_call_id": "000000001"},
    ]
    bot.heard("Let me look. It")
    assert [it["content"] for it in bot.messages if it["role"] == "assistant"] == [
        "Let me look.",
        "It",
    ]
    assert Conversation.from_json(bot.conversation.to_json()) == bot.conversation


ROME = '{"city": "Rome"}'


@pytest.mark.parametrize(
    "deltas",
    [
        # Numbered, and in parts that come in turns.
        [
            [called("", index=0, id="a"), called("", index=1, id="b")],
            [{"index": 0, "function": {"arguments": PARIS}}],
            [{"index": 1, "function": {"arguments": ROME}}],
        ],
        # Each whole: without a number, without an identity, or all with the same number.
        [[called(PARIS, id="a")], [called(ROME, id="b")]],
        [[called(PARIS), called(ROME)]],
        [[called(PARIS, index=0, id="a")], [called(ROME, index=0, id="b")]],
        # As objects, as JSON in JSON, or with the name said again.
        [[called(json.loads(PARIS), index=0)], [called(json.loads(ROME), index=1)]],
        [[called(json.dumps(PARIS), index=0), called(ROME, index=1)]],
        [[called(PARIS[:9], index=0)], [called(PARIS[9:], index=0)], [called(ROME, index=1)]],
    ],
)
def test_calls_are_read_however_they_come(stub: Stub, deltas: list[object]) -> None:
    stub.answers[CHAT] = [
        streams(*(delta(content=None, tool_calls=it) for it in deltas), DONE),
        says("Done."),
    ]
    bot = talk(stub)
    assert said(bot) == "Done."
    results = [message["content"] for message in bot.messages if message["role"] == "tool"]
    assert results == ["sunny in Paris for 2 days", "sunny in Rome for 1 days"]


def test_a_call_in_an_answer_that_is_not_streamed(stub: Stub) -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [called(PARIS, id="a")]}
    whole = {"choices": [{"message": message, "finish_reason": "tool_calls"}]}
    stub.answers[CHAT] = [gives(json.dumps(whole).encode()), says("Done.")]
    assert said(talk(stub)) == "Done."


def test_what_is_wrong_with_a_call_is_told_to_the_model(stub: Stub) -> None:
    wrong = [
        called('{"city": "Atlantis"}', index=0),
        called('{"city": "Rome", "days": "many"}', index=1),
        called("{not json", index=2),
        called("[1]", index=3),
        called(None, index=4),
        {"index": 5, "function": {"arguments": "{}"}},
        {"index": 6, "function": {"name": "time", "arguments": "{}"}},
        called("[" * 100_000, index=7),
    ]
    stub.answers[CHAT] = [streams(delta(tool_calls=wrong), DONE), says("Done.")]
    bot = talk(stub, max_tokens=10_000)
    assert said(bot) == "Done."
    results = [message["content"] for message in bot.messages if message["role"] == "tool"]
    unread = "Error: this call of a tool could not be read: "
    assert results[:2] == [
        "Error: LookupError: no such city",
        "Error: TypeError: days must be a whole number, got 'many'",
    ]
    assert results[2].startswith(
        f"{unread}what the model wrote is not JSON: Expecting property name"
    )
    assert results[3].startswith(f"{unread}wanted a name and an object of arguments")
    assert results[4] == "Error: TypeError: the argument 'city' is missing"
    assert results[5].startswith(f"{unread}wanted a name and an object of arguments, got ''")
    assert results[6] == "Error: LookupError: there is no tool 'time'; there are: weather"
    assert results[7].startswith(f"{unread}what the model wrote has more than 100 levels")
    # And all of it can be sent again, and saved.
    assert len(stub.requests[1].json["messages"]) == 10
    assert Conversation.from_json(bot.conversation.to_json()) == bot.conversation


def test_rounds_are_bounded(stub: Stub) -> None:
    stub.answers[CHAT] = [streams(event("Wait."), delta(tool_calls=[called(PARIS)]), DONE)]
    bot = talk(stub, max_tool_rounds=2)
    pieces = list(bot.respond("Go."))
    assert "".join(it for it in pieces if isinstance(it, str)) == "Wait. Wait. Wait. Wait."
    assert isinstance(pieces[-1], Notice)
    assert "went on to call tools after 2 rounds" in pieces[-1].message
    assert len(stub.requests) == 4
    assert stub.requests[3].json["messages"][-1]["content"].startswith("Error: no more tools")


def test_a_failure_after_a_call_keeps_the_call(stub: Stub) -> None:
    stub.answers[CHAT] = [streams(delta(tool_calls=[called(PARIS)]), DONE), refuses(500)]
    bot = talk(stub)
    with pytest.raises(RemoteError):
        said(bot)
    assert [message["role"] for message in bot.messages] == ["user", "assistant", "tool"]


def test_interrupted_in_a_tool_no_other_is_called(stub: Stub) -> None:
    calls = [called(PARIS, index=0), called(ROME, index=1)]
    stub.answers[CHAT] = [streams(event("Wait."), delta(tool_calls=calls), DONE)]
    bot = talk(stub)
    answer: Iterator[object] = bot.respond("Go.")
    while not isinstance(next(answer), Notice):
        pass
    bot.heard("Wait.")
    assert list(answer) == []
    assert [message["role"] for message in bot.messages] == ["user", "assistant", "tool"]
    assert len(stub.requests) == 1


def test_a_conversation_goes_on(stub: Stub) -> None:
    stub.answers[CHAT] = [says("Yes.")]
    before = Conversation(system="Old.", messages=[])
    before.add_user("One?")
    before.add_assistant("One.")
    bot = talk(stub, conversation=before, system_prompt="New.", tools=[])
    assert said(bot) == "Yes."
    assert bot.conversation is before
    asked = stub.requests[0].json
    assert [it["content"] for it in asked["messages"]] == ["New.", "One?", "One.", "hi"]
    assert "tools" not in asked
    other = bot.fresh()
    assert other.messages == [{"role": "system", "content": "New."}]
    assert len(bot.messages) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tool_rounds": 0}, "max_tool_rounds must be at least 1 rounds, got 0"),
        ({"tools": [print]}, "a tool must be a function or a method"),
        ({"tool_worker": "pool"}, "tool_worker must be a ThreadPoolExecutor, an RxPY scheduler"),
        ({"while_calling": 3}, "while_calling must be what to say, or a function"),
        ({"compact": "short"}, "compact must be a function that summarises messages, got 'short'"),
        ({"context_tokens": 256}, r"context_tokens must be at least 257 tokens \(above max_tokens"),
        ({"total_timeout_s": 0}, "total_timeout_s must be above 0 seconds, got 0"),
        ({"total_timeout_s": float("nan")}, "total_timeout_s must be at least 0 seconds, got nan"),
    ],
)
def test_a_bad_argument_raises_when_it_is_built(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        llm("m", base_url="http://localhost/v1", **options)  # type: ignore[arg-type]


def test_a_slow_tool_and_what_is_said_meanwhile(stub: Stub) -> None:
    async def weather(city: str) -> str:
        """The weather.

        Args:
            city: where
        """
        await asyncio.sleep(0)
        return f"sunny in {city}"

    call = delta(tool_calls=[called('{"city": "Rome"}', **CALL)])
    stub.answers[CHAT] = [streams(call, event(None, "tool_calls"), DONE), says("It is sunny.")]
    bot = talk(stub, tools=[weather], while_calling="One moment.")
    assert said(bot) == "One moment. It is sunny."
    asked = stub.requests[-1].json["messages"]
    assert [it["role"] for it in asked] == ["user", "assistant", "tool"]
    assert asked[1]["content"] == "One moment."
    assert asked[2]["content"] == "sunny in Rome"


def test_the_server_is_told_of_the_tools_that_were_chosen(stub: Stub) -> None:
    stub.answers[CHAT] = [says("Yes.")]
    bot = talk(stub, tools=lambda question: [weather] if "weather" in question else [])
    for question in ("hi", "the weather?", "bye"):
        assert said(bot, question) == "Yes."
    assert ["tools" in it.json for it in stub.requests] == [False, True, False]


# Past the context.

REFUSALS = [
    {
        "message": "This model's maximum context length is 4096 tokens. However, ...",
        "code": "context_length_exceeded",
    },
    {"message": "no", "code": "context_length_exceeded"},
    {
        "message": "the request exceeds the available context size, try increasing it",
        "type": "exceed_context_size_error",
    },
    {"message": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096"},
    {"message": "prompt is too long: 210000 tokens > 200000 maximum"},
    {"message": "The input token count (5000) exceeds the maximum number of tokens allowed"},
    {"message": "Please reduce the length of the messages or completion."},
    {"message": "too many tokens: total number of tokens in the prompt cannot exceed 4081"},
]


class Small:
    """Answers a few messages, and refuses more."""

    def __init__(self, most: int, refusal: object = REFUSALS[0]) -> None:
        self._most = most
        self._refusal = refusal

    def __call__(self, handler: Handler) -> None:
        asked = handler.server.stub.requests[-1].json["messages"]
        if len(asked) <= self._most:
            says("Yes.")(handler)
        else:
            refuse = gives(json.dumps({"error": self._refusal}).encode(), status=400)
            refuse(handler)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_past_the_servers_context_the_older_half_goes_and_no_turn_fails(
    stub: Stub, refusal: object
) -> None:
    stub.answers[CHAT] = [Small(6, refusal)]
    bot = talk(stub, system_prompt="Be brief.")
    told: list[str] = []
    for turn in range(12):
        pieces = list(bot.respond(f"question {turn}"))
        assert "".join(it for it in pieces if isinstance(it, str)) == "Yes."
        told += [it.message for it in pieces if isinstance(it, Notice)]
        assert bot.messages[0] == {"role": "system", "content": "Be brief."}
        assert [it["content"] for it in bot.messages[-2:]] == [f"question {turn}", "Yes."]
        assert len(bot.messages) <= 7
    assert 3 < len(told) < 8
    gone = "turns no longer fit into the server's context and were dropped"
    assert told[0] == f"the oldest 2 {gone}"


def test_a_long_conversation_from_elsewhere_is_halved_until_it_fits(stub: Stub) -> None:
    stub.answers[CHAT] = [Small(6)]
    long = Conversation(system="Be brief.")
    for turn in range(100):
        long.add_user(f"question {turn}")
        long.add_assistant("Yes.")
    bot = talk(stub, conversation=long)
    assert said(bot, "last") == "Yes."
    assert len(stub.requests) < 8
    assert [it["content"] for it in bot.messages[-4:]] == ["question 99", "Yes.", "last", "Yes."]


def sum_up(messages: list[Message]) -> str:
    return f"{len(messages)} before"


async def sum_up_async(messages: list[Message]) -> str:
    await asyncio.sleep(0)
    return sum_up(messages)


@pytest.mark.parametrize("compact", [sum_up, sum_up_async, lambda it: rx.of(sum_up(it))])
def test_past_the_servers_context_the_older_half_is_summed_up(stub: Stub, compact: Any) -> None:
    stub.answers[CHAT] = [Small(7)]
    bot = talk(stub, system_prompt="Be brief.", compact=compact)
    told: list[str] = []
    for turn in range(4):
        told += [it.message for it in bot.respond(f"question {turn}") if isinstance(it, Notice)]
    assert told == [
        "the oldest 2 turns no longer fit into the server's context and were replaced by a summary "
        "of 8 characters"
    ]
    assert [it["content"] for it in bot.messages] == [
        "Be brief.", "4 before", "question 2", "Yes.", "question 3", "Yes.",
    ]  # fmt: skip
    asked = stub.requests[-1].json["messages"]
    assert [it["content"] for it in asked][:2] == ["Be brief.", "4 before question 2"]


def test_a_server_that_refuses_the_summary_as_well_is_not_asked_for_ever(stub: Stub) -> None:
    def short(handler: Handler) -> None:
        asked = handler.server.stub.requests[-1].json["messages"]
        Small(2 if len(asked[0]["content"]) < 100 else 0)(handler)

    stub.answers[CHAT] = [short]
    bot = talk(stub, compact=lambda _: "long " * 100)
    assert said(bot, "one") == "Yes."
    assert said(bot, "two") == "Yes."
    assert [it["content"] for it in bot.messages] == ["two", "Yes."]
    assert len(stub.requests) < 6


def test_a_summary_that_fails_or_is_too_long_costs_no_turn(stub: Stub) -> None:
    def summarise(messages: list[Message]) -> str:
        return "x" * 5_000 if len(told) > 4 else str(1 / 0)

    stub.answers[CHAT] = [says("Yes.")]
    bot = talk(stub, context_tokens=500, max_tokens=100, tools=[], compact=summarise)
    told: list[str] = []
    for turn in range(40):
        pieces = list(bot.respond(f"This is question {turn}, and it is not a short one."))
        assert "".join(it for it in pieces if isinstance(it, str)) == "Yes."
        told += [it.message for it in pieces if isinstance(it, Notice)]
    assert told[0].startswith("compact failed, so that turns are dropped: ZeroDivisionError(")
    assert told[1].endswith("no longer fit into the context of 500 tokens and were dropped")
    assert told[-1].endswith("dropped, their summary of 5000 characters too, which was too long")
    assert not any("x" * 10 in it["content"] for it in bot.messages)


def test_interrupted_while_it_is_summed_up_nothing_is_lost(stub: Stub) -> None:
    stub.answers[CHAT] = [Small(3)]
    bot = talk(stub, compact=lambda _: rx.never())
    said(bot, "one"), said(bot, "two")
    answer = bot.respond("three")
    while not isinstance(pause := next(answer), Waiting):
        pass
    pause.until.subscribe().dispose()
    bot.heard("")
    answer.close()
    assert [it["content"] for it in bot.messages] == ["one", "Yes.", "two", "Yes.", "three"]


def test_one_question_that_is_too_long_fails_and_is_taken_back(stub: Stub) -> None:
    stub.answers[CHAT] = [Small(0)]
    bot = talk(stub, system_prompt="Be brief.")
    message = r"refused with 400 .*maximum context.*: ask in fewer words, shorten the system prompt"
    with pytest.raises(RemoteError, match=message) as raised:
        said(bot)
    assert raised.value.status == 400
    assert len(stub.requests) == 1
    assert len(bot.messages) == 1


def test_a_context_that_is_exceeded_in_the_stream(stub: Stub) -> None:
    refusal = data({"error": {"message": "context length exceeded"}})
    stub.answers[CHAT] = [
        says("One."),
        streams(refusal),
        says("Two."),
        streams(event("T"), refusal),
    ]
    bot = talk(stub)
    assert said(bot, "one") == "One."
    assert said(bot, "two") == "Two."
    assert [it["content"] for it in bot.messages] == ["two", "Two."]
    # Not once there is an answer that has begun.
    with pytest.raises(RemoteError, match=r"failed \(context length exceeded\)"):
        said(bot, "three")
    assert len(stub.requests) == 4


def test_only_a_language_model_has_a_context(stub: Stub) -> None:
    stub.answers[CHAT] = [refuses(413, "too large"), refuses(429, "too many tokens per minute")]
    bot = talk(stub)
    with pytest.raises(RemoteError, match=r"413 .*ask in fewer words"):
        said(bot)
    with pytest.raises(RemoteError, match=r"429 .*see the server's log, or try later"):
        said(bot)


def test_a_known_context_is_never_exceeded(stub: Stub) -> None:
    """By a server of one token for a word, which counts them for whoever asks."""

    def count(asked: list[dict[str, str]]) -> int:
        return sum(len(it["content"].split()) + 4 for it in asked)

    def answer(handler: Handler) -> None:
        asked = handler.server.stub.requests[-1].json
        assert asked["stream_options"] == {"include_usage": True}
        tokens = count(asked["messages"])
        counts.append(tokens)
        usage = data({"choices": [], "usage": {"prompt_tokens": tokens}})
        streams(event("Yes, I do."), choice(delta={}, finish_reason="stop"), usage, DONE)(handler)

    counts: list[int] = []
    stub.answers[CHAT] = [answer]
    bot = talk(stub, system_prompt="Be brief.", context_tokens=300, max_tokens=100, tools=[])
    told: list[str] = []
    for turn in range(40):
        pieces = list(bot.respond(f"This is question {turn}, and it is not a short one."))
        told += [it.message for it in pieces if isinstance(it, Notice)]
    assert max(counts) <= 200
    # The estimate has become right: much of the room is used, and turns go several at a time.
    assert max(counts) > 150
    assert 3 < len(told) < 14
    assert told[0].endswith("turns no longer fit into the context of 300 tokens and were dropped")


@pytest.mark.parametrize("tokens", [0, -5, 10**9, "many", None, 0.5, True])
def test_a_count_that_cannot_be_does_no_harm(stub: Stub, tokens: object) -> None:
    usage = data({"choices": [], "usage": {"prompt_tokens": tokens}})
    stub.answers[CHAT] = [streams(event("Yes."), usage, DONE)]
    bot = talk(stub, context_tokens=2_000)
    for _ in range(3):
        assert said(bot) == "Yes."
    assert len(bot.messages) == 6
