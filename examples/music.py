"""Music under announcements, on one loudspeaker.

    python examples/music.py

The mixer turns the music down during an announcement. The sink of this program discards the sound:
replace it by ``rxv.speaker()`` to listen. Prints that both were played.
"""

import numpy as np
import reactivex as rx
from reactivex.scheduler import EventLoopScheduler

import rxvoice as rxv
from rxvoice import operators as vox

RATE = 48_000
ANNOUNCEMENTS = ["The shop closes in ten minutes.", "Thank you, and good night."]


def chord(seconds: float) -> rxv.Samples:
    """A chord that fades away."""
    time = np.arange(int(seconds * RATE)) / RATE
    sound = sum(np.sin(2 * np.pi * pitch * time) for pitch in (220, 277, 330))
    return (sound * np.exp(-time) / 8).astype(np.float32)


def main() -> None:
    """Play both, until the last announcement has been heard."""
    with (
        rxv.sinks.null(realtime=True, sample_rate=RATE) as speaker,
        rxv.sinks.mixer(speaker) as mixer,
    ):
        music, voice = mixer.bus("music", duck_to=0.2), mixer.bus("voice")
        chords = rxv.sources.array(chord(10), RATE, sample_rate=RATE)
        playing = chords.subscribe(music, scheduler=EventLoopScheduler())

        rx.from_iterable(ANNOUNCEMENTS).pipe(vox.speak(rxv.offline.tts())).subscribe(voice)
        print(f"announced: {voice.position == voice.written > 0}")
        print(f"music meanwhile: {music.position > RATE}")
        playing.dispose()


if __name__ == "__main__":
    main()
