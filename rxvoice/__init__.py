"""A live microphone as an RxPY observable, a spoken conversation as a pipe of operators.

```python
import rxvoice as rxv
from rxvoice import operators as vox
```

``rxv.sources`` and ``rxv.sinks`` are the ends of a pipe, ``vox`` is what goes between,
``rxv.offline`` and ``rxv.mlx`` are the models, ``rxv.testing`` is for your tests.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from rxvoice import events, operators
from rxvoice._silero import Silero, silero
from rxvoice.config import SessionConfig
from rxvoice.conversation import Conversation, Message
from rxvoice.elements import (
    AudioChunk,
    Event,
    Notice,
    Reply,
    Samples,
    Speech,
    TimedSamples,
    Transcript,
    TurnEvent,
    TurnFailed,
)
from rxvoice.errors import (
    AudioFormatError,
    ConfigError,
    MissingDependency,
    RxvoiceError,
    SinkStalled,
    StageError,
)
from rxvoice.operators._kernel import Operator
from rxvoice.policies import any_of, energy, max_duration, silence
from rxvoice.session import VoiceSession
from rxvoice.slots import (
    AudioSink,
    BargeInDetector,
    ProbabilityDetector,
    RecognitionSession,
    Responder,
    StreamingTranscriber,
    Synthesizer,
    Transcriber,
    TurnPolicy,
    VoiceActivityDetector,
)
from rxvoice.tools import Tool, ToolCall
from rxvoice.turn import Turn

if TYPE_CHECKING:
    from rxvoice import mlx, offline, remote, sinks, sources, testing

__version__ = "0.1.0"

__all__ = [
    "AudioChunk",
    "AudioFormatError",
    "AudioSink",
    "BargeInDetector",
    "ConfigError",
    "Conversation",
    "Event",
    "Message",
    "MissingDependency",
    "Notice",
    "Operator",
    "ProbabilityDetector",
    "RecognitionSession",
    "Reply",
    "Responder",
    "RxvoiceError",
    "Samples",
    "SessionConfig",
    "Silero",
    "SinkStalled",
    "Speech",
    "StageError",
    "StreamingTranscriber",
    "Synthesizer",
    "TimedSamples",
    "Tool",
    "ToolCall",
    "Transcriber",
    "Transcript",
    "Turn",
    "TurnEvent",
    "TurnFailed",
    "TurnPolicy",
    "VoiceActivityDetector",
    "VoiceSession",
    "any_of",
    "energy",
    "events",
    "max_duration",
    "mlx",
    "offline",
    "operators",
    "remote",
    "silence",
    "silero",
    "sinks",
    "sources",
    "testing",
]

_LAZY = ("mlx", "offline", "remote", "sinks", "sources", "testing")


def __getattr__(name: str) -> object:
    """Load a part when it is first asked for: the models' are heavy."""
    if name in _LAZY:
        return importlib.import_module(f"rxvoice.{name}")
    raise AttributeError(f"module 'rxvoice' has no attribute {name!r}")
