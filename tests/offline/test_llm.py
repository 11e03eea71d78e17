"""The shipped demo model answers what it was taught."""

import os

os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import json
import random
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
FALLBACK = DIALOGUES["fallback"]["assistant"]
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
@pytest.mark.slow
def test_no_answer_is_wrong_in_200_turns_of_one_talk(talk: Llm) -> None:
    rng = random.Random(3)
    known = [*ANSWERS.items()]
    known += [(text, FALLBACK) for text in DIALOGUES["fallback"]["user"]]
    wrong: list[str] = []
    dropped = 0
    for _ in range(200):
        question, answer = rng.choice(known)
        question = rng.choice((str, spoken))(question)
        # All of it is text: nothing is to be told of turns that were dropped.
        if "".join(talk.respond(question)) != answer:
            wrong.append(question)
        dropped += talk.stats.dropped_turns
        assert talk.stats.prompt_tokens + 80 <= 320
    assert wrong == []
    assert dropped > 150


@pytest.mark.models
def test_a_talk_with_the_same_weights_keeps_to_the_context_too(talk: Llm) -> None:
    other = talk.fresh()
    for _ in range(40):
        other.messages += [
            {"role": "user", "content": DEMO[2]},
            {"role": "assistant", "content": ANSWERS[DEMO[2]]},
        ]
    assert "".join(other.respond(DEMO[0])) == ANSWERS[DEMO[0]]
    assert other.stats.dropped_turns > 20


@pytest.mark.models
def test_foreign_questions_are_refused_and_its_own_answered_in_other_words(talk: Llm) -> None:
    held_out = DIALOGUES["held_out"]

    def said(question: str) -> str:
        talk.reset()
        return "".join(talk.respond(question))

    foreign = held_out["foreign"]
    refused = sum(said(spoken(question)) == FALLBACK for question in foreign)
    assert refused >= 0.85 * len(foreign)
    own = [
        (question, subject["assistant"])
        for subject in DIALOGUES["subjects"]
        for question in held_out["paraphrases"][subject["name"]]
    ]
    answered = sum(said(spoken(question)) == answer for question, answer in own)
    assert answered >= 0.8 * len(own)


def test_what_is_held_out_was_never_taught() -> None:
    held_out = DIALOGUES["held_out"]
    paraphrases = [text for texts in held_out["paraphrases"].values() for text in texts]
    taught = {spoken(text) for text in [*ANSWERS, *DIALOGUES["fallback"]["user"]]}
    assert taught.isdisjoint(map(spoken, [*held_out["foreign"], *paraphrases]))


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
@pytest.mark.parametrize(
    "text",
    ["", "purple elephant window seven", "Play some music."],
)
def test_anything_else_gets_the_fallback(talk: Llm, text: str) -> None:
    assert "".join(talk.respond(text)) == FALLBACK


def test_every_answer_is_short() -> None:
    assert max(len(answer.split()) for answer in ANSWERS.values()) <= 35
