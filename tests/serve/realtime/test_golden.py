"""Sessions give the sequences of events that the strict parsers of real clients take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from serve.realtime_kit import ToolCaller, VirtualSession, fake_models, message

from rxvoice._language.calls import WrittenCall

Events = list[dict[str, Any]]

GOLDEN: dict[str, Events] = json.loads(
    Path(__file__).with_name("golden_events.json").read_text("utf-8")
)["good"]

MAY_BE_NULL = {
    "previous_item_id",
    "status_details",
    "usage",
    "metadata",
    "conversation_id",
    "transcript",
    "param",
    "event_id",
    # Of a session:
    "tracing",
    "prompt",
    "include",
    "language",
    "noise_reduction",
    "idle_timeout_ms",
}
LEFT_OUT = {"rate_limits.updated"}
"""Events that may stand anywhere."""


def order(events: Events) -> list[str]:
    """The types, each run of deltas of text and sound once."""
    types: list[str] = []
    for event in events:
        kind = event["type"]
        if kind in LEFT_OUT:
            continue
        if kind.endswith((".output_audio.delta", ".output_audio_transcript.delta", "text.delta")):
            kind = "delta"
        if kind != "delta" or types[-1:] != ["delta"]:
            types.append(kind)
    return types


def differences(got: Any, wanted: Any, where: str) -> list[str]:
    """Where the shape of an event is another one: its keys, its nulls, its types."""
    if got is None and where.rpartition(".")[2] in MAY_BE_NULL:
        return []
    if isinstance(wanted, dict):
        if not isinstance(got, dict):
            return [f"{where} is {got!r}"]
        extra = set(got) - set(wanted) - {"x_rxvoice"}
        found = [f"{where} has {key}" for key in extra]
        found += [f"{where} lacks {key}" for key in set(wanted) - set(got)]
        for key in set(wanted) & set(got):
            found += differences(got[key], wanted[key], f"{where}.{key}")
        return found
    name = where.rpartition(".")[2]
    if got is None or wanted is None:
        return [] if name in MAY_BE_NULL else [f"{where} is {got!r}"]
    if isinstance(wanted, list):
        if not isinstance(got, list):
            return [f"{where} is {got!r}"]
        return [it for one in got[:1] for it in differences(one, (wanted or [one])[0], where)]
    same = isinstance(got, type(wanted)) or (isinstance(got, int) and isinstance(wanted, float))
    return [] if same else [f"{where} is {got!r}"]


EXAMPLES = {event["type"]: event for events in GOLDEN.values() for event in events}


def check(events: Events) -> None:
    assert events
    for event in events:
        wanted = EXAMPLES[event["type"]]
        if "item" in event:
            kind = event["item"]["type"], event["item"].get("role")
            wanted = next(
                it
                for examples in GOLDEN.values()
                for it in examples
                if it["type"] == event["type"]
                and (it["item"]["type"], it["item"].get("role")) == kind
                and bool(it["item"].get("content")) == bool(event["item"].get("content"))
                and [c["type"] for c in it["item"].get("content", ())]
                == [c["type"] for c in event["item"].get("content", ())]
            )
        if "part" in event:
            wanted = next(
                it
                for examples in GOLDEN.values()
                for it in examples
                if it["type"] == event["type"] and it["part"]["type"] == event["part"]["type"]
            )
        if "response" in event:
            wanted = {**wanted, "response": {**wanted["response"], "output": []}}
        assert differences(event, wanted, event["type"]) == []


def a_turn(session: VirtualSession) -> Events:
    session.take()
    session.be_silent(400)
    session.speak(600)
    session.be_silent(700)
    session.advance(20)
    return session.take()


def test_a_spoken_turn() -> None:
    events = a_turn(VirtualSession())
    check(events)
    wanted = [it for it in order(GOLDEN["vad_turn"]) if not it.endswith("transcription.delta")]
    assert order(events) == wanted
    started, stopped = events[:2]
    assert started["audio_start_ms"] == pytest.approx(400 - 300, abs=32)
    assert stopped["audio_end_ms"] == pytest.approx(1000 + 500, abs=40)
    user = {event["item_id"] for event in events[:3]}
    assert user == {events[3]["item"]["id"]}


def test_a_commit_without_voice_activity() -> None:
    session = VirtualSession()
    session.configure(audio={"input": {"turn_detection": None}})
    session.take()
    session.speak(300)
    assert session.take() == []
    session.send("input_audio_buffer.commit")
    session.send("response.create")
    session.advance(20)
    events = session.take()
    check(events)
    # The words come when the recogniser has them; what waits for them is the reply's text.
    told = "conversation.item.input_audio_transcription.completed"
    wanted = order(GOLDEN["commit_turn"])
    assert sorted(order(events)) == sorted(wanted)
    assert [it for it in order(events) if it != told] == [it for it in wanted if it != told]


def test_a_text_item() -> None:
    session = VirtualSession(fake_models("Hi"))
    session.take()
    session.send("conversation.item.create", item=message("hi", id="item_t"))
    session.send("response.create", response={"output_modalities": ["text"]})
    events = session.take()
    check(events)
    assert order(events) == order(GOLDEN["text_item"])
    assert events[-1]["response"]["output_modalities"] == ["text"]


def test_a_function_call() -> None:
    llm = ToolCaller([WrittenCall("weather", {"city": "Oslo"})], ["Three degrees."])
    session = VirtualSession(fake_models(llm=llm))
    tool = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
    session.configure(tools=[tool])
    session.send("conversation.item.create", item=message("the weather?"))
    session.take()
    session.send("response.create")
    events = session.take()
    call = events[-1]["response"]["output"][0]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": '{"c":3}'}
    session.send("conversation.item.create", item=result)
    events += session.take()
    check(events)
    assert order(events) == order(GOLDEN["function_call"])
    assert call["arguments"] == '{"city":"Oslo"}'
    session.send("response.create")
    assert session.last("response.done")["response"]["output"][0]["content"] == [
        {"type": "output_audio", "transcript": "Three degrees."}
    ]
    assert [it["role"] for it in llm.given[1]] == ["user", "assistant", "tool"]


def test_an_interruption() -> None:
    reply = ToolCaller(["The moon is bright. ", "It ", *["is far "] * 40], every_ms=300)
    session = VirtualSession(fake_models(llm=reply))
    session.events = a_turn(session)
    session.advance(1_500)
    session.speak(400)
    events = session.take()
    wanted = [it for it in GOLDEN["barge_in"] if "speech" not in it["type"]][:-1]
    closing = [it["type"] for it in events].index("input_audio_buffer.speech_started", 1)
    check(events)
    began = [it["type"] for it in events].index("response.created")
    begun = events[began:closing]
    assert order([*begun, *events[closing + 1 :]]) == order(wanted)
    over = events[-1]["response"]
    assert (over["status"], over["status_details"]) == (
        "cancelled",
        {"type": "cancelled", "reason": "turn_detected"},
    )
    item = over["output"][0]
    assert item["status"] == "incomplete"
    session.send(
        "conversation.item.truncate", item_id=item["id"], content_index=0, audio_end_ms=900
    )
    (truncated,) = session.take()
    check([truncated])
    assert truncated["x_rxvoice"] == {"heard": "The moon"}


def test_out_of_band() -> None:
    session = VirtualSession(fake_models("side note"))
    session.take()
    session.send(
        "response.create",
        response={"conversation": "none", "metadata": {"topic": "x"}, "input": [message("?")]},
    )
    session.advance(20)
    events = session.take()
    check(events)
    assert order(events) == order(GOLDEN["out_of_band"])
    for event in (events[0], events[-1]):
        assert event["response"]["metadata"] == {"topic": "x"}
        assert event["response"]["conversation_id"] is None


def test_errors() -> None:
    session = VirtualSession(fake_models(llm=ToolCaller(["One"], every_ms=1_000)))
    session.send("response.cancel", event_id="evt_9")
    session.send("response.create")
    session.send("response.create", event_id="evt_1")
    session.send("input_audio_buffer.commit")
    session.send("session.update", session={"output_modalities": "x"})
    session.send("conversation.item.retrieve", item_id="x", event_id="rci_x")
    errors = session.named("error")
    check(errors)
    wanted = [it["error"] for it in GOLDEN["errors"]]
    assert [it["error"]["code"] for it in errors] == [it["code"] for it in wanted]
    assert [it["error"]["event_id"] for it in errors] == [it["event_id"] for it in wanted]
    for at in (0, 2, 4):
        assert errors[at]["error"]["message"][:40] == wanted[at]["message"][:40]
    assert not session.failures
