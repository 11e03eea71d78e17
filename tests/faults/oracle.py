"""What must hold of a conversation in which something went wrong, as the documentation says it.

Nothing here asks rxvoice what is right. What was said and answered follows from the user's words;
what was heard is read from the samples that the loudspeaker has played.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from faults.grammar import LONG, RAISES, WORDS, Fault
from faults.parts import CHAR, CHUNK, SCALE, said_of, spoken, turn_of, word_of, written
from faults.world import WORDLESS, World
from interruption_story import Story, lines, tell

import rxvoice as rxv
from rxvoice import events
from rxvoice.elements import FinishedTurn, Speech
from rxvoice.events import Notice, TurnFailed
from rxvoice.tools import ToolCall

__all__ = ["check", "ends", "explained"]

FATAL = ("Ctrl-C", "exits", "GeneratorExit")
BESIDE = (events.WakeWord, events.Muted)
"""Events that are told between those of a turn."""


@contextmanager
def explained(story: Callable[[], str]) -> Iterator[None]:
    """What does not hold is told with the story."""
    try:
        yield
    except AssertionError as error:
        error.add_note(story())
        raise


def check(world: World) -> None:
    """All of it."""
    with explained(
        lambda: (
            f"{world.talk}\nhit: {world.moments.hit}\nended: {world.ended} {world.error!r}\n"
            f"escaped: {world.escaped}\nhistory: {messages(world)}\n{lines(world.told)}"
        )
    ):
        _check(world)


def _check(world: World) -> None:
    assert not world.after_end, "something came after the end"
    check_end(world)
    check_what_escaped(world)
    check_blame(world)
    if world.talk.pipe == "converse":
        story = Story(interruptions=True, pauses=True)
        known = [it for it in world.told if not isinstance(it, BESIDE)]
        tell(known, story, ended=world.ended == "completed")
    check_turns(world)
    check_audio(world)
    check_history(world, check_sound(world))
    check_sayings(world)
    check_nothing_is_open(world)


def number(turn: rxv.Turn) -> int:
    """Which utterance a turn is; below -1, which saying of the app."""
    return turn.id - 1 if turn.id < 0 else word_of(turn.audio)


# How the conversation ends


def check_end(world: World) -> None:
    hit = world.moments.hit
    leaves = [it for it in world.talk.faults if it.moment == "disposal"]
    may = {ends(it) for it in (*hit, *leaves)} - {"completed"}
    if world.threaded and any(it.stage == "subscriber" and it.kind in FATAL for it in hit):
        may = {"failed"}  # what live() cannot go on from
    if any(it not in hit for it in leaves):  # the app may never have come to leave
        may |= {"completed"}
    may = may or {"completed"}
    assert world.ended in may, f"ended: {world.ended}, {world.error!r}, not {may}"
    if world.ended == "failed":
        assert world.error is not None
        assert any(is_told_by(world.error, it) for it in hit), f"whose error is {world.error!r}?"


def ends(fault: Fault) -> str:
    """How a conversation ends that has this fault, by the documentation."""
    match fault:
        case Fault(moment="disposal"):
            return "disposed"
        case Fault(stage="source", kind="hangs" | "never ends"):
            return "disposed"  # it never ends by itself
        case Fault(stage="source" | "mute" | "commands" | "says", kind="raises" | "gives nonsense"):
            return "failed"
        case Fault(stage="sink", moment="close"):
            return "failed"  # flush() belongs to no turn
        case _:
            return "completed"


def is_told_by(error: BaseException, fault: Fault) -> bool:
    """Whether the error says what the fault was."""
    said = said_of(fault)
    seen: BaseException | None = error
    while seen is not None:
        if said in str(seen):
            return True
        seen = seen.__cause__ or getattr(seen, "cause", None)
    return fault.kind == "gives nonsense" and isinstance(error, rxv.RxvoiceError | TypeError)


# What is raised on


def check_what_escaped(world: World) -> None:
    """A Ctrl-C ends the program, wherever it hits; what the app raises is its own; nothing else."""
    for error in world.escaped:
        fault = whose(world, error)
        assert isinstance(error, KeyboardInterrupt) or fault.stage == "subscriber", (
            f"{error!r} of {fault} was raised on"
        )
    for fault in () if world.threaded else world.moments.hit:
        if fault.kind == "Ctrl-C" or fault.stage == "subscriber":
            came = [whose(world, it) for it in world.escaped]
            # A sink may raise a second one in the step that ends its reply: one is raised on.
            one = fault.stage == "sink" and any(it.stage == "sink" for it in came)
            assert fault in came or one, f"{fault} was swallowed"


def whose(world: World, error: BaseException) -> Fault:
    text = str(error)
    return next(it for it in world.moments.hit if text == said_of(it))


# Who is told to have failed


def check_blame(world: World) -> None:
    """The event names the stage and the turn; and nobody else is blamed."""
    hit = list(world.moments.hit)
    for event in world.told:
        if isinstance(event, TurnFailed):
            which, stage = number(event.turn), event.error.stage
            assert event.error.turn is event.turn, f"{event} names another turn"
            found = [it for it in hit if is_blamed(it, which, stage, world)]
            cause = event.error.cause
            if world.threaded and isinstance(cause, rxv.ModelTimeout) and is_hurried(world, stage):
                continue  # the machine was busy, and the time limit is short
            assert found, f"{event} blames {stage} for turn {which}"
            if all(it.kind in RAISES for it in found) and not isinstance(cause, rxv.RxvoiceError):
                told = any(is_told_by(event.error, it) for it in found)
                assert told, f"{event.error!r} does not say {found}"
            if all(it.kind in LONG for it in found):
                assert isinstance(cause, rxv.ModelTimeout), f"{found} was told as {cause!r}"
    for fault in hit:
        wanted = told_as(fault, world)
        told = said(world)
        if fault.kind == "Ctrl-C" and ("TurnFailed", "converse", fault.turn) in told:
            continue  # it has ended all work for the turn before its stage could tell
        assert wanted is None or wanted in told, (
            f"{fault} should be told as {wanted}, not as {told}"
        )
    count = Counter((number(it.turn)) for it in world.told if isinstance(it, TurnFailed))
    assert all(n == 1 for n in count.values()), f"a turn failed twice: {count}"


def is_hurried(world: World, stage: str) -> bool:
    """Whether the stage has a short time limit, because its model hangs once."""
    return any(it.kind in LONG and it.stage.startswith(stage) for it in world.talk.faults)


def said(world: World) -> list[tuple[str, str, int | None]]:
    """The failures that were told: what, by which stage, of which turn."""
    found: list[tuple[str, str, int | None]] = []
    for it in world.told:
        if isinstance(it, TurnFailed):
            found.append(("TurnFailed", it.error.stage, number(it.turn)))
        elif isinstance(it, Notice) and isinstance(it.detail, ToolCall):
            assert it.turn is not None
            found.append(("ToolCall", str(it.detail.error is not None), number(it.turn)))
        elif isinstance(it, Notice) and it.stage is not None:
            found.append(("Notice", it.stage, None if it.turn is None else number(it.turn)))
    return found


def is_blamed(fault: Fault, turn: int, stage: str, world: World) -> bool:
    """Whether this fault may be told as a failure of that turn in that stage."""
    part = fault.stage.split(" ")[0]
    if fault.stage in ("source", "mute"):  # the stream fails, and the turn that is open
        return stage == "turn_window" and turn == world.utterance
    if stage == "converse" and (fault.stage == "subscriber" or fault.kind == "Ctrl-C"):
        return turn in (fault.turn, fault.turn + 1) or turn < -1  # or what the app says
    if fault.stage == "sink":
        # A sink that fails between two replies fails the one that is in progress then.
        near = turn in (fault.turn, fault.turn + 1) or turn < -1
        return stage in ("converse", "play") and near
    if fault.stage == "tool":
        part = "respond"
    return turn == fault.turn and stage == {"policy": "turn_window"}.get(part, part)


def told_as(fault: Fault, world: World) -> tuple[str, str, int | None] | None:
    """How it is told, where that depends on nothing else; None: not, or it depends."""
    if len(world.moments.hit) > 1:
        return None
    part, turn = fault.stage.split(" ")[0], fault.turn
    match fault:
        case Fault(moment="disposal"):
            return None
        case Fault(stage="vad" | "wake_word" | "barge_in" | "sink", kind="hangs"):
            return None  # everybody waits until it goes on
        case Fault(stage="vad" | "wake_word" | "barge_in"):
            return "Notice", part, None
        case Fault(stage="recorder"):
            return "Notice", "record", None
        case Fault(stage="policy", kind="never ends"):
            return None  # its next answer ends the turn
        case Fault(stage="policy"):
            return "TurnFailed", "turn_window", turn
        case Fault(stage="tool", kind="Ctrl-C" | "GeneratorExit"):
            return "TurnFailed", "respond", turn
        case Fault(stage="tool"):
            return "ToolCall", str(fault.kind in RAISES), turn
        case Fault(stage="sink", moment="first" | "piece"):
            return "TurnFailed", "play" if world.talk.pipe == "plain" else "converse", turn
        case Fault(stage="respond memory"):
            return None
        case Fault(moment="interruption") if "generator" in fault.stage:
            return None  # it is closed: nobody waits for it
        case Fault(kind="gives nothing"):
            return None
        case Fault(kind="never ends" | "hangs") if part != "transcribe" and is_cut(turn, world):
            return None  # it is interrupted before it takes too long
        case _ if world.threaded and part in ("respond", "synthesize") and is_cut(turn, world):
            return None  # it may be interrupted while the failure is on its way
        case _ if part in ("transcribe", "respond", "synthesize", "answer"):
            return "TurnFailed", part, turn
        case _:
            return None


def is_cut(which: int, world: World) -> bool:
    """Whether the user speaks over the reply to this turn."""
    return any(it.when == "over" for it in world.talk.utterances[which + 1 : which + 2])


# Each turn


def check_turns(world: World) -> None:
    """Each turn ends once; and one that nothing has happened to is right."""
    hit = world.moments.hit
    turns: dict[int, list[Any]] = {}
    for it in world.told:
        turn = getattr(it, "turn", None)
        if isinstance(turn, rxv.Turn):
            turns.setdefault(number(turn), []).append(it)
    for which, told in turns.items():
        ended = [type(it).__name__ for it in told if isinstance(it, ENDS)]
        if world.talk.pipe != "plain" and world.ended == "completed":
            assert tuple(ended) in ENDINGS, f"turn {which} ended by {ended}"
    if world.talk.pipe == "plain":
        check_plain_ends(world, turns)
    if world.ended != "completed":
        return
    for which, it in enumerate(world.talk.utterances):
        own = [fault for fault in hit if which in hurt(fault)]
        if own or cut_short(world, which):
            continue
        told = turns.get(which, [])
        assert told, f"nothing was told of turn {which}"
        if it.said == "cough" and world.talk.pipe == "answer":
            continue  # it is answered, or too short to interrupt
        if it.said in WORDLESS and world.talk.pipe != "answer":
            if world.talk.pipe == "converse":
                assert any(isinstance(it, events.Dropped) for it in told), f"turn {which}"
            continue
        check_right(world, which, told)


def check_plain_ends(world: World, turns: dict[int, list[Any]]) -> None:
    """Each turn has a log entry, or failed, or had no words."""
    logged = Counter(turn_of(it.user_text) for it in world.told if isinstance(it, FinishedTurn))
    for which, told in turns.items():
        ended = logged[which] + sum(isinstance(it, TurnFailed | events.Dropped) for it in told)
        lost = world.ended != "completed"
        assert ended == 1 or (lost and ended == 0), f"turn {which} ended {ended} times"


ENDS = (events.Finished, events.Interrupted, events.Dropped, TurnFailed)
ENDINGS = {
    ("Finished",),
    ("Interrupted",),
    ("Dropped",),
    ("TurnFailed",),
    ("TurnFailed", "Dropped"),
    ("TurnFailed", "Interrupted"),
    # A reply that is heard: its turn is over before its recogniser has told all.
    ("Interrupted", "TurnFailed"),
}


def hurt(fault: Fault) -> tuple[int, ...]:
    """The turns that may be others than they would be without the fault."""
    if fault.stage.split(" ")[0] in ("paced", "trace"):
        return ()  # all goes on as without them
    if fault.stage in ("subscriber", "sink"):
        # What the app raises ends the work that told it: it may be the next turn's.
        return fault.turn, fault.turn + 1
    return (fault.turn,)


def cut_short(world: World, which: int) -> bool:
    """Whether the microphone was over before, or the turn cannot have been opened."""
    return any(it.stage == "source" and it.turn <= which for it in world.moments.hit)


def check_right(world: World, which: int, told: list[Any]) -> None:
    """It was understood, answered and spoken as the user's word demands."""
    word = WORDS[which]
    hit, talk = world.moments.hit, world.talk
    speech = [it for it in told if isinstance(it, Speech) and not it.final]
    sentences = list(dict.fromkeys(it.text for it in speech))
    wanted = written(word)
    sound = np.concatenate([np.empty(0, np.float32), *(np.asarray(it.samples) for it in speech)])
    right = all_of(sentences)
    assert np.array_equal(sound, right[: len(sound)]), f"turn {which} sounds wrong"
    assert squeezed(wanted).startswith(squeezed("".join(sentences))), f"turn {which}: {sentences}"
    if talk.pipe == "plain":
        assert squeezed("".join(sentences)) == squeezed(wanted)
        return
    if talk.pipe == "converse":
        texts = [it.text for it in told if isinstance(it, events.Transcribed)]
        assert texts == [f"{word} please"], f"turn {which} was understood as {texts}"
    finished = [it for it in told if isinstance(it, events.Finished)]
    following = talk.utterances[which + 1 :]
    if finished:
        assert squeezed(finished[0].text) == squeezed(wanted), f"turn {which}: {finished[0].text}"
        assert len(sound) == len(right), f"turn {which} was not spoken whole"
        assert squeezed("".join(sentences)) == squeezed(wanted)
        return
    for it in following:
        assert it.when == "over", f"turn {which} did not finish, and nobody has interrupted it"
        if it.said not in (WORDLESS if talk.pipe == "converse" else {"cough"}):
            return
    assert any(it.turn > which for it in hit), f"turn {which} did not finish, and nobody spoke"


def all_of(sentences: list[str]) -> Any:
    return np.concatenate([np.empty(0, np.float32), *map(spoken, sentences)])


def squeezed(text: str) -> str:
    return "".join(text.split())


# What was said


def check_audio(world: World) -> None:
    """No sample of the user is lost: each is in one turn, in its place."""
    if any(it.stage == "subscriber" for it in world.moments.hit):
        return  # RxPY breaks off what has told it
    loud: Counter[int] = Counter()
    for turn in world.turns:
        at = turn.start
        for chunk in turn._record.chunks:
            assert chunk.start == at, f"{at} is missing in turn {number(turn)}"
            at += len(chunk.samples)
        audio = np.asarray(turn.audio)
        for which in range(len(world.talk.utterances)):
            loud[which] += int(np.count_nonzero(np.rint(audio * SCALE) == which + 1))
    if world.ended != "completed" or any(
        it.stage in ("source", "mute") for it in world.moments.hit
    ):
        return
    for which, it in enumerate(world.talk.utterances):
        missed = any(fault.turn == which and fault.stage in DEAF for fault in world.moments.hit)
        wanted = CHUNK * (1 if it.said == "cough" else 5)
        assert loud[which] == wanted or missed, f"of utterance {which}, {loud[which]} are there"


DEAF = ("vad", "wake_word")
"""These may take a cough for silence."""


# What was heard


def check_sound(world: World) -> dict[int, Any]:
    """The loudspeaker has played the beginnings of the replies, in order, and nothing else.

    Returns:
        The sound that was heard of each reply.
    """
    rest = np.asarray(world.speaker.heard)
    replies: dict[int, list[Any]] = {}
    over: set[int] = set()
    for it in world.told:
        if isinstance(it, Speech) and not it.final:
            replies.setdefault(number(it.turn), []).append(np.asarray(it.samples))
        elif isinstance(it, events.Finished):
            over.add(number(it.turn))
    found: dict[int, Any] = {}
    lost = any(it.stage in ("subscriber", "sink") for it in world.moments.hit)
    for which, pieces in replies.items():
        whole = np.concatenate(pieces)
        played = whole[: len(rest)]
        same = np.flatnonzero(played != rest[: len(played)])
        length = int(same[0]) if len(same) else len(played)
        if which in over or (world.talk.pipe == "plain" and not lost):
            assert length == len(whole), f"turn {which} finished, and was not heard whole"
        found[which], rest = rest[:length], rest[length:]
    assert not len(rest) or lost, f"{len(rest)} samples were heard that nobody has told of"
    return found


def decoded(samples: Any) -> str:
    """The letters that were heard to their end."""
    letters = samples[CHAR - 1 :: CHAR]
    return "".join(chr(round(float(it) * 2**15)) for it in letters)


def messages(world: World) -> list[tuple[str, str]]:
    kept = world.writer.conversation.messages
    return [(it["role"], it["content"]) for it in kept if it["role"] in ("user", "assistant")]


def check_history(world: World, heard: dict[int, Any]) -> None:
    """The model remembers each question, and of each reply what was heard of it."""
    hit = world.moments.hit
    if world.talk.pipe != "converse" or any(it.stage in ("sink", "subscriber") for it in hit):
        return
    remembered: dict[int, str] = {}
    which = -1
    for role, text in messages(world):
        if role == "user":
            which = turn_of(text)
            assert which not in remembered, f"turn {which} is in the history twice"
            remembered[which] = ""
        else:
            remembered[which] += text
    for which in {turn_of(it) for it in world.writer.asked}:
        if any(it.turn == which and changes_history(it) for it in hit):
            continue
        assert which in remembered, f"question {which} is not remembered"
        check_remembered(which, remembered[which], heard.get(which, np.empty(0, np.float32)))
        for it in world.told:
            if isinstance(it, FinishedTurn) and turn_of(it.user_text) == which:
                mine = remembered[which]
                assert squeezed(mine) == squeezed(it.assistant_text), f"{mine!r}, told {it}"


def check_sayings(world: World) -> None:
    """What the app says by itself is said in its order, and the model learns what was heard."""
    told = [it for it in world.told if isinstance(it, events.Saying)]
    hit = world.moments.hit
    # A text that comes at the end of the microphone may come when all is over.
    whole = world.ended == "completed" and not any(it.stage in ("says", "source") for it in hit)
    assert [it.text for it in told] == world.sayings[: len(told)], "said out of order"
    assert len(told) == len(world.sayings) or not whole, "the app wanted more to be said"
    if world.ended != "completed" or any(it.stage in ("sink", "subscriber") for it in hit):
        return
    heard: list[str] = []
    for saying in told:
        (end,) = (
            it
            for it in world.told
            if isinstance(it, events.Finished | events.Interrupted) and it.turn is saying.turn
        )
        heard.append(end.text if isinstance(end, events.Finished) else end.heard)
        assert saying.text.startswith(heard[-1])
        assert heard[-1] == saying.text or isinstance(end, events.Interrupted)
    assert world.writer.app_said == [it for it in heard if it], "the model knows another thing"


def changes_history(fault: Fault) -> bool:
    """Whether the history of its turn is the text model's own affair, or cannot be known."""
    if fault.stage.startswith("respond") or fault.stage == "tool":
        return True
    # A voice that leaves sound out: nobody knows which of the text it has said.
    return fault.stage.startswith("synthesize") and fault.kind in ("gives nothing", "never ends")


def check_remembered(which: int, text: str, sound: Any) -> None:
    """The text is what was heard, without the word that was cut, and maybe the one before."""
    whole = written(WORDS[which])
    heard = decoded(sound)
    assert squeezed(whole).startswith(squeezed(heard)), f"turn {which} sounded as {heard!r}"
    assert squeezed(whole).startswith(squeezed(text)), f"turn {which} is remembered as {text!r}"
    if len(squeezed(heard)) == len(squeezed(whole)):
        wanted = [len(whole.split())]
    else:
        words = whole.split()
        ends = [len("".join(words[: n + 1])) for n in range(len(words))]
        full = sum(end <= len(squeezed(heard)) for end in ends)
        # Its comma or full stop belongs to a word, and need not be heard.
        full_or = sum(end - 1 <= len(squeezed(heard)) for end in ends)
        wanted = [max(0, full - 1), full, full_or]
    assert len(text.split()) in wanted, f"of turn {which} {heard!r} was heard, and {text!r} is kept"


# What is left


def check_nothing_is_open(world: World) -> None:
    assert world.moments.open == 0, f"{world.moments.open} answers were never closed"
    closed = [it.closed for it in world.ear.sessions]
    assert all(n == 1 for n in closed), f"sessions were closed so often: {closed}"
    assert world.sources == 0, "the microphone is still open"
    inputs = {"mute": world.muting, "interrupts": world.pressing, "says": world.saying}
    for name, subject in inputs.items():
        assert not subject.observers, f"{name} has a subscriber"
    sink = [it for it in world.moments.hit if it.stage == "sink"]
    assert not world.speaker.paused or sink, "the loudspeaker is still paused"
