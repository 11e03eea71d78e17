"""The parts of a conversation by themselves: texts, sounds, what a sink is told, evidence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rxvoice as rxv
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Reply, Speech, Transcript
from rxvoice.errors import ConfigError
from rxvoice.operators._conversation.evidence import Evidence
from rxvoice.operators._conversation.exchange import Exchange
from rxvoice.operators._conversation.mailbox import Mailbox
from rxvoice.operators._conversation.playback import Playback
from rxvoice.operators._conversation.settings import ConverseSettings
from rxvoice.operators._conversation.spoken_reply import ReplyText, SpokenReply
from rxvoice.testing import FakeSink
from rxvoice.turn import EndedBy, Turn, TurnWriter

HEARD = Transcript(Turn.of(np.zeros(4, np.float32)), "hi")


# The text of a reply


def texts(*pieces: str | tuple[str, str]) -> ReplyText:
    """A str is said as it is written; otherwise what is said, and what was written."""
    made = ReplyText()
    for piece in pieces:
        said, wrote = (piece, None) if isinstance(piece, str) else piece
        made.add(Reply(HEARD, said, markup=wrote))
    return made


def test_a_position_in_what_is_said_is_one_in_what_was_written() -> None:
    text = texts("Hello. ", ("", "😀 "), "Bye. ", ("five pm", "5 pm"), " ok", ("", "!"))
    assert (text.spoken, text.length) == ("Hello. Bye. five pm ok", 22)
    assert text.written == "Hello. 😀 Bye. 5 pm ok!"
    wrote = [text.up_to(length) for length in range(-1, 24)]
    assert wrote == [
        *("", "", "H", "He", "Hel", "Hell", "Hello", "Hello.", "Hello. "),
        *("Hello. 😀 B", "Hello. 😀 By", "Hello. 😀 Bye", "Hello. 😀 Bye.", "Hello. 😀 Bye. "),
        *["Hello. 😀 Bye. "] * 6,  # "five pm" is not said whole
        *("Hello. 😀 Bye. 5 pm", "Hello. 😀 Bye. 5 pm ", "Hello. 😀 Bye. 5 pm o"),
        *["Hello. 😀 Bye. 5 pm ok!"] * 2,
    ]


def test_what_is_not_said_at_the_beginning_or_twice_in_a_row() -> None:
    text = texts(("", "# "), "Hi. ", ("", "*"), ("", "_"), "Bye.")
    assert [text.up_to(length) for length in (0, 1, 3, 4, 5, 8)] == [
        *("", "# H", "# Hi.", "# Hi. ", "# Hi. *_B", "# Hi. *_Bye."),
    ]
    assert texts(("", "😀")).up_to(0) == ""
    assert texts(("", "😀")).up_to(1) == "😀"
    assert texts("").up_to(1) == ""
    assert texts(("five pm", "5 pm"), ("", "!")).up_to(2) == ""
    assert texts(("", "# "), ("five pm", "5 pm")).up_to(2) == ""


def test_what_is_said_and_was_not_written() -> None:
    text = texts("Hi.", (" Well,", ""), " bye.")
    assert (text.spoken, text.written) == ("Hi. Well, bye.", "Hi. bye.")
    assert [text.up_to(length) for length in (3, 9, 14)] == ["Hi.", "Hi.", "Hi. bye."]


# The sound of a reply


def spoken(text: str, *pieces: tuple[str, int], start: int = 0, over: bool = True) -> SpokenReply:
    made = SpokenReply(start)
    made.text.add(Reply(HEARD, text))
    for said, samples in pieces:
        made.add(Speech(Reply(HEARD, said), np.zeros(samples, np.float32), 1000, said))
    if over:
        made.close()
    return made


def test_a_sentence_without_a_sound_is_heard_as_the_next_one_begins() -> None:
    it = spoken("One. Two. Three.", ("One.", 40), ("Two.", 0), ("Three.", 60))
    assert [it.heard(at) for at in (30, 39, 40, 69, 70, 99, 100)] == [
        *("One", "One", "One. Two.", "One. Two.", "One. Two.", "One. Two. Three"),
        "One. Two. Three.",
    ]
    assert [it.ms_to_next_word(at) for at in (0, 30, 40, 90)] == [30, 10, 50, 10]


def test_of_words_shorter_than_a_sample_none_is_heard_before_their_sound() -> None:
    it = spoken("a b", ("a b", 2), start=10)
    assert [it.heard(at) for at in (9, 10, 11, 12)] == ["", "", "a", "a b"]


def test_a_first_sentence_without_a_sound_is_not_heard_while_what_was_before_is() -> None:
    """A sink that does not tell what it played may still play the reply before."""
    it = spoken("One. Two.", ("One.", 0), ("Two.", 40), start=10)
    assert [it.heard(at) for at in (5, 10, 50)] == ["", "One.", "One. Two."]
    assert it.ms_to_next_word(10) == 30


def test_words_that_were_changed_are_not_looked_for_again() -> None:
    it = spoken("At 5 X", ("At five.", 80), ("X", 10), start=10)
    assert [it.heard(at) for at in (9, 100)] == ["", "At five. X"]


def test_the_next_word_is_due_at_a_whole_sample() -> None:
    """7 characters in 10 samples: "One" is said after 4.3 of them."""
    it = spoken("One two", ("One two", 10), start=100)
    assert [it.ms_to_next_word(100 + at) for at in (0, 4, 5, 9, 10)] == [5, 1, 5, 1, None]
    assert [it.heard(100 + at) for at in (4, 5, 9, 10)] == ["", "One", "One", "One two"]


def test_the_next_word_by_its_end_that_the_voice_tells() -> None:
    it = SpokenReply(10)
    it.text.add(Reply(HEARD, "One two, then."))
    said = Reply(HEARD, "One two, then.")
    it.add(Speech(said, np.zeros(100, np.float32), 500, said.delta, words=((3, 30), (7, 60))))
    it.close()
    due = [it.ms_to_next_word(10 + at) for at in (0, 29, 30, 59, 60, 99, 100)]
    assert due == [60, 2, 60, 2, 80, 2, None]


def test_a_word_whose_sound_is_not_there_is_not_due() -> None:
    """At the usual pace, 15 characters a second, "One" takes 200 ms, and "One two" 467."""
    it = spoken("One two three.", ("One two three.", 200), over=False)
    assert [it.ms_to_next_word(at) for at in (0, 199, 200)] == [200, 1, None]
    assert it.heard(200) == "One"


def test_nothing_is_due_while_the_sound_of_a_voice_that_tells_its_words_is_late() -> None:
    """It is not looked for again with each sample: more sound is an action by itself."""
    it = SpokenReply(0)
    said = Reply(HEARD, "One two, then.")
    it.text.add(said)
    it.add(Speech(said, np.zeros(40, np.float32), 500, said.delta, words=((3, 30),)))
    assert [it.ms_to_next_word(at) for at in (29, 30, 39, 40)] == [2, 20, 2, None]


def test_a_word_that_is_late_by_a_rounding_error_is_due_with_the_next_sample() -> None:
    """10 of 11 characters take 54 of 59.4 samples, and 11 * 54 / 59.4 is 9.99..."""
    it = SpokenReply(0, pace=5.4)
    said = Reply(HEARD, "x" * 10 + ".")
    it.text.add(said)
    it.add(Speech(said, np.zeros(55, np.float32), 1000, said.delta))
    assert [it.ms_to_next_word(at) for at in (53, 54)] == [1, 1]
    assert it.heard(54) == ""


def test_a_sentence_that_may_go_on_lasts_a_sample_longer_than_its_sound() -> None:
    """2 of 5 characters take 4.8 of 12 samples."""
    it = SpokenReply(0, pace=0.1)
    said = Reply(HEARD, "ab cd")
    it.text.add(said)
    it.add(Speech(said, np.zeros(11, np.float32), 1000, said.delta))
    assert [it.heard(at) for at in (4, 5)] == ["", "ab"]


def test_no_sound_is_silent_if_there_are_words() -> None:
    assert spoken("Hi.").said == ""
    assert spoken("...").said is None
    assert spoken("Hi.", ("Hi.", 1)).said is None


@pytest.mark.parametrize(
    ("sounding", "said"),
    [
        (("One.", "Two.", "Four."), None),
        (("One.", "Two."), "One. Two."),
        (("One.",), "One."),
        (("Four.",), None),  # what is in between counts as heard
        (("One", "and another"), None),  # a stage has changed the words: nobody knows
        (("One.", ""), None),  # or a voice does not say what it speaks
    ],
)
def test_words_at_the_end_without_sound_were_not_said(
    sounding: tuple[str, ...], said: str | None
) -> None:
    sentences = [(text, 10 * (n + 1)) for n, text in enumerate(sounding)]
    assert spoken("One. Two. *** Four. 👍", *sentences).said == said


# A sink, as a conversation sees it


class Bare:
    """A sink that has nothing but what every sink has. It gives back its last samples."""

    is_running = False

    def __init__(self, unheard: int = 0) -> None:
        self.unheard = unheard
        self.taken: list[float] = []

    def write_samples(self, samples: rxv.Samples, /) -> int:
        self.taken.extend(samples.tolist())
        return len(samples)

    def clear(self) -> Any:
        left, self.taken = self.taken[-self.unheard :], self.taken[: -self.unheard]
        return np.asarray(left, np.float32)

    def flush(self) -> None: ...
    def stop(self) -> None: ...


class Positioned(Bare):
    """One that knows its position, and holds sound of another conversation."""

    def __init__(self, other: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.position = 0
        self.taken = [0.0] * other
        self.gives: Any = None

    @property
    def written(self) -> int:
        return len(self.taken)

    def clear(self) -> Any:
        if self.gives is not None:
            return self.gives
        left, self.taken = self.taken[self.position :], self.taken[: self.position]
        return np.asarray(left, np.float32)


def speech(*samples: float, rate: int = 1000) -> Speech:
    return Speech(Reply(HEARD, "x"), np.asarray(samples, np.float32), rate, "x")


def test_a_sink_that_cannot_pause_is_given_the_rest_again() -> None:
    sink = Bare(unheard=2)
    playback = Playback(sink, None)
    assert playback.write(speech(1, 2, 3))
    assert (playback.written, playback.position, playback.passed(3)) == (3, 3, True)
    assert playback.hold()
    assert (sink.taken, playback.written, playback.position) == ([1], 3, 1)
    assert not playback.passed(1), "what is kept was not heard"
    assert playback.write(speech(4, 5))
    assert (sink.taken, playback.written, playback.position) == ([1], 5, 1)
    playback.release()
    assert (sink.taken, playback.written, playback.position) == ([1, 2, 3, 4, 5], 5, 5)
    assert playback.passed(5)
    assert not playback.passed(6)
    assert not playback.held
    playback.release()
    assert len(sink.taken) == 5


class Rated(Bare):
    """A sink that is told the rate of what it is given."""

    def __init__(self, unheard: int) -> None:
        super().__init__(unheard=unheard)
        self.rates: list[int] = []

    def set_sample_rate(self, sample_rate: int, /) -> None:
        self.rates.append(sample_rate)


def test_each_kept_sound_goes_on_at_its_own_rate() -> None:
    sink = Rated(unheard=1)
    playback = Playback(sink, None)
    playback.write(speech(1, 2, rate=16_000))
    playback.hold()
    playback.write(speech(3, rate=24_000))
    playback.release()
    assert sink.rates == [16_000, 24_000]
    assert sink.taken == [1, 2, 3]


def test_sound_of_two_rates_that_was_taken_back_goes_on_at_both() -> None:
    sink = Rated(unheard=4)
    playback = Playback(sink, None)
    for samples, rate in (((1, 2), 16_000), ((3,), 16_000), ((4, 5), 24_000)):
        playback.write(speech(*samples, rate=rate))
    for _ in range(2):
        playback.hold()
        assert (sink.taken, playback.position, playback.written) == ([1], 1, 5)
        playback.release()
        assert (sink.taken, playback.position) == ([1, 2, 3, 4, 5], 5)
    assert sink.rates == [16_000, 24_000] * 3


def test_sound_of_another_conversation_goes_on_at_the_rate_that_the_sink_has() -> None:
    """It is in the sink before this one has written anything, or with what this one has written."""
    sink = Rated(unheard=2)
    sink.taken = [1, 2, 3]
    playback = Playback(sink, None)
    playback.hold()
    assert sink.taken == [1]
    playback.release()
    assert (sink.taken, sink.rates) == ([1, 2, 3], [])
    playback.write(speech(4, rate=16_000))
    playback.hold()
    playback.release()
    assert (sink.taken, sink.rates) == ([1, 2, 3, 4], [16_000])
    assert playback.take_error() is None


def test_sounds_whose_rates_alternate_each_go_on_at_their_own() -> None:
    sink = Rated(unheard=2)
    playback = Playback(sink, None)
    playback.write(speech(1, 2, rate=16_000))
    playback.write(speech(3, rate=24_000))
    playback.write(speech(4, rate=16_000))
    playback.hold()
    sink.rates.clear()
    playback.release()
    assert sink.rates == [24_000, 16_000]
    assert sink.taken == [1, 2, 3, 4]


def test_two_sounds_of_one_rate_go_on_as_one_and_the_sound_before_at_its_own() -> None:
    sink = Rated(unheard=3)
    playback = Playback(sink, None)
    playback.write(speech(1, 2, rate=16_000))
    for sample in (3, 4):
        playback.write(speech(sample, rate=24_000))
    playback.hold()
    sink.rates.clear()
    playback.release()
    assert sink.rates == [16_000, 24_000]
    assert sink.taken == [1, 2, 3, 4]


def test_a_rate_is_known_of_however_many_pieces_were_written() -> None:
    sink = Rated(unheard=101)
    playback = Playback(sink, None)
    playback.write(speech(0, 0, rate=16_000))
    for _ in range(100):
        playback.write(speech(1, rate=24_000))
    playback.hold()
    sink.rates.clear()
    playback.release()
    assert sink.rates == [16_000, 24_000]


def test_what_is_kept_is_dropped_by_clear() -> None:
    sink = Bare(unheard=2)
    playback = Playback(sink, None)
    playback.write(speech(1, 2, 3, 4))
    playback.hold()
    playback.write(speech(5))
    sink.unheard = 1
    assert playback.clear() == 1
    assert (playback.written, playback.position) == (1, 1)
    playback.release()
    assert sink.taken == [1]


def test_positions_count_from_the_first_sample_of_this_conversation() -> None:
    sink = Positioned(other=10)
    playback = Playback(sink, None)
    playback.write(speech(*range(5)))
    heard: list[int] = []
    for sink.position in (0, 9, 10, 12, 15, 20):
        heard.append(playback.position)
    assert heard == [0, 0, 0, 2, 5, 5]


@pytest.mark.parametrize(("position", "heard"), [(12, 2), (10, 0), (4, 0)])
def test_a_clear_says_where_the_sound_of_this_conversation_ends(position: int, heard: int) -> None:
    sink = Positioned(other=10)
    playback = Playback(sink, None)
    playback.write(speech(*range(5)))
    sink.position = position
    assert playback.clear() == heard
    assert playback.written == heard
    playback.write(speech(*range(3)))
    sink.position += 1
    assert playback.position == heard + 1
    assert playback.written == heard + 3
    assert playback.take_error() is None


def test_a_clear_that_does_not_say_what_it_dropped_is_an_error() -> None:
    sink = Positioned()
    playback = Playback(sink, None)
    playback.write(speech(*range(5)))
    sink.position, sink.gives = 2, 7
    assert playback.clear() == 2
    assert playback.written == 2
    error = playback.take_error()
    assert str(error) == (
        "the sink's clear() must return the samples that were never heard, got 7 (int)"
    )
    assert playback.take_error() is None


def test_a_sink_that_could_not_say_its_position_at_first_counts_from_0() -> None:
    class Late(Positioned):
        fails = True

        @property
        def written(self) -> int:
            if self.fails:
                self.fails = False
                raise OSError("not yet")
            return super().written

    sink = Late()
    playback = Playback(sink, None)
    assert str(playback.take_error()) == "not yet"
    playback.write(speech(*range(5)))
    sink.position = 2
    assert playback.position == 2


def test_a_clear_that_gives_a_number_of_numpy_is_no_sound_either() -> None:
    sink = Positioned()
    playback = Playback(sink, None)
    playback.write(speech(*range(5)))
    sink.gives = np.float32(0)
    playback.clear()
    assert isinstance(playback.take_error(), TypeError)


class Failing(FakeSink):
    """A sink of which a method fails as long as it is named."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = ""
        self.called: list[Any] = []

    def _call(self, name: str, *args: float) -> None:
        self.called.append((name, *args))
        if name == self.fails:
            raise OSError(f"no {name}")

    def pause(self) -> None:
        self._call("pause")

    def resume(self) -> None:
        self._call("resume")

    def duck(self, gain: float) -> None:
        self._call("duck", gain)

    def end_reply(self) -> None:
        self._call("end_reply")


@pytest.mark.parametrize(
    ("duck", "down", "up"), [(None, "pause", "resume"), (0.25, "duck", "duck")]
)
def test_a_sink_that_fails_to_pause_or_to_go_on(duck: float | None, down: str, up: str) -> None:
    sink = Failing()
    playback = Playback(sink, duck)
    sink.fails = down
    assert not playback.hold()
    assert playback.held
    assert str(playback.take_error()) == f"no {down}"
    sink.fails = up
    playback.release()
    assert playback.held, "it is tried again"
    sink.fails = ""
    playback.release()
    playback.release()
    assert not playback.held
    gains = [(down, duck), (up, 1.0), (up, 1.0)]
    assert sink.called == (gains if duck else [(name,) for name, _ in gains])


def test_a_sink_that_pauses_is_silent_and_one_that_ducks_is_not() -> None:
    assert Playback(Failing(), None).hold()
    assert not Playback(Failing(), 0.25).hold()
    held = Playback(Failing(), None)
    held.hold()
    assert held.write(speech(1, 2))
    assert held.written == 2


def test_a_sink_that_ducks_and_cannot_pause_is_given_sound_while_it_is_ducked() -> None:
    class Ducked(Bare):
        def duck(self, gain: float) -> None: ...

    sink = Ducked()
    playback = Playback(sink, 0.25)
    playback.hold()
    playback.write(speech(1, 2))
    assert sink.taken == [1, 2]


def test_what_the_sink_raises_is_kept() -> None:
    class Full(Failing):
        def write_samples(self, samples: rxv.Samples, /) -> int:
            raise OSError("full")

    sink = Full()
    playback = Playback(sink, None)
    assert not playback.write(speech(1))
    assert playback.written == 0
    assert str(playback.take_error()) == "full"
    sink.fails = "end_reply"
    playback.end_reply()
    assert str(playback.take_error()) == "no end_reply"
    assert sink.called == [("end_reply",)]
    Playback(Bare(), None).end_reply()


# One thing at a time


def test_what_goes_out_follows_its_action_and_comes_before_the_next_one() -> None:
    done: list[str] = []
    box = Mailbox(lambda: done.append("settled"), lambda _: None)

    def action(name: str, *others: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            done.append(name)
            box.send(lambda: done.append(f"{name} out"))
            for other in others:
                box.post(other)
            done.append(f"{name} over")

        return run

    box.leave(action("left"))
    assert done == []
    box.post(action("a", action("b")))
    assert done == [
        *("left", "left over", "settled", "left out"),
        *("a", "a over", "settled", "a out"),
        *("b", "b over", "settled", "b out"),
    ]


def test_what_an_action_raises_is_told_and_what_downstream_raises_is_raised_on() -> None:
    errors: list[str] = []
    done: list[str] = []
    box = Mailbox(lambda: done.append("settled"), lambda error: errors.append(str(error)))

    def failing() -> None:
        raise OSError("no")

    box.post(failing)
    assert (errors, done) == (["no"], [])
    with pytest.raises(OSError, match="no"):
        box.post(lambda: (box.send(failing), box.send(lambda: done.append("out")))[0])
    assert (errors, done) == (["no"], ["settled"])
    box.post(lambda: done.append("next"))
    assert done == ["settled", "out", "next", "settled"]

    def interrupted() -> None:
        box.raise_after(KeyboardInterrupt("now"))
        done.append("whole")

    with pytest.raises(KeyboardInterrupt, match="now"):
        box.post(interrupted)
    assert done[4:] == ["whole", "settled"]
    box.post(lambda: done.append("after"))
    assert done[6:] == ["after", "settled"]


# What is known of a turn


def exchange(text: str | None, **options: Any) -> Exchange:
    turn = Turn.of(np.zeros(4, np.float32))
    known = None if text is None else Transcript(turn, text)
    return Exchange(turn, 1, transcript=known, **options)


def test_the_question_is_the_words_of_all_its_turns() -> None:
    first, empty, third = exchange(" one "), exchange("..."), exchange("three")
    asked = exchange("four", before=[first, empty, third]).question
    assert asked is not None
    assert asked.text == "one three four"
    alone = exchange("four")
    assert alone.question is alone.transcript
    assert exchange("four", before=[exchange(None)]).question is None
    assert exchange(None, before=[first]).question is None
    padded = exchange("four ").question
    assert padded is not None
    assert padded.text == "four"


def test_silence_is_counted_while_the_words_stay_the_same() -> None:
    it = exchange(None)
    quiet = AudioChunk(np.zeros(10, np.float32), 1000, speech=False)
    it.add_chunk(quiet)
    it.add_chunk(quiet)
    it.add_partial("One")
    assert it.silence_ms == 0
    it.add_chunk(quiet)
    it.add_partial("one.")
    assert (it.silence_ms, it.partial) == (10, "one.")
    it.add_chunk(AudioChunk(np.zeros(10, np.float32), 1000, speech=True))
    assert it.silence_ms == 0


def test_a_question_waits_for_words_and_a_saying_does_not() -> None:
    assert exchange(None).waits_for_words
    assert not exchange(None, say=rxv.Say("Hello.")).waits_for_words
    assert not exchange(None).is_listened_to, "the turn is over"
    open_turn = TurnWriter(1, 0, 1000).turn
    assert Exchange(open_turn, 1).is_listened_to


def test_a_turn_goes_on_from_one_that_was_cut_at_its_longest() -> None:
    def turn(start: int, ended_by: EndedBy = "policy", source: str | None = "ann") -> Exchange:
        audio = np.zeros(4, np.float32)
        return Exchange(Turn.of(audio, start=start, ended_by=ended_by, source=source), 1)

    cut = turn(10, "max_duration")
    assert turn(14).goes_on_from(cut)
    assert not turn(14).goes_on_from(turn(10)), "that user had finished"
    assert not turn(13).goes_on_from(cut)
    assert not turn(15).goes_on_from(cut)
    assert not turn(14, source="bob").goes_on_from(cut)


# Evidence


def evidence(**options: Any) -> Evidence:
    import rxvoice.operators as vox
    from rxvoice.testing import FakeTranscriber

    settings = ConverseSettings(
        vox.transcribe(FakeTranscriber("hi")),
        (vox.respond(lambda _: "Yes."), vox.synthesize(lambda _: [], sample_rate=1000)),
        FakeSink(),
        **options,
    )
    return Evidence(settings, lambda _, call, __, **___: call())


def chunk(ms: int, speech: bool = True) -> AudioChunk:
    return AudioChunk(np.zeros(ms, np.float32), 1000, speech=speech)


def over(it: Evidence, *chunks: AudioChunk, **options: bool) -> Evidence:
    options = {"over_reply": True, "over_voice": True, "warm_up": False} | options
    for each in chunks:
        it.add_chunk(each, **options)
    return it


NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(("gap", "verdict"), [(59, "confirmed"), (60, "short")])
def test_a_gap_begins_the_count_of_speech_again(gap: int, verdict: str) -> None:
    it = over(evidence(min_speech_ms=100), chunk(50), chunk(gap, False), chunk(50))
    it.add_text("stop it", NONE, final=True)
    it.end(Turn.of(np.zeros(4, np.float32)))
    assert it.verdict == verdict


@pytest.mark.parametrize(("ms", "verdict"), [(99, None), (100, "confirmed")])
def test_after_a_gap_the_count_of_speech_begins_at_0(ms: int, verdict: str | None) -> None:
    it = over(evidence(min_speech_ms=100), chunk(50), chunk(60, False), chunk(ms))
    it.add_text("stop it", NONE)
    assert it.verdict == verdict


def test_two_short_gaps_are_not_a_long_one() -> None:
    it = evidence(min_speech_ms=100)
    over(it, chunk(40), chunk(40, False), chunk(40), chunk(40, False), chunk(40))
    it.add_text("stop it", NONE)
    assert it.verdict == "confirmed"


@pytest.mark.parametrize(("ms", "holds"), [(299, True), (300, False)])
def test_a_cough_pauses_for_so_long(ms: int, holds: bool) -> None:
    it = over(evidence(min_speech_ms=100), chunk(50), chunk(ms - 100, False), chunk(100, False))
    assert it.holds is holds
    long = over(evidence(min_speech_ms=100), chunk(100), chunk(ms, False))
    assert long.holds


@pytest.mark.parametrize(("ms", "verdict"), [(99, None), (100, "confirmed"), (101, "confirmed")])
def test_who_speaks_for_long_enough_is_confirmed_by_a_word(ms: int, verdict: str | None) -> None:
    it = over(evidence(min_speech_ms=100), chunk(ms))
    assert it.verdict is None
    it.add_text("stop", NONE)
    assert it.verdict == verdict


@pytest.mark.parametrize(
    ("said", "options", "verdict"),
    [
        ("", {}, "no_words"),
        ("", {"min_chars": 0}, "no_words"),
        ("a", {}, "no_words"),  # fewer letters than min_chars
        ("ab", {}, "confirmed"),
        ("stop now", {"min_words": 2}, "confirmed"),
        ("stop", {"min_words": 2}, "no_words"),
        ("hm hm", {"backchannels": ["hm"]}, "backchannel"),
        ("hm stop", {"backchannels": ["hm"]}, "confirmed"),
        ("oh yes oh", {"backchannels": ["oh", "oh yes"]}, "backchannel"),
        ("", {"backchannels": ["hm"]}, "no_words"),
        ("one two", {}, "echo"),
        ("one two stop", {}, "confirmed"),
        ("one two", {"own_words": False}, "confirmed"),
        ("please stop", {"stop_words": ["stop"], "min_words": 3}, "confirmed"),
        ("please stay", {"stop_words": ["stop"], "min_words": 3}, "no_words"),
    ],
)
def test_words_over_a_reply(said: str, options: dict[str, Any], verdict: str) -> None:
    it = over(evidence(min_speech_ms=100, **options), chunk(100))
    it.add_text(said, frozenset({"one", "two"}), final=True)
    assert it.verdict == verdict


def test_after_the_reply_any_word_confirms() -> None:
    it = over(evidence(min_words=3), chunk(10), over_reply=False, over_voice=False)
    assert it.verdict is None
    it.add_text("yes", NONE, final=True)
    assert it.verdict == "confirmed"


def test_the_words_decide_as_the_reply_warms_up() -> None:
    it = over(evidence(min_speech_ms=100), chunk(50), warm_up=True)
    assert not it.holds
    it.end(Turn.of(np.zeros(4, np.float32)))
    assert it.verdict is None
    it.add_text("stop", NONE, final=True)
    assert it.verdict == "confirmed"


@pytest.mark.parametrize(
    ("ended_by", "verdict"), [("max_duration", "confirmed"), ("policy", "short")]
)
def test_who_was_cut_at_the_longest_is_not_too_short(ended_by: EndedBy, verdict: str) -> None:
    it = over(evidence(min_speech_ms=100), chunk(50))
    it.end(Turn.of(np.zeros(4, np.float32), ended_by=ended_by))
    it.add_text("stop it", NONE, final=True)
    assert it.verdict == verdict


def test_who_began_to_speak_as_the_reply_warmed_up_is_not_too_short() -> None:
    it = over(evidence(min_speech_ms=100), chunk(50), warm_up=True)
    over(it, chunk(20))
    it.end(Turn.of(np.zeros(4, np.float32)))
    assert it.verdict is None
    it.add_text("stop", NONE, final=True)
    assert it.verdict == "confirmed"


def test_a_candidate_that_paused_for_long_enough_pauses_no_more() -> None:
    it = over(evidence(), chunk(10))
    assert it.holds
    it.give_up()
    over(it, chunk(10))
    assert not it.holds
    it.decide("failed")
    assert it.verdict == "failed"


def test_a_turn_that_goes_on_pauses_once_it_speaks() -> None:
    for speaks in (False, True):
        it = evidence(min_speech_ms=100)
        it.follow(speaks=speaks)
        assert it.holds is speaks
        over(it, chunk(10))
        it.add_text("yes", NONE)
        assert it.verdict == "confirmed"


def test_a_turn_that_goes_on_does_not_pause_before_it_speaks() -> None:
    it = evidence()
    it.follow()
    assert not it.holds


def test_what_the_echo_detector_knows_does_not_count() -> None:
    it = over(evidence(min_speech_ms=0, echo=lambda samples: True), chunk(100))
    assert not it.holds
    it.end(Turn.of(np.zeros(4, np.float32)))
    assert it.verdict == "echo"


def test_a_word_of_the_app_must_be_one() -> None:
    with pytest.raises(ConfigError):
        evidence(stop_words=["..."])


def test_a_cough_that_may_have_been_a_stop_word_pauses_no_more_once_it_is_over() -> None:
    it = over(evidence(min_speech_ms=100, stop_words=["stop"]), chunk(50))
    assert it.holds
    it.end(Turn.of(np.zeros(4, np.float32)))
    assert not it.holds
    assert it.verdict is None
    it.add_text("stop", NONE, final=True)
    assert it.verdict == "confirmed"
