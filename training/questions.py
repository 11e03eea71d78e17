"""What users may ask the demonstration language model, in many words, and what it replies.

`Questions` reads dialogues.json (what it is taught, and frames that questions about anything else
are made of), crowd.json (what people asked, from CLINC150) and heard.json (the taught questions as
Whisper heard them from synthetic voices). It draws pairs of a question and a reply: questions as
they are taught or heard, the same in other words, with a word misheard, questions that call a tool,
and questions about something else, which get the fallback. No pair is a held-out question.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import calls

HERE = Path(__file__).parent

FILLERS = ("um", "uh", "a", "the", "so", "and", "well", "please", "oh", "then", "to", "it", "is")
OPENINGS = (
    *("so", "um", "and", "okay", "well", "hey", "now", "please", "uh", "oh", "but", "right"),
    *("can you tell me", "could you tell me", "do you know", "i wonder", "tell me", "hello"),
    *("i would like to know", "i want to know", "can i ask you", "let me ask you", "just"),
    *("would you tell me", "can you say", "i have a question", "and now", "may i ask"),
)
CLOSINGS = (
    *("please", "for me", "now", "then", "today", "exactly", "again", "right now", "really"),
    *("actually", "do you know", "by the way", "thank you", "can you tell me", "for us"),
)
BE = ("is", "are", "was", "were")
ABOUT = (
    *("what do you know about", "can you tell me about", "can you tell me something about"),
    *("could you tell me about", "i want to know about", "i would like to know about"),
    *("tell me something about", "say something about", "what can you tell me about"),
    *("do you know anything about", "talk to me about", "what do you know of", "tell us about"),
    *("tell me more about", "can we talk about", "i want to hear about", "teach me about"),
)
WHAT_IS = (
    *("what's", "what exactly is", "explain what {} is", "can you tell me what {} is"),
    *("do you know what {} is", "could you explain what {} is", "what do you mean by {}"),
    *("i would like to know what {} is", "can you explain {}", "explain {} to me", "define {}"),
    *("what does {} mean", "could you tell me what {} is", "what would you call {}"),
    *("describe {}", "what is {} exactly", "tell me what {} is", "how would you explain {}"),
)
HOW_TO = (
    *("how do you", "how can i", "how does one", "how would you", "tell me how to"),
    *("can you tell me how to", "what is the best way to", "how should i", "explain how to"),
    *("i want to", "i would like to", "how do we", "how to", "help me to", "teach me to"),
    *("show me how to", "could you tell me how to", "do you know how to", "how must i"),
)


def spoken(text: str) -> str:
    """The words as the chat template shows them to the model: lower case, no punctuation."""
    return " ".join(it for word in text.lower().split() if (it := word.strip('?.!,;:"')))


@dataclass(frozen=True)
class Pair:
    """A question and what follows: a reply, or a tool to call first.

    Attributes:
        call: the tool's name and arguments; None where the model replies at once.
    """

    question: str
    reply: str
    call: tuple[str, dict[str, str]] | None = None


class Questions:
    """Draws pairs.

    Args:
        path: the dialogues.
        rng: what draws.
    """

    def __init__(self, path: Path, rng: random.Random) -> None:
        data, crowd, heard = (
            json.loads(it.read_text("utf-8"))
            for it in (path, path.with_name("crowd.json"), path.with_name("heard.json"))
        )
        self.rng = rng
        self.replies = {it["name"]: it["assistant"] for it in data["subjects"]}
        self.asked = {it["name"]: it["user"] for it in data["subjects"]}
        self.tools: dict[str, list[str]] = data["tools"]
        self.fallback: str = data["fallback"]["assistant"]
        self.strange: list[str] = data["fallback"]["user"]
        self.paraphrases: dict[str, list[str]] = data["held_out"]["paraphrases"]
        self.foreign: list[str] = data["held_out"]["foreign"]
        self.crowd_foreign: list[str] = crowd["held_out"]
        self.plain = set(data["plain"].split())
        self._frames: list[str] = data["frames"]["sentences"]
        self._lists: dict[str, list[str]] = data["frames"]["lists"]
        self._crowd: dict[str, list[str]] = crowd["asked"]
        self._others: list[str] = crowd["others"]
        self._heard: dict[str, list[str]] = heard
        held_out = [*self.foreign, *self.crowd_foreign]
        held_out += [q for qs in self.paraphrases.values() for q in qs]
        self._held_out = {spoken(it) for it in held_out}
        self._known = [(spoken(q).split(), name) for name, qs in self.asked.items() for q in qs]
        self._tell = {name: self._telling(questions) for name, questions in self.asked.items()}
        taught = {word for words, _ in self._known for word in words}
        listed = (HERE / "words.txt").read_text("utf-8").split()
        self.words = [it for it in listed if it not in taught and it not in self.plain]

    def known(self) -> list[Pair]:
        """Every question as written, with its reply."""
        return [Pair(q, self.replies[name]) for name, qs in self.asked.items() for q in qs]

    def draw(self) -> Pair:
        """A pair to learn from."""
        while True:
            kind = self.rng.random()
            if kind < 0.4:
                pair = self._subject()
            elif kind < 0.62:
                pair = self.tool()
            else:
                pair = Pair(self._other(), self.fallback)
            if spoken(pair.question) not in self._held_out:
                return pair

    def _subject(self) -> Pair:
        name = self.rng.choice(list(self.asked))
        question = self._asked(name, self.asked[name])
        kind = self.rng.random()
        if kind > 0.3:
            question = self._in_other_words(question)
        if kind > 0.75:
            question = self._misheard(question.split(), name)
        return Pair(question, self.replies[name])

    def _asked(self, name: str, taught: list[str]) -> str:
        """A question as it was taught, heard or asked by somebody."""
        kind = self.rng.random()
        if kind < 0.25 and name in self._crowd:
            taught = self._crowd[name]
        elif kind > 0.8 and name in self._heard:
            taught = self._heard[name]
        question = spoken(self.rng.choice(taught))
        return question.replace("-", " ") if self.rng.random() < 0.5 else question

    def tool(self) -> Pair:
        """A question that calls a tool, the call, and something that the tool may give."""
        kind = self.rng.random()
        if kind < 0.45:
            question, said = calls.sum_of(self.rng)
            name, arguments = "calculate", {"expression": said}
        elif kind < 0.7:
            question, said = calls.timer_of(self.rng)
            name, arguments = "timer", {"length": said}
        else:
            name, arguments = self.rng.choice(list(self.tools)), {}
            question = self._asked(name, self.tools[name])
            if self.rng.random() < 0.5:
                question = self._in_other_words(question)
        if arguments and self.rng.random() < 0.3:
            question = self._opened(question)
        any_tool = self.rng.choice((name, name, "calculate", "timer", "date"))
        return Pair(question, calls.result(self.rng, any_tool), (name, arguments))

    def _other(self) -> str:
        """A question about something else."""
        kind = self.rng.random()
        if kind < 0.3:
            question = spoken(self.rng.choice(self.strange))
        elif kind < 0.5:
            question = spoken(self.rng.choice(self._others))
        elif kind < 0.78:
            question = self._framed()
        elif kind < 0.93:
            return self._about_another()
        elif kind < 0.97:
            pool = self.words if self.rng.random() < 0.6 else FILLERS
            return " ".join(self.rng.choice(pool) for _ in range(self.rng.randint(1, 9)))
        else:
            words = spoken(self.rng.choice(self.strange)).split()
            words += [self.rng.choice(self.words) for _ in range(self.rng.randint(0, 3))]
            self.rng.shuffle(words)
            return " ".join(words)
        if self.rng.random() < 0.4:
            question = self._in_other_words(question)
        if self.rng.random() < 0.15:
            words = question.split()
            words[self.rng.randrange(len(words))] = self.rng.choice(self.words)
            question = " ".join(words)
        return question

    def _framed(self) -> str:
        """A frame with something in each gap: "how old is {a:animal}"."""

        def filled(gap: re.Match[str]) -> str:
            article, kind = gap[1], gap[2]
            unknown = self.rng.random() < 0.12 and kind not in ("command", "task", "who", "event")
            word = self.rng.choice(self.words if unknown else self._lists[kind])
            vowel = word[0] in "aeiou"
            return f"{'an' if vowel else 'a'} {word}" if article else word

        return spoken(re.sub(r"\{(a:)?(\w+)\}", filled, self.rng.choice(self._frames)))

    def _about_another(self) -> str:
        """A question of ours with what it is about replaced: "how far away is the bicycle"."""
        while True:
            words, name = self.rng.choice(self._known)
            tell = self._tell[name]
            if not any(word in tell for word in words):
                continue
            replaced = {word: self.rng.choice(self.words) for word in words if word in tell}
            question = " ".join(replaced.get(word, word) for word in words)
            return self._in_other_words(question) if self.rng.random() < 0.5 else question

    def _telling(self, questions: list[str]) -> set[str]:
        """The words that say what a subject is about."""
        counts = Counter(word for it in questions for word in set(spoken(it).split()))
        usual = Counter(word for words, _ in self._known for word in set(words))
        return {
            word
            for word, n in counts.items()
            if word not in self.plain and (n >= 0.3 * len(questions) or usual[word] <= 3)
        }

    def _in_other_words(self, question: str) -> str:
        rng = self.rng
        changes: tuple[tuple[str, Callable[[str], str]], ...] = (
            ("tell me about ", lambda rest: f"{rng.choice(ABOUT)} {rest}"),
            ("what is ", lambda rest: _filled(rng.choice(WHAT_IS), rest)),
            ("what are ", lambda rest: _filled(rng.choice(WHAT_IS), rest).replace(" is", " are")),
            ("how do i ", lambda rest: f"{rng.choice(HOW_TO)} {rest}"),
            ("how do you make ", lambda rest: f"{rng.choice(HOW_TO)} make {rest}"),
        )
        for start, change in changes:
            if question.startswith(start) and rng.random() < 0.7:
                question = change(question.removeprefix(start))
                break
        else:
            if rng.random() < 0.4:
                question = self._uninverted(question)
        return self._opened(question)

    def _opened(self, question: str) -> str:
        kind = self.rng.random()
        if kind < 0.3:
            question = f"{self.rng.choice(OPENINGS)} {question}"
        if kind > 0.8 or kind < 0.05:
            question = f"{question} {self.rng.choice(CLOSINGS)}"
        return question

    def _uninverted(self, question: str) -> str:
        """Such as "can you tell me why the sky is blue" for "why is the sky blue"."""
        words = question.split()
        if not words or words[0] not in ("what", "who", "where", "why", "how", "when", "which"):
            return question
        at = next((i for i, word in enumerate(words) if word in BE), None)
        opening = self.rng.choice(OPENINGS[12:])
        if at is None or at + 1 >= len(words):
            rest = [w for w in words if w not in ("do", "does", "did")]
            return " ".join((opening, *(rest if self.rng.random() < 0.5 else words)))
        subject = 2 if words[at + 1] in ("the", "a", "an", "my", "your") else 1
        end = at + 1 + subject if self.rng.random() < 0.5 else len(words)
        moved = [*words[:at], *words[at + 1 : end], words[at], *words[end:]]
        return " ".join((opening, *moved))

    def _misheard(self, words: list[str], name: str) -> str:
        """With a word too many, too few or wrong that does not say what the question is about."""
        free = [i for i, word in enumerate(words) if word not in self._tell[name]]
        for _ in range(self.rng.randint(1, 2)):
            if not free or len(words) < 3:
                break
            at = self.rng.choice(free)
            kind = self.rng.choice(("drop", "insert", "replace", "swap"))
            if kind == "replace":
                words[at] = self.rng.choice(FILLERS if self.rng.random() < 0.6 else self.words)
            elif kind == "insert":
                words.insert(at, self.rng.choice(FILLERS))
            elif kind == "swap" and at + 1 < len(words):
                words[at : at + 2] = reversed(words[at : at + 2])
            elif kind == "drop" and len(words) > len(free) + 1 - len(words):
                del words[at]
            free = [i for i, word in enumerate(words) if word not in self._tell[name]]
        return " ".join(words)


def _filled(template: str, rest: str) -> str:
    return template.format(rest) if "{}" in template else f"{template} {rest}"


def distinct(draw: Callable[[], Pair], n: int) -> list[Pair]:
    """`n` different pairs."""
    found: dict[str, Pair] = {}
    while len(found) < n:
        pair = draw()
        found.setdefault(pair.question, pair)
    return list(found.values())
