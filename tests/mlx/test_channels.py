"""What gpt-oss writes: what is said of it, and what is called."""

from __future__ import annotations

import random

import pytest

from rxvoice._language.calls import WrittenCall
from rxvoice.mlx._channels import ChannelSplitter, channel_call, has_channels
from tests.mlx.tiny_llms import FAMILIES

THOUGHT = "<|channel|>analysis<|message|>They greet me.<|end|><|start|>assistant"
FINAL = "<|channel|>final<|message|>Hello <b>you</b>."
CALL = ' to=functions.weather<|channel|>commentary json<|message|>{"city": "Paris"}'
OLD_CALL = (
    '<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Paris"}'
)
PARIS = WrittenCall("weather", {"city": "Paris"})

WRITTEN: dict[str, tuple[str, str, list[WrittenCall], bool]] = {
    "a reply": (FINAL, "Hello <b>you</b>.", [], False),
    "a thought and a reply": (THOUGHT + FINAL + "<|return|>", "Hello <b>you</b>.", [], False),
    "two thoughts": (THOUGHT + THOUGHT + FINAL, "Hello <b>you</b>.", [], False),
    "a thought that does not end": ("<|channel|>analysis<|message|>They", "", [], True),
    "a thought alone": ("<|channel|>analysis<|message|>They<|end|>", "", [], False),
    "an unknown channel": ("<|channel|>secret<|message|>They", "", [], True),
    "cut in a header": (THOUGHT + "<|chan", "", [], False),
    "a call": (THOUGHT + CALL + "<|call|>", "", [PARIS], False),
    "a call whose end is not given": (THOUGHT + CALL, "", [PARIS], False),
    "a call with its tool after the channel": (THOUGHT + OLD_CALL, "", [PARIS], False),
    "a call at once": (CALL, "", [PARIS], False),
    "words before a call": (
        f"<|channel|>commentary<|message|>Let me look.<|end|><|start|>assistant{CALL}",
        "Let me look.", [PARIS], False,
    ),
    "no end between": ("<|channel|>analysis<|message|>Hm<|channel|>final<|message|>Yes.", "Yes.",
                       [], False),
    "no header": ("To be <or> not to be.", "To be <or> not to be.", [], False),
    "a short text without one": ("to", "to", [], False),
    "a mark half written": (FINAL + " <|en", "Hello <b>you</b>. <|en", [], False),
    "nothing": ("", "", [], False),
}  # fmt: skip


@pytest.mark.parametrize("what", WRITTEN)
def test_what_is_said_and_called_however_it_is_cut_into_pieces(what: str) -> None:
    text, wanted, calls, is_thinking = WRITTEN[what]
    rng = random.Random(2)
    for most in (1, 2, 5, 40, 999):
        splitter, said, at = ChannelSplitter(), "", 0
        while at < len(text):
            size = rng.randint(1, most)
            said += splitter.feed(text[at : at + size])
            at += size
        assert said + splitter.end() == wanted
        assert [channel_call(it) for it in splitter.calls] == calls
        assert splitter.is_thinking == is_thinking


def test_text_is_given_as_it_comes() -> None:
    splitter = ChannelSplitter()
    assert splitter.feed(THOUGHT) == ""
    pieces = ["<|channel|>", "final", "<|message|>", "Hel", "lo <", "b> you"]
    assert [splitter.feed(it) for it in pieces] == ["", "", "", "Hel", "lo ", "<b> you"]


@pytest.mark.parametrize("arguments", ["{", "[]", "1"])
def test_arguments_that_cannot_be_read(arguments: str) -> None:
    with pytest.raises(ValueError, match=r"wanted|what the model wrote"):
        channel_call(f" to=functions.weather<|channel|>commentary<|message|>{arguments}")


def test_whose_template_has_channels() -> None:
    assert [it for it in FAMILIES if has_channels(FAMILIES[it].template)] == ["gpt_oss"]
