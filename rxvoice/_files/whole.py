"""Files that are replaced as a whole or not at all, and read within a bound."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from rxvoice._check import file_path
from rxvoice.errors import ConfigError


def replace_file(path: str | Path, data: bytes) -> None:
    """Write a file. An old one stays until all of the new one is on the disk.

    The new file is written beside the old one and keeps its permissions. If the path is a link, the
    file behind it is replaced. If writing fails, the old file stays and the new one goes.
    """
    target = Path(os.path.realpath(file_path("the path of a file", path)))
    if target.exists() and not target.is_file():
        # A device or a pipe is written to; a directory gives the system's own error.
        target.write_bytes(data)
        return
    beside = target.with_name(f".{target.name[:50]}.{secrets.token_hex(4)}.part")
    # The process's mask takes away from 0o666.
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            file.flush()
            take_place(file.fileno(), beside, target)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)
            del error.filename2  # with None there, it would be told as "-> None"
        raise


def take_place(file: int, at: Path, target: Path) -> None:
    """Rename a complete file to `target`, in one step that survives a crash.

    It takes the owner, if that is allowed, and the permissions of the file that it replaces.

    Args:
        file: the descriptor of the new file, with nothing left in a buffer.
        at: its present name, in the directory of `target`.
    """
    os.fsync(file)
    with suppress(FileNotFoundError):
        old = target.stat()
        with suppress(PermissionError):
            os.chown(at, old.st_uid, old.st_gid)
        at.chmod(stat.S_IMODE(old.st_mode))
    os.replace(at, target)
    # The new name is on the disk once the directory is, where the system can be asked for that.
    with suppress(OSError):
        directory = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def read_at_most(path: str | Path, size: int) -> bytes:
    """All of a file, which has at most `size` bytes.

    Raises:
        OSError: it cannot be read.
        ConfigError: it is larger.
    """
    with file_path("the path of a file", path).open("rb") as file:
        data = file.read(size + 1)
    if len(data) > size:
        raise ConfigError(f"{path} is larger than the {size // 2**20} MB that such a file may have")
    return data
