"""`speaker`: plays speech on a loudspeaker."""

from __future__ import annotations

import threading
import time

import numpy as np
from reactivex import Observable

from rxvoice import devices
from rxvoice._audio.samples import Samples
from rxvoice._check import whole, within
from rxvoice.errors import SinkStalled
from rxvoice.events import Event
from rxvoice.sinks._ahead import Ahead, is_mlx
from rxvoice.sinks._loudspeaker import own_rate
from rxvoice.sinks._sink import Sink
from rxvoice.sinks._speaker_thread import SpeakerThread
from rxvoice.sinks._speaker_track import SpeakerTrack
from rxvoice.sinks._written import as_written

__all__ = ["Speaker", "speaker"]

_GONE_MS = 10_000


def speaker(
    device: int | str | None = None,
    *,
    sample_rate: int | None = None,
    start_buffer_ms: int = 100,
    max_buffer_ms: int = 4_000,
) -> Speaker:
    """Make a sink that plays on a loudspeaker until it is stopped.

    Samples may come at any rate. `Speaker.set_sample_rate` says which; before it is called, it is
    the device's. soxr converts them to the device's rate on the thread that writes. On a Mac with
    Metal, MLX converts an ``mx.array`` on the thread that makes it: see `Speaker.convert_ahead`.

    Playing begins once `start_buffer_ms` of sound are queued, or once the first sample has waited
    for that long. It begins at once at `flush`, at the end of a reply and at `start`. When the
    queue has run empty, playing begins again in the same way.

    A piece is taken whole. While more than `max_buffer_ms` are queued, the next piece waits. So
    the memory is bounded by `max_buffer_ms` and one piece. While the speaker is paused no piece
    waits, because the thread that writes may be the one that resumes. With a `paced` worker no
    piece ever waits.

    Silence in the middle of a reply is an underrun. An `Underrun` event reports it at once, and
    then every 5 s at most. Silence counts when the queue has run empty and more is written later,
    without `end_reply` (which `play` and `converse` call), `flush` or `clear` in between. For a
    writer that never calls `end_reply`, it counts only if more is written within a second.

    When the device goes away, a `DeviceLost` event reports it. The speaker looks for that device
    and for the default one until one of them plays: `DeviceRestored`. It goes on with the first
    sample that the lost device had not taken. What that device had taken, some 50 ms, counts as
    heard. `Speaker.use` changes the device: `DeviceChanged`. So does the system when its default
    device is another one, and on a Mac the chosen device when it is back. The speaker then goes on
    with the first sample that was not heard.

    On a Mac the device is released after 30 s without sound, and opened again at the next sound.
    Elsewhere a stream begins too roughly for that.

    Errors: `ConfigError` here, when the device does not exist (the message lists those that do) or
        does not open; `MissingDependency` without PortAudio. From the methods of `Speaker`:
        `SinkStalled` after `stop`, and when there is no room and the device has been gone for
        10 s; `AudioFormatError` for samples that are not mono audio.
    Runs on: a thread of its own, ``rxvoice-speaker``, for `events` and `played`. All methods may be
        called from any thread. That thread must not `flush`, nor write more than there is room for.

    Args:
        device: None for the default one, an index, or a part of its name: see `rxvoice devices`.
            None follows the system's default device while the speaker is there.
        sample_rate: Hz, at which the device is opened; None for its own.
        start_buffer_ms: 0 or more. A larger one bridges a slower voice, and delays the start.
        max_buffer_ms: `start_buffer_ms` or more.
    """
    return Speaker(device, sample_rate, start_buffer_ms, max_buffer_ms)


class Speaker(Sink):
    """A loudspeaker, made by `speaker`. As a context manager it stops at the end."""

    def __init__(
        self,
        device: int | str | None,
        sample_rate: int | None,
        start_buffer_ms: int,
        max_buffer_ms: int,
    ) -> None:
        if sample_rate is not None:
            whole("speaker sample_rate", sample_rate, 1, "Hz")
        whole("speaker start_buffer_ms", start_buffer_ms, 0, "ms")
        whole("speaker max_buffer_ms", max_buffer_ms, max(1, start_buffer_ms), "ms")
        self._max_buffer_ms = max_buffer_ms
        # A writer holds the first lock for as long as it takes; everyone holds the second for
        # moments. The device's thread waits for neither.
        self._writing = threading.RLock()
        self._changed = threading.Condition()
        self._given_rate: int | None = None
        self._ahead = Ahead()
        self._era = 0  # counts the calls of `clear`
        found = devices.find(device, "speaker")
        self._track = SpeakerTrack(sample_rate or own_rate(found), start_buffer_ms)
        self._thread = SpeakerThread(found, device is None, sample_rate, self._track, self._changed)

    # For the writer

    @property
    def device(self) -> str:
        """The name of the device that plays, or that played last."""
        return self._thread.device.name

    @property
    def sample_rate(self) -> int:
        """Hz, of the device. Another device may have another rate."""
        return self._track.rate

    def set_sample_rate(self, sample_rate: int, /) -> None:
        """Set the sample rate, in Hz, of the samples that follow."""
        whole("the speaker's sample_rate", sample_rate, 1, "Hz")
        with self._writing, self._changed:
            if sample_rate != self._given_rate:
                self._track.end_signal()
                self._given_rate = sample_rate

    def convert_ahead(self, samples: Samples, sample_rate: int, signal: object) -> None:
        """Convert a piece with MLX on the calling thread. `write_samples` is given it later.

        `synthesize` calls this on the thread that made the piece, when its worker is a `paced`
        one for this speaker. Where soxr is faster than MLX, which is without Metal, and for numpy
        arrays, this does nothing and `write_samples` converts by soxr.

        Args:
            samples: the ``mx.array`` that will be written, evaluated.
            sample_rate: Hz, of the samples.
            signal: pieces with the same object, in this order, are one signal.
        """
        if not is_mlx(samples) or sample_rate == self._track.rate:
            return
        from rxvoice.mlx.resample import is_faster_than_soxr

        if is_faster_than_soxr():
            self._ahead.convert(samples, sample_rate, self._track.rate, signal)

    def write_samples(self, samples: Samples, /) -> int:
        """Take all of the samples. Waits first while more than ``max_buffer_ms`` are queued.

        If another thread calls `clear` during the wait, the samples are taken and never heard.

        Raises:
            AudioFormatError: for samples that are not mono audio in [-1, 1].
            SinkStalled: the speaker has been stopped, or has had no device for 10 s.
        """
        written = as_written(samples)
        if not len(written):
            return 0
        track = self._track
        with self._writing:
            try:
                with self._changed:
                    era = self._era
                    track.being_written = written
                    self._wait_for_room(era)
                    if era != self._era:
                        return len(written)
                    rate, queue = self._given_rate or track.rate, track.queue
                    ahead = self._ahead.take(samples, rate, track.rate)
                    converter = track.converter(rate, ahead)
                converted = converter.feed(written)
                with self._changed:
                    track.being_written = None
                    track.written_at = time.monotonic()
                    if era == self._era and not self._thread.stopped:
                        if queue is track.queue:
                            track.add(written, converted, rate)
                        else:  # the device has changed meanwhile
                            track.put(written, rate)
            finally:
                with self._changed:
                    track.being_written = None
        self._thread.wake()
        return len(written)

    def _wait_for_room(self, era: int) -> None:
        # While it is paused there is never room, and the one who waits here could not resume it.
        while (
            not (self._thread.stopped or self._track.queue.is_paused)
            and era == self._era
            and self._queued() > self._max_buffer_ms
        ):
            self._check_device()
            self._changed.wait()
        if self._thread.stopped:
            raise SinkStalled("the speaker has been stopped: make a new one")

    def _check_device(self) -> None:
        if self._thread.device.gone_ms() >= _GONE_MS:
            raise SinkStalled(
                f"the speaker {self.device!r} has been gone for {_GONE_MS // 1000} s, and there is "
                "no other: connect one, or stop the sink"
            )

    def end_reply(self) -> None:
        """Say that the reply is complete: its rest plays at once, and silence may follow."""
        self._track.expect_ends()
        self._end()

    def _end(self) -> None:
        with self._writing, self._changed:
            self._track.end_signal()
            self._track.queue.end()
        self._thread.wake()

    def start(self) -> None:
        """Play what is queued, without waiting for ``start_buffer_ms``."""
        with self._changed:
            self._track.queue.start()
        self._thread.wake()

    def flush(self) -> None:
        """Block until all samples taken have been heard or cleared, or the speaker is stopped.

        While the speaker is paused, this waits for `resume`.

        Raises:
            SinkStalled: there has been no device for 10 s.
        """
        self._end()
        with self._changed:
            era = self._era
            while not self._thread.stopped and era == self._era and self._queued():
                self._check_device()
                self._changed.wait()

    # Controls

    def pause(self) -> None:
        """Stop playing with the device's next block. A fade of 5 ms is still heard."""
        with self._changed:
            self._track.queue.pause()
            self._changed.notify_all()
        self._thread.wake()

    def resume(self) -> None:
        """Go on with the first sample that was not heard, after a fade of 5 ms."""
        with self._changed:
            self._track.queue.resume()
        self._thread.wake()

    def duck(self, gain: float) -> None:
        """Play at this gain, without a step.

        Args:
            gain: 0 (silence) to 1 (as written).
        """
        within("the speaker's duck gain", gain, 0, 1, "of full loudness")
        with self._changed:
            self._track.queue.duck(float(gain))

    def clear(self) -> Samples:
        """Drop what is queued. What is being played fades over 5 ms, which counts as heard.

        Returns:
            Exactly the samples that were never heard, as they were written. They include a piece
            that another thread is writing. While the speaker is paused, nothing more is heard.
        """
        with self._changed:
            unheard = self._track.clear()
            if self._track.being_written is not None:
                unheard = np.concatenate([unheard, self._track.being_written])
                self._track.being_written = None
            self._era += 1
            self._thread.tell()
            self._changed.notify_all()
        self._thread.wake()
        return unheard

    def use(self, device: int | str | None) -> None:
        """Play on another device, from the first sample that was not heard.

        A `DeviceChanged` event follows. This returns when the device is open; until then there is
        no sound.

        Args:
            device: as in `speaker`.

        Raises:
            ConfigError: the device does not exist or does not open. The one before plays on.
            SinkStalled: the speaker has been stopped.
        """
        devices.check_device("speaker device", device)
        self._thread.use(devices.find(device, "speaker"), follows=device is None)

    def stop(self) -> None:
        """Stop for good: the sound ends and the device is released. Again does nothing.

        If closing the device hangs, this returns after 2.5 s.
        """
        self._thread.stop()

    # What it tells

    @property
    def position(self) -> int:
        """How many samples, as written, have left the loudspeaker, by the device's clock."""
        with self._changed:
            return self._track.position(time.monotonic())

    @property
    def written(self) -> int:
        """How many samples it took, without those that `clear` dropped."""
        with self._changed:
            return self._track.in_flight.written

    @property
    def played(self) -> Observable[int]:
        """`position`, every 20 ms while there is sound.

        Also when the first sample after silence has been heard, when the last of all has, and after
        `clear`. Completes at `stop`.
        """
        return self._thread.played

    @property
    def queued_ms(self) -> float:
        """Milliseconds of sound that it took and that have not left the loudspeaker."""
        with self._changed:
            return self._queued()

    def _queued(self) -> float:
        if self._thread.stopped:
            return 0.0
        return self._track.in_flight.left_ms(self._track.position(time.monotonic()))

    @property
    def events(self) -> Observable[Event]:
        """The device's and underrun events of `speaker`. Completes at `stop`."""
        return self._thread.events

    @property
    def is_running(self) -> bool:
        """Whether sound leaves the loudspeaker. False while it is paused."""
        with self._changed:
            queue = self._track.queue
            playing = queue.is_playing or self._track.heard(time.monotonic()) < queue.rendered
            return playing and not self._thread.stopped
