"""Whatever clients send, and whenever, the protocol's invariants hold. In virtual time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from serve.realtime_kit import RATE, ToolCaller, VirtualSession, fake_models, message

from rxvoice._language.calls import WrittenCall
from rxvoice.testing import FakeStreamingTranscriber, FakeSynthesizer, FakeTranscriber

Action = tuple[Any, ...]

DETECTIONS: list[dict[str, Any] | None] = [
    None,
    {"type": "server_vad"},
    {"type": "server_vad", "create_response": False},
    {"type": "server_vad", "interrupt_response": False},
    {"type": "server_vad", "idle_timeout_ms": 1_000, "silence_duration_ms": 200},
    {"type": "semantic_vad", "eagerness": "high"},
]

ms = st.integers(0, 900)
a_reply: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "conversation": st.sampled_from(["auto", "none"]),
        "output_modalities": st.sampled_from([["text"], ["audio"]]),
        "instructions": st.just("Be brief."),
        "max_output_tokens": st.sampled_from([1, 3, "inf"]),
        "input": st.just([message("?")]),
        "metadata": st.just({"a": "b"}),
    },
)
actions: st.SearchStrategy[Action] = st.one_of(
    st.tuples(st.just("speak"), ms),
    st.tuples(st.just("be_silent"), ms),
    st.tuples(st.just("append"), ms, st.booleans()),
    st.tuples(st.just("wait"), ms),
    st.just(("commit",)),
    st.just(("clear",)),
    st.just(("stop_sound",)),
    st.tuples(st.just("item"), st.sampled_from(["", "root", "last", "none"])),
    st.tuples(st.just("reply"), a_reply),
    st.tuples(st.just("cancel"), st.sampled_from([None, "last", "none"])),
    st.tuples(st.just("cut"), st.integers(0, 3), st.integers(0, 9_000)),
    st.tuples(st.just("delete"), st.integers(0, 3)),
    st.tuples(st.just("retrieve"), st.integers(0, 3)),
    st.tuples(st.just("detect"), st.sampled_from(DETECTIONS)),
    st.tuples(st.just("say"), st.sampled_from(["audio", "text"])),
)

CALL = WrittenCall("weather", {"city": "Oslo"})
ANSWERS: list[list[Any]] = [
    ["One two ", "three. ", "Four five."],
    [CALL],
    ["One moment. ", CALL, CALL],
    [],
    ["..."],
    [*["word "] * 30, "end."],
]


class Failing:
    """A model that fails after some words."""

    def write(self, messages: Any, *, tools: Any) -> Any:
        yield "One two. "
        raise RuntimeError("broken")


worlds = st.fixed_dictionaries(
    {
        "answer": st.sampled_from(ANSWERS),
        "every_ms": st.sampled_from([None, 1, 70, 400]),
        "fails": st.booleans(),
        "streams": st.booleans(),
        "words": st.sampled_from(["hello there", "", "stop"]),
        "voice_ms": st.sampled_from([None, 50, 700]),
    }
)


def session_of(world: dict[str, Any]) -> VirtualSession:
    llm: Any = (
        Failing() if world["fails"] else ToolCaller(world["answer"], every_ms=world["every_ms"])
    )
    transcriber = FakeStreamingTranscriber if world["streams"] else FakeTranscriber
    tts = FakeSynthesizer(samples_per_char=1_200, every_ms=world["voice_ms"])
    return VirtualSession(fake_models(llm=llm, stt=transcriber(world["words"]), tts=tts))


def act(session: VirtualSession, action: Action) -> None:
    match action:
        case "speak", n:
            session.speak(n)
        case "be_silent", n:
            session.be_silent(n)
        case "append", n, is_loud:
            level = 0.5 if is_loud else 0
            session.append(np.full(RATE * n // 1000, level * 32767, "<i2").tobytes())
        case "wait", n:
            session.advance(n)
        case ("commit",):
            session.send("input_audio_buffer.commit")
        case ("clear",):
            session.send("input_audio_buffer.clear")
        case ("stop_sound",):
            session.send("output_audio_buffer.clear")
        case "item", where:
            after = {"": {}, "root": {"previous_item_id": "root"}}.get(where)
            if after is None:
                after = {"previous_item_id": item_id(session, 0) if where == "last" else "no"}
            session.send("conversation.item.create", item=message("hi"), **after)
        case "reply", response:
            session.send("response.create", response=response)
        case "cancel", which:
            told = {} if which is None else {"response_id": "no"}
            if which == "last" and session.named("response.created"):
                told = {"response_id": session.last("response.created")["response"]["id"]}
            session.send("response.cancel", **told)
        case "cut", at, end:
            where = {"item_id": item_id(session, at), "content_index": 0, "audio_end_ms": end}
            session.send("conversation.item.truncate", **where)
        case "delete", at:
            session.send("conversation.item.delete", item_id=item_id(session, at))
        case "retrieve", at:
            session.send("conversation.item.retrieve", item_id=item_id(session, at))
        case "detect", detection:
            session.configure(audio={"input": {"turn_detection": detection}})
        case "say", how:
            session.configure(output_modalities=[how])
        case _:
            raise AssertionError(action)


def item_id(session: VirtualSession, at: int) -> str:
    known = [it["item"]["id"] for it in session.named("conversation.item.added")]
    return known[-1 - at] if at < len(known) else "no"


def check(session: VirtualSession) -> None:
    """The invariants, of all events of a session that has come to rest."""
    events = session.events
    assert not session.failures
    assert len({it["event_id"] for it in events}) == len(events)
    check_pairs(events, "response.created", "response.done", lambda it: it["response"]["id"])
    for family in ("response.output_item", "conversation.item"):
        check_pairs(events, f"{family}.added", f"{family}.done", lambda it: it["item"]["id"])
    check_pairs(
        events,
        "response.content_part.added",
        "response.content_part.done",
        lambda it: it["item_id"],
    )
    check_replies(events)
    check_turns(events)


def check_pairs(events: list[dict[str, Any]], begin: str, end: str, key: Any) -> None:
    """Everything that begins ends, once, and after it has begun."""
    begun = [key(it) for it in events if it["type"] == begin]
    ended = [key(it) for it in events if it["type"] == end]
    assert sorted(begun) == sorted(ended), (begin, begun, ended)
    assert len(set(begun)) == len(begun)
    at = {key(it): n for n, it in enumerate(events) if it["type"] == begin}
    assert all(at[key(it)] < n for n, it in enumerate(events) if it["type"] == end)


def check_replies(events: list[dict[str, Any]]) -> None:
    active: str | None = None
    open_replies: dict[str, dict[str, Any]] = {}
    over: set[str] = set()
    open_parts: set[str] = set()
    for event in events:
        kind = event["type"]
        assert event.get("response_id") not in over, event
        if kind == "response.created":
            response = event["response"]
            open_replies[response["id"]] = response
            if response["conversation_id"] is not None:
                assert active is None, "two responses at a time"
                active = response["id"]
        elif kind == "response.done":
            response = event["response"]
            began = open_replies.pop(response["id"])
            for name in ("output_modalities", "max_output_tokens", "audio", "metadata"):
                assert response[name] == began[name], name
            assert response["status"] != "in_progress"
            assert all(it["status"] != "in_progress" for it in response["output"])
            over.add(response["id"])
            active = None if active == response["id"] else active
        elif kind == "response.content_part.added":
            open_parts.add(event["item_id"])
        elif kind == "response.content_part.done":
            open_parts.discard(event["item_id"])
        elif kind.startswith(("response.output_audio", "response.output_text")):
            assert event["item_id"] in open_parts, event
            assert event["response_id"] in open_replies


def check_turns(events: list[dict[str, Any]]) -> None:
    there: set[str] = set()
    started: set[str] = set()
    counts: Counter[tuple[str, str]] = Counter()
    committed: set[str] = set()
    for event in events:
        kind = event["type"]
        if kind == "conversation.item.added":
            assert event["previous_item_id"] is None or event["previous_item_id"] in there
            there.add(event["item"]["id"])
        elif kind == "conversation.item.deleted":
            there.discard(event["item_id"])
        elif kind.startswith("input_audio_buffer.") and "item_id" in event:
            counts[kind, event["item_id"]] += 1
            assert counts[kind, event["item_id"]] == 1
            if kind.endswith("started"):
                started.add(event["item_id"])
            elif kind.endswith("stopped"):
                assert event["item_id"] in started
            elif kind.endswith("committed"):
                committed.add(event["item_id"])
        elif "input_audio_transcription" in kind:
            assert event["item_id"] in committed or kind.endswith("delta")
    silent = {
        it["item_id"] for it in events if it["type"] == "input_audio_buffer.timeout_triggered"
    }
    known = [
        it["item_id"]
        for it in events
        if it["type"].endswith(("transcription.completed", "transcription.failed"))
    ]
    assert sorted(known) == sorted(committed - silent)


@pytest.mark.slow
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(world=worlds, script=st.lists(actions, max_size=25))
def test_the_invariants(world: dict[str, Any], script: list[Action]) -> None:
    session = session_of(world)
    for action in script:
        act(session, action)
    calm = {"type": "server_vad", "idle_timeout_ms": None}
    session.configure(audio={"input": {"turn_detection": calm}})
    session.be_silent(1_000)  # an open turn ends
    for _ in range(4):
        session.advance(20_000)
    note("\n".join(f"{it['type']} {it.get('item_id') or ''}" for it in session.events))
    check(session)
    # It is still alive.
    session.configure(audio={"input": {"turn_detection": None}}, output_modalities=["text"])
    before = len(session.named("response.done"))
    session.send("response.create")
    session.advance(20_000)
    assert len(session.named("response.done")) == before + 1
