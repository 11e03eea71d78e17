"""pocketsphinx in a process of its own: audio in on stdin, text out on stdout.

It holds the GIL while it decodes, which in the process of a conversation starves the sound card.
Run as a script; it imports nothing of rxvoice, so it starts as fast as its model loads. It ends
when its stdin does, so it outlives nobody.
"""

from __future__ import annotations

import json
import math
import os
import signal
import struct
import sys
import threading
from collections.abc import Callable, Iterable
from importlib import import_module
from queue import SimpleQueue
from typing import BinaryIO, Protocol, TypeAlias, TypedDict, cast

# To the recogniser: its setup once, then for each utterance, by number, audio and its end.
SETUP, FEED, END, DROP = range(4)
# From it: ready or refused once, then for each utterance texts, the last one as JSON with the times
# of its words, or what went wrong.
READY, UNKNOWN_WORDS, REFUSED, TEXT, FINAL, FAILED = range(4, 10)

Message: TypeAlias = tuple[int, int, bytes]
"""kind, number of the utterance, payload"""

SAMPLE_RATE = 16_000

_HEADER = struct.Struct("<BII")
_FRAMES = 100
"""A second, of the times of words."""
_BLOCK = 2 * 1_600
"""Bytes decoded at once: 0.1 s, after which the thread that drains stdin may run."""


_LEAST = -25.0
"""Score per frame, in pocketsphinx's own unit, by which a sentence may be less likely than the
likeliest sequence of sounds.

It refuses 166 of 210 foreign sentences in synthetic voices (without it 70 are heard as nothing) and
50 of 77 prompts of a human voice (42). Of its own sentences, 154 of 200 in synthetic voices are
right (174; in flite's, 87 of 91 instead of 89), and 60 of 60 of the human voice.
"""


class Setup(TypedDict):
    """What to listen for; phrases and grammar both None: anything.

    reject: of speech that is none of it, give no text.
    """

    phrases: list[str] | None
    grammar: str | None
    reject: bool


def write(stream: BinaryIO, kind: int, number: int = 0, payload: bytes = b"") -> None:
    stream.write(_HEADER.pack(kind, number, len(payload)) + payload)
    stream.flush()


def read(stream: BinaryIO) -> Message | None:
    """The next message; None at the end of the stream, also within a message."""
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    kind, number, size = _HEADER.unpack(header)
    payload = stream.read(size)
    return None if len(payload) < size else (kind, number, payload)


class _Hypothesis(Protocol):
    hypstr: str
    best_score: float
    """A likelihood, 0 to 1."""


class _Segment(Protocol):
    word: str
    start_frame: int
    end_frame: int


class _Decoder(Protocol):
    """What is used of pocketsphinx.Decoder, which has no types."""

    def start_utt(self) -> None: ...
    def process_raw(self, data: bytes) -> None: ...
    def end_utt(self) -> None: ...
    def hyp(self) -> _Hypothesis | None: ...
    def seg(self) -> Iterable[_Segment] | None: ...
    def reinit_feat(self) -> None: ...
    def lookup_word(self, word: str) -> str | None: ...
    def add_jsgf_string(self, name: str, jsgf_string: str) -> None: ...
    def activate_search(self, search_name: str) -> None: ...


class _UnknownWords(Exception):
    pass


def _sounds() -> _Decoder:
    """Hears any sequence of sounds: how likely it is tells how well a sentence explains them."""
    sphinx = import_module("pocketsphinx")
    make = cast("Callable[..., _Decoder]", sphinx.Decoder)
    return make(
        samprate=SAMPLE_RATE,
        lm=None,
        allphone=sphinx.get_model_path("en-us/en-us-phone.lm.bin"),
        lw=2.0,
        beam=1e-10,
        pbeam=1e-10,
        loglevel="ERROR",
    )


def _decoder(setup: Setup) -> _Decoder:
    make = cast("Callable[..., _Decoder]", import_module("pocketsphinx").Decoder)
    if setup["phrases"] is None and setup["grammar"] is None:
        return make(samprate=SAMPLE_RATE, loglevel="ERROR")
    decoder = make(samprate=SAMPLE_RATE, lm=None, loglevel="ERROR")
    grammar = setup["grammar"]
    if grammar is None:
        phrases = setup["phrases"] or []
        words = dict.fromkeys(word for phrase in phrases for word in phrase.split())
        unknown = [word for word in words if decoder.lookup_word(word) is None]
        if unknown:
            raise _UnknownWords(" ".join(unknown))
        grammar = f"#JSGF V1.0;\ngrammar phrases;\npublic <phrase> = {' | '.join(phrases)};\n"
    decoder.add_jsgf_string("grammar", grammar)
    decoder.activate_search("grammar")
    return decoder


class _Decoders:
    """What hears one utterance at a time.

    Attributes:
        words: hears the text.
        sounds: hears any sounds at the same time, to compare with; None where nothing is refused.
    """

    def __init__(self, setup: Setup) -> None:
        self.words = _decoder(setup)
        self.sounds = _sounds() if setup["reject"] else None
        self.both = [self.words] if self.sounds is None else [self.words, self.sounds]


class _Utterance:
    def __init__(self, decoders: _Decoders) -> None:
        self.decoders = decoders
        self.told = ""
        for decoder in decoders.both:
            # The normalization and noise statistics of one utterance would colour the next.
            decoder.reinit_feat()
            decoder.start_utt()

    def feed(self, audio: bytes) -> None:
        for at in range(0, len(audio), _BLOCK):
            for decoder in self.decoders.both:
                decoder.process_raw(audio[at : at + _BLOCK])

    def end(self) -> None:
        for decoder in self.decoders.both:
            decoder.end_utt()

    def text(self) -> str:
        found = self.decoders.words.hyp()
        words = (found.hypstr or "").lower().split() if found else []
        # The number of a second pronunciation, as in a(2).
        return " ".join(word.partition("(")[0] for word in words if not _is_filler(word))

    def final(self) -> str:
        """The text, once it has ended; "" where sounds of no sentence explain the speech better."""
        text = self.text()
        return text if not text or self.decoders.sounds is None or self._likely() else ""

    def times(self) -> list[tuple[str, float, float]]:
        """Each word, where it starts and ends, in seconds."""
        found = (it for it in self.decoders.words.seg() or () if not _is_filler(it.word))
        return [
            (
                it.word.lower().partition("(")[0],
                it.start_frame / _FRAMES,
                (it.end_frame + 1) / _FRAMES,
            )
            for it in found
        ]

    def _likely(self) -> bool:
        assert self.decoders.sounds is not None
        words, sounds = self.decoders.words.hyp(), self.decoders.sounds.hyp()
        if words is None or sounds is None:
            return words is not None
        frames = sum(
            it.end_frame - it.start_frame + 1
            for it in self.decoders.words.seg() or ()
            if not _is_filler(it.word)
        )
        return _score(words) - _score(sounds) >= _LEAST * max(1, frames)


def _is_filler(word: str) -> bool:
    """Such as <sil>, [NOISE] and (NULL)."""
    return word[0] in "<[+("


def _score(found: _Hypothesis) -> float:
    return math.log(max(found.best_score, sys.float_info.min)) / math.log(1.0001)


def _serve(inbox: SimpleQueue[Message], out: BinaryIO, setup: Setup) -> None:
    idle = [_Decoders(setup)]
    # From here on it would complain of every noise that is no sentence.
    import_module("pocketsphinx").set_loglevel("FATAL")
    write(out, READY)
    speaking: dict[int, _Utterance] = {}
    while True:
        kind, number, payload = inbox.get()
        try:
            if number not in speaking:
                if kind == DROP:
                    continue
                speaking[number] = _Utterance(idle.pop() if idle else _Decoders(setup))
            utterance = speaking[number]
            if kind == FEED:
                utterance.feed(payload)
                text = utterance.text()
                if text != utterance.told:
                    utterance.told = text
                    write(out, TEXT, number, text.encode())
                continue
            utterance.end()
            if kind == END:
                text = utterance.final()
                said = {"text": text, "words": utterance.times() if text else []}
                write(out, FINAL, number, json.dumps(said).encode())
            idle.append(speaking.pop(number).decoders)
        except (RuntimeError, ValueError) as error:
            speaking.pop(number, None)  # and its decoders, whose state is unknown
            write(out, FAILED, number, str(error).encode())


def _drain(stream: BinaryIO, inbox: SimpleQueue[Message]) -> None:
    while (message := read(stream)) is not None:
        inbox.put(message)
    os._exit(0)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the conversation
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing but messages may reach the pipe
    first = read(sys.stdin.buffer)
    if first is None:
        return
    setup = cast("Setup", json.loads(first[2]))
    inbox: SimpleQueue[Message] = SimpleQueue()
    threading.Thread(target=_drain, args=(sys.stdin.buffer, inbox), daemon=True).start()
    try:
        _serve(inbox, out, setup)
    except _UnknownWords as error:
        write(out, UNKNOWN_WORDS, payload=str(error).encode())
    except (RuntimeError, ValueError) as error:
        write(out, REFUSED, payload=str(error).encode())
    # At once: the thread above sits in stdin, which an orderly exit would wait for.
    os._exit(0)


if __name__ == "__main__":
    main()
