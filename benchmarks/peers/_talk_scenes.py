"""The scenes of the talks: what the user does, and what counts. The same for every system."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from benchmarks.peers._talk_models import ENDLESS, REPLIES, Models, voiced, words_heard
from benchmarks.peers._talk_user import OUT_RATE, Log, Loudspeaker, Microphone
from benchmarks.peers._tell import QUICK, cannot, tell

ENDS_S = 0.512
"""The silence that ends a turn, in every system: 16 blocks."""

OUT = Path(__file__).parents[2] / "out" / "peers"
MOON = "how far away is the moon"


@dataclass
class Talk:
    """A session that runs: what a scene needs of it.

    Its log has "judged" with its mark for each block of which the detector was asked, "sound" for
    each piece that was handed to the output, and "told" when the output was told to fall silent.

    Args:
        history: the messages of the language model's history, as (role, text).
    """

    log: Log
    models: Models
    microphone: Microphone
    loudspeaker: Loudspeaker
    history: Callable[[], list[tuple[str, str]]]


class Opens(Protocol):
    """Opens a session of one system.

    Args:
        models: what it runs.
        how: "worker": the models run as the system's documentation advises for code that blocks.
            "lanes": the same, where that says something else. "inplace": where the element is.
        times: whether the voice says when its words are spoken.
        early: whether a reply may begin before the turn is over.
        tuned: whether to choose settings that a cough does not deceive, where they are others.
    """

    def __call__(
        self,
        models: Models,
        log: Log,
        *,
        how: str = "worker",
        times: bool = False,
        early: bool = False,
        tuned: bool = False,
    ) -> AbstractContextManager[Talk]: ...


def first_sound(opens: Opens, how: str) -> None:
    """From the last token to the first sound with models of no cost; then with known speed.

    The second counts from the end of the last block of speech, and only on the worker.
    """
    row = f"last_token_{how}"
    log = Log()
    models = Models(log)
    with kept(opens(models, log, how=how), row) as talk:
        for n in range(2):
            mark = len(log.entries)
            talk.microphone.say("hello")
            sound = log.wait("sound", mark)
            tokens = [it.at for it in log.since(mark, "token") if it.at < sound.at]
            assert len(tokens) == 3, f"{len(tokens)} tokens before the sound"
            if n:  # the first one loads something
                tell(row, 1000 * (sound.at - tokens[-1]))
            quiet(talk, mark)
        if how == "worker":
            _known_speed(models)
            _tell_from_end_of_speech(talk, "end_of_speech")


def early_reply(opens: Opens, how: str) -> None:
    """From the end of speech, where a reply may begin before the turn is over."""
    log = Log()
    models = Models(log)
    with kept(opens(models, log, early=True), "end_of_speech_early") as talk:
        talk.microphone.say("hello")
        log.wait("sound")
        quiet(talk, 0)
        _known_speed(models)
        _tell_from_end_of_speech(talk, "end_of_speech_early")


def _known_speed(models: Models) -> None:
    models.token_s, models.sentence_s = 0.01, 0.05
    models.replies["hello"] = "You said it. I am glad."


def _tell_from_end_of_speech(talk: Talk, row: str) -> None:
    mark = len(talk.log.entries)
    spoken = talk.microphone.say("hello")
    sound = talk.log.wait("sound", mark)
    assert spoken.over.is_set(), "the reply began before the user had finished"
    tell(row, 1000 * (sound.at - spoken.pushed[-1]))
    quiet(talk, mark)


def barge_in(opens: Opens, how: str) -> None:
    """The user speaks over a reply: with idle models, and while the text model writes.

    The time counts from the end of the block that decides, which is known from a user who speaks
    slowly; and, as ``barge_onset``, from the begin of the first block of speech.
    """
    log = Log()
    models = Models(log, replies={**REPLIES, MOON: ENDLESS})
    with kept(opens(models, log), "barge") as talk:
        given = [_interrupt(talk, slow=n == 0) for n in range(2)]
        models.token_s = 0.02
        busy = [] if how == "silent" else [_interrupt(talk, busy=True)]
        decides = min(it.count for it in [*given, *busy])
        log.note("decided by block", decides)
        for row, interruptions in (("barge_idle", given[1:]), ("barge_busy_worker", busy)):
            for it in interruptions:
                told, silent = it.after(decides)
                log.note(f"{row}: told and silent after", (told, silent))
                tell(f"{row}_told", 1000 * told)
                tell(row, 1000 * silent)
                if row == "barge_idle":
                    tell("barge_onset", 1000 * it.after_onset)
                    if how != "worker":
                        tell("barge_safe", 1000 * it.after_onset)


def barge_in_safe(opens: Opens, how: str) -> None:
    """From the first block of speech to silence, with settings that a cough does not deceive."""
    log = Log()
    models = Models(log, replies={**REPLIES, MOON: ENDLESS})
    with kept(opens(models, log, tuned=True), "barge_safe") as talk:
        tell("barge_safe", 1000 * _interrupt(talk).after_onset)


def barge_in_place(opens: Opens, how: str) -> None:
    """From the begin of the first block of speech, while the text model writes in place."""
    row = "barge_busy_inplace"
    log = Log()
    models = Models(log, token_s=0.02, replies={**REPLIES, MOON: ENDLESS})
    with kept(opens(models, log, how="inplace"), row) as talk:
        try:
            tell(row, 1000 * _interrupt(talk, busy=True).after_onset)
        except (TimeoutError, AssertionError) as error:
            cannot(row, f"does not hear the user while a model writes in place ({error})")


@dataclass
class _Interruption:
    began: float
    pushed: list[float]
    told_at: float
    silent_at: float

    @property
    def count(self) -> int:
        """The last block that was there when the output was told to be silent."""
        return sum(at < self.told_at for at in self.pushed) - 1

    @property
    def after_onset(self) -> float:
        return self.silent_at - self.began

    def after(self, decides: int) -> tuple[float, float]:
        """How long after this block it was told to be silent, and was."""
        return self.told_at - self.pushed[decides], self.silent_at - self.pushed[decides]


def _interrupt(talk: Talk, *, slow: bool = False, busy: bool = False) -> _Interruption:
    """Ask for a long reply, and interrupt it when it has been heard for some 0.35 s."""
    log, mark = talk.log, len(talk.log.entries)
    talk.microphone.say(MOON)
    log.wait("loudspeaker sounds", mark, timeout=8)
    time.sleep(_DICE.uniform(0.3, 0.4))
    interrupted = len(log.entries)
    if slow:
        talk.microphone.slow.set()
    spoken = talk.microphone.say("stop it please")
    told = log.wait("told", interrupted, timeout=8)
    talk.microphone.slow.clear()
    while _since(talk.loudspeaker.silent_at) < 0.12:
        time.sleep(0.005)
    silent_at = talk.loudspeaker.silent_at
    if busy:
        tokens = [it.at for it in log.since(mark, "token") if it.at < told.at]
        assert told.at - tokens[-1] < 0.2, "the text was complete before"
    spoken.over.wait()
    quiet(talk, interrupted, "stop it please")
    return _Interruption(spoken.began, spoken.pushed, told.at, silent_at)


_DICE = random.Random(3)


def deaf(opens: Opens, how: str) -> None:
    """A call of the text model of 5 s: blocks that were never judged, and the longest gap."""
    row = f"deaf_{how}"
    log = Log()
    models = Models(log)
    with kept(opens(models, log, how=how), row) as talk:
        talk.microphone.say("hello")  # the first one loads something
        log.wait("sound")
        quiet(talk, 0)
        mark, models.call_s = len(log.entries), 2 if QUICK else 5
        talk.microphone.say("hello")
        asked = log.wait("asked", mark)
        log.wait("token", mark, timeout=models.call_s + 10)
        log.wait("sound", mark)
        time.sleep(1)
        handed = list(talk.microphone.marks)
        time.sleep(1)
        judged = [it for it in log.entries if it.what == "judged"]
        begun = next(it.of for it in judged if it.of)  # it takes a moment to start
        handed = handed[handed.index(begun) :]
        at = [it.at for it in judged if it.at > asked.at - 0.2]
        gap = max(b - a for a, b in pairwise(at))
        lost = {*handed} - {it.of for it in judged}
        log.note("longest gap in s", gap)
        log.note("blocks lost, of", (len(lost), len(handed)))
        tell(f"{row}_gap", gap)
        tell(f"{row}_lost", len(lost))


def history(opens: Opens, how: str) -> None:
    """How many words the history has too many or too few, after an interruption."""
    _history(opens, "history", times=False)


def timed_history(opens: Opens, how: str) -> None:
    """The same, with a voice that says when its words are spoken."""
    _history(opens, "history_timed", times=True)


def _history(opens: Opens, row: str, *, times: bool) -> None:
    worst = 0
    log = Log()
    models = Models(log, token_s=0.005, sentence_s=0.02)
    with kept(opens(models, log, times=times), row) as talk:
        talk.microphone.say("hello")  # the first one loads something
        quiet(talk, 0, "hello")
        for heard_s in (1.45,) if QUICK or times else (0.35, 1.45):
            number = len(models.asked)
            mark = len(log.entries)
            before = len(talk.history())
            talk.microphone.say(MOON)
            log.wait("loudspeaker sounds", mark)
            while talk.loudspeaker.heard(number) < heard_s * OUT_RATE:
                time.sleep(0.005)
            interrupted = len(log.entries)
            talk.microphone.say("stop it please")
            log.wait("told", interrupted)
            quiet(talk, interrupted, "stop it please")
            time.sleep(0.3)
            spoken = [it.of[1] for it in log.since(mark, "spoken") if it.of[0] == number]
            heard = words_heard(spoken, talk.loudspeaker.heard(number))
            messages = talk.history()[before:]
            there = _before_next_question(messages, MOON).split()
            said = REPLIES[MOON].split()
            same = sum(_bare(a) == _bare(b) for a, b in zip(there, said, strict=False))
            off = min(max(len(there), n) - min(same, n) for n in heard)
            log.note("history", messages)
            log.note("words heard, complete and begun", heard)
            log.note("words in the history", (len(there), "off by", off))
            worst = max(worst, off)
    tell(f"{row}_off", worst)
    tell(row, worst == 0)


def quick_turns(opens: Opens, how: str) -> None:
    """A second turn while the first one is still being answered: the replies keep their order."""
    row = "order"
    log = Log()
    models = Models(log, call_s=0.5, token_s=0.02, sentence_s=0.02)
    with kept(opens(models, log), row) as talk:
        first = talk.microphone.say("tell me the first thing")
        first.over.wait()
        time.sleep(ENDS_S + 0.2)
        mark = len(log.entries)
        talk.microphone.say("tell me the second thing")
        quiet(talk, mark, "tell me the second thing")
        asked = dict(
            log.entries[n].of for n in range(len(log.entries)) if log.entries[n].what == "asked"
        )
        order = [asked[n] for n in talk.loudspeaker.order]
        messages = talk.history()
        log.note("replies heard, in order", order)
        log.note("history", messages)
        users = " ".join(text for role, text in messages if role == "user")
        last = messages[-1]
        tell(
            row,
            len(order) == len(set(order))
            and bool(order)
            and "second" in order[-1]
            and (len(order) == 1 or "first" in order[0])
            and users == "tell me the first thing tell me the second thing"
            and last[0] == "assistant"
            and _bare(last[1]) == _bare(models.replies[order[-1]]),
        )


def every_turn_once(opens: Opens, how: str) -> None:
    """Four turns, of which one interrupts: each is answered, once, and by its own reply."""
    row = "once"
    log = Log()
    models = Models(log, token_s=0.01, sentence_s=0.02)
    said = [
        "tell me the first thing",
        MOON,
        "stop it please",
        "tell me the third thing",
    ]
    with kept(opens(models, log), row) as talk:
        for text in said:
            mark = len(log.entries)
            talk.microphone.say(text)
            log.wait("loudspeaker sounds", mark)
            if text == MOON:
                time.sleep(0.6)
            else:
                quiet(talk, mark, text)
        asked = dict(it.of for it in log.entries if it.what == "asked")
        order = [asked[n] for n in talk.loudspeaker.order]
        log.note("replies heard, in order", order)
        log.note("history", talk.history())
        tell(row, order == said)


def cough(opens: Opens, how: str) -> None:
    """Coughs of 320 and 640 ms over a reply: it is heard to its end, and nothing else is said."""
    _cough(opens, "cough", both=how == "both")


def cough_tuned(opens: Opens, how: str) -> None:
    """The same, with settings that a cough does not deceive."""
    _cough(opens, "cough_tuned", tuned=True)


def _cough(opens: Opens, row: str, *, tuned: bool = False, both: bool = False) -> None:
    log = Log()
    models = Models(log, token_s=0.005, sentence_s=0.02)
    whole = sum(len(voiced(it, 0).samples) for it in sentences(REPLIES[MOON]))
    nearly = whole - OUT_RATE // 30  # fades
    with kept(opens(models, log, tuned=tuned), row) as talk:
        talk.microphone.say(MOON)
        begun = log.wait("loudspeaker sounds").at
        end = begun + 14
        for blocks, heard_s in ((10, 0.3), (20, 1.5)):
            while talk.loudspeaker.heard(0) < heard_s * OUT_RATE and time.perf_counter() < end:
                time.sleep(0.005)
            talk.microphone.say(f"cough {blocks}").over.wait()
        while talk.loudspeaker.heard(0) < nearly and time.perf_counter() < end:
            time.sleep(0.01)
        ended = talk.loudspeaker.silent_at
        time.sleep(1)  # something else may be said
        heard, order = talk.loudspeaker.heard(0), talk.loudspeaker.order
        log.note("heard, of", (heard, whole))
        log.note("replies heard, in order", order)
        log.note("history", talk.history())
    intact = heard >= nearly and order == [0]
    for it in (row, "cough_tuned") if both else (row,):
        tell(it, intact)
    if tuned or both:
        if intact:
            tell("cough_tuned_later", max(0.0, ended - begun - whole / OUT_RATE))
        else:
            cannot("cough_tuned_later", "a cough ends the reply")


# Helpers


@contextmanager
def kept(talk: AbstractContextManager[Talk], name: str) -> Iterator[Talk]:
    """Run a session, and keep its transcript, whatever comes of it."""
    log: Log | None = None
    try:
        with talk as it:
            log = it.log
            it.microphone.start()
            it.loudspeaker.start()
            time.sleep(0.3)
            try:
                yield it
            finally:
                it.microphone.stop()
    finally:
        if log is not None:
            OUT.mkdir(parents=True, exist_ok=True)
            system = Path(sys.argv[0]).stem.removeprefix("_talk_")
            (OUT / f"{system}-{name}.txt").write_text(log.text() + "\n", "utf-8")


def quiet(talk: Talk, mark: int, text: str = "") -> None:
    """Wait until a reply, to this text, has been heard to its end."""
    log = talk.log
    end = time.perf_counter() + 25
    while time.perf_counter() < end:
        time.sleep(0.01)
        numbers = [
            n for it in log.since(mark, "asked") for n in (it.of[0],) if text in ("", it.of[1])
        ]
        heard = log.since(mark, "loudspeaker sounds")
        if text and not (numbers and talk.loudspeaker.heard(numbers[-1]) > OUT_RATE // 5):
            continue
        if heard and not talk.loudspeaker.sounds and _since(talk.loudspeaker.silent_at) > 0.35:
            return
    raise TimeoutError(f"no reply to {text!r} was heard to its end")


def _since(at: float) -> float:
    return time.perf_counter() - at


def sentences(text: str) -> list[str]:
    return [f"{it}." for it in text.rstrip(".").split(". ")]


def _bare(text: str) -> str:
    return "".join(it for it in text.lower() if it.isalnum())


def _before_next_question(messages: list[tuple[str, str]], question: str) -> str:
    """What the assistant has said between this question and the next one."""
    at = next(n for n, (role, text) in enumerate(messages) if role == "user" and question in text)
    said: list[str] = []
    for role, text in messages[at + 1 :]:
        if role == "user":
            break
        said.append(text)
    return " ".join(said)


def main(opens: Opens) -> None:
    """Play the scenes that the arguments name, as ``SCENE`` or ``SCENE:HOW``.

    HOW is that of `Opens`. Or "both" where a system needs no other settings against a cough: then
    the scene tells the row of those as well. Or "silent" where nothing is heard of a reply that is
    still being written.
    """
    failed = False
    for name in [it for it in sys.argv[1:] if not it.startswith("--")]:
        scene, _, how = name.partition(":")
        try:
            SCENES[scene](opens, how or "worker")
        except (TimeoutError, AssertionError) as error:
            print(f"{name}: {error!r}", file=sys.stderr)
            failed = True
    sys.exit(failed)


SCENES: dict[str, Callable[[Opens, str], None]] = {
    "sound": first_sound,
    "early": early_reply,
    "barge": barge_in,
    "safe": barge_in_safe,
    "inplace": barge_in_place,
    "deaf": deaf,
    "history": history,
    "timed": timed_history,
    "order": quick_turns,
    "once": every_turn_once,
    "cough": cough,
    "tuned": cough_tuned,
}
