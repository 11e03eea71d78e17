"""`RemoteSpeaker`: the loudspeaker of a client, as a sink."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from reactivex import Observable, Subject

from rxvoice._audio.pcm16 import to_pcm16
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._check import whole
from rxvoice.errors import SinkStalled
from rxvoice.sinks import Sink

_FRAME_MS = 40
_ROUNDING = 1e-3  # samples


@dataclass(slots=True)
class _Stretch:
    """Samples of one rate."""

    samples: Samples
    rate: int


class RemoteSpeaker(Sink):
    """A sink that sends speech to a client. Use it on the thread of the server's event loop only.

    What the client says it has played counts as heard. Until the client says so for the first time,
    what was sent counts as played in real time.

    Args:
        tell: sends a message to the client.
        wake: called when there may be something to send, or a new `position`.
        ahead_ms: how much speech is sent ahead of playback.
        max_ms: how much speech may wait for playback.
    """

    def __init__(
        self,
        tell: Callable[[dict[str, object]], None],
        wake: Callable[[], None],
        *,
        ahead_ms: int,
        max_ms: int,
    ) -> None:
        self._tell = tell
        self._wake = wake
        self._ahead = ahead_ms / 1000
        self._max_ms = max_ms
        self._now = asyncio.get_running_loop().time
        self._rate = 24_000
        self._told_rate: int | None = None
        self._sent: deque[_Stretch] = deque()  # sent, and not heard
        self._waiting: deque[_Stretch] = deque()  # to be sent
        self._sent_seconds = self._waiting_seconds = 0.0
        self._position = self._sent_position = 0
        self._clock: float | None = None  # when playback of the head of `_sent` began
        self._acknowledged = False
        self._clears = 0
        self._paused = self._stopped = False
        self._told_played = 0
        self._played: Subject[int] = Subject()

    @property
    def position(self) -> int:
        """How many of the written samples have been heard."""
        self._advance()
        return self._position

    @property
    def written(self) -> int:
        """How many samples were written, without those that `clear` dropped."""
        self._advance()
        queued = sum(len(piece.samples) for piece in (*self._sent, *self._waiting))
        return self._position + queued

    @property
    def played(self) -> Observable[int]:
        """`position`, about twenty times a second during playback, and at its end."""
        return self._played

    @property
    def queued_ms(self) -> int:
        """Milliseconds of sound that were written and not heard yet."""
        self._advance()
        return round(1000 * (self._sent_seconds + self._waiting_seconds))

    @property
    def is_running(self) -> bool:
        """Whether sound is being played."""
        return self.queued_ms > 0 and not self._paused

    def set_sample_rate(self, sample_rate: int, /) -> None:
        """Set the rate, in Hz, of the samples that follow; the client is told."""
        whole("speaker sample_rate", sample_rate, 1, "Hz")
        self._rate = sample_rate

    def write_samples(self, samples: Samples, /) -> int:
        """Take all samples.

        Raises:
            SinkStalled: more speech waits for playback than is allowed, or the client has gone.
        """
        if self._stopped:
            raise SinkStalled("the client has gone")
        given = audio_samples(np.array(samples, np.float32))
        if self.queued_ms > self._max_ms:
            raise SinkStalled(
                f"more than {self._max_ms} ms of speech wait for the client: give the stages "
                "worker=rxv.paced(worker, client.speaker), or raise max_queued_ms"
            )
        if len(given):
            self._waiting.append(_Stretch(given, self._rate))
            self._waiting_seconds += len(given) / self._rate
            self._wake()
        return len(given)

    def flush(self) -> None:
        """Return at once: the loop must not wait. A session ends when everything was heard."""

    def clear(self) -> Samples:
        """Drop what was not heard, here and at the client, and return it."""
        self._advance()
        unheard = [piece.samples for piece in (*self._sent, *self._waiting)]
        self._drop()
        self._clears += 1
        self._tell({"event": "clear", "position": self._position, "clears": self._clears})
        return np.concatenate(unheard) if unheard else np.empty(0, np.float32)

    def pause(self) -> None:
        """Have the client pause playback."""
        self._advance()
        if not self._paused:
            self._paused, self._clock = True, None
            self._tell({"event": "pause"})

    def resume(self) -> None:
        """Have the client resume playback."""
        if self._paused:
            self._paused = False
            self._clock = self._now() if self._sent and not self._acknowledged else None
            self._tell({"event": "resume"})
            self._wake()

    def duck(self, gain: float, /) -> None:
        """Have the client play at a gain."""
        self._tell({"event": "duck", "gain": gain})

    def stop(self) -> None:
        """Accept nothing more, and drop what was not heard."""
        if not self._stopped:
            self._stopped = True
            self._drop()
            self._played.on_completed()

    def acknowledge(self, samples: int, clears: int) -> None:
        """Note how many samples the client has played.

        Ignored if the client had not seen the last ``clear`` when it said so.

        Raises:
            ValueError: more samples than were sent.
        """
        if clears != self._clears:
            return
        if samples > self._sent_position:
            raise ValueError(f"at most {self._sent_position} samples, as were sent")
        self._acknowledged, self._clock = True, None
        self._hear(samples - self._position)
        self._wake()

    def tick(self) -> None:
        """Emit the position by `played` if it has changed."""
        self._advance()
        if self._position != self._told_played:
            self._told_played = self._position
            self._played.on_next(self._position)

    def next_frame(self) -> tuple[bytes, int | None] | None:
        """Take what is to be sent now, with its rate if that is new; None if nothing is."""
        self._advance()
        if not self._waiting or self._paused or self._sent_seconds >= self._ahead:
            return None
        piece = self._waiting[0]
        count = max(1, piece.rate * _FRAME_MS // 1000)
        head, rest = piece.samples[:count], piece.samples[count:]
        if len(rest):
            self._waiting[0] = _Stretch(rest, piece.rate)
        else:
            self._waiting.popleft()
        self._waiting_seconds = self._waiting_seconds - len(head) / piece.rate
        if not self._sent and not self._acknowledged:
            self._clock = self._now()
        self._sent.append(_Stretch(head, piece.rate))
        self._sent_seconds += len(head) / piece.rate
        self._sent_position += len(head)
        new = None if piece.rate == self._told_rate else piece.rate
        self._told_rate = piece.rate
        return to_pcm16(head).tobytes(), new

    def seconds_until_tick(self) -> float | None:
        """Return after how long to call `tick`; None to wait for `wake`."""
        if self._clock is None:
            return None
        return min(_FRAME_MS / 1000, max(0.001, self._sent_seconds))

    def _advance(self) -> None:
        if self._clock is None:
            return
        now = self._now()
        while self._sent:
            piece = self._sent[0]
            count = min(len(piece.samples), int((now - self._clock) * piece.rate + _ROUNDING))
            self._clock += count / piece.rate
            self._hear(count)
            if self._sent and self._sent[0] is piece:
                return
        self._clock = None

    def _hear(self, count: int) -> None:
        while count > 0 and self._sent:
            piece = self._sent[0]
            heard = min(count, len(piece.samples))
            count -= heard
            self._position += heard
            self._sent_seconds -= heard / piece.rate
            piece.samples = piece.samples[heard:]
            if not len(piece.samples):
                self._sent.popleft()
        if not self._sent:
            self._sent_seconds = 0.0  # rounding may have left a little

    def _drop(self) -> None:
        self._sent.clear()
        self._waiting.clear()
        self._sent_seconds = self._waiting_seconds = 0.0
        self._sent_position = self._position
        self._clock = None
