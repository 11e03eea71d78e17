"""What the microphone's thread sees when it looks at its stream."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from rxvoice.sources._lookout import Lookout


def test_a_stream_that_is_let_go_while_it_is_looked_at_is_not_given_up_as_ended() -> None:
    ring = SimpleNamespace(finished=False, captured=0)

    class LetGo:
        """Handed back just after it was asked whether it was."""

        @property
        def was_let_go(self) -> bool:
            was_let_go: bool = ring.finished
            ring.finished = True
            return was_let_go

    watch = SimpleNamespace(news=lambda _: None, has_successor=lambda: False)
    segment: Any = SimpleNamespace(ring=ring, watch=watch)
    machine: Any = SimpleNamespace(now=lambda: 0.0)
    stream: Any = LetGo()
    lookout = Lookout(segment, stream, machine)
    assert lookout.look(woken=True) is None
    given_up = lookout.look(woken=True)
    assert given_up is not None
    assert (given_up.reason, given_up.again) == ("PortAudio looks for devices", True)
