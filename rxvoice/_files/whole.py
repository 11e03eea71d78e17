"""Files that are replaced as a whole or not at all, and files that are read up to a limit."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from rxvoice.errors import ConfigError


def replace_file(path: str | Path, data: bytes) -> None:
    """Write a file. An old file stays until all of the new one is on the disk, or if that fails.

    The new file is written beside the old one under another name, gets its permissions, and then
    replaces it. If the path is a link, the file that it points to is replaced.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        # A device or a pipe is written to; for a directory the system raises its own error.
        target.write_bytes(data)
        return
    beside = target.with_name(f".{target.name[:50]}.{secrets.token_hex(4)}.part")
    try:
        # The process's umask applies to 0o666.
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
    """Read a whole file that may have at most `size` bytes.

    Raises:
        OSError: the file cannot be read.
        ConfigError: the file is larger.
    """
    with open(path, "rb") as file:
        data = file.read(size + 1)
    if len(data) > size:
        raise ConfigError(f"{path} is larger than the {size // 2**20} MB that such a file may have")
    return data


def _sync_directory(path: Path) -> None:
    """Make the new name survive a crash, if the system supports that."""
    with suppress(OSError):
        directory = os.open(path, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
