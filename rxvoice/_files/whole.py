"""Files that are replaced as a whole or not at all, and read within a bound."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from rxvoice.errors import ConfigError

__all__ = ["read_at_most", "replace_file"]


def replace_file(path: str | Path, data: bytes) -> None:
    """Write a file; what was there stays until all of the new is on the disk, and where that fails.

    The new one is written beside it under a name of its own, keeps the permissions of the old one,
    and where the path is a link the file that it points to is replaced.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        # Of a directory this is the system's own error; a device or a pipe is written to.
        target.write_bytes(data)
        return
    beside = target.with_name(f".{target.name[:50]}.{secrets.token_hex(4)}.part")
    try:
        # 0o666, less what the process's mask takes away.
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            if target.exists():
                os.chmod(beside, target.stat().st_mode & 0o7777)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename, error.filename2 = str(path), None
        raise
    _sync_directory(target.parent)


def read_at_most(path: str | Path, size: int) -> bytes:
    """All of a file, of `size` bytes at most.

    Raises:
        OSError: it cannot be read.
        ConfigError: it is larger.
    """
    with open(path, "rb") as file:
        data = file.read(size + 1)
    if len(data) > size:
        raise ConfigError(f"{path} is larger than the {size // 2**20} MB that such a file may have")
    return data


def _sync_directory(path: Path) -> None:
    """Have the new name survive a crash too, where the system can be asked for it."""
    with suppress(OSError):
        directory = os.open(path, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
