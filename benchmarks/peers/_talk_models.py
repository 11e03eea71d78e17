"""Stub models of known speed, the same for every system: a writer and a voice.

Both are as local models are: plain functions, of which each step holds its thread. They hold it by
sleeping, so they release Python's lock, as mlx-lm and most runtimes do while they compute.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers._talk_user import OUT_RATE, Log, speech

REPLIES = {
    "how far away is the moon": "The moon is far away from us. Its light takes more than a second "
    "to reach us. Every year it moves away a little.",
    "tell me the first thing": "The first thing is an old green tree. It stands in the wind.",
    "tell me the second thing": "A second thing would be some water. It is cold and very clear.",
    "tell me the third thing": "As third I name the long road. It goes on to the sea.",
    "stop it please": "All right.",
    "hello": "You said it.",
}
ENDLESS = " ".join(["So it goes on and on without an end in sight."] * 14)


@dataclass(frozen=True)
class Voiced:
    """The sound of a sentence, and at which sample each of its words ends."""

    samples: NDArray[np.int16]
    ends: tuple[int, ...]


def voiced(sentence: str, reply: int) -> Voiced:
    """Words of uneven length, as people say them: they do not follow from the letters."""
    lasts = [
        0.05 + 0.02 * len(word) + (0.06 if len(word) % 3 == 0 else 0.0) for word in sentence.split()
    ]
    ends = tuple(int(end * OUT_RATE) for end in np.cumsum(lasts))
    return Voiced(speech(ends[-1] / OUT_RATE, reply), ends)


@dataclass
class Models:
    """The writer and the voice of one session.

    Args:
        log: notes "asked", each "token", and "spoken" for each sentence.
        call_s: seconds before the first token, in one go, as a long prompt takes.
        token_s: seconds for each token, which is a word.
        sentence_s: seconds for each sentence of speech.
        replies: to what the user says.
    """

    log: Log
    call_s: float = 0.0
    token_s: float = 0.0
    sentence_s: float = 0.0
    replies: dict[str, str] = field(default_factory=lambda: dict(REPLIES))
    asked: list[str] = field(default_factory=list[str])
    written: dict[int, str] = field(default_factory=dict[int, str])

    def write(self, text: str) -> Iterator[str]:
        """Reply token by token. Each step holds the thread."""
        number = len(self.asked)
        self.asked.append(text)
        self.log.note("asked", (number, text))
        self._hold(self.call_s)
        for word in self.replies.get(text, "I beg your pardon.").split():
            self._hold(self.token_s)
            self.written[number] = self.written.get(number, "") + word + " "
            self.log.note("token", number)
            yield word + " "

    def speak(self, sentence: str) -> Voiced:
        """The sound of a sentence, in one piece."""
        sentence = sentence.strip()
        self._hold(self.sentence_s)
        number = max(
            (n for n, written in self.written.items() if sentence in written),
            default=len(self.asked) - 1,
        )
        self.log.note("spoken", (number, sentence))
        return voiced(sentence, number)

    @staticmethod
    def _hold(seconds: float) -> None:
        if seconds:
            time.sleep(seconds)


def words_heard(sentences: list[str], samples: int) -> tuple[int, int]:
    """How many words are complete, and how many have begun, in so many samples."""
    whole = begun = 0
    for sentence in sentences:
        ends = voiced(sentence, 0).ends
        whole += sum(end <= samples for end in ends)
        begun += sum(start < samples for start in (0, *ends[:-1]))
        samples = max(0, samples - ends[-1])
    return whole, begun
