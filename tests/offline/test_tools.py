"""The offline tools, in virtual time, and called by the demonstration model."""

import os

os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import random
from datetime import datetime

import pytest
from reactivex.scheduler import HistoricalScheduler

import rxvoice as rxv
from rxvoice.offline import OfflineTools
from rxvoice.tools import ToolCall

NOW = datetime(2026, 11, 26, 14, 35)


def tools(scheduler: HistoricalScheduler | None = None) -> OfflineTools:
    return OfflineTools(now=lambda: NOW, rng=random.Random(2), scheduler=scheduler)


def test_each_answers_with_a_sentence() -> None:
    it = tools()
    assert it.time() == "It is 14:35."
    assert it.date() == "It is Thursday, November 26, 2026."
    assert {it.dice() for _ in range(200)} == {f"You rolled a {n}." for n in range(1, 7)}
    assert {it.coin() for _ in range(50)} == {"Heads.", "Tails."}
    assert it.calculate("12 times 7") == "That is 84."
    assert it.calculate("7 divided by 3") == "That is about 2.33."
    assert it.calculate("7 divided by 0") == "That cannot be divided."
    assert it.calculate("the moon") == "I cannot calculate that."


def test_a_timer_rings_when_it_is_over_and_not_before() -> None:
    scheduler = HistoricalScheduler(NOW)
    it = tools(scheduler)
    rung: list[str] = []
    it.rings.subscribe(lambda say: rung.append(say.text))
    assert it.timer("an hour and a half") == "I will tell you in 1 hour and 30 minutes."
    assert it.timer("five minutes") == "I will tell you in 5 minutes."
    scheduler.advance_by(299)
    assert rung == []
    scheduler.advance_by(2)
    assert rung == ["Time is up. Your timer was set for 5 minutes."]
    scheduler.advance_by(5100)
    assert rung[1:] == ["Time is up. Your timer was set for 1 hour and 30 minutes."]


@pytest.mark.parametrize("length", ["", "soon", "0 minutes", "25 hours", "a thousand years"])
def test_a_timer_without_a_length_asks(length: str) -> None:
    assert tools(HistoricalScheduler(NOW)).timer(length) == "How long?"


CALLS = {
    "What time is it?": ("time", {}, "It is 14:35."),
    "What's the date today?": ("date", {}, "It is Thursday, November 26, 2026."),
    "What is 12 times 7?": ("calculate", {"expression": "12 times 7"}, "That is 84."),
    "What's 1,234 plus 3.5?": ("calculate", {"expression": "1,234 plus 3.5"}, "That is 1237.5."),
    "How much is 100 - 45?": ("calculate", {"expression": "100 - 45"}, "That is 55."),
    "Divide forty by eight.": ("calculate", {"expression": "divide forty by eight"}, "That is 5."),
    "What is 15% of 80?": ("calculate", {"expression": "15% of 80"}, "That is 12."),
    "What's 7 x 8?": ("calculate", {"expression": "7 x 8"}, "That is 56."),
    "Set a timer for 5 minutes.": (
        *("timer", {"length": "5 minutes"}, "I will tell you in 5 minutes."),
    ),
    "Set a 10-minute timer, please.": (
        *("timer", {"length": "10-minute"}, "I will tell you in 10 minutes."),
    ),
    "Remind me in half an hour.": (
        *("timer", {"length": "half an hour"}, "I will tell you in 30 minutes."),
    ),
    "Set a timer.": ("timer", {"length": ""}, "How long?"),
}


@pytest.mark.models
def test_the_model_calls_them_and_says_what_they_gave() -> None:
    talk = rxv.offline.llm(tools(HistoricalScheduler(NOW)))
    for question, (name, arguments, reply) in CALLS.items():
        pieces = list(talk.respond(question))
        made = [it.detail for it in pieces if isinstance(it, rxv.events.Notice)]
        (call,) = made
        assert isinstance(call, ToolCall)
        assert (call.name, call.arguments) == (name, arguments)
        assert "".join(it for it in pieces if isinstance(it, str)) == reply
    for question in ("Roll a die.", "Flip a coin."):
        said = "".join(it for it in talk.respond(question) if isinstance(it, str))
        assert said.startswith(("You rolled a", "Heads", "Tails"))


@pytest.mark.models
def test_a_pipe_hears_the_timer() -> None:
    """`respond` makes the call, and the ring is what `converse` can say."""
    import reactivex as rx

    from rxvoice import operators as vox

    scheduler = HistoricalScheduler(NOW)
    own = tools(scheduler)
    rung: list[object] = []
    own.rings.subscribe(rung.append)
    question = rxv.Transcript(rxv.testing.turn("~"), "Set a timer for 20 seconds.")
    replies: list[object] = []
    rx.of(question).pipe(vox.respond(rxv.offline.llm(own))).subscribe(replies.append)
    said = "".join(it.delta for it in replies if isinstance(it, rxv.Reply))
    assert said == "I will tell you in 20 seconds."
    assert any(isinstance(it, rxv.events.Notice) for it in replies)
    scheduler.advance_by(21)
    assert rung == [rxv.Say("Time is up. Your timer was set for 20 seconds.")]
