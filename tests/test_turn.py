from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from reactivex import operators as ops
from reactivex.disposable import Disposable

from rxvoice._audio import growing as _growing
from rxvoice.chunks import AudioChunk
from rxvoice.stage_error import StageError
from rxvoice.turn import Turn, TurnWriter

BOOM = RuntimeError("unplugged")


def chunk(n: int, size: int = 4, **options: Any) -> AudioChunk:
    samples = (np.arange(n * size, (n + 1) * size) / 2**24).astype(np.float32)
    return AudioChunk(samples, start=n * size, speech=True, **options)


def listen(turn: Turn) -> list[Any]:
    seen: list[Any] = []
    turn.subscribe(seen.append, seen.append, lambda: seen.append("completed"))
    return seen


def written(chunks: int) -> TurnWriter:
    writer = TurnWriter(3, 100, 16_000)
    for n in range(chunks):
        writer.append(chunk(n))
    return writer


def test_a_late_subscriber_hears_it_all() -> None:
    writer = written(2)
    seen = listen(writer.turn)
    assert seen == [chunk(0), chunk(1)]
    writer.append(chunk(2))
    assert seen[2:] == [chunk(2)]
    writer.close("policy", 9)
    assert seen[3:] == ["completed"]


@pytest.mark.parametrize("chunks", [0, 1, 100])
def test_a_turn_that_has_ended_replays_and_completes(chunks: int) -> None:
    writer = written(chunks)
    writer.close("source", chunks)
    for _ in range(2):
        seen = listen(writer.turn)
        assert seen == [*(chunk(n) for n in range(chunks)), "completed"]


def test_a_turn_that_has_failed_replays_and_fails() -> None:
    writer = written(1)
    early = listen(writer.turn)
    error = StageError("turn_window", writer.turn, BOOM)
    writer.fail(error)
    assert early == listen(writer.turn) == [chunk(0), error]
    assert (writer.turn.is_open, writer.turn.ended_by) == (False, None)


def test_its_properties() -> None:
    writer = written(4)
    turn = writer.turn
    assert (turn.id, turn.start, turn.sample_rate, turn.ms) == (3, 100, 16_000, 1)
    assert (turn.is_open, turn.ended_by, turn.chunks_consumed) == (True, None, None)
    writer.close("max_duration", 7)
    assert (turn.is_open, turn.ended_by, turn.chunks_consumed) == (False, "max_duration", 7)


def test_it_is_over_before_its_subscribers_are_told() -> None:
    writer = written(1)
    told: list[Any] = []
    writer.turn.subscribe(
        on_completed=lambda: told.append(
            (writer.turn.is_open, writer.turn.ended_by, writer.turn.chunks_consumed)
        )
    )
    writer.close("policy", 5)
    assert told == [(False, "policy", 5)]


def test_barge_in_in_any_chunk() -> None:
    writer = written(1)
    assert not writer.turn.barge_in
    writer.append(chunk(1, barge_in=True))
    writer.append(chunk(2))
    assert writer.turn.barge_in


def test_audio_is_a_read_only_view_and_no_copy() -> None:
    writer = written(3)
    one, other = writer.turn.audio, writer.turn.audio
    assert np.shares_memory(one, other)
    assert one.base is other.base
    with pytest.raises(ValueError, match="read-only"):
        one[0] = 1
    assert np.array_equal(one, np.concatenate([chunk(n).samples for n in range(3)]))


def test_a_view_given_out_never_changes() -> None:
    writer = TurnWriter(1, 0, 16_000)
    given: list[tuple[Any, Any]] = []
    for n in range(200):
        writer.append(chunk(n, 512))
        audio = writer.turn.audio
        given.append((audio, audio.copy()))
    assert all(np.array_equal(audio, copy) for audio, copy in given)


@pytest.mark.parametrize("size", [1, 511, 512, 100_000])
def test_copies_in_all_are_of_the_order_of_the_audio(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = 0

    class Counting:
        """numpy, with each buffer's size counted: growing copies at most what it allocates."""

        def __getattr__(self, name: str) -> Any:
            return getattr(np, name)

        def empty(self, n: int, dtype: Any) -> Any:
            nonlocal copied
            copied += n
            return np.empty(n, dtype)

    monkeypatch.setattr(_growing, "np", Counting())
    writer = TurnWriter(1, 0, 16_000)
    chunks = max(20, 40_000 // size)
    one = chunk(0, size)
    for _ in range(chunks):
        writer.append(one)
    assert len(writer.turn.audio) == chunks * size
    assert copied <= 4 * chunks * size + 16_384


def test_a_view_while_the_buffer_grows_has_no_sample_that_was_never_written() -> None:
    # A reader on another thread: the writer grows the buffer between its two looks.
    growing_type: Any = _growing.Growing

    class Interrupted(growing_type):
        armed = False

        def __getattribute__(self, name: str) -> Any:
            value = super().__getattribute__(name)
            if name == "_buffer" and Interrupted.armed:
                Interrupted.armed = False
                self.append(np.ones(16_384, np.float32))
            return value

    growing = Interrupted()
    growing._buffer[:] = np.nan
    growing.append(np.ones(16_000, np.float32))
    Interrupted.armed = True
    assert not np.isnan(growing.view()).any()


def test_a_subscriber_may_leave_and_others_stay() -> None:
    writer = written(1)
    one: list[Any] = []
    life = writer.turn.subscribe(one.append)
    other = listen(writer.turn)
    life.dispose()
    writer.append(chunk(1))
    assert (len(one), len(other)) == (1, 2)


def test_a_subscriber_may_leave_while_it_hears_the_past() -> None:
    writer = written(5)
    seen: list[Any] = []
    writer.turn.pipe(ops.take(2)).subscribe(seen.append)
    writer.append(chunk(5))
    assert len(seen) == 2
    assert writer.turn._record.observers == []  # type: ignore[attr-defined]


def test_a_chunk_that_arrives_while_a_subscriber_hears_the_past_comes_once_and_in_order() -> None:
    writer = written(2)
    seen: list[int] = []

    def heard(it: AudioChunk) -> None:
        seen.append(it.start)
        if it.start == 0:
            writer.append(chunk(2))

    writer.turn.subscribe(heard)
    writer.append(chunk(3))
    assert seen == [0, 4, 8, 12]


def test_a_subscriber_that_comes_during_a_chunk_hears_it_once() -> None:
    writer = written(0)
    late: list[Any] = []

    def heard(it: AudioChunk) -> None:
        if not late:
            writer.turn.subscribe(late.append)

    writer.turn.subscribe(heard)
    writer.append(chunk(0))
    writer.append(chunk(1))
    assert late == [chunk(0), chunk(1)]


def test_turn_of() -> None:
    turn = Turn.of(
        np.full(8, 0.5, np.float32),
        id=2,
        start=5,
        sample_rate=8000,
        chunks_consumed=3,
        barge_in=True,
        ended_by="policy",
    )
    assert (turn.id, turn.start, turn.sample_rate, turn.ms) == (2, 5, 8000, 1)
    assert (turn.chunks_consumed, turn.barge_in, turn.ended_by) == (3, True, "policy")
    (heard, end) = listen(turn)
    assert end == "completed"
    assert heard == AudioChunk(np.full(8, 0.5, np.float32), 8000, 5, speech=True, barge_in=True)


def test_turn_of_audio_alone() -> None:
    turn = Turn.of(np.zeros(16, np.float32))
    assert (turn.id, turn.start, turn.sample_rate) == (1, 0, 16_000)
    assert (turn.source, turn.time) == (None, None)
    assert (turn.chunks_consumed, turn.barge_in, turn.ended_by) == (0, False, "source")
    assert TurnWriter(1, 0, 16_000).turn.barge_in is False


def test_equality_is_of_what_they_are() -> None:
    def one(**options: Any) -> Turn:
        return Turn.of(np.zeros(4, np.float32), **options)

    assert one() == one()
    assert hash(one()) == hash(one())
    assert one() != one(id=2)
    assert one() != one(ended_by="policy")
    assert one() != Turn.of(np.ones(4, np.float32))
    assert one() != "turn"
    assert written(1).turn != one()


def test_repr_fits_a_line() -> None:
    writer = TurnWriter(7, 0, 1000)
    writer.append(chunk(0))
    assert repr(writer.turn) == "Turn(7, 4 ms, open)"
    writer.close("policy", 1)
    assert repr(writer.turn) == "Turn(7, 4 ms, policy)"
    failed = TurnWriter(8, 0, 1000)
    failed.fail(BOOM)
    assert repr(failed.turn) == "Turn(8, 0 ms, failed)"


@pytest.mark.parametrize("audio", [np.zeros((4, 2)), np.full(4, np.nan), np.full(4, 12000)])
def test_turn_of_bad_audio(audio: Any) -> None:
    from rxvoice.errors import AudioFormatError

    with pytest.raises(AudioFormatError):
        Turn.of(audio)


class Between:
    """A turn's lock that lets another thread in as often as it is let go of.

    Each time, the next of these actions is done, as by a writer who waited for the lock.
    """

    def __init__(self, turn: Turn, *actions: Callable[[], object]) -> None:
        self._lock = turn.lock
        self._actions = list(actions)
        self._inside = False
        turn.lock = self  # type: ignore[assignment]

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        if self._actions and not self._inside:
            self._inside = True
            self._actions.pop(0)()
            self._inside = False


def nothing() -> None:
    pass


class Unguarded:
    """An observer without RxPY's guard, which would hide an end that is told twice."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.on_next = self.on_error = self.seen.append

    def on_completed(self) -> None:
        self.seen.append("completed")


def subscribed(chunks: int, at: int, *actions: Callable[[TurnWriter], object]) -> list[Any]:
    """What a subscriber sees when a writer comes in, after so many looks at the turn."""
    writer = written(chunks)
    Between(writer.turn, *[nothing] * at, *(lambda it=it: it(writer) for it in actions))
    observer: Any = Unguarded()
    writer.turn._subscribe_core(observer)
    return observer.seen  # type: ignore[no-any-return]


def append(writer: TurnWriter) -> None:
    writer.append(chunk(len(writer.turn.audio) // 4))


def close(writer: TurnWriter) -> None:
    writer.close("policy", 9)


def fail(writer: TurnWriter) -> None:
    writer.fail(BOOM)


@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize(("end", "told"), [(close, "completed"), (fail, BOOM)])
def test_a_turn_that_ends_while_it_is_subscribed_to_ends_once(
    at: int, end: Callable[[TurnWriter], None], told: Any
) -> None:
    assert subscribed(2, at, end) == [chunk(0), chunk(1), told]


@pytest.mark.parametrize("at", range(3))
def test_a_chunk_that_comes_while_it_is_subscribed_to_comes_once_and_in_order(at: int) -> None:
    assert subscribed(2, at, append) == [chunk(0), chunk(1), chunk(2)]
    over = [chunk(0), chunk(1), chunk(2), "completed"]
    assert subscribed(2, at, lambda writer: (append(writer), close(writer))) == over


def test_what_is_written_after_the_end_by_a_thread_that_was_late_is_not_there() -> None:
    writer = written(1)
    writer.fail(BOOM)
    append(writer)
    close(writer)
    assert listen(writer.turn) == [chunk(0), BOOM]
    assert (writer.turn.ended_by, writer.turn.ms) == (None, 0)


def test_who_listens_is_counted() -> None:
    count = 0

    def keep() -> Disposable:
        nonlocal count
        count += 1
        return Disposable(left)

    def left() -> None:
        nonlocal count
        count -= 1

    writer = TurnWriter(1, 0, 16_000, keep=keep)
    writer.append(chunk(0))
    one, other = writer.turn.subscribe(), writer.turn.subscribe()
    kept = writer.turn.keep()
    assert count == 3
    one.dispose()
    kept.dispose()
    assert count == 1
    writer.close("policy", 1)
    assert count == 0
    other.dispose()
    writer.turn.subscribe()
    assert count == 0


def test_a_turn_that_is_over_lets_go_of_those_who_listened() -> None:
    writer = written(1)
    listen(writer.turn)
    writer.close("policy", 1)
    assert writer.turn._record.observers == []  # type: ignore[attr-defined]


def test_a_long_turn_is_measured_as_exactly_as_a_short_one() -> None:
    assert Turn.of(np.zeros(32_000, np.float32)).ms == 2000
    assert Turn.of(np.zeros(31_999, np.float32)).ms == 1999


def test_a_turn_is_equal_to_no_other_thing() -> None:
    turn = Turn.of(np.zeros(4, np.float32))
    assert (turn == 3) is False
    assert turn == turn
