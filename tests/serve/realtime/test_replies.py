"""Replies: tools, replies beside the conversation, limits, voices, failures."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from typing import Any

import pytest
from serve.realtime_kit import ToolCaller, VirtualSession, fake_models, message

from rxvoice._language.calls import WrittenCall
from rxvoice.events import Notice
from rxvoice.serve.session import dialogue
from rxvoice.testing import FakeResponder, FakeSynthesizer, FakeTranscriber

TOOLS: list[dict[str, Any]] = [
    {"type": "function", "name": "weather", "description": "d", "parameters": {"type": "object"}},
    {"type": "function", "name": "time"},
    {"type": "mcp", "server_label": "x"},
]


def ask(session: VirtualSession, text: str = "hi", **response: Any) -> dict[str, Any]:
    """Type a text and get a response; returns it when it is over."""
    session.send("conversation.item.create", item=message(text))
    session.send("response.create", response=response)
    session.advance(20)
    return session.last("response.done")["response"]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


# What the model is given


def test_the_model_is_given_the_items_and_the_instructions() -> None:
    llm = ToolCaller(["Yes."])
    session = VirtualSession(fake_models(llm=llm))
    session.configure(instructions="Be brief.", tools=TOOLS)
    ask(session, "one")
    ask(session, "two", instructions="Be long.")
    assert [(it["role"], it["content"]) for it in llm.given[0]] == [
        ("system", "Be brief."),
        ("user", "one"),
    ]
    assert [(it["role"], it["content"]) for it in llm.given[1]] == [
        ("system", "Be long."),
        ("user", "one"),
        ("assistant", "Yes."),
        ("user", "two"),
    ]
    assert [it["function"]["name"] for it in llm.tools[0]] == ["weather", "time"]


@pytest.mark.parametrize(
    ("choice", "offered"),
    [
        ("auto", ["weather", "time"]),
        ("none", []),
        ("required", ["weather", "time"]),
        ({"type": "function", "name": "time"}, ["time"]),
    ],
)
def test_the_choice_of_tools(choice: Any, offered: list[str]) -> None:
    llm = ToolCaller(["Yes."])
    session = VirtualSession(fake_models(llm=llm))
    session.configure(tools=TOOLS)
    ask(session, tool_choice=choice)
    assert [it["function"]["name"] for it in llm.tools[0]] == offered


def test_an_assistant_without_a_question_is_given_its_instructions() -> None:
    llm = ToolCaller(["Hello."])
    session = VirtualSession(fake_models(llm=llm))
    session.send("response.create", response={"instructions": "Greet the user."})
    assert llm.given == [[{"role": "user", "content": "Greet the user."}]]


def test_items_of_all_kinds_become_messages() -> None:
    llm = ToolCaller(["Yes."])
    session = VirtualSession(fake_models(llm=llm))
    content = [{"type": "output_text", "text": "Earlier."}]
    items: list[dict[str, Any]] = [
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "S"}]},
        {"type": "message", "role": "assistant", "content": content},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a": 1}'},
        {"type": "function_call_output", "call_id": "c", "output": "2"},
        {"type": "function_call", "call_id": "d", "name": "g", "arguments": "broken"},
        message(" "),
    ]
    for item in items:
        session.send("conversation.item.create", item=item)
    ask(session, "now")
    assert llm.given[0] == [
        {"role": "system", "content": "S"},
        {"role": "assistant", "content": "Earlier."},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {
                    "id": "c",
                    "type": "function",
                    "function": {"name": "f", "arguments": {"a": 1}},
                }
            ],
        },
        {"role": "tool", "content": "2", "name": "f", "tool_call_id": "c"},
        {"role": "user", "content": "now"},
    ]


def test_an_item_that_was_put_first_or_deleted() -> None:
    llm = ToolCaller(["Yes."])
    session = VirtualSession(fake_models(llm=llm))
    session.send("conversation.item.create", item=message("b", id="b"))
    session.send("conversation.item.create", item=message("a", id="a"), previous_item_id="root")
    session.send("conversation.item.create", item=message("c", id="c"), previous_item_id="a")
    session.send("conversation.item.delete", item_id="b")
    session.send("response.create")
    assert [it["content"] for it in llm.given[0]] == ["a", "c"]
    added = session.named("conversation.item.added")[:3]
    assert [it["previous_item_id"] for it in added] == [None, None, "a"]


def test_a_model_that_only_responds() -> None:
    llm = FakeResponder("Yes.")
    session = VirtualSession(fake_models(llm=llm))
    assert ask(session, "one")["status"] == "completed"
    assert llm.asked == ["one"]


# Calls of tools


def test_words_before_a_call_are_spoken_first() -> None:
    calls = [WrittenCall("weather", {"city": "Oslo"}), WrittenCall("time", {})]
    session = VirtualSession(fake_models(llm=ToolCaller(["One moment. ", *calls])))
    over = ask(session)
    assert [it["type"] for it in over["output"]] == ["message", "function_call", "function_call"]
    done = session.named("response.output_item.done")
    assert [it["output_index"] for it in done] == [0, 1, 2]
    first_call = kinds(session.events).index("response.function_call_arguments.delta")
    assert kinds(session.events).index("response.output_audio.done") < first_call
    arguments = session.named("response.function_call_arguments.done")
    assert [it["name"] for it in arguments] == ["weather", "time"]


def test_a_call_that_cannot_be_read_is_left_out() -> None:
    broken = WrittenCall("unreadable", {"text": "<"}, ValueError("broken"))
    session = VirtualSession(fake_models(llm=ToolCaller([broken])))
    assert ask(session)["output"] == []


def test_a_reply_may_begin_while_the_one_before_is_still_played() -> None:
    llm = ToolCaller(["One moment. ", WrittenCall("time", {})], ["It is noon."])
    session = VirtualSession(fake_models(llm=llm))
    over = ask(session)
    result = {
        "type": "function_call_output",
        "call_id": over["output"][1]["call_id"],
        "output": "12",
    }
    session.send("conversation.item.create", item=result)
    session.send("response.create")
    session.advance(20)
    assert session.last("response.done")["response"]["status"] == "completed"
    assert [(it["role"], it["content"]) for it in llm.given[1]] == [
        ("user", "hi"),
        ("assistant", "One moment."),
        ("assistant", ""),
        ("tool", "12"),
    ]


# Beside the conversation


def test_replies_beside_the_conversation_are_made_at_the_same_time() -> None:
    llm = ToolCaller(["One two. ", "Three."], every_ms=300)
    session = VirtualSession(fake_models(llm=llm))
    session.send("response.create")
    for topic in "ab":
        session.send(
            "response.create",
            response={
                "conversation": "none",
                "input": [message(topic)],
                "metadata": {"topic": topic},
            },
        )
    session.advance(400)
    assert len(session.named("response.created")) == 3
    assert session.named("response.done") == []
    session.advance(3_000)
    assert len(session.named("response.done")) == 3
    assert [[it["content"] for it in given] for given in llm.given[-2:]] == [["a"], ["b"]]
    added = session.named("conversation.item.added")
    assert len(added) == 1


def test_replies_beside_the_conversation_are_not_more_than_a_few() -> None:
    session = VirtualSession(fake_models(llm=ToolCaller(["One. ", "Two."], every_ms=100)))
    for _ in range(17):
        session.send("response.create", response={"conversation": "none"})
    assert len(session.named("response.created")) == 16
    assert session.last("error")["error"]["code"] == "rate_limit_exceeded"
    session.advance(5_000)
    assert len(session.named("response.done")) == 16
    session.send("response.create", response={"conversation": "none"})
    assert len(session.named("response.created")) == 17


def test_a_conversation_is_not_longer_than_any_model_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dialogue, "_MOST_TEXT", 20)
    monkeypatch.setattr(dialogue, "_MOST_ITEMS", 3)
    session = VirtualSession()

    def add(text: str) -> str | None:
        session.take()
        session.send("conversation.item.create", item=message(text))
        return next((it["error"]["code"] for it in session.named("error")), None)

    assert add("x" * 12) is None
    assert add("x" * 12) == "conversation_too_long"
    assert add("x" * 8) is None
    session.send("conversation.item.delete", item_id=session.events[-1]["item"]["id"])
    assert [add("x"), add("x"), add("x")] == [None, None, "conversation_too_long"]


def test_a_reply_beside_the_conversation_can_be_cancelled() -> None:
    session = VirtualSession(fake_models(llm=ToolCaller(["One two. "] * 9, every_ms=300)))
    session.send("response.create", response={"conversation": "none"})
    session.advance(1_000)
    reply = session.last("response.created")["response"]["id"]
    session.send("response.cancel")
    assert session.last("error")["error"]["code"] == "response_cancel_not_active"
    session.send("response.cancel", response_id=reply)
    assert session.last("response.done")["response"]["status"] == "cancelled"
    session.take()
    session.advance(5_000)
    assert session.take() == []


# Limits


def test_the_longest_reply() -> None:
    session = VirtualSession(fake_models(llm=ToolCaller(["One ", "two ", "three ", "four."])))
    over = ask(session, max_output_tokens=2)
    assert over["status"] == "incomplete"
    assert over["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert over["output"][0]["content"][0]["transcript"] == "One two "


# Sound


def heard_bytes(session: VirtualSession) -> list[bytes]:
    return [b64decode(it["delta"]) for it in session.named("response.output_audio.delta")]


@pytest.mark.parametrize(
    ("kind", "rate", "width"), [("audio/pcm", 24, 2), ("audio/pcmu", 8, 1), ("audio/pcma", 8, 1)]
)
def test_the_sound_of_a_reply(kind: str, rate: int, width: int) -> None:
    tts = FakeSynthesizer(samples_per_char=2_205, sample_rate=22_050)
    session = VirtualSession(fake_models("One two three four five six.", tts=tts))
    session.configure(audio={"output": {"format": {"type": kind}}})
    ask(session)
    pieces = heard_bytes(session)
    assert sum(map(len, pieces)) == pytest.approx(2_800 * rate * width, rel=0.01)
    assert max(map(len, pieces)) <= 500 * rate * width


def test_each_sentence_says_which_words_it_speaks() -> None:
    text = "One *two*. Three four."
    session = VirtualSession(fake_models(text))
    ask(session)
    spans = [
        (it["x_rxvoice"]["text_start"], it["x_rxvoice"]["text_end"])
        for it in session.named("response.output_audio.delta")
        if "text_start" in it.get("x_rxvoice", {})
    ]
    assert [text[start:end].strip() for start, end in spans] == ["One *two*.", "Three four."]


def test_the_voice_and_its_speed() -> None:
    made: list[tuple[str, float]] = []

    def speak_as(voice: str, speed: float) -> FakeSynthesizer:
        made.append((voice, speed))
        return FakeSynthesizer(samples_per_char=round(2_400 / speed))

    models = fake_models("One two.", speak_as=speak_as, voices=("amy", "joe"))
    session = VirtualSession(models)
    ask(session)
    before = len(b"".join(heard_bytes(session)))
    session.configure(audio={"output": {"voice": "joe", "speed": 1.25}})
    session.take()
    ask(session)
    assert len(b"".join(heard_bytes(session))) == pytest.approx(before / 1.25, rel=0.01)
    session.configure(audio={"output": {"voice": "ash"}})  # which nobody here has
    ask(session)
    assert made == [("amy", 1.0), ("joe", 1.25), ("amy", 1.25)]


def test_how_long_each_step_took_is_told_with_the_first_sound() -> None:
    llm = ToolCaller(["One two. ", "Three."], every_ms=200)
    stt = FakeTranscriber("hello", after_ms=100)
    session = VirtualSession(fake_models(llm=llm, stt=stt))
    session.speak(400)
    session.be_silent(1_500)
    deltas = session.named("response.output_audio.delta")
    moments = deltas[0]["x_rxvoice"]["moments"]
    assert list(moments) == [
        *("turn_ended", "transcript", "first_token", "first_sentence", "first_audio")
    ]
    assert moments["turn_ended"] == pytest.approx(510, abs=30)
    assert moments["transcript"] - moments["turn_ended"] == pytest.approx(100, abs=25)
    assert moments["first_token"] - moments["transcript"] == pytest.approx(200, abs=25)
    # "Three." shows that the first sentence is whole.
    assert moments["first_sentence"] - moments["first_token"] == pytest.approx(200, abs=25)
    assert all("moments" not in it.get("x_rxvoice", {}) for it in deltas[1:])


# Failures and costs


def test_a_model_that_fails_fails_its_reply_only() -> None:
    class Broken:
        def write(self, messages: Any, *, tools: Any) -> Any:
            yield "One two. "
            if len(messages) < 3:
                raise RuntimeError("secret")
            yield "Three."

    session = VirtualSession(fake_models(llm=Broken()))
    over = ask(session)
    assert over["status"] == "failed"
    assert over["status_details"]["type"] == "failed"
    assert "secret" not in str(session.events)
    assert ask(session)["status"] == "completed"


def test_a_voice_that_fails_fails_its_reply_only() -> None:
    def broken(text: str) -> Any:
        raise RuntimeError("broken")

    session = VirtualSession(fake_models("Yes.", tts=broken))
    assert ask(session)["status"] == "failed"
    assert ask(session, output_modalities=["text"])["status"] == "completed"


def test_notices_are_no_text() -> None:
    session = VirtualSession(fake_models(llm=ToolCaller([Notice("dropped"), "Yes."])))
    assert ask(session)["output"][0]["content"][0]["transcript"] == "Yes."


@dataclass
class Stats:
    prompt_tokens: int = 100
    prefilled_tokens: int = 30
    generated_tokens: int = 7


def test_the_tokens_of_a_reply_are_told_if_the_model_counts_them() -> None:
    llm = ToolCaller(["Yes."])
    llm.stats = Stats()  # type: ignore[attr-defined]
    usage = ask(VirtualSession(fake_models(llm=llm)))["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (100, 7, 107)
    assert usage["input_token_details"]["cached_tokens"] == 70
    assert ask(VirtualSession())["usage"] is None
