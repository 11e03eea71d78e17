"""The operators: one file each, one page each in the specification."""

from rxvoice.operators.answer import answer
from rxvoice.operators.barge_in import barge_in
from rxvoice.operators.cancel_echo import cancel_echo
from rxvoice.operators.choose import choose
from rxvoice.operators.chunk import chunk
from rxvoice.operators.converse import converse
from rxvoice.operators.handoff import handoff
from rxvoice.operators.map_sentences import map_sentences
from rxvoice.operators.meter import meter
from rxvoice.operators.metrics import metrics
from rxvoice.operators.mute import mute
from rxvoice.operators.only import only
from rxvoice.operators.play import play
from rxvoice.operators.preroll import preroll
from rxvoice.operators.record import record
from rxvoice.operators.resample import resample
from rxvoice.operators.respond import respond
from rxvoice.operators.sentences import sentences
from rxvoice.operators.speak import speak
from rxvoice.operators.speakable import speakable
from rxvoice.operators.stages import stages
from rxvoice.operators.synthesize import synthesize
from rxvoice.operators.transcribe import transcribe
from rxvoice.operators.turn_window import turn_window
from rxvoice.operators.vad import vad
from rxvoice.operators.wake_word import wake_word

__all__ = [
    "answer",
    "barge_in",
    "cancel_echo",
    "choose",
    "chunk",
    "converse",
    "handoff",
    "map_sentences",
    "meter",
    "metrics",
    "mute",
    "only",
    "play",
    "preroll",
    "record",
    "resample",
    "respond",
    "sentences",
    "speak",
    "speakable",
    "stages",
    "synthesize",
    "transcribe",
    "turn_window",
    "vad",
    "wake_word",
]
