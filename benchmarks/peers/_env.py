"""An environment for each peer, from released packages that are pinned with all that they bring."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

__all__ = ["PLACE", "ROOT", "NotInstalled", "interpreter", "version"]

ROOT = Path(__file__).parent.parent.parent
PLACE = ROOT / ".venv-peers"
PINS = Path(__file__).parent
PACKAGES = {"pipecat": "pipecat-ai", "livekit": "livekit-agents", "mlx-audio": "mlx-audio"}
"""What is measured of each peer."""
OWN = ("rxvoice", "mlx-audio")
"""They run in the environment of rxvoice: it depends on mlx-audio, whose version is told."""


class NotInstalled(Exception):
    """A peer cannot be installed here."""


def interpreter(system: str, told: Callable[[str], None], place: Path = PLACE) -> Path:
    """The Python of a system; its environment is made unless it is there with the same pins.

    Raises:
        NotInstalled: with pip's reason.
    """
    if system in OWN:
        return Path(sys.executable)
    pins = PINS / f"{system}.txt"
    home = place / system
    python = home / "bin" / "python"
    wanted = f"{sys.version}\n{hashlib.sha256(pins.read_bytes()).hexdigest()}\n"
    mark = home / "installed"
    if python.exists() and mark.is_file() and mark.read_text("utf-8") == wanted:
        return python
    told(f"installing {pins.name} into {home}: some minutes and 500 MB, once")
    shutil.rmtree(home, ignore_errors=True)
    venv.create(home, with_pip=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*install, "--prefer-binary", "--requirement", pins],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        shutil.rmtree(home)
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise NotInstalled(" ".join(errors) or f"pip ended with {done.returncode}")
    mark.write_text(wanted, "utf-8")
    return python


def version(system: str) -> str:
    """The package that is measured, with its version: ``pipecat-ai 1.14.0``."""
    if system in OWN:
        package = PACKAGES.get(system, system)
        return f"{package} {metadata.version(package)}"
    pins = (PINS / f"{system}.txt").read_text("utf-8").splitlines()
    package = PACKAGES[system]
    (found,) = (pin for pin in pins if pin.startswith(f"{package}=="))
    return found.replace("==", " ")
