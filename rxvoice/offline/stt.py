"""Speech recognition with pocketsphinx, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import IO, BinaryIO, TypedDict, cast
from unicodedata import category, normalize

from rxvoice._audio.pcm16 import to_pcm16
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._files.json import read_text
from rxvoice.elements import Recognised
from rxvoice.errors import ConfigError, MissingDependency, RxvoiceError
from rxvoice.offline import _sphinx
from rxvoice.offline._sphinx import Message, Setup

__all__ = ["SphinxSession", "SphinxStt", "stt"]


def stt(
    *,
    phrases: Sequence[str] | None = None,
    grammar: str | Path | None = None,
    reject: bool = True,
) -> SphinxStt:
    """A recogniser of US English, for `transcribe`: whole turns, or while they are spoken.

    It starts a process of its own and returns when the model is loaded. With phrases or a grammar
    it compares the likeliest sentence with the likeliest sounds, and gives "" for speech that is
    none of its sentences: for four of five foreign ones, and for one in ten of its own in synthetic
    voices, more where it hears the voice badly. Partial texts may have been given all the same.

    Errors: `ConfigError` for a word that the dictionary does not have, or a grammar that does not
        parse; `MissingDependency` without ``pocketsphinx``.

    Args:
        phrases: the only sentences to listen for; case and punctuation do not matter. Numbers are
            written in words.
        grammar: JSGF to listen for, as text that starts with ``#JSGF`` or the path of a file.
            Give one of the two, or neither for any sentence, which is heard far less well.
        reject: False: hear one of the sentences in any speech, whatever was said, at half the
            work. Has no effect where any sentence is listened for.
    """
    if phrases is not None and grammar is not None:
        raise ConfigError("stt takes phrases or a grammar, got both: leave one out")
    setup: Setup = {
        "phrases": None if phrases is None else _sentences(phrases),
        "grammar": None if grammar is None else _jsgf(grammar),
        "reject": reject and not (phrases is None and grammar is None),
    }
    if find_spec("pocketsphinx") is None:
        raise MissingDependency(
            "offline.stt() needs the package pocketsphinx: pip install 'rxvoice[offline]'"
        )
    return SphinxStt(setup)


class SphinxStt:
    """A recogniser; see `stt`.

    Every utterance is heard afresh: its text depends on its audio only. Several may be open at
    once. Its process ends with `stop`, at the end of a ``with`` block, when it is no longer
    referenced, and with the interpreter. When the process dies the turns it was hearing fail, and
    the next turn starts another.
    """

    sample_rate = _sphinx.SAMPLE_RATE
    """Hz"""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._lock = threading.Lock()
        self._stopped = False
        self._start()

    def transcribe_turn(self, audio: Samples) -> str:
        """The text of a whole turn, in lower case without punctuation; "" where there is none.

        Errors: `AudioFormatError` for other audio; `RxvoiceError` when the process died.
        Runs on: this thread, which waits without holding the GIL.

        Args:
            audio: float32 of shape ``(n,)`` in [-1, 1], at 16 kHz.
        """
        return self.recognise_turn(audio).text

    def recognise_turn(self, audio: Samples) -> Recognised:
        """As `transcribe_turn`, with the times of the words."""
        session = self.session()
        session.feed(audio)
        session.close()
        found = session.step()
        return found if isinstance(found, Recognised) else Recognised(found or "")

    def session(self) -> SphinxSession:
        """Start to hear a turn while it is spoken.

        Errors: `RxvoiceError` after `stop`.
        """
        with self._lock:
            if self._stopped:
                raise RxvoiceError("this recogniser was stopped: make another with offline.stt()")
            if not self._process.running:
                self._end()
                self._start()
            return SphinxSession(self, self._process)

    def stop(self) -> None:
        """End the process; turns that are being heard fail. Again: nothing happens."""
        with self._lock:
            self._stopped = True
            self._end()

    def __enter__(self) -> SphinxStt:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self) -> None:
        self._process = _Process(self._setup)
        self._end = weakref.finalize(self, self._process.stop)


class SphinxSession:
    """One turn being heard; made by `SphinxStt.session`. For one thread at a time.

    The audio is decoded in the recogniser's process as it comes, whether or not `step` is called.
    """

    def __init__(self, owner: SphinxStt, process: _Process) -> None:
        self._owner = owner  # the process ends with it
        self._process = process
        self._number, self._news = process.open()
        self._closed = False
        self._done = False
        self._text = ""

    @property
    def done(self) -> bool:
        """Whether `step` has given the final text, or raised."""
        return self._done

    def feed(self, samples: Samples) -> None:
        """Hear more: hands the audio over and returns.

        Errors: `AudioFormatError` for other audio; `RxvoiceError` when the process died, or
            after `close`.

        Args:
            samples: float32 of shape ``(n,)`` in [-1, 1], at 16 kHz; any number.
        """
        audio_samples(samples)
        if self._closed:
            raise RxvoiceError("this turn is closed: open another session() for more audio")
        self._process.send(_sphinx.FEED, self._number, to_pcm16(samples).tobytes())

    def step(self) -> str | Recognised | None:
        """All of the text so far where it has changed since the last step, else None.

        Words come and change until the end. After `close` it waits for the final text, and
        returns it, changed or not: "" or `Recognised`, with the times of the words.

        Errors: `RxvoiceError` when the process died or could not decode.
        """
        text = self._text
        try:
            while not self._done:
                kind, _, payload = self._news.get(block=self._closed)
                if kind == _sphinx.FAILED:
                    self._done = True
                    raise RxvoiceError(payload.decode())
                if kind == _sphinx.FINAL:
                    self._done = True
                    return _final(payload)
                text = payload.decode()
        except Empty:
            pass
        if text == self._text:
            return None
        self._text = text
        return text

    def close(self) -> None:
        """There is no more audio. Again: nothing happens."""
        if not self._closed:
            self._closed = True
            self._process.send(_sphinx.END, self._number)

    def __del__(self) -> None:
        # A reply that is interrupted leaves its turn unfinished.
        if not getattr(self, "_done", True):
            self._process.forget(self._number)


def _final(payload: bytes) -> Recognised | str:
    said = cast("_Final", json.loads(payload))
    words = [(word, start, end) for word, start, end in said["words"]]
    return Recognised(said["text"], words=words, language="en") if words else said["text"]


class _Final(TypedDict):
    text: str
    words: list[tuple[str, float, float]]


class _Process:
    """The recogniser's process, and the thread that sorts its news by utterance."""

    def __init__(self, setup: Setup) -> None:
        # A file, not a pipe, which somebody would have to drain.
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._popen = subprocess.Popen(
            [sys.executable, "-P", _sphinx.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self._in = cast("BinaryIO", self._popen.stdin)
        self._out = cast("BinaryIO", self._popen.stdout)
        self._writing = threading.Lock()
        self._opening = threading.Lock()
        self._numbers = count(1)
        self._news: dict[int, SimpleQueue[Message]] = {}
        self._forgotten: deque[int] = deque()
        self._sorter: threading.Thread | None = None
        self._sorting = True
        self._stopped = False
        try:
            self._set_up(setup)
        except BaseException:
            self.stop()
            raise
        self._sorter = threading.Thread(target=self._sort, name="rxvoice-sphinx", daemon=True)
        self._sorter.start()

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def open(self) -> tuple[int, SimpleQueue[Message]]:
        news: SimpleQueue[Message] = SimpleQueue()
        with self._opening:
            number = next(self._numbers)
            if self._sorting:
                self._news[number] = news
            else:
                news.put((_sphinx.FAILED, number, self._death().encode()))
        return number, news

    def send(self, kind: int, number: int, payload: bytes = b"") -> None:
        try:
            with self._writing:
                while self._forgotten:
                    dropped = self._forgotten.popleft()
                    self._news.pop(dropped, None)
                    _sphinx.write(self._in, _sphinx.DROP, dropped)
                _sphinx.write(self._in, kind, number, payload)
        except (OSError, ValueError) as error:  # a broken or a closed pipe
            raise RxvoiceError(self._death()) from error

    def forget(self, number: int) -> None:
        """Let go of an utterance. Takes no lock: the garbage collector calls, from anywhere."""
        self._forgotten.append(number)

    def stop(self) -> None:
        self._stopped = True
        # It holds nothing that an orderly end would save.
        self._popen.kill()
        self._popen.wait()
        if self._sorter is not None and self._sorter is not threading.current_thread():
            self._sorter.join()
        for stream in (self._in, self._out, self._log):
            with suppress(OSError):  # what was not yet written
                stream.close()

    def _set_up(self, setup: Setup) -> None:
        with suppress(OSError):  # it died: there is no answer either
            _sphinx.write(self._in, _sphinx.SETUP, payload=json.dumps(setup).encode())
        answer = _sphinx.read(self._out)
        if answer is None:
            raise RxvoiceError(self._death())
        kind, _, payload = answer
        if kind == _sphinx.UNKNOWN_WORDS:
            words = ", ".join(payload.decode().split())
            raise ConfigError(
                f"stt phrases must be of words in the English dictionary, it does not have: "
                f"{words}. Write them otherwise (numbers in words, say) or leave them out"
            )
        if kind == _sphinx.REFUSED:
            raise ConfigError(
                f"stt grammar must be JSGF with a public rule, of words in the English "
                f"dictionary; pocketsphinx says: {payload.decode()}. {self._logged()}"
            )

    def _sort(self) -> None:
        while (message := _sphinx.read(self._out)) is not None:
            kind, number, _ = message
            ends = kind in (_sphinx.FINAL, _sphinx.FAILED)
            news = self._news.pop(number, None) if ends else self._news.get(number)
            if news is not None:
                news.put(message)
        with self._opening:
            self._sorting = False
            orphans, self._news = self._news, {}
        reason = self._death().encode() if orphans else b""
        for number, news in orphans.items():
            news.put((_sphinx.FAILED, number, reason))

    def _death(self) -> str:
        code = self._popen.wait()
        if self._stopped:
            return "the recogniser was stopped while it heard this turn"
        return (
            f"the recogniser's process ended (exit code {code}) while it was needed; this turn is "
            f"lost, the next one starts another. {self._logged()}"
        ).strip()

    def _logged(self) -> str:
        """The end of what it wrote to stderr."""
        with suppress(OSError, ValueError):
            self._log.seek(0)
            return self._log.read()[-1_000:].decode(errors="replace").strip()
        return ""


def _sentences(phrases: Sequence[str]) -> list[str]:
    if isinstance(phrases, str):
        raise ConfigError(f"stt phrases must be a list of sentences, got the text {phrases!r}")
    sentences: dict[str, None] = {}
    for phrase in phrases:
        text = normalize("NFC", phrase).lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
        words = "".join(char if _in_word(char) else " " for char in text).split()
        sentence = " ".join(filter(None, (word.strip("'") for word in words)))
        if not sentence:
            raise ConfigError(f"stt phrases must have words in them, got {phrase!r}")
        sentences[sentence] = None
    if not sentences:
        raise ConfigError("stt phrases must be at least one sentence, got none")
    return list(sentences)


def _in_word(char: str) -> bool:
    return char.isalnum() or char in "_'" or category(char)[0] == "M"


def _jsgf(grammar: str | Path) -> str:
    if isinstance(grammar, str):
        text = grammar.removeprefix("\ufeff").lstrip()
        if text.startswith("#JSGF"):
            return text + "\n"
    try:
        return read_text(Path(grammar), "the grammar") + "\n"
    except ConfigError as error:
        raise ConfigError(
            f"stt grammar must be text that starts with #JSGF or a file of it, got {grammar!r}: "
            f"{error}"
        ) from error
