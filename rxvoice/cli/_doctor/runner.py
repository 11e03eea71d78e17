"""Runs the checks in a process of their own, so that one that hangs or crashes harms no other."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import IO, Any

from rxvoice.cli._doctor.checks import Check, broken
from rxvoice.cli._doctor.finding import Asked, Finding

_START_S = 60.0
"""How long the process may take to import rxvoice."""
_KILLED_S = 2.0


class _Ended(Exception):
    """The process has ended."""


class _Late(Exception):
    """The process did not answer in time."""


def findings(
    checks: Sequence[Check],
    asked: Asked,
    command: Callable[[Asked, Sequence[str]], list[str]] | None = None,
) -> Generator[list[Finding]]:
    """Run the checks, and give what each finds when it is done.

    Args:
        checks: which, in their order.
        asked: what the user asked for.
        command: makes the command line of the process, for the checks with these names.
    """
    left = list(checks)
    while left:
        child = _Child((command or _command)(asked, [it.name for it in left]))
        try:
            child.answer(_START_S)
            while left:
                found = child.answer(left[0].limit_s)
                left.pop(0)
                yield [Finding(**it) for it in found]
        except (_Late, _Ended) as error:
            why, lasts = child.why(error)
            if not child.started:
                yield [broken(it, f"no check can be run: {why}") for it in left[:1]]
                return
            stopped = left.pop(0)
            yield [_stopped(stopped, why, lasts)]
        finally:
            child.end()


def _stopped(check: Check, why: str, lasts: bool) -> Finding:
    remedy = "report this, with the whole output of rxvoice doctor"
    if check.module in ("sound_devices", "microphone", "loudspeaker", "tone") and lasts:
        remedy = (
            "the sound system does not answer: disconnect sound devices that you do not use, "
            "start the machine again, and try once more"
        )
    return Finding(check.name, "problem", f"this check {why}", remedy)


class _Child:
    """The process, and what it writes."""

    def __init__(self, command: list[str]) -> None:
        self.started = False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # Ctrl-C is for the process that waits for this one, and ends it.
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(it or os.getcwd() for it in sys.path)},
        )
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()

    def answer(self, seconds: float) -> Any:
        """What it writes next, within so many seconds."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise _Late(f"did not end within {seconds:g} s") from None
        if not line:
            raise _Ended
        answer = json.loads(line)
        self.started = True
        return answer

    def why(self, error: _Late | _Ended) -> tuple[str, bool]:
        """Why it gives no answer, and whether it still runs."""
        if isinstance(error, _Late):
            return str(error), True
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_KILLED_S)
        status = self._process.returncode
        self._errors.seek(0)
        said = [it.strip() for it in self._errors.read().decode("utf-8", "replace").splitlines()]
        said = [it for it in said if it and not it.startswith("ALSA lib ")]
        fatal = next((it for it in said if it.startswith("Fatal Python error")), None)
        last = fatal or (said[-1] if said and status else None)
        how = f"status {status}"
        if status is not None and status < 0:
            with suppress(ValueError):
                how = signal.Signals(-status).name
        return f"ended the process ({how}){f': {last}' if last else ''}", False

    def end(self) -> None:
        """End it, and what it has started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):  # a process in the kernel ends when that lets it
            self._process.wait(_KILLED_S)
        self._errors.close()

    def _read(self, out: IO[bytes]) -> None:
        with out:
            for line in out:
                self._lines.put(line)
        self._lines.put(b"")


def _command(asked: Asked, names: Sequence[str]) -> list[str]:
    python = [sys.executable, "-P", "-X", "faulthandler", "-m", "rxvoice.cli._doctor"]
    return [*python, json.dumps(asdict(asked)), *names]
