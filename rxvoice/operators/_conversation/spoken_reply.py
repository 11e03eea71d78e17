"""Which samples of a reply say which text, to know what the user heard of it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from math import ceil

from rxvoice._text.words import up_to_word, words
from rxvoice.elements import Reply, Sentence, Speech

_CHARACTERS_PER_SECOND = 15
"""How fast a voice is taken to speak until its pace is known."""


class ReplyText:
    """The text of a reply, twice: as the model wrote it, and as the voice says it."""

    def __init__(self) -> None:
        self._spoken = ""
        self._said: list[str] = []
        self._wrote: list[str] = []
        self._ends: list[int] = []  # of each piece, in what the voice says
        self._verbatim: list[bool] = []
        self.length = 0
        """Characters for the voice to say, so far."""

    def add(self, reply: Reply) -> None:
        """Add the next piece."""
        if reply.delta or reply.written:
            self.length += len(reply.delta)
            self._said.append(reply.delta)
            self._wrote.append(reply.written)
            self._ends.append(self.length)
            self._verbatim.append(reply.markup is None)

    @property
    def spoken(self) -> str:
        """What the voice says."""
        if len(self._spoken) < self.length:
            self._spoken = "".join(self._said)
        return self._spoken

    @property
    def written(self) -> str:
        """What the model wrote."""
        return "".join(self._wrote)

    def up_to(self, length: int) -> str:
        """What the model wrote for the first `length` characters that the voice says.

        A piece that is said in other words than it was written belongs to it once all of the piece
        is said. A piece that is not said at all belongs to it once the next one is begun.
        """
        if length <= 0:
            return ""
        whole = bisect_right(self._ends, length)
        begun = length - (self._ends[whole - 1] if whole else 0)
        if begun and whole < len(self._ends) and self._verbatim[whole]:
            return "".join(self._wrote[:whole]) + self._said[whole][:begun]
        while 0 < whole < len(self._ends) and not self._said[whole - 1]:
            whole -= 1
        return "".join(self._wrote[:whole])


@dataclass(slots=True)
class _SpokenSentence:
    """A sentence and its samples, from `start` to before `end`.

    `words` are pairs: an index into the text, and the sample at which the text is said up to there.
    """

    text: str
    sentence: Sentence | None
    sample_rate: int
    start: int
    end: int
    pieces: int = 0
    words: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def heard(self, position: int, total: float) -> int:
        """How many characters were heard, if the sentence has `total` samples in all."""
        length, played = len(self.text), position - self.start
        if played >= total:
            return length
        if played < 0:  # a sentence without a sound has a total of 0
            return 0
        if self.words:
            known = max((index for index, at in self.words if at <= position), default=0)
            return known if words(self.text[known:]) else length
        return up_to_word(self.text, int(length * played / total))


class SpokenReply:
    """The text of a reply and its sound: says which of the text was heard.

    Args:
        start: the position in the sink of the first sample.
        pace: samples per character. By it the length of a sentence is guessed while more of its
            sound may come. 0: no reply has told it yet.
    """

    def __init__(self, start: int, pace: float = 0) -> None:
        self.start = self.end = start
        self.text = ReplyText()
        """The text that was written so far."""
        self._pace = pace
        self._sentences: list[_SpokenSentence] = []
        self._over = False

    def add(self, speech: Speech) -> None:
        """Add a piece of sound that was written to the sink."""
        start, self.end = self.end, self.end + len(speech.samples)
        if not self._sentences or self._begins(speech):
            self._sentences.append(
                _SpokenSentence(speech.text, speech.sentence, speech.sample_rate, start, start)
            )
        spoken = self._sentences[-1]
        spoken.end = self.end
        spoken.pieces += 1
        spoken.words.extend((index, start + at) for index, at in speech.words)
        self._pace = self._pace or speech.sample_rate / _CHARACTERS_PER_SECOND

    def close(self) -> None:
        """No more sound will come."""
        self._over = True

    @property
    def said(self) -> str | None:
        """The beginning of the text that has sound, if words follow that have none.

        None if there are no such words, or nobody knows: the sentences are not those of the text.
        """
        end = 0
        for spoken in self._sentences:
            at = self.text.spoken.find(spoken.text, end)
            if at < 0 or not spoken.text:
                return None
            end = at + len(spoken.text)
        return self.text.up_to(end).strip() if words(self.text.spoken[end:]) else None

    @property
    def pace(self) -> float:
        """Samples per character of the complete sentences; the given pace if there is none."""
        done = [spoken for spoken in self._sentences if self._is_complete(spoken)]
        characters = sum(len(spoken.text) for spoken in done)
        samples = sum(spoken.end - spoken.start for spoken in done)
        return samples / characters if characters else self._pace

    def heard(self, position: int) -> str:
        """The beginning of the text that was heard when the sink was at this position."""
        parts: list[str] = []
        end = 0
        cursor: int | None = 0  # None: a sentence was not found
        for spoken in self._sentences:
            length = spoken.heard(position, self._total(spoken))
            if length:
                parts.append(spoken.text[:length])
                if cursor is not None:
                    at = self.text.spoken.find(spoken.text, cursor)
                    end, cursor = at + length, at + len(spoken.text) if at >= 0 else None
            if length < len(spoken.text):
                break
        # A stage between the text and the voice may have changed the words. Then the sentences
        # themselves are what was heard.
        return self.text.up_to(end).strip() if cursor is not None else " ".join(parts)

    def ms_to_next_word(self, position: int) -> float | None:
        """Milliseconds until the next word is heard; None if its sound is not there."""
        for spoken in self._sentences:
            total = self._total(spoken)
            length = spoken.heard(position, total)
            if length == len(spoken.text):
                continue
            if spoken.words:
                ends = [at for _, at in spoken.words if at > position]
                at = min(ends, default=spoken.end)
            else:
                after = (up_to_word(spoken.text, n) for n in range(length + 1, len(spoken.text)))
                end = next((n for n in after if n > length), len(spoken.text))
                # By a rounding error it may be due already.
                at = max(position + 1, spoken.start + ceil(end * total / len(spoken.text)))
            is_there = position < at <= self.end
            return 1000 * (at - position) / spoken.sample_rate if is_there else None
        return None

    def words_at(self, position: int) -> frozenset[str]:
        """The words of the sentence that is heard at this position, and of the one before."""
        begun = [spoken.text for spoken in self._sentences if spoken.start < position]
        return frozenset(words(" ".join(begun[-2:])))

    def _begins(self, speech: Speech) -> bool:
        """Whether a piece of sound begins another sentence."""
        last = self._sentences[-1]
        if speech.sentence is not None or last.sentence is not None:
            return speech.sentence is not last.sentence
        return speech.text != last.text

    def _is_complete(self, spoken: _SpokenSentence) -> bool:
        sentence = spoken.sentence
        # A sentence that is over may have a piece that is still on its way to the sink.
        if sentence is not None and sentence.is_over and spoken.pieces == sentence.pieces:
            return True
        return self._over or spoken is not self._sentences[-1]

    def _total(self, spoken: _SpokenSentence) -> float:
        """The samples of the sentence in all, guessed while more may come."""
        samples = spoken.end - spoken.start
        if self._is_complete(spoken):
            return samples
        return max(samples + 1, len(spoken.text) * self.pace)
