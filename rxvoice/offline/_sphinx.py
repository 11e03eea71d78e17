"""pocketsphinx in a process of its own: audio in on stdin, text out on stdout.

It holds the GIL while it decodes, which in the process of a conversation starves the sound card.
Run as a script; it imports nothing of rxvoice, so it starts as fast as its model loads. It ends
when its stdin does, so it outlives nobody.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from queue import SimpleQueue
from typing import BinaryIO, Protocol, TypeAlias, TypedDict, cast

# To the recogniser: its setup once, then for each utterance, by number, audio and its end.
SETUP, FEED, END, DROP = range(4)
# From it: ready or refused once, then for each utterance texts, the last one or what went wrong.
READY, UNKNOWN_WORDS, REFUSED, TEXT, FINAL, FAILED = range(4, 10)

Message: TypeAlias = tuple[int, int, bytes]
"""kind, number of the utterance, payload"""

SAMPLE_RATE = 16_000

_HEADER = struct.Struct("<BII")
_BLOCK = 2 * 1_600
"""Bytes decoded at once: 0.1 s, after which the thread that drains stdin may run."""


class Setup(TypedDict):
    """What to listen for; both None: anything."""

    phrases: list[str] | None
    grammar: str | None


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


class _Decoder(Protocol):
    """What is used of pocketsphinx.Decoder, which has no types."""

    def start_utt(self) -> None: ...
    def process_raw(self, data: bytes) -> None: ...
    def end_utt(self) -> None: ...
    def hyp(self) -> _Hypothesis | None: ...
    def reinit_feat(self) -> None: ...
    def lookup_word(self, word: str) -> str | None: ...
    def add_jsgf_string(self, name: str, jsgf_string: str) -> None: ...
    def activate_search(self, search_name: str) -> None: ...


class _UnknownWords(Exception):
    pass


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


class _Utterance:
    def __init__(self, decoder: _Decoder) -> None:
        self.decoder = decoder
        self.told = ""
        # The normalization and noise statistics of one utterance would colour the next.
        decoder.reinit_feat()
        decoder.start_utt()

    def feed(self, audio: bytes) -> None:
        for at in range(0, len(audio), _BLOCK):
            self.decoder.process_raw(audio[at : at + _BLOCK])

    def text(self) -> str:
        found = self.decoder.hyp()
        words = (found.hypstr or "").lower().split() if found else []
        # Fillers such as <sil> and [NOISE], and the number of a second pronunciation, as in a(2).
        return " ".join(word.partition("(")[0] for word in words if word[0] not in "<[+")


def _serve(inbox: SimpleQueue[Message], out: BinaryIO, setup: Setup) -> None:
    idle = [_decoder(setup)]
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
                speaking[number] = _Utterance(idle.pop() if idle else _decoder(setup))
            utterance = speaking[number]
            if kind == FEED:
                utterance.feed(payload)
                text = utterance.text()
                if text != utterance.told:
                    utterance.told = text
                    write(out, TEXT, number, text.encode())
                continue
            utterance.decoder.end_utt()
            if kind == END:
                write(out, FINAL, number, utterance.text().encode())
            idle.append(speaking.pop(number).decoder)
        except (RuntimeError, ValueError) as error:
            speaking.pop(number, None)  # and its decoder, whose state is unknown
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
