"""What `array` and `wav` share: samples are cut into blocks, and the blocks are emitted."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from datetime import timedelta
from threading import Lock, get_ident

import numpy as np
from reactivex import Observable, abc
from reactivex.disposable import Disposable
from reactivex.internal.exceptions import DisposedException
from reactivex.scheduler import CurrentThreadScheduler, EventLoopScheduler, ImmediateScheduler

from rxvoice._audio.samples import Samples
from rxvoice._boundary import recorded
from rxvoice._check import whole
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError, ConfigError, SinkStalled


def check_blocks(name: str, sample_rate: int, block_ms: int) -> None:
    """Raise unless each block has at least one sample."""
    whole(f"{name} sample_rate", sample_rate, 1, "Hz")
    whole(f"{name} block_ms", block_ms, 1, "ms")
    if sample_rate * block_ms < 1000:
        raise ConfigError(
            f"{name} block_ms must be at least {-(-1000 // sample_rate)} ms, "
            f"a sample at {sample_rate} Hz, got {block_ms}"
        )


def emit(
    pieces: Callable[[], Generator[Samples]], *, sample_rate: int, block_ms: int, realtime: bool
) -> Observable[AudioChunk]:
    """Make a cold observable of blocks.

    Args:
        pieces: called at each subscription, on its thread. Gives the samples in pieces of any size.
            It is closed when the subscription ends, but never while it runs.
        sample_rate: Hz, of the samples.
        block_ms: milliseconds of a block.
        realtime: whether a block comes when a microphone would give it.
    """

    def subscribe(
        observer: abc.ObserverBase[AudioChunk], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        lock = Lock()
        blocks = _cut(pieces(), sample_rate, block_ms)
        # It exits when it is empty. It would wait forever if its own last action disposed of it.
        own = EventLoopScheduler(exit_if_empty=True) if realtime and scheduler is None else None
        clock = own or scheduler
        if clock is None or isinstance(clock, ImmediateScheduler):
            # An immediate scheduler would nest blocks. The trampoline runs on the same thread.
            clock = CurrentThreadScheduler.singleton()
        began = clock.now
        count = position = 0
        emitting: int | None = None
        ended_elsewhere = False

        def close() -> None:
            nonlocal ended_elsewhere
            ended_elsewhere = get_ident() != emitting
            if own is not None:
                own.dispose()
            with lock:
                blocks.close()

        life = Disposable(close)

        def read() -> Samples | Exception | None:
            try:
                with lock:
                    return next(blocks, None)
            except Exception as error:
                return error

        def go_on() -> None:
            try:
                if realtime and isinstance(ahead, np.ndarray):
                    due = began + timedelta(milliseconds=(count + 1) * block_ms)
                    clock.schedule_absolute(due, step)
                else:
                    clock.schedule(step)
            except DisposedException:
                # Another thread has ended the subscription.
                if not life.is_disposed:
                    raise

        def step(_: abc.SchedulerBase, __: object = None) -> None:
            nonlocal ahead, count, position, emitting
            emitting = get_ident()
            if isinstance(ahead, np.ndarray) and not life.is_disposed:
                start, position, count = position, position + len(ahead), count + 1
                try:
                    observer.on_next(AudioChunk(ahead, sample_rate, start))
                except BaseException as error:  # from downstream
                    life.dispose()
                    # Who ends the subscription may stop the sink while a block is written to it.
                    if not (ended_elsewhere and isinstance(error, SinkStalled)):
                        raise
                if life.is_disposed:
                    return
                ahead = read()
            if life.is_disposed:
                return
            if ahead is None:
                observer.on_completed()
            elif isinstance(ahead, Exception):
                observer.on_error(ahead)
            else:
                go_on()

        ahead = read()
        go_on()
        return life

    return recorded("recording", Observable(subscribe))


def _cut(pieces: Generator[Samples], sample_rate: int, block_ms: int) -> Generator[Samples]:
    """Blocks whose borders are multiples of `block_ms`. The rest comes last, before an error."""
    held = np.empty(0, np.float32)
    block = 0
    failed: AudioFormatError | None = None

    def border(index: int) -> int:
        return index * block_ms * sample_rate // 1000

    with closing(pieces):
        try:
            for piece in pieces:
                held = np.concatenate((held, piece)) if len(held) else piece
                held.flags.writeable = False
                used = 0
                while len(held) - used >= (size := border(block + 1) - border(block)):
                    yield held[used : used + size]
                    used += size
                    block += 1
                held = held[used:]
        except AudioFormatError as error:
            failed = error
    if len(held):
        yield held
    if failed is not None:
        raise failed
