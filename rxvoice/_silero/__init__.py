"""Silero's voice activity network, evaluated in numpy.

`detector` is what an app holds, `weights` reads a model, and `network` is the arithmetic. For many
streams on one loop, `gather` collects their chunks, and `together` evaluates them at once.
"""

from rxvoice._silero.detector import Silero, silero

__all__ = ["Silero", "silero"]
