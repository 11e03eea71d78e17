"""Spoken conversations in Python: the microphone is an RxPY observable, the conversation a pipe.

```python
import rxvoice as rxv
from rxvoice import operators as vox
```

- The two ends of a pipe: ``rxv.microphone`` and ``rxv.speaker``; others are in ``rxv.sources`` and
  ``rxv.sinks``.
- The operators between them: ``vox``.
- A thread to run the pipe on: ``rxv.live``.
- Models: ``rxv.mlx`` (on Apple silicon), ``rxv.remote`` (on a server), ``rxv.offline`` (small ones
  that need no download).
- Ways into an app: ``rxv.aio`` (asyncio), ``rxv.qt``, ``rxv.tk``, ``rxv.web`` (WebSockets).
- Tools for your tests: ``rxv.testing``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from rxvoice import events, operators
from rxvoice._answers.pauses import FLUSH
from rxvoice._audio.samples import Samples
from rxvoice._silero import Silero, silero
from rxvoice._version import __version__ as __version__
from rxvoice.chunks import AudioChunk
from rxvoice.conversation import Conversation, Message
from rxvoice.elements import FinishedTurn, Recognised, Reply, Say, Speech, TimedSamples, Transcript
from rxvoice.errors import (
    AudioFormatError,
    ConfigError,
    MissingDependency,
    ModelThreadStuck,
    ModelTimeout,
    QueueFull,
    RxvoiceError,
    SinkStalled,
)
from rxvoice.events import Event, Notice, TurnFailed
from rxvoice.operators import only
from rxvoice.operators.kernel import Operator
from rxvoice.policies import (
    adaptive_silence,
    any_of,
    end_word,
    energy,
    max_duration,
    silence,
)
from rxvoice.session import SessionConfig, VoiceSession
from rxvoice.slots import (
    AudioSink,
    BargeInDetector,
    ProbabilityDetector,
    RecognitionSession,
    Responder,
    SpeechToSpeech,
    StreamingTranscriber,
    Synthesizer,
    Transcriber,
    TurnPolicy,
    VoiceActivityDetector,
)
from rxvoice.stage_error import StageError
from rxvoice.tools import Tool, ToolCall
from rxvoice.turn import Turn

if TYPE_CHECKING:
    from rxvoice import (
        aio,
        echo,
        mlx,
        offline,
        qt,
        recorder,
        remote,
        sinks,
        sources,
        telemetry,
        testing,
        tk,
        web,
    )
    from rxvoice._live.live import live
    from rxvoice._threads.paced import paced
    from rxvoice.sinks.speaker import speaker
    from rxvoice.sources.microphone import microphone
    from rxvoice.trace._replay import replay

__all__ = [
    "FLUSH",
    "AudioChunk",
    "AudioFormatError",
    "AudioSink",
    "BargeInDetector",
    "ConfigError",
    "Conversation",
    "Event",
    "FinishedTurn",
    "Message",
    "MissingDependency",
    "ModelThreadStuck",
    "ModelTimeout",
    "Notice",
    "Operator",
    "ProbabilityDetector",
    "QueueFull",
    "Recognised",
    "RecognitionSession",
    "Reply",
    "Responder",
    "RxvoiceError",
    "Samples",
    "Say",
    "SessionConfig",
    "Silero",
    "SinkStalled",
    "Speech",
    "SpeechToSpeech",
    "StageError",
    "StreamingTranscriber",
    "Synthesizer",
    "TimedSamples",
    "Tool",
    "ToolCall",
    "Transcriber",
    "Transcript",
    "Turn",
    "TurnFailed",
    "TurnPolicy",
    "VoiceActivityDetector",
    "VoiceSession",
    "adaptive_silence",
    "aio",
    "any_of",
    "echo",
    "end_word",
    "energy",
    "events",
    "live",
    "max_duration",
    "microphone",
    "mlx",
    "offline",
    "only",
    "operators",
    "paced",
    "qt",
    "recorder",
    "remote",
    "replay",
    "silence",
    "silero",
    "sinks",
    "sources",
    "speaker",
    "telemetry",
    "testing",
    "tk",
    "web",
]

_LAZY = (
    "aio",
    "echo",
    "mlx",
    "offline",
    "qt",
    "recorder",
    "remote",
    "sinks",
    "sources",
    "telemetry",
    "testing",
    "tk",
    "web",
)
_LAZY_IN = {
    "live": "rxvoice._live.live",
    "replay": "rxvoice.trace._replay",
    "microphone": "rxvoice.sources.microphone",
    "paced": "rxvoice._threads.paced",
    "speaker": "rxvoice.sinks.speaker",
}


def __getattr__(name: str) -> object:
    """Import a part when it is first used: some load large libraries."""
    if name in _LAZY:
        return importlib.import_module(f"rxvoice.{name}")
    if name in _LAZY_IN:
        return getattr(importlib.import_module(_LAZY_IN[name]), name)
    raise AttributeError(f"module 'rxvoice' has no attribute {name!r}")
