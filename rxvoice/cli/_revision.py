"""Which weights a model of a name or a directory has, for the header of a trace."""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["revision"]

_READ = 1_000_000
"""Files up to so many bytes count with their content; weights, with their size."""


def revision(model: str) -> str | None:
    """The revision on the hub, or a checksum of a directory's files; None if it is not known."""
    directory = Path(model)
    if directory.is_dir():
        return _checksum(directory)
    hub: Any = import_module("huggingface_hub")
    try:
        found = hub.try_to_load_from_cache(model, "config.json")
    except ValueError:  # no name of the hub, as that of a model behind a server
        return None
    return Path(found).parent.name if isinstance(found, str) else None


def _checksum(directory: Path) -> str:
    told = hashlib.sha256()
    for file in sorted(it for it in directory.iterdir() if it.is_file()):
        size = file.stat().st_size
        told.update(f"{file.name} {size}\n".encode())
        if size <= _READ:
            told.update(file.read_bytes())
    return f"sha256:{told.hexdigest()[:16]}"
