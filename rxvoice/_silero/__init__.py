"""Silero's voice activity network, evaluated in numpy."""

from rxvoice._silero.detector import Silero, silero

__all__ = ["Silero", "silero"]
