"""The operators: one file each, one page each in the specification."""

from rxvoice.operators.barge_in import barge_in
from rxvoice.operators.chunk import chunk
from rxvoice.operators.play import play
from rxvoice.operators.preroll import preroll
from rxvoice.operators.respond import respond
from rxvoice.operators.sentences import sentences
from rxvoice.operators.synthesize import synthesize
from rxvoice.operators.transcribe import transcribe
from rxvoice.operators.turn_window import turn_window
from rxvoice.operators.vad import vad

__all__ = [
    "barge_in",
    "chunk",
    "play",
    "preroll",
    "respond",
    "sentences",
    "synthesize",
    "transcribe",
    "turn_window",
    "vad",
]
