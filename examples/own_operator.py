"""An operator of your own in ten lines, tested by marbles and by `check_operator`.

    python examples/own_operator.py

Prints that both tests passed.
"""

import numpy as np
from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.testing import check_operator, like, marbles

Element = rxv.AudioChunk | rxv.Event


def louder_than(rms: float) -> rxv.Operator[Element, Element]:
    """Pass the chunks that are louder than this, and every event."""

    def loud(element: Element) -> bool:
        return isinstance(element, rxv.Event) or float(np.sqrt(np.mean(element.samples**2))) > rms

    return ops.filter(loud)


def main() -> None:
    with marbles() as m:
        m.expect(m.cold("__~~_~|").pipe(louder_than(0.1)), "--ab-c|", dict.fromkeys("abc", like()))
        turns = m.cold("_~__|").pipe(louder_than(0.1), vox.turn_window())
        m.expect(turns, "-A--|", {"A": like(ms=32, ended_by="source")})

    speech = rxv.AudioChunk(np.full(512, 0.25, np.float32), speech=True)
    check_operator(lambda: louder_than(0.1), elements=[speech, speech], name="louder_than")
    print("louder_than() passes its marbles and the battery")


if __name__ == "__main__":
    main()
