"""Servers that are not quite OpenAI's: what they send is understood, whichever way they send it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rxvoice.conversation import Conversation
from rxvoice.events import Notice
from rxvoice.remote import RemoteError, RemoteLlm, llm
from tests.remote.servers import (
    CHAT,
    DONE,
    Answer,
    Stub,
    choice,
    data,
    delta,
    event,
    gives,
    says,
    streams,
    until_closed,
)


def talk(stub: Stub, **options: object) -> RemoteLlm:
    options = {"retries": 0, "timeout_s": 10, **options}
    return llm("little", base_url=stub.base_url, **options)  # type: ignore[arg-type]


def said(bot: RemoteLlm, question: str = "hi") -> str:
    return "".join(piece for piece in bot.respond(question) if isinstance(piece, str))


def notices(bot: RemoteLlm, question: str = "hi") -> list[str]:
    return [piece.message for piece in bot.respond(question) if isinstance(piece, Notice)]


USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
STOP = choice(index=0, delta={}, finish_reason="stop")


@pytest.mark.parametrize(
    "parts",
    [
        # What says that the answer goes on.
        [choice(delta={"content": it}, finish_reason="") for it in ("Yes", ", you.")]
        + [STOP, DONE],
        [choice(delta={"content": "Yes"}), delta(content=", you."), STOP, DONE],
        # What says that it ends.
        [event("Yes"), event(", you."), DONE],
        [event("Yes"), event(", you.", "eos_token")],
        [event("Yes"), event(", you."), choice(finish_reason="stop")],
        [event("Yes"), event(", you."), choice(delta=None, finish_reason="stop")],
        [event("Yes"), choice(delta={"content": ", you."}, finish_reason="stop", message=None)],
        # Events of something else.
        [data({"choices": None}), event("Yes"), data({}), event(", you."), DONE],
        [data({"choices": []}), event("Yes"), data({"usage": USAGE}), event(", you."), DONE],
        [
            data({"choices": [None]}),
            event("Yes, you."),
            data({"choices": [], "usage": USAGE}),
            DONE,
        ],
        [delta(role="assistant", content=None), event("Yes, you."), choice(index=0), DONE],
        [event("Yes"), choice(index=1, delta={"content": "No"}), event(", you."), DONE],
        [data({"error": None, "choices": []}), event("Yes, you."), DONE],
        [
            b": ping\n\n",
            b"event: ping\ndata: {}\n\n",
            b"id: 1\nretry: 5\n",
            event("Yes, you."),
            DONE,
        ],
        # Text of another form.
        [delta(content=[{"type": "text", "text": "Yes"}, ", you."]), DONE],
        [
            delta(content=[{"type": "thinking", "thinking": [{"text": "hm"}]}]),
            event("Yes, you."),
            DONE,
        ],
        [delta(content=[]), event("Yes, you."), DONE],
        [
            delta(reasoning_content="hm"),
            delta(content="", reasoning="hm"),
            event("Yes, you."),
            DONE,
        ],
        [event("\n\nYes, you."), DONE],
        # Lines of another form.
        [b"\xef\xbb\xbf" + event("Yes, you."), b"data:[DONE]\r\n\r\n"],
        [event("Yes").replace(b"\n", b"\r\n"), event(", you.").replace(b"\n", b"\r"), DONE],
        [event("Yes").strip() + b"\n", event(", you.").strip() + b"\n", DONE.strip()],
        [bytes([byte]) for byte in event("Yes, you.") + DONE],
    ],
)
@pytest.mark.parametrize("send", [streams, until_closed])
def test_an_answer_is_heard_whole(
    stub: Stub, parts: list[bytes], send: Callable[..., Answer]
) -> None:
    stub.answers[CHAT] = [send(*parts)]
    bot = talk(stub)
    assert said(bot) == "Yes, you."
    assert bot.messages == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Yes, you."},
    ]


def test_an_answer_whose_end_the_transport_tells_is_complete(stub: Stub) -> None:
    parts = [event("Yes"), event(", you.")]
    stub.answers[CHAT] = [streams(*parts), gives(b"".join(parts), "text/event-stream")]
    bot = talk(stub)
    assert said(bot) == said(bot) == "Yes, you."


@pytest.mark.parametrize(
    "whole",
    [
        {"choices": [{"index": 0, "message": {"content": "Yes, you."}, "finish_reason": "stop"}]},
        {"choices": [{"message": {"role": "assistant", "content": "Yes, you."}}]},
    ],
)
def test_a_server_that_does_not_stream_is_understood(stub: Stub, whole: object) -> None:
    stub.answers[CHAT] = [gives(json.dumps(whole, indent=2).encode())]
    assert said(talk(stub)) == "Yes, you."


def test_a_last_event_that_has_all_of_the_answer_is_not_said_twice(stub: Stub) -> None:
    last = choice(message={"content": "Yes, you."}, finish_reason="stop")
    stub.answers[CHAT] = [streams(event("Yes, "), event("you."), last)]
    assert said(talk(stub)) == "Yes, you."


@pytest.mark.parametrize(
    "failure",
    [
        data({"error": {"message": "no memory"}}),
        data({"error": "no memory"}),
        data({"object": "error", "message": "no memory", "code": 500}),
        data({"error": {"error": {"message": "no memory"}}}),
        b"event: error\ndata: no memory\n\n",
        b'event: error\ndata: {"message": "no memory"}\n\n',
        choice(delta={"content": ""}, finish_reason="error", error={"message": "no memory"}),
    ],
)
def test_a_failure_in_the_stream_is_told(stub: Stub, failure: bytes) -> None:
    stub.answers[CHAT] = [streams(event("Y"), failure, event("es"), DONE)]
    bot = talk(stub)
    with pytest.raises(RemoteError, match=r"failed \(no memory\): see the server's log"):
        said(bot)
    assert bot.messages == []


def test_halves_of_a_character_are_joined_and_never_reach_history(
    stub: Stub, tmp_path: Path
) -> None:
    stub.answers[CHAT] = [
        streams(event("Hi \ud83d"), event("\ude00!"), event("\ud83d"), event(" so"), DONE),
        streams(event("Bye \ud83d"), DONE),
        says("Yes."),
    ]
    bot = talk(stub)
    pieces = list(bot.respond("\ud83d?"))
    assert pieces == ["Hi ", "😀!", "", "\ufffd so"]
    assert said(bot) == "Bye \ufffd"
    assert said(bot) == "Yes."
    assert [it["content"] for it in bot.messages[:4]] == [
        "\ufffd?",
        "Hi 😀!\ufffd so",
        "hi",
        "Bye \ufffd",
    ]
    bot.conversation.save(tmp_path / "talk.json")
    assert Conversation.load(tmp_path / "talk.json") == bot.conversation
    # Nor does one that an edit brought in keep the next question from being asked.
    bot.messages[0]["content"] = "\ud83d"
    assert said(bot) == "Yes."
    assert stub.requests[-1].json["messages"][0]["content"] == "\ufffd"


def test_thoughts_are_neither_said_nor_kept(stub: Stub) -> None:
    text = "<think>\nThe user says hi. <b>\n</think>\n\nHello. <think>Well?</think>Who is it?"
    stub.answers[CHAT] = [streams(*map(event, text), DONE), says(text)]
    bot = talk(stub)
    assert said(bot) == said(bot) == "Hello. Who is it?"
    assert bot.messages[1]["content"] == bot.messages[3]["content"] == "Hello. Who is it?"
    assert "think" not in stub.requests[1].body.decode()


def test_an_answer_that_max_tokens_cuts_is_told_once(stub: Stub) -> None:
    stub.answers[CHAT] = [
        streams(event("The moon is"), event("", "length"), DONE),
        streams(event("The moon."), event("", "stop"), DONE),
    ]
    bot = talk(stub)
    assert notices(bot) == [
        "the reply was cut after max_tokens=256: raise max_tokens, or tell the model to be brief"
    ]
    assert notices(bot) == []
    assert [it["content"] for it in bot.messages[1::2]] == ["The moon is", "The moon."]


def test_an_answer_that_is_only_a_thought_is_told(stub: Stub) -> None:
    stub.answers[CHAT] = [
        streams(event("<think>hm, "), event("hm", "length"), DONE),
        streams(delta(reasoning_content="hm"), event("", "length"), DONE),
        streams(event(" "), DONE),
        says("hm</think>Yes."),
    ]
    bot = talk(stub)
    assert notices(bot) == [
        "the reply ended within a thought, which is not spoken: raise max_tokens, or turn the "
        "model's thinking off"
    ]
    assert notices(bot) == [
        "the reply came without text, only thoughts (finish_reason 'length'): see whether "
        "max_tokens is enough, and the server's log"
    ]
    assert "came without text:" in notices(bot)[0]
    assert "began within a thought" in notices(bot)[0]
    assert [it["content"] for it in bot.messages] == ["hi", "hi", "hi", "hi", "hmYes."]


def test_a_new_question_ends_an_answer_in_progress(stub: Stub) -> None:
    stub.answers[CHAT] = [says("One. ", "Two."), says("Yes.")]
    bot = talk(stub)
    first = bot.respond("count")
    assert next(first) == "One. "
    assert said(bot, "stop") == "Yes."
    assert list(first) == []
    assert [it["content"] for it in bot.messages] == ["count", "One. ", "stop", "Yes."]
