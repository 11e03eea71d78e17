"""``rxvoice devices``: the microphones and loudspeakers, and the level of each microphone."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from dataclasses import dataclass

import numpy as np

from rxvoice.chunks import AudioChunk
from rxvoice.cli._commands import COMMANDS, Commands
from rxvoice.cli._usage import UsageError
from rxvoice.devices import Device, Kind, listing, permission, refresh, server
from rxvoice.events import Event

__all__ = ["add_devices", "devices"]

_EPILOG = """\
"*" marks the device that is used by default. To choose another, give its number or a part of its
name to --microphone and --speaker of `rxvoice talk`, or to rxv.microphone() and rxv.speaker().

examples:
  rxvoice devices
  rxvoice devices --level              speak, and see which microphone picks it up; end with ctrl-c
  rxvoice devices --level --seconds 5
"""

_WIDTH = 30
"""Characters of a level meter."""
_FLOOR = 60
"""Decibels below full scale at the left end of a level meter."""
_REDRAW_S = 0.1


def add_devices(commands: Commands) -> None:
    """Add the command, its options and its help."""
    parser = commands.add_parser(
        "devices",
        help=COMMANDS["devices"],
        description="List the microphones and loudspeakers of this machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--level", action="store_true", help="show how loud each microphone is, until ctrl-c"
    )
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="end --level after this many seconds"
    )


def devices(*, level: bool = False, seconds: float | None = None) -> int:
    """Print the devices.

    Args:
        level: open every microphone and show its level.
        seconds: for how long; None until ctrl-c.

    Returns:
        0, or 1 if there is no microphone or no loudspeaker.

    Raises:
        UsageError: `seconds` is not more than 0, or is given without `level`.
        MissingDependency: PortAudio is not installed.
    """
    if seconds is not None and not level:
        raise UsageError("--seconds says how long --level lasts: give both")
    if seconds is not None and not seconds > 0:
        raise UsageError(f"--seconds must be more than 0 s, got {seconds:g}")
    refresh()
    found = listing()
    inputs = _section("Microphones", found, "microphone")
    print()
    outputs = _section("Loudspeakers", found, "speaker")
    hint = None if inputs else permission()
    if hint := hint or (None if inputs and outputs else server()):
        print(f"\n{hint}")
    if level and inputs:
        print("\nLevels, in decibels below full scale")
        _show_levels(inputs, seconds)
    return 0 if inputs and outputs else 1


def _section(title: str, found: list[Device], kind: Kind) -> list[Device]:
    chosen = [it for it in found if it.channels(kind)]
    print(title)
    width = max((len(it.name) for it in chosen), default=0)
    for it in chosen:
        mark = "*" if it.is_default(kind) else " "
        count = it.channels(kind)
        channels = f"{count} channel{'' if count == 1 else 's'}"
        print(f"{mark} {it.index:3}  {it.name:{width}}  {channels:11}  {it.sample_rate} Hz")
    if not chosen:
        print("  none")
    return chosen


@dataclass(slots=True)
class _Meter:
    """The loudest sample since the last drawing, or the error of the microphone."""

    device: Device
    peak: float = 0.0
    problem: str = ""

    def add(self, element: AudioChunk | Event) -> None:
        if isinstance(element, AudioChunk):
            self.peak = max(self.peak, float(np.abs(element.samples).max(initial=0)))

    def fail(self, error: Exception) -> None:
        self.problem = str(error)

    def draw(self) -> str:
        peak, self.peak = self.peak, 0.0
        head = f"  {self.device.index:3}  "
        if self.problem:
            return head + self.problem
        decibels = 20 * float(np.log10(max(peak, 1e-9)))
        filled = round(_WIDTH * max(0.0, 1 + decibels / _FLOOR))
        shown = f"{decibels:5.0f} dB" if decibels > -_FLOOR else "silence "
        return f"{head}[{'#' * filled:{_WIDTH}}] {shown}  {self.device.name}"


def _show_levels(inputs: list[Device], seconds: float | None) -> None:
    from rxvoice.sources import microphone

    meters = [_Meter(it) for it in inputs]
    live = sys.stdout.isatty()
    end = None if seconds is None else time.monotonic() + seconds
    open_ones = [microphone(it.device.index).subscribe(it.add, it.fail) for it in meters]
    tick = threading.Event()
    drawn = False
    try:
        while end is None or time.monotonic() < end:
            # Without a terminal to redraw, print the meters once a second and at the end.
            left = _REDRAW_S if live else 1.0
            tick.wait(left if end is None else max(0.0, min(left, end - time.monotonic())))
            if live and drawn:
                print(f"\x1b[{len(meters)}A", end="")
            for it in meters:
                print(it.draw() + ("\x1b[K" if live else ""))
            sys.stdout.flush()
            drawn = True
    except KeyboardInterrupt:
        pass
    finally:
        for it in open_ones:
            it.dispose()
