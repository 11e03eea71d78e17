"""The conversation with a language model, with one that writes what it is told to."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator
from threading import Event, Thread
from typing import Any

import pytest
from language_model_kit import LOOK, WAIT, Scripted, contents, look

from rxvoice._language.calls import WrittenCall
from rxvoice._language.ending import StretchEnd
from rxvoice._language.model import Written
from rxvoice._language.question import Question, fewest_turns
from rxvoice.conversation import Conversation, Message
from rxvoice.conversation._turns import without_oldest
from rxvoice.events import Notice


def test_text_is_given_as_it_comes_and_kept() -> None:
    model = Scripted(["\n", " Yes", ", ", "", "you."])
    assert list(model.respond("hi")) == ["", "Yes", ", ", "", "you."]
    assert contents(model) == ["hi", "Yes, you."]


def test_a_call_is_made_and_the_answer_goes_on_as_a_word_of_its_own() -> None:
    model = Scripted(["Wait.", LOOK, LOOK], ["", "It is there."], tools=[look])
    pieces = list(model.respond("hi"))
    assert [piece for piece in pieces if isinstance(piece, str)] == ["Wait.", "", " It is there."]
    told = [piece.message for piece in pieces if isinstance(piece, Notice)]
    assert told == ["look(where='there') gave there!"] * 2
    assert contents(model) == ["hi", "Wait.", "there!", "there!", "It is there."]


def test_arguments_of_any_length_are_shown_short() -> None:
    model = Scripted([WrittenCall("look", {"where": "x" * 10_000})], ["Yes."], tools=[look])
    [notice] = [piece for piece in model.respond("hi") if isinstance(piece, Notice)]
    assert notice.message.startswith("look(where='xxx")
    assert notice.message.partition(" gave ")[0].endswith("xxx')")
    assert len(notice.message.partition(" gave ")[0]) < 250


def test_a_remark_of_the_model_passes() -> None:
    model = Scripted([Notice("hm"), "Yes."])
    assert list(model.respond("hi")) == [Notice("hm"), "Yes."]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (["Yes."], []),
        (["Yes,", StretchEnd(is_cut=True)], ["was cut after max_tokens=256"]),
        ([StretchEnd(is_cut=True, in_thought=True)], ["ended within a thought"]),
        (["<think>hm", StretchEnd(is_cut=True)], ["ended within a thought"]),
        (["hm</think>Yes", StretchEnd(is_cut=True)], ["was cut", "began within a thought"]),
    ],
)
def test_what_was_cut_is_told_once(written: list[Written], told: list[str]) -> None:
    model = Scripted(written)
    notices = [it.message for it in model.respond("hi") if isinstance(it, Notice)]
    assert len(notices) == len(told)
    assert all(part in notice for part, notice in zip(told, notices, strict=True))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("no memory"),
        SystemExit(3),
        KeyboardInterrupt(),
        asyncio.CancelledError(),
    ],
    ids=repr,
)
def test_whatever_a_model_ends_with_the_question_is_taken_back(error: BaseException) -> None:
    model = Scripted(["One."], ["Tw", error], ["Three."])
    assert list(model.respond("one")) == ["One."]
    answer = model.respond("two")
    assert next(answer) == "Tw"
    with pytest.raises(type(error)):
        next(answer)
    assert contents(model) == ["one", "One."]
    assert list(model.respond("three")) == ["Three."]


def test_closed_early_the_model_is_closed_and_what_was_given_stays() -> None:
    model = Scripted(["One. ", "Two."])
    answer = model.respond("count")
    next(answer)
    answer.close()
    assert model.closed == 1
    assert contents(model) == ["count", "One. "]


@pytest.mark.parametrize("end", ["heard", "forget"])
def test_an_answer_that_another_thread_is_in_ends_at_its_next_piece(end: str) -> None:
    """It must neither stop the next question nor be added to."""
    go = Event()
    model = Scripted(["One. ", go, "Two. ", "Three."], ["Yes."])
    seen: list[object] = []
    began = Event()

    def read() -> None:
        for piece in model.respond("count"):
            seen.append(piece)
            began.set()

    thread = Thread(target=read)
    thread.start()
    try:
        assert began.wait(WAIT)
        if end == "heard":
            model.heard("One.")
        else:
            model.forget()
        assert list(model.respond("well")) == ["Yes."]
    finally:
        go.set()
        thread.join(WAIT)
    assert not thread.is_alive()
    assert seen == ["One. "]
    assert contents(model) == (["count", "One. "] if end == "heard" else []) + ["well", "Yes."]


def test_a_question_may_come_while_another_thread_is_in_an_answer() -> None:
    go = Event()
    model = Scripted(["One. ", go, "Two."], ["Yes."])
    began = Event()
    thread = Thread(target=lambda: [began.set() for _ in model.respond("count")])
    thread.start()
    try:
        assert began.wait(WAIT)
        assert list(model.respond("well")) == ["Yes."]
    finally:
        go.set()
        thread.join(WAIT)
    assert contents(model) == ["count", "One. ", "well", "Yes."]


def test_heard_in_a_tool_ends_the_answer_after_it() -> None:
    calls: list[str] = []

    def ring(bell: str) -> str:
        """Ring.

        Args:
            bell: Which.
        """
        calls.append(bell)
        model.heard("Wait.")
        return "ding"

    rings = [WrittenCall("ring", {"bell": it}) for it in "ab"]
    model = Scripted(["Wait. ", *rings], ["Never."], tools=[ring])
    list(model.respond("hi"))
    assert calls == ["a"]
    assert contents(model) == ["hi", "Wait. ", "ding"]


def test_a_tool_that_ends_the_program_is_told_as_an_error() -> None:
    model = Scripted([WrittenCall("leave", {})], ["Never mind."], tools=[leave])
    assert "".join(it for it in model.respond("hi") if isinstance(it, str)) == "Never mind."
    assert contents(model)[2] == "Error: RuntimeError: the tool ended with sys.exit(None)"


def leave() -> None:
    """Leave."""
    sys.exit()


def turns(count: int, *, system: bool = True) -> Conversation:
    talk = Conversation(system="Be brief." if system else None)
    for turn in range(count):
        talk.add_user(f"q{turn}")
        talk.add_assistant(f"a{turn}")
    return talk


@pytest.mark.parametrize("system", [True, False])
def test_the_oldest_turns_go_and_the_system_prompt_stays(system: bool) -> None:
    messages = turns(4, system=system).messages
    for dropped in range(6):
        left = [it["content"] for it in without_oldest(messages, dropped)]
        first = min(dropped, 3)
        wanted = [f"{who}{turn}" for turn in range(first, 4) for who in "qa"]
        assert left == ["Be brief."] * system + wanted
    assert without_oldest(messages[:1], 3) == messages[:1]
    assert without_oldest([], 3) == []


def test_as_few_turns_go_as_it_takes() -> None:
    messages = turns(9).messages

    def at_most(count: int) -> int:
        def fits(left: list[Message]) -> bool:
            return len(left) <= count

        return fewest_turns(messages, fits)

    assert [at_most(count) for count in (19, 18, 17, 16, 15, 5, 3, 2, 0)] == [
        1, 1, 1, 2, 2, 7, 8, 8, 8,
    ]  # fmt: skip
    assert fewest_turns(turns(1).messages, lambda _: False) == 0
    assert fewest_turns([], lambda _: False) == 0


def here() -> str:
    """Here."""
    return "here!"


def test_tools_may_be_chosen_for_each_question() -> None:
    def choose(question: str) -> list[Any]:
        if question == "fail":
            raise LookupError("no tools")
        return [look, here] if "see" in question else [here]

    model = Scripted([LOOK], ["No."], [LOOK], ["Yes."], ["Well."], tools=choose)
    list(model.respond("hi"))
    assert contents(model)[2] == "Error: LookupError: there is no tool 'look'; there are: here"
    list(model.respond("let me see"))
    assert contents(model)[-2:] == ["there!", "Yes."]
    before = contents(model)
    with pytest.raises(LookupError, match="no tools"):
        list(model.respond("fail"))
    assert contents(model) == before
    assert list(model.respond("hi")) == ["Well."]


# An app that keeps the conversation itself

ASKED: list[Message] = [{"role": "system", "content": "S"}, {"role": "user", "content": "hi"}]


def test_what_follows_given_messages_is_written_and_nothing_is_kept() -> None:
    llm = Scripted(["One ", Notice("x"), "two."], ["Three."])
    llm.conversation.add_user("mine")
    assert list(llm.write(ASKED)) == ["One ", Notice("x"), "two."]
    assert list(llm.write(ASKED)) == ["Three."]
    assert contents(llm) == ["mine"]
    assert len(ASKED) == 2


def test_calls_of_given_tools_come_out_and_are_not_made() -> None:
    class Offered(Scripted):
        def _write(self, question: Question) -> Generator[Written, None, None]:
            offered.append([dict(it) for it in self._caller.toolbox.schemas])
            given.append([it["content"] for it in question.messages])
            yield from super()._write(question)

    offered: list[Any] = []
    given: list[list[str]] = []
    call = WrittenCall("weather", {"city": "Oslo"})
    llm = Offered(["Wait. ", call], ["Yes."], tools=[look])
    schema = {"type": "function", "function": {"name": "weather"}}
    assert list(llm.write(ASKED, tools=[schema])) == ["Wait. ", call]
    assert list(llm.respond("and you?")) == ["Yes."]
    assert [[it["function"]["name"] for it in one] for one in offered] == [["weather"], ["look"]]
    assert given == [["S", "hi"], ["and you?"]]


def test_writing_that_is_closed_early_closes_the_model() -> None:
    llm = Scripted(["One ", "two."], ["Three."])
    writing = llm.write(ASKED)
    assert next(writing) == "One "
    writing.close()
    assert llm.closed == 1
    assert list(llm.write(ASKED)) == ["Three."]
