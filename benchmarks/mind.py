"""The demonstration's mind behind its ears: held-out questions, spoken, heard and answered.

Every question of `held_out` in training/dialogues.json is spoken once, by seven voices in turn that
neither the mind nor its training data has heard, and heard by `offline.stt`. So are 120 sums and
timers. `RXVOICE_MIND_LIST` names a file for what was heard and answered wrong.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import soxr
from reactivex.scheduler import HistoricalScheduler

from benchmarks._measure import Result
from benchmarks._wake_speech import RATE, in_a_room, say
from rxvoice import offline
from rxvoice._audio.samples import Samples
from rxvoice.events import Notice
from rxvoice.offline._calculate import calculate, duration, seconds, spoken

VOICES = (
    *("espeak:en-us", "espeak:en", "espeak:en-gb-scotland"),
    *("joe", "flite:slt", "flite:awb", "flite:rms"),
)
DIALOGUES = Path(__file__).parents[1] / "training" / "dialogues.json"
OPERATIONS = ("plus", "minus", "times", "divided by")


def measure() -> Iterator[Result]:
    data = json.loads(DIALOGUES.read_text("utf-8"))
    # In virtual time, which nobody moves: no timer rings.
    tools = offline.OfflineTools(scheduler=HistoricalScheduler())
    mind, ears = offline.llm(tools), offline.stt()
    answers = {it["name"]: it["assistant"] for it in data["subjects"]}
    paraphrases = [
        (question, answers.get(name, name))
        for name, questions in data["held_out"]["paraphrases"].items()
        for question in questions
    ]
    foreign = [(it, data["fallback"]["assistant"]) for it in data["held_out"]["foreign"]]
    voices = cycle(VOICES)
    wrong: list[str] = []

    def replied(question: str, *, called: bool = False) -> str:
        """The reply; the name of the tool where one was called, unless the reply is wanted."""
        pieces = list(mind.fresh().respond(question))
        calls = [it for it in pieces if isinstance(it, Notice)]
        if calls and not called:
            return calls[0].message.partition("(")[0]
        return "".join(it for it in pieces if isinstance(it, str))

    def shares(
        name: str, asked: list[tuple[str, str]], *, called: bool = False
    ) -> Iterator[Result]:
        """How many are right, of those that each kind of voice speaks."""
        right, spoken_by = Counter[str](), Counter[str]()
        written = Counter[str]()
        for question, answer in asked:
            voice = next(voices)
            kind = "espeak-ng" if voice.startswith("espeak") else "Piper and flite"
            heard = ears.transcribe_turn(_spoken(question, voice))
            reply = replied(heard, called=called)
            spoken_by[kind] += 1
            written[kind] += replied(question, called=called) == answer
            right[kind] += reply == answer
            if reply != answer:
                wrong.append(f"{name} | {voice} | {question} | {heard} | {reply}")
        for kind, n in spoken_by.items():
            against = f"as written: {written[kind]}"
            yield Result(f"{name}; {kind}", right[kind], f"of {n}", against, right[kind] / n)

    yield from shares("in other words, answered", paraphrases)
    yield from shares("foreign, refused", foreign)
    yield from shares("sums and timers, right", list(_calls()), called=True)
    if out := os.environ.get("RXVOICE_MIND_LIST"):
        Path(out).write_text("\n".join(wrong) + "\n", "utf-8")


def _calls() -> Iterator[tuple[str, str]]:
    """A question, and the reply that it must get."""
    rng = random.Random(5)
    for _ in range(60):
        said = f"{rng.randrange(2, 100)} {rng.choice(OPERATIONS)} {rng.randrange(1, 100)}"
        question = rng.choice(("What is {}?", "How much is {}?", "Can you calculate {}?"))
        yield question.format(said), f"That is {spoken(calculate(said))}."
    for _ in range(60):
        said = f"{rng.randrange(2, 60)} {rng.choice(('seconds', 'minutes', 'hours'))}"
        said = rng.choice((said, said, said, "half an hour", "an hour and a half"))
        question = rng.choice(("Set a timer for {}.", "Remind me in {}.", "Start a timer for {}."))
        ring = duration(seconds(said))
        reply = "How long?" if seconds(said) > 86_400 else f"I will tell you in {ring}."
        yield question.format(said), reply


def _spoken(text: str, voice: str) -> Samples:
    """The text as a microphone hears it."""
    kind, _, name = voice.partition(":")
    if kind == "espeak":
        tts = offline.tts(voice)
        sound = soxr.resample(
            np.concatenate(list(tts.synthesize_stream(text))), tts.sample_rate, RATE
        )
        return in_a_room(sound.astype(np.float32) * np.float32(0.6))
    sound = say(text, name or voice)
    if sound is None:
        raise RuntimeError(f"the voice {voice} is not installed: pip install 'rxvoice[offline]'")
    return in_a_room(sound)
