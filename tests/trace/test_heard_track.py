"""What the loudspeaker played stands where it was heard."""

from __future__ import annotations

import numpy as np

from rxvoice.trace._heard_track import HeardTrack

RATE = 1000


def made() -> tuple[HeardTrack, list[np.ndarray]]:
    pieces: list[np.ndarray] = []
    track = HeardTrack(lambda samples, _: pieces.append(samples))
    track.set_rate(RATE)
    return track, pieces


def test_it_begins_where_the_first_sample_was_heard() -> None:
    track, pieces = made()
    track.write(np.full(300, 0.5, np.float32))
    track.heard(0, 2.0)
    track.heard(100, 2.1)
    track.heard(300, 2.35)  # told 50 ms late
    whole = np.concatenate(pieces)
    assert len(whole) == 2300
    assert not whole[:2000].any()
    assert (whole[2000:] == 0.5).all()


def test_what_was_cleared_is_not_there_and_a_pause_is() -> None:
    track, pieces = made()
    track.write(np.full(300, 0.5, np.float32))
    track.heard(100, 0.1)
    track.heard(200, 1.2)  # paused for a second
    track.clear(100)
    track.write(np.full(100, 0.25, np.float32))
    track.heard(300, 1.3)
    whole = np.concatenate(pieces)
    wanted = [0.5] * 100 + [0] * 1000 + [0.5] * 100 + [0.25] * 100
    np.testing.assert_array_equal(whole, np.float32(wanted))


def test_sound_of_another_rate_takes_the_rate_of_the_first() -> None:
    track, pieces = made()
    track.write(np.full(100, 0.5, np.float32))
    track.heard(100, 0.1)
    track.set_rate(2 * RATE)
    track.write(np.full(200, 0.5, np.float32))
    track.heard(300, 0.2)
    assert sum(map(len, pieces)) == 200
