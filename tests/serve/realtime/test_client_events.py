"""Each event of a client, with good and with bad input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from serve.realtime_kit import ToolCaller, VirtualSession, fake_models, message

TEXT = {"type": "input_text", "text": "hi"}
GOOD: list[tuple[str, dict[str, Any], str]] = [
    ("session.update", {"session": {"type": "realtime"}}, "session.updated"),
    ("session.update", {"session": {"type": "realtime", "tracing": "auto"}}, "session.updated"),
    ("session.update", {"session": {"model": "other", "new_field": 1}}, "session.updated"),
    ("session.update", {"session": {"audio": {"output": {"voice": "ash"}}}}, "session.updated"),
    ("session.update", {"session": {"modalities": ["text", "audio"]}}, "session.updated"),
    ("session.update", {"session": {"max_output_tokens": 4096}}, "session.updated"),
    ("session.update", {"session": {"prompt": None, "include": None}}, "session.updated"),
    ("input_audio_buffer.clear", {}, "input_audio_buffer.cleared"),
    ("conversation.item.create", {"item": message("hi")}, "conversation.item.done"),
    (
        "conversation.item.create",
        {"item": message("hi"), "previous_item_id": "root"},
        "conversation.item.done",
    ),
    (
        "conversation.item.create",
        {"item": message("hi"), "previous_item_id": "item_a"},
        "conversation.item.done",
    ),
    (
        "conversation.item.create",
        {"item": {"type": "message", "role": "system", "content": [TEXT]}},
        "conversation.item.done",
    ),
    (
        "conversation.item.create",
        {"item": {"type": "function_call_output", "call_id": "c", "output": "1"}},
        "conversation.item.done",
    ),
    (
        "conversation.item.create",
        {"item": {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}},
        "conversation.item.done",
    ),
    ("conversation.item.retrieve", {"item_id": "item_a"}, "conversation.item.retrieved"),
    ("conversation.item.delete", {"item_id": "item_a"}, "conversation.item.deleted"),
    ("response.create", {}, "response.done"),
    ("response.create", {"response": {}}, "response.done"),
    ("response.create", {"response": {"tool_choice": "none", "tools": []}}, "response.done"),
    ("response.create", {"response": {"instructions": "Be brief."}}, "response.done"),
    ("response.create", {"response": {"input": []}}, "response.done"),
    (
        "response.create",
        {"response": {"input": [{"type": "item_reference", "id": "item_a"}]}},
        "response.done",
    ),
    ("response.create", {"response": {"conversation": "auto"}}, "response.done"),
]


@pytest.mark.parametrize(("kind", "fields", "answer"), GOOD)
def test_good_input_is_answered(kind: str, fields: dict[str, Any], answer: str) -> None:
    session = VirtualSession(fake_models("Yes."))
    session.send("conversation.item.create", item=message("a", id="item_a"))
    session.take()
    session.send(kind, event_id="mine", **fields)
    session.advance(10)
    assert session.named("error") == []
    assert session.events[-1]["type"] == answer
    assert not session.failures


A_STRING = "Input should be a valid string"
BAD: list[tuple[Any, str, str | None]] = [
    ({"type": "x"}, "invalid_value", "type"),
    ({"type": "session.update"}, "invalid_value", "session"),
    ({"type": "session.update", "session": []}, "invalid_value", "session"),
    ({"type": "input_audio_buffer.append"}, "invalid_value", "audio"),
    ({"type": "input_audio_buffer.append", "audio": 5}, "invalid_value", "audio"),
    ({"type": "input_audio_buffer.append", "audio": "?"}, "invalid_value", "audio"),
    ({"type": "input_audio_buffer.append", "audio": "AA=="}, "invalid_value", "audio"),
    ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None),
    ({"type": "conversation.item.create"}, "invalid_value", "item"),
    ({"type": "conversation.item.create", "item": {"type": "x"}}, "invalid_value", "item.type"),
    (
        {"type": "conversation.item.create", "item": {"type": "message", "content": [TEXT]}},
        "invalid_value",
        "item.role",
    ),
    (
        {"type": "conversation.item.create", "item": {"type": "function_call_output"}},
        "invalid_value",
        "item.call_id",
    ),
    (
        {
            "type": "conversation.item.create",
            "item": {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_image", "image_url": "data:"}],
            },
        },
        "invalid_value",
        "item.content.type",
    ),
    (
        {"type": "conversation.item.create", "item": message("b", id="item_a")},
        "item_create_duplicate_item_id",
        "item.id",
    ),
    (
        {"type": "conversation.item.create", "item": message("b"), "previous_item_id": "no"},
        "invalid_value",
        "previous_item_id",
    ),
    (
        {"type": "conversation.item.create", "item": message("b", id="x" * 65)},
        "invalid_value",
        "item.id",
    ),
    (
        {"type": "conversation.item.retrieve", "item_id": "no"},
        "item_retrieve_invalid_item_id",
        "item_id",
    ),
    (
        {"type": "conversation.item.delete", "item_id": "no"},
        "item_delete_invalid_item_id",
        "item_id",
    ),
    ({"type": "conversation.item.delete"}, "invalid_value", "item_id"),
    (
        {
            "type": "conversation.item.truncate",
            "item_id": "no",
            "content_index": 0,
            "audio_end_ms": 5,
        },
        "item_truncate_invalid_item_id",
        "item_id",
    ),
    (
        {
            "type": "conversation.item.truncate",
            "item_id": "item_a",
            "content_index": 0,
            "audio_end_ms": 5,
        },
        "invalid_value",
        "item_id",
    ),
    (
        {
            "type": "conversation.item.truncate",
            "item_id": "item_a",
            "content_index": 0,
            "audio_end_ms": -5,
        },
        "invalid_value",
        "audio_end_ms",
    ),
    (
        {"type": "response.create", "response": {"conversation": "conv_1"}},
        "invalid_value",
        "response.conversation",
    ),
    (
        {"type": "response.create", "response": {"output_modalities": ["smell"]}},
        "invalid_value",
        "response.output_modalities.0",
    ),
    (
        {
            "type": "response.create",
            "response": {"input": [{"type": "item_reference", "id": "no"}]},
        },
        "invalid_value",
        "item_id",
    ),
    ({"type": "response.cancel"}, "response_cancel_not_active", None),
    ({"type": "response.cancel", "response_id": "no"}, "response_cancel_not_active", None),
]

SESSIONS: list[tuple[dict[str, Any], str]] = [
    ({"output_modalities": []}, "session.output_modalities"),
    ({"max_output_tokens": "many"}, "session.max_output_tokens"),
    ({"max_output_tokens": 0}, "session.max_output_tokens"),
    ({"instructions": 5}, "session.instructions"),
    ({"audio": {"output": {"speed": 9}}}, "session.audio.output.speed"),
    (
        {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16_000}}}},
        "session.audio.input.format",
    ),
    ({"audio": {"input": {"format": {"type": "mp3"}}}}, "session.audio.input.format.type"),
    (
        {"audio": {"input": {"turn_detection": {"threshold": 2}}}},
        "session.audio.input.turn_detection.threshold",
    ),
    ({"tools": [5]}, "session.tools.0"),
    ({"type": "transcription"}, "session.type"),
]


@pytest.mark.parametrize(
    ("message_", "code", "param"),
    [
        *BAD,
        *(
            ({"type": "session.update", "session": given}, "invalid_value", param)
            for given, param in SESSIONS
        ),
    ],
)
def test_bad_input_is_told_and_the_session_goes_on(
    message_: dict[str, Any], code: str, param: str | None
) -> None:
    session = VirtualSession(fake_models("Yes."))
    session.send("conversation.item.create", item=message("a", id="item_a"))
    before = session.commands.config
    session.take()
    session.send_text(json.dumps({**message_, "event_id": "mine"}))
    (error,) = session.take()
    assert error["type"] == "error"
    told = error["error"]
    assert (told["code"], told["event_id"]) == (code, "mine")
    assert (told["param"] or "").startswith(param or "")
    assert told["message"]
    assert session.commands.config == before
    session.send("response.create")
    session.advance(10)
    assert session.events[-1]["response"]["status"] == "completed"


FORMAT = {"type": "audio/pcm", "rate": 24_000}
TOOL = {"type": "function", "name": "f", "description": "", "parameters": {"type": "object"}}
BOTH: dict[str, Any] = {
    "instructions": "Be brief.",
    "output_modalities": ["audio"],
    "tools": [TOOL],
    "tool_choice": {"type": "function", "name": "f"},
    "max_output_tokens": 100,
    "metadata": {"a": "b"},
}
OUTPUT = {"format": FORMAT, "voice": "ash", "speed": 1.0}
INPUT = {
    "format": FORMAT,
    "noise_reduction": {"type": "near_field"},
    "transcription": {"model": "m", "language": "en", "prompt": "p"},
    "turn_detection": {"type": "server_vad", "threshold": 0.5, "idle_timeout_ms": 9_000},
}
BETA = {"modalities": ["text"], "voice": "v", "turn_detection": {}, "input_audio_format": "pcm16"}
EVERYTHING: list[dict[str, Any]] = [
    {
        "type": "session.update",
        "session": {
            "type": "realtime",
            **BOTH,
            "audio": {"input": INPUT, "output": OUTPUT},
            "x_rxvoice": {"voice_activity": True, "interrupt_on": "words"},
        },
    },
    {"type": "session.update", "session": {"audio": {"input": INPUT, "output": OUTPUT}, **BETA}},
    {"type": "input_audio_buffer.append", "audio": "AAAA"},
    {
        "type": "conversation.item.create",
        "previous_item_id": "root",
        "item": {"id": "i", "type": "message", "role": "user", "status": "s", "content": [TEXT]},
    },
    {
        "type": "conversation.item.create",
        "item": {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    },
    {
        "type": "conversation.item.create",
        "item": {"type": "function_call_output", "call_id": "c", "output": "1"},
    },
    {
        "type": "conversation.item.truncate",
        "item_id": "item_a",
        "content_index": 0,
        "audio_end_ms": 5,
    },
    {
        "type": "response.create",
        "response": {
            **BOTH,
            "conversation": "none",
            "input": [message("hi"), {"type": "item_reference", "id": "item_a"}],
            "audio": {"output": OUTPUT},
        },
    },
    {"type": "response.cancel", "response_id": "r"},
]
JUNK: list[Any] = [
    None,
    True,
    -1,
    0,
    2.5,
    1e300,
    "",
    "x",
    "\ud800",
    [],
    [None],
    [[]],
    {},
    {"a": {}},
]


def replaced(value: Any) -> Iterator[Any]:
    """Copies of the value, each with junk in one place; and with that place left out."""
    yield from JUNK
    if isinstance(value, dict):
        for key, inner in value.items():
            yield {it: value[it] for it in value if it != key}
            yield from ({**value, key: it} for it in replaced(inner))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from ([*value[:at], it, *value[at + 1 :]] for it in replaced(inner))


@pytest.mark.parametrize("whole", EVERYTHING, ids=lambda it: it["type"])
def test_junk_in_any_place_breaks_nothing(whole: dict[str, Any]) -> None:
    session = VirtualSession(fake_models("Yes."))
    session.send("conversation.item.create", item=message("a", id="item_a"))
    for event in (it for it in replaced(whole) if isinstance(it, dict)):
        session.take()
        session.send_text(json.dumps({**event, "event_id": "mine"}))
        session.advance(10)
        for error in session.named("error"):
            assert error["error"]["event_id"] == "mine"
            assert error["error"]["message"]
    # Whatever was taken of it, the session goes on.
    session.configure(output_modalities=["audio"], audio={"input": {"turn_detection": None}})
    session.take()
    session.send("response.create", response={"input": [message("hi")], "tool_choice": "auto"})
    session.advance(10)
    assert session.last("response.done")["response"]["status"] == "completed"
    assert not session.failures


def test_a_client_may_send_back_what_it_was_told() -> None:
    for transcribes in (False, True):
        session = VirtualSession(transcribes=transcribes)
        before = session.commands.config
        told = {"id": "sess_1", "expires_at": 5, "x_rxvoice": {"voices": [], "version": "1"}}
        session.send("session.update", session={**before, **told})
        assert session.named("error") == []
        assert {**session.commands.config, "x_rxvoice": None} == {**before, "x_rxvoice": None}


def test_the_model_of_a_session_stays() -> None:
    session = VirtualSession()
    session.configure(model="other")
    assert session.last("session.updated")["session"]["model"] == "local"


def test_what_may_be_the_longest_reply_is_told() -> None:
    session = VirtualSession()
    session.configure(max_output_tokens=4097)
    told = session.last("error")["error"]
    assert told["param"] == "session.max_output_tokens"
    assert told["message"] == "Invalid value: 4097. Wanted 1 to 4096, or 'inf'."


@pytest.mark.parametrize("text", ["", "{", "[", "nul", '{"type":', "[" * 100_000, '{"a": NaN}'])
def test_what_is_no_json(text: str) -> None:
    session = VirtualSession()
    session.send_text(text)
    (error,) = session.take()
    assert error["error"]["code"] in ("invalid_json", "invalid_event")


@pytest.mark.parametrize("text", ["5", "[]", "null", '"x"', "{}", '{"type": 5}'])
def test_what_is_no_event(text: str) -> None:
    session = VirtualSession()
    session.send_text(text)
    assert session.last("error")["error"]["code"] == "invalid_event"


def test_an_update_is_merged() -> None:
    session = VirtualSession()
    vad = {"type": "server_vad", "threshold": 0.8}
    session.configure(audio={"input": {"turn_detection": vad}})
    session.configure(audio={"input": {"turn_detection": {"silence_duration_ms": 200}}})
    heard = session.last("session.updated")["session"]["audio"]["input"]
    assert heard["turn_detection"]["threshold"] == 0.8
    assert heard["turn_detection"]["silence_duration_ms"] == 200
    assert heard["transcription"]["model"] == "local"
    session.configure(audio={"input": {"turn_detection": None, "transcription": None}})
    heard = session.last("session.updated")["session"]["audio"]["input"]
    assert heard["turn_detection"] is None
    assert heard["transcription"] is None
    session.configure(audio={"input": {"turn_detection": {"type": "semantic_vad"}}})
    heard = session.last("session.updated")["session"]["audio"]["input"]
    assert heard["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }


def test_what_is_cleared() -> None:
    session = VirtualSession()
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    session.configure(instructions="Be brief.", tools=[tool], max_output_tokens=5)
    session.configure(instructions="", tools=[], max_output_tokens=None)
    now = session.last("session.updated")["session"]
    assert (now["instructions"], now["tools"], now["max_output_tokens"]) == ("", [], "inf")


def test_an_old_client_is_understood() -> None:
    session = VirtualSession()
    session.send(
        "session.update",
        session={
            "modalities": ["text", "audio"],
            "input_audio_format": "g711_ulaw",
            "output_audio_format": "pcm16",
            "voice": "alloy",
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
            "max_response_output_tokens": "inf",
            "temperature": 0.8,
        },
    )
    now = session.last("session.updated")["session"]
    assert now["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert now["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert now["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 300
    assert now["output_modalities"] == ["audio"]


def test_a_response_keeps_the_configuration_it_began_with() -> None:
    llm = ToolCaller(["One two. ", "Three."], every_ms=100)
    session = VirtualSession(fake_models(llm=llm))
    session.send("response.create", response={"metadata": {"a": "b"}})
    pcma = {"format": {"type": "audio/pcma"}}
    session.configure(output_modalities=["text"], audio={"output": pcma})
    session.advance(2_000)
    began = session.last("response.created")["response"]
    over = session.last("response.done")["response"]
    for name in ("output_modalities", "audio", "metadata", "max_output_tokens"):
        assert over[name] == began[name]
    assert over["output"][0]["content"][0]["type"] == "output_audio"
    assert over["audio"]["output"]["format"]["type"] == "audio/pcm"
    session.send("response.create")
    session.advance(2_000)
    assert session.last("response.done")["response"]["output"][0]["content"] == [
        {"type": "output_text", "text": "One two. Three."}
    ]
