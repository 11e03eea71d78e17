"""Echo: what the loudspeaker played, and whether the microphone picks that up.

```python
out = rxv.echo.tap(rxv.speaker())
rxv.microphone().pipe(
    vox.cancel_echo(out),
    vox.chunk(512),
    ...,
    vox.converse(listen, respond, synthesize, sink=out, echo=rxv.echo.correlation(out)),
)
```
"""

from rxvoice.echo._correlation import Backend, Correlation, Match, correlation
from rxvoice.echo._recorded import RecordedReference, recorded
from rxvoice.echo._reference import Reference, ReferenceSlot
from rxvoice.echo._tap import Tap, tap

__all__ = [
    "Backend",
    "Correlation",
    "Match",
    "RecordedReference",
    "Reference",
    "ReferenceSlot",
    "Tap",
    "correlation",
    "recorded",
    "tap",
]
