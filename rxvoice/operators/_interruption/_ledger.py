"""The ledger of a reply: which samples say which text."""

from __future__ import annotations

from dataclasses import dataclass, field

from rxvoice.elements import Speech
from rxvoice.operators._interruption._words import up_to_word, words

__all__ = ["Ledger"]


@dataclass(slots=True)
class _Sentence:
    """A sentence and its samples, from `start` to before `end`; words by where they end."""

    text: str
    start: int
    end: int
    words: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def heard(self, position: int, total: float) -> int:
        """How many characters of it have been heard, if it has this many samples in all."""
        length = len(self.text)
        if position - self.start >= total:
            return length
        if self.words:
            known = max((index for index, at in self.words if at <= position), default=0)
            return known if words(self.text[known:]) else length
        return up_to_word(self.text, int(length * max(0, position - self.start) / total))


class Ledger:
    """What was written of a reply and spoken of it, to say what was heard.

    Args:
        start: the position in the sink of its first sample.
        pace: samples per character, by which the length of a sentence is guessed as long as more
            of it may come; 0 where nobody knows.
    """

    def __init__(self, start: int, pace: float = 0) -> None:
        self.start = self.end = start
        self.text = ""
        """The reply as far as it was written."""
        self._pace = pace
        self._sentences: list[_Sentence] = []
        self._over = False

    def add(self, speech: Speech) -> None:
        """A piece of sound was written to the sink."""
        start, self.end = self.end, self.end + speech.samples.shape[0]
        if not self._sentences or self._begins(speech.text):
            self._sentences.append(_Sentence(speech.text, start, start))
        sentence = self._sentences[-1]
        sentence.end = self.end
        sentence.words.extend((index, start + at) for index, at in speech.words)

    def close(self) -> None:
        """No more of the reply will be spoken."""
        self._over = True

    @property
    def pace(self) -> float:
        """Samples per character of the sentences that are complete; as given where none is."""
        done = self._sentences if self._over else self._sentences[:-1]
        characters = sum(len(sentence.text) for sentence in done)
        samples = sum(sentence.end - sentence.start for sentence in done)
        return samples / characters if characters else self._pace

    def heard(self, position: int) -> str:
        """What was heard when the sink was at this position: the beginning of the text."""
        parts: list[str] = []
        end = cursor = 0
        for sentence in self._sentences:
            length = sentence.heard(position, self._total(sentence))
            if length:
                parts.append(sentence.text[:length])
                if cursor >= 0:
                    at = self.text.find(sentence.text, cursor)
                    end, cursor = at + length, at + len(sentence.text) if at >= 0 else -1
            if length < len(sentence.text):
                break
        # A stage in between may have changed the words: then it is what was spoken.
        return self.text[:end].strip() if cursor >= 0 else " ".join(parts)

    def words_at(self, position: int) -> frozenset[str]:
        """The words of the sentence being heard at this position, and of the one before."""
        begun = [sentence.text for sentence in self._sentences if sentence.start < position]
        return frozenset(words(" ".join(begun[-2:])))

    def _begins(self, text: str) -> bool:
        """Whether a piece with this text is of another sentence than the last one."""
        last = self._sentences[-1].text
        # The pieces of one sentence share the very string; the reply may say it twice in a row.
        return text != last or (text is not last and self.text.count(text) > self._said(text))

    def _said(self, text: str) -> int:
        return sum(sentence.text == text for sentence in self._sentences)

    def _total(self, sentence: _Sentence) -> float:
        samples = sentence.end - sentence.start
        if self._over or sentence is not self._sentences[-1]:
            return samples
        return max(samples, len(sentence.text) * self.pace)
