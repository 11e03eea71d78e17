"""The shipped demo model answers what it was taught."""

import os

os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from rxvoice.mlx import Llm
from rxvoice.offline.llm import llm, phrases

DIALOGUES = json.loads(
    (Path(__file__).parents[2] / "training" / "dialogues.json").read_text("utf-8")
)
ANSWERS = {user: s["assistant"] for s in DIALOGUES["subjects"] for user in s["user"]}
DEMO = [
    "Hello, who are you?",
    "What can you talk about?",
    "How far away is the moon?",
    "Thank you, goodbye.",
]


def spoken(text: str) -> str:
    return re.sub(r"[^a-z ]", "", text.lower())


@pytest.fixture(scope="module")
def shared() -> Llm:
    return llm()


@pytest.fixture
def talk(shared: Llm) -> Llm:
    shared.reset()
    return shared


def test_phrases_are_the_questions_of_the_training_text() -> None:
    assert phrases() == list(ANSWERS)
    assert set(DEMO) <= set(phrases())


@pytest.mark.models
@pytest.mark.parametrize("written", [str, spoken], ids=["as written", "as recognised"])
def test_the_demo_conversation_is_answered_exactly(
    talk: Llm, written: Callable[[str], str]
) -> None:
    for question in DEMO:
        assert "".join(talk.respond(written(question))) == ANSWERS[question]
    assert len(talk.messages) == 8


@pytest.mark.models
@pytest.mark.parametrize("question", DEMO)
@pytest.mark.parametrize("written", [str, spoken], ids=["as written", "as recognised"])
def test_each_is_answered_alone_and_as_the_fourth_turn(
    talk: Llm, question: str, written: Callable[[str], str]
) -> None:
    assert "".join(talk.respond(written(question))) == ANSWERS[question]
    talk.reset()
    for earlier in ("Tell me a joke.", "What is a pipe?", "Why is the sky blue?"):
        assert "".join(talk.respond(written(earlier))) == ANSWERS[earlier]
    assert "".join(talk.respond(written(question))) == ANSWERS[question]


@pytest.mark.models
def test_every_subject_is_answered_in_one_long_talk(talk: Llm) -> None:
    for subject in DIALOGUES["subjects"]:
        assert "".join(talk.respond(spoken(subject["user"][0]))) == subject["assistant"]


@pytest.mark.models
def test_an_interrupted_answer_does_not_spoil_the_next(talk: Llm) -> None:
    answer = talk.respond("count to ten")
    for _ in range(5):
        next(answer)
    answer.close()
    assert ANSWERS["Count to ten."].startswith(talk.messages[1]["content"])
    assert "".join(talk.respond("how far away is the moon")) == ANSWERS[DEMO[2]]


@pytest.mark.models
def test_a_fresh_talk_has_the_weights_and_not_the_words(talk: Llm) -> None:
    "".join(talk.respond(DEMO[0]))
    other = talk.fresh()
    assert other.messages == []
    assert "".join(other.respond(DEMO[2])) == ANSWERS[DEMO[2]]
    assert other._loaded().model is talk._loaded().model
    assert [message["content"] for message in talk.messages] == [DEMO[0], ANSWERS[DEMO[0]]]


@pytest.mark.models
@pytest.mark.parametrize("text", ["", "purple elephant window seven", "Play some music."])
def test_anything_else_gets_the_fallback(talk: Llm, text: str) -> None:
    assert "".join(talk.respond(text)) == DIALOGUES["fallback"]["assistant"]


def test_every_answer_is_short() -> None:
    assert max(len(answer.split()) for answer in ANSWERS.values()) <= 35
