"""Write heard.json: the taught questions as Whisper hears them from three synthetic voices.

Only what it hears otherwise than it was said, but with the word that says what it is about, is
kept. The program takes about fifteen minutes. benchmarks/mind.py asks with other voices.
"""

from __future__ import annotations

import json
from collections import Counter
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import soxr
from questions import spoken

import rxvoice as rxv

HERE = Path(__file__).parent
VOICES = ("espeak:en-gb-x-rp+f3", "espeak:en-us+m3", "espeak:en-us-nyc+f2")
RATE = 16_000


def hear(texts: list[str]) -> list[list[str]]:
    """What each text is heard as, from each voice, with a little noise."""
    stt = rxv.offline.stt()
    noise = np.random.default_rng(1)
    heard: list[list[str]] = [[] for _ in texts]
    for voice in map(rxv.offline.tts, VOICES):
        for said, text in zip(heard, texts, strict=True):
            sound = np.concatenate(list(voice.synthesize_stream(text)))
            sound = soxr.resample(sound, voice.sample_rate, RATE) * 0.6
            sound = np.pad(sound, (RATE // 4, RATE // 2))
            sound += noise.normal(0, 3e-4, len(sound))
            said.append(stt.transcribe_turn(sound.astype(np.float32)))
    return heard


def kept(
    asked: dict[str, list[str]], heard: dict[str, list[str]], plain: set[str]
) -> dict[str, list[str]]:
    """Per subject: what was heard otherwise, and is closest to a question of that subject."""
    known = [(spoken(q), name) for name, qs in asked.items() for q in qs]
    taught = {question for question, _ in known}
    found: dict[str, list[str]] = {}
    keys = {name: _about(questions) - plain for name, questions in asked.items()}
    for question, texts in heard.items():
        (name,) = {it for text, it in known if text == spoken(question)}
        for text in dict.fromkeys(map(spoken, texts)):
            if text in taught or not text:
                continue
            matcher = SequenceMatcher(b=text, autojunk=False)

            def like(other: str, matcher: SequenceMatcher[str] = matcher) -> float:
                matcher.set_seq1(other)
                return matcher.ratio()

            nearest, whose = max(known, key=lambda it: like(it[0]))
            about = keys[name] & set(nearest.split())
            clear = bool(about & set(text.split())) if about else like(nearest) > 0.88
            if whose == name and clear and like(nearest) > 0.8:
                found.setdefault(name, []).append(text)
    return {name: sorted(set(texts)) for name, texts in found.items()}


def _about(questions: list[str]) -> set[str]:
    """The words that a quarter of the questions have."""
    counts = Counter(word for it in questions for word in set(spoken(it).split()))
    return {word for word, n in counts.items() if n >= len(questions) / 4}


def main() -> None:
    data = json.loads((HERE / "dialogues.json").read_text("utf-8"))
    asked = {it["name"]: it["user"] for it in data["subjects"]} | data["tools"]
    texts = [question for questions in asked.values() for question in questions]
    heard = dict(zip(texts, hear(texts), strict=True))
    out = kept(asked, heard, set(data["plain"].split()))
    text = json.dumps(out, indent=0, ensure_ascii=False)
    (HERE / "heard.json").write_text(text + "\n", "utf-8")
    print(f"{sum(map(len, out.values()))} of {sum(map(len, heard.values()))} kept")


if __name__ == "__main__":
    main()
