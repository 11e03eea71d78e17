from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from reactivex import Subject

from rxvoice import operators as vox
from rxvoice._text.segmenter import Segmenter
from rxvoice.elements import Reply, Speech, Transcript
from rxvoice.errors import ConfigError
from rxvoice.events import Notice
from rxvoice.operators._conversation.spoken_reply import ReplyText, SpokenReply
from rxvoice.testing import turn
from rxvoice.testing.check import check_operator

HEARD = Transcript(turn("~_"), "hi")


def replies(*deltas: str, transcript: Transcript = HEARD) -> list[Reply]:
    final = Reply(transcript, text="".join(deltas), final=True)
    return [*(Reply(transcript, delta) for delta in deltas), final]


def run(*elements: Any, **options: Any) -> list[Any]:
    source: Subject[Any] = Subject()
    seen: list[Any] = []
    source.pipe(vox.speakable(**options)).subscribe(seen.append, seen.append)
    for element in elements:
        source.on_next(element)
    return seen


def say(text: str, **options: Any) -> str:
    """What is said for a text, which is lost nowhere."""
    seen = run(*replies(text), **options)
    assert "".join(it.written for it in seen) == text
    assert seen[-1] == Reply(HEARD, text=text, final=True)
    return "".join(it.delta for it in seen)


def sentences(text: str) -> list[str]:
    cutter = Segmenter()
    return [*cutter.feed(say(text)), *cutter.flush()]


def test_passes_the_battery() -> None:
    other = Transcript(turn("~", id=2), "and?")
    elements = [*replies("Yes, **it", " is**. "), *replies("No.", transcript=other)]
    check_operator(lambda: vox.speakable(), elements=elements, name="speakable")


# What is written, what is said.
CASES = [
    # Emphasis
    ("It is **bold** and _so_ on.", "It is bold and so on."),
    ("***Both*** and ~~gone~~ and __this__.", "Both and gone and this."),
    ("**Two. Whole. Sentences.** Then.", "Two. Whole. Sentences. Then."),
    ("“**Quoted**,” she said—*well*.", "“Quoted,” she said—well."),
    ("un*frigging*believable", "unfriggingbelievable"),
    ("这是**重点**内容。", "这是重点内容。"),
    ("नमस्ते **दोस्त**। สวัสดี **ครับ** ok", "नमस्ते दोस्त। สวัสดี ครับ ok"),
    ("A price* applies, *always", "A price applies, always"),
    # What only looks like it
    ("2 * 3 * 4 = 24, 2*3*4, a*b*c and 2**10.", "2 * 3 * 4 = 24, 2*3*4, a*b*c and 2**10."),
    ("Use snake_case_names, ~5 of them.", "Use snake_case_names, ~5 of them."),
    ("$13.50 or $5, or 5$, or 100%.", "$13.50 or $5, or 5$, or 100%."),
    ("3 < 5 > 2, AT&T, C#, C++, #1, a/b", "3 < 5 > 2, AT&T, C#, C++, #1, a/b"),
    ("-5 degrees, 3.14 is pi", "-5 degrees, 3.14 is pi"),
    ("1. Open it.\n2. Close it.", "1. Open it.\n2. Close it."),
    ("Ask h or w or http at e-mail a.b@c.de", "Ask h or w or http at e-mail a.b@c.de"),
    (r"An \*escaped\* \_one\_ &amp; more", "An *escaped* _one_ & more"),
    # Code
    ("Call `foo_bar(*x)` now.", "Call foo_bar(*x) now."),
    ("Use the `<script>` tag. Then go.", "Use the <script> tag. Then go."),
    ("``a ` b`` and ```c```", "a ` b and c"),
    ("So:\n```python\nprint('**x**')\n# no\n```\nDone.", "So:\nDone."),
    ("~~~\nx\n```\n~~~\nDone.", "Done."),
    ("````\n```\nx\n````\nDone.", "Done."),
    ("- So:\n  ```\n  x\n  ```\n- Done", "So:\nDone"),
    # Links
    ("See [the *big* page](https://x.com/a_b) now.", "See the big page now."),
    ('A [b](<u v> "t (x)") c', "A b c"),
    ("![A cat](http://x/y.png) sleeps", "A cat sleeps"),
    ("See https://www.example.com/a_b_c?x=1&y=*2*. Bye", "See example.com. Bye"),
    ("(https://example.org/x), www.a.de/b!", "(example.org), a.de!"),
    ("<https://example.org/x> or <me@x.org>", "example.org or me@x.org"),
    ("[https://example.org/x](https://example.org/x)", "example.org"),
    ("看[链接](https://x.cn/路)吧。", "看链接吧。"),
    ("As [one][1] says.\n\n[1]: https://x.org/y \"t\"\nYes", "As one says.\n\nYes"),
    ("[Warning]: do not run", "[Warning]: do not run"),
    ("It is so[^1].\n\n[^1]: Some say.", "It is so.\n\nSome say."),
    ("arr[1] and [sic]", "arr[1] and [sic]"),
    # Blocks
    ("# A title #\n\nText", "A title\n\nText"),
    ("A title\n=======\nText", "A title\n\nText"),
    ("- one\n* two\n+ three\n  • four", "one\ntwo\nthree\nfour"),
    ("- [ ] to do\n- [x] done", "to do\ndone"),
    ("> # Said **so**\n> - me", "Said so\nme"),
    ("One\n\n---\n\n***\nTwo", "One\n\n\n\n\nTwo"),
    ("| Name | Age |\n|:--|--:|\n| Bob | 5 |\n|a|b|", "Name, Age\n\nBob, 5\na, b"),
    # HTML, formulas
    ('<b>Bold</b> <a href="x y">link</a><br/>next', "Bold link\nnext"),
    ("One <!-- **two** > --> three", "One  three"),
    ("$x^2 + y$, $$z$$, \\(a_1\\) and \\[b\\]", "x^2 + y, z, a_1 and b"),
    ("\\[\nE = mc^2\n\\]\n$$\nx\n$$", "\nE = mc^2\n\n\nx\n"),
    # Models
    ("Hi.<|im_end|>\n<|im_start|>assistant\nYes</s>", "Hi.\n\nYes"),
    ("Hi.<end_of_turn> <｜end▁of▁sentence｜>[/INST]", "Hi."),
    ("<think>\nIs > it\n</think>\nIt is.", "\nIt is."),
    # Emoji
    ("Great 😀! Go 👍🏽 👨‍👩‍👧 🇩🇪 1️⃣ ❤️ now ✨.", "Great! Go now."),
    ("😀", ""),
    ("It is 5 °C, ™ and © → 3.", "It is 5 °C, ™ and © → 3."),
    # Not closed
    ("Open `code and more.\nNext", "Open code and more.\nNext"),
    ("Open [link and more.\nNext", "Open [link and more.\nNext"),
    ("Open ```\nx", "Open\nx"),
    ("```\nx", ""),
    ("<think>x", ""),
    # Plain text, as it is
    ("Hello there,  how   are you?\r\n Fine. ", "Hello there,  how   are you?\r\nFine. "),
    ("", ""),
]  # fmt: skip


@pytest.mark.parametrize(("written", "said"), CASES, ids=range(len(CASES)))
def test_what_is_said(written: str, said: str) -> None:
    assert say(written) == said


@pytest.mark.parametrize("text", [written for written, _ in CASES], ids=range(len(CASES)))
def test_the_same_however_the_text_was_cut(text: str) -> None:
    rng = random.Random(text)
    for most in (1, 2, 3, 9, 9):
        deltas, at = [], 0
        while at < len(text):
            end = at + rng.randint(1, most)
            deltas.append(text[at:end])
            at = end
        seen = run(*replies(*deltas))
        assert "".join(it.written for it in seen) == text
        assert "".join(it.delta for it in seen) == say(text)


PARTS = """**|*|_|`|```|\n|\n\n|# |- |1. |> |[|](|](http://x.y)|)|]|<|>|<b>|</b>|<think>|</think>|<!--
-->|$|$$|\\|\\(|\\)|~~|http|https://a.b/c|www.|www.x.com|w|a|word|Hello there| | |. |, |!|?|😀|🇩|é
e\u0301|你好|。|สวัสดี|12|3.5|[^1]|[x] |[x]: |<|im_end|>|&amp;|---|a quick brown fox jumps over. """
PIECES = [*PARTS.replace(">\n", ">|").replace("é\n", "é|").split("|"), "|", "|---|", "\t", "\r"]


def test_random_texts_are_said_the_same_however_they_were_cut() -> None:
    rng = random.Random(7)
    for _ in range(600):
        text = "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 12)))
        whole = say(text)
        size = rng.choice([1, 1, 2, 5])
        seen = run(*replies(*(text[i : i + size] for i in range(0, len(text), size))))
        assert "".join(it.delta for it in seen) == whole, text
        assert "".join(it.written for it in seen) == text


def test_plain_text_passes_as_it_is() -> None:
    text = "It is five o'clock, isn't it? Yes (I think), 5:30 to be exact; or so... " * 50
    assert all(it.markup is None for it in run(*replies(text)))
    assert say(text) == text


def test_code_and_emoji_as_asked_for() -> None:
    text = "So:\n```\nx\n```\nDone 😀."
    assert say(text, code="Code follows.") == "So:\nCode follows.\nDone."
    assert say(text, emoji=True) == "So:\nDone 😀."


def test_items_and_headings_are_sentences() -> None:
    text = "## The plan\n- **First** this\n- Then that\n\n| a | b |\n|---|---|\n| c | d |\nGo."
    assert sentences(text) == ["The plan", "First this", "Then that", "a, b", "c, d", "Go."]


def said_after(text: str, wanted: str) -> int:
    """How many characters must have come before this has been said."""
    source: Subject[Reply] = Subject()
    said: list[str] = []
    source.pipe(vox.speakable()).subscribe(lambda it: said.append(it.delta))
    for n, char in enumerate(text):
        source.on_next(Reply(HEARD, char))
        if "".join(said).startswith(wanted):
            return n + 1
    raise AssertionError(f"{wanted!r} was never said: {said}")


@pytest.mark.parametrize(
    ("text", "wanted", "by"),
    [
        ("Hello there. How are you", "Hello there.", "Hello there. "),
        ("Hello there. And you", "Hello there. A", "Hello there. An"),
        ("**Hello** there. How **are", "Hello there.", "**Hello** there. "),
        ("*Hello there. How are you", "Hello there.", "*Hello there. "),
        ("It costs $5. And then", "It costs $5.", "It costs $5. "),
        ("[Here](https://x.y) it is", "Here", "[Here](https://x.y) "),
        ("你好。**我**很好", "你好。", "你好。*"),
        ("- One thing", "O", "- On"),
        ("x `a " + "b " * 200, "x a b", "x `a " + "b " * 99),
    ],
)
def test_nothing_waits_longer_than_it_must(text: str, wanted: str, by: str) -> None:
    assert said_after(text, wanted) <= len(by)


def test_a_reply_that_failed_leaves_nothing_behind() -> None:
    other = Transcript(turn("~", id=2), "and?")
    seen = run(Reply(HEARD, "One `two"), *replies("Three.", transcript=other))
    assert "".join(it.delta for it in seen if it.transcript is other) == "Three."


def test_events_pass_and_a_final_delta_is_said() -> None:
    notice = Notice("a tool was called")
    seen = run(notice, Reply(HEARD, "**Yes**.", text="**Yes**.", final=True))
    assert seen[0] is notice
    assert "".join(it.delta for it in seen[1:]) == "Yes."
    assert seen[-1] == Reply(HEARD, text="**Yes**.", final=True)


def test_what_is_speakable_already_passes() -> None:
    seen = run(Reply(HEARD, "so", markup="**so**"), *replies("It *is*"))
    assert [it.delta for it in seen] == ["so", "It", " ", "is", ""]
    assert "".join(it.written for it in seen) == "**so**It *is*"


@pytest.mark.parametrize("options", [{"code": None}, {"code": 5}, {"emoji": "drop"}, {"emoji": 1}])
def test_bad_arguments(options: Any) -> None:
    with pytest.raises(ConfigError, match=r"speakable (code|emoji) must be"):
        vox.speakable(**options)


# What was heard, of what was written.


def written(text: str) -> ReplyText:
    it = ReplyText()
    for reply in run(*replies(text)):
        it.add(reply)
    return it


@pytest.mark.parametrize(
    ("text", "said", "wanted"),
    [
        ("Hello there.", "Hello", "Hello"),
        ("It is **very** good.", "It is", "It is"),
        ("It is **very** good.", "It is very", "It is **very**"),
        ("A **b c** d.", "A b", "A **b"),
        ("A **b c** d.", "A b c", "A **b c**"),
        ("See [the big page](https://x.org/y).", "See the big", "See [the big"),
        ("See [the big page](https://x.org/y).", "See the big page", "See [the big page"),
        ("See [the big page](https://x.org/y). No", "See the big page.",
         "See [the big page](https://x.org/y)."),
        ("At https://www.x.org/y we", "At x.o", "At "),
        ("At https://www.x.org/y we", "At x.org", "At https://www.x.org/y"),
        ("One.\n```\nx\n```\nTwo.", "One.", "One."),
        ("One.\n```\nx\n```\nTwo.", "One.\nTwo.", "One.\n```\nx\n```\nTwo."),
        ("# One\n- two", "One", "# One"),
        ("One", "", ""),
    ],
)  # fmt: skip
def test_what_was_heard_is_told_as_it_was_written(text: str, said: str, wanted: str) -> None:
    it = written(text)
    assert it.spoken.startswith(said)
    assert it.up_to(len(said)) == wanted


@pytest.mark.parametrize("text", [written for written, _ in CASES], ids=range(len(CASES)))
def test_all_of_it_was_written(text: str) -> None:
    it = written(text)
    assert it.written == text
    assert it.spoken == say(text)
    told = [it.up_to(n) for n in range(it.length + 1)]
    assert all(text.startswith(one) for one in told)
    assert told == sorted(told, key=len)


def test_an_interrupted_reply_is_remembered_as_it_was_written() -> None:
    ledger = SpokenReply(0)
    for reply in run(*replies("It is **very** [good news](https://x.org). Bye.")):
        ledger.text.add(reply)
    sentence = "It is very good news."
    # A sample a character.
    ledger.add(Speech(replies("")[0], np.zeros(len(sentence), np.float32), 1000, sentence))
    ledger.add(Speech(replies("")[0], np.zeros(4, np.float32), 1000, "Bye."))
    ledger.close()
    assert ledger.heard(len("It is very")) == "It is **very**"
    assert ledger.heard(len("It is very goo")) == "It is **very**"
    assert ledger.heard(len("It is very good")) == "It is **very** [good"
    assert ledger.heard(len(sentence)) == "It is **very** [good news](https://x.org)."
    assert ledger.heard(99) == "It is **very** [good news](https://x.org). Bye."


def test_a_reply_to_the_same_transcript_begins_anew() -> None:
    seen = run(*replies("```\nx = 1\n"), *replies("Hello."))
    assert "".join(it.delta for it in seen) == "Hello."
