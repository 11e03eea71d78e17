"""A virtual microphone and loudspeaker, and what a test does with them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

SCRIPT = Path(__file__).parents[2] / ".ci" / "virtual_audio.sh"


def must_be_possible() -> None:
    """Skip the test where there can be no virtual devices. On Linux in CI that is a failure."""
    if sys.platform != "linux":
        pytest.skip("virtual sound devices are made with PulseAudio, on Linux")
    reason = None
    if not shutil.which("pulseaudio") or not shutil.which("pacat"):
        reason = "no PulseAudio"
    else:
        try:
            import sounddevice  # noqa: F401
        except OSError as error:
            reason = str(error)
    if reason is not None:
        tell = pytest.fail if os.environ.get("CI") else pytest.skip
        tell(f"{reason}: run .ci/virtual_audio.sh install as root")


class VirtualAudio:
    """A sound server of its own.

    Args:
        directory: where it keeps its files.
    """

    def __init__(self, directory: Path) -> None:
        self._environment = {**os.environ, "VIRTUAL_AUDIO_DIR": str(directory)}
        self._children: list[subprocess.Popen[bytes]] = []
        told = self.script("env").replace("export ", "").replace("'", "")
        self.environment = dict(line.split("=", 1) for line in told.splitlines())
        """What PortAudio has to find in the process's environment."""
        self._environment |= self.environment

    def script(self, *arguments: str) -> str:
        """Run the script."""
        ran = subprocess.run(
            [SCRIPT, *arguments], env=self._environment, capture_output=True, text=True
        )
        if ran.returncode:
            raise OSError(f"virtual_audio.sh {' '.join(arguments)}: {ran.stderr.strip()}")
        return ran.stdout

    def start(self) -> None:
        self.script("start")

    def stop(self) -> None:
        for child in self._children:
            child.kill()
            child.wait()
        self._children.clear()
        self.script("stop")

    def echo(self, ms: int, gain: float) -> None:
        """What the loudspeaker plays comes back into the microphone."""
        self.script("echo", str(ms), str(gain))

    def no_echo(self) -> None:
        self.script("echo", "off")

    def unplug(self, kind: str) -> None:
        self.script("unplug", kind)

    def plug(self, kind: str) -> None:
        self.script("plug", kind)

    def say(self, samples: NDArray[np.float32], sample_rate: int) -> subprocess.Popen[bytes]:
        """Begin to play into the microphone; ``wait()`` for its end."""
        child = subprocess.Popen(
            [
                *("pacat", "--playback", "--device=mic", "--raw", "--format=float32le"),
                *(f"--rate={sample_rate}", "--channels=1"),
            ],
            # A player with little buffered leaves holes on a busy machine.
            env={**self._environment, "PULSE_LATENCY_MSEC": "1000"},
            stdin=subprocess.PIPE,
        )
        assert child.stdin is not None
        child.stdin.write(samples.astype("<f4").tobytes())
        child.stdin.close()
        self._children.append(child)
        return child

    def record(self, path: Path, *, sample_rate: int = 48_000) -> subprocess.Popen[bytes]:
        """Begin to record the loudspeaker as raw mono float32; ``terminate()`` ends it."""
        with path.open("wb") as file:
            child = subprocess.Popen(
                [
                    *("parec", "--device=speaker.monitor", "--raw", "--format=float32le"),
                    *(f"--rate={sample_rate}", "--channels=1"),
                ],
                env=self._environment,
                stdout=file,
            )
        self._children.append(child)
        return child
