"""Whether MLX computes on this machine, and on which device."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from rxvoice._blas import advice
from rxvoice._system import mlx_command
from rxvoice.cli._doctor.finding import Finding
from rxvoice.errors import MissingDependency

if TYPE_CHECKING:
    from rxvoice.mlx._trial import Trial

_GB = 2**30


def check() -> list[Finding]:
    """Compute something small with MLX."""
    try:
        from rxvoice.mlx._trial import trial

        return [judged(trial())]
    except MissingDependency as error:
        return [Finding("mlx", "problem", "MLX does not load", str(error))]
    except Exception as error:
        return [failed(error)]


def judged(trial: Trial) -> Finding:
    """What is to be said of how MLX works here."""
    usable = None if trial.usable is None else round(trial.usable / _GB, 1)
    told = f"MLX {trial.version} on the {trial.device.upper()}, {trial.name}"
    if usable is not None:
        told += f"; models may take {usable} GB"
    facts = {
        "version": trial.version,
        "device": trial.device,
        "name": trial.name,
        "usable_gb": usable,
        "blas": trial.blas,
        "product_ms": trial.product_ms,
    }
    if not trial.is_right:
        remedy = f"it computes a product of matrices wrongly: {mlx_command()}"
        return Finding("mlx", "problem", told, remedy, facts)
    if trial.device == "cpu" and sys.platform == "darwin":
        remedy = (
            "Metal is not available, as in a virtual machine: models run several times slower, on "
            "the CPU"
        )
        return Finding("mlx", "warning", told, remedy, facts)
    if slow := advice(trial.blas):
        return Finding("mlx", "warning", told, slow, facts)
    return Finding("mlx", "ok", told, facts=facts)


def failed(error: Exception) -> Finding:
    """What is to be done when MLX raises."""
    remedy = f"{mlx_command()} mlx-lm mlx-audio"
    if sys.platform == "linux" and not shutil.which("g++"):
        # MLX compiles for a CPU while it runs.
        remedy = "MLX compiles by g++ on a CPU, which is not here: sudo apt-get install g++"
    told = f"MLX does not compute: {type(error).__name__}: {error}"
    return Finding("mlx", "problem", told, remedy)
