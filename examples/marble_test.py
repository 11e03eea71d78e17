"""A marble test for your own app: exact times, no clock, no sound card.

    python examples/marble_test.py

Prints that the test passed. pytest runs the test too.
"""

import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.testing import FakeTranscriber, marbles


def is_yes(element: rxv.Transcript | rxv.Event) -> bool:
    return isinstance(element, rxv.Transcript) and element.text in ("yes", "yes please")


def confirmation(mic: Observable[rxv.AudioChunk], stt: FakeTranscriber) -> Observable[bool]:
    """The app: is the first thing that the user says a yes? After two seconds it is a no."""
    said = mic.pipe(vox.turn_window(rxv.silence(96)), vox.transcribe(stt), ops.map(is_yes))
    return said.pipe(ops.take(1), ops.timeout(2.0, other=rx.of(False)))


def test_confirmation() -> None:
    with marbles() as m:  # a character is a chunk of 32 ms: ~ speech, _ silence
        mic = m.hot("__~~~____________")
        m.expect(confirmation(mic, FakeTranscriber("yes please")), "-------(t|)", {"t": True})
        m.expect(confirmation(mic, FakeTranscriber("not now")), "-------(f|)", {"f": False})
    with marbles(tick_ms=100) as m:
        m.expect(
            confirmation(m.hot("_" * 30), FakeTranscriber("?")), "-" * 20 + "(f|)", {"f": False}
        )


if __name__ == "__main__":
    test_confirmation()
    print("the app says yes, no, and no after two seconds")
