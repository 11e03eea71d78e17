"""What no input may do: reach out of its folder, run code, take much time or memory.

An audit hook watches what Python does on behalf of the input: files, imports, `exec`, other
programs, the network. A limit of the address space bounds memory, where the system has one (Linux).
A timer of the processor's time bounds how long it runs, whatever else the machine does.
"""

from __future__ import annotations

import mimetypes
import os
import resource
import signal
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

_READABLE = tuple(
    os.path.realpath(it)
    for it in (
        *(sys.prefix, sys.base_prefix, ROOT, *sysconfig.get_paths().values()),
        *("/usr/lib", "/usr/share", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache"),
        # What libraries ask about the machine, and the random numbers of its kernel.
        *("/proc", "/sys", "/dev/null", "/dev/urandom", "/System", "/Library"),
        *mimetypes.knownfiles,  # a server says what kind of file it sends
    )
)
"""What may be read though the input's folder does not have it: Python, its packages, the system."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES: dict[str, tuple[tuple[int, int | None], ...]] = {
    "os.remove": ((0, 1),),
    "os.rename": ((0, 2), (1, 3)),
    "os.rmdir": ((0, 1),),
    "os.mkdir": ((0, 2),),
    "os.link": ((0, 2), (1, 3)),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "os.chmod": ((0, 2),),
    "shutil.rmtree": ((0, None),),
    "shutil.move": ((0, None), (1, None)),
    "shutil.copyfile": ((1, None),),
}
"""Changes of files, and which of the event's arguments are their paths, and their directories."""
_NEVER = (
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"),
    *("pty.spawn", "os.kill", "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"),
    *("socket.getaddrinfo", "pickle.find_class", "webbrowser.open", "ctypes.cdata/buffer"),
)
_MAKERS = ("jinja2", "dataclasses", "collections", "pydantic", "attr", "typing", "reactivex")
"""Packages that compile code of their own making; a chat template is compiled by jinja2."""


class Fault(BaseException):
    """An input did what no input may do. No `except Exception` hides it."""


class _Watch:
    """What is watched at the moment."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.found: list[str] = []

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        if self.folder is None:
            return
        told = self._told(event, args)
        if told is not None:
            self.found.append(told)
            raise Fault(told)

    def _told(self, event: str, args: tuple[Any, ...]) -> str | None:
        if event == "open":
            path, _, flags = args
            return self._path(event, path, writes=bool((flags or 0) & _WRITES))
        if event in _CHANGES:
            paths = (_within(args[at], args[of] if of else -1) for at, of in _CHANGES[event])
            told = (self._path(event, it, writes=True) for it in paths)
            return next((it for it in told if it), None)
        if event in _NEVER:
            return f"{event}{args!r:.300}"
        if event == "exec":
            return self._exec(args[0])
        if event == "compile":
            return self._compile(args[0])
        return None

    def _path(self, event: str, path: Any, *, writes: bool) -> str | None:
        if isinstance(path, int):  # it is open already
            return None
        real = os.path.realpath(os.fsdecode(path))
        allowed = (self.folder or "", os.devnull) if writes else (self.folder or "", *_READABLE)
        if any(real == it or real.startswith(it + os.sep) for it in allowed):
            return None
        if not writes and real == "/etc/localtime":
            return None
        return f"{event} of {real!r}"

    def _exec(self, code: Any) -> str | None:
        """Code may run that comes from a file of Python or of a package, and none of the input."""
        name = getattr(code, "co_filename", "")
        if name.startswith("<"):
            return None if _caller(_MAKERS) or name.startswith("<frozen") else f"exec of {name}"
        real = os.path.realpath(name)
        inside = any(real.startswith(it + os.sep) for it in _READABLE)
        outside = real.startswith((self.folder or "") + os.sep) or not inside
        return f"exec of {real!r}" if outside else None

    def _compile(self, source: Any) -> str | None:
        if source is None:  # an import of a file, of which `exec` is told
            return None
        # ast.parse and ast.literal_eval run nothing: `exec` would be told of.
        return None


def _within(path: Any, directory: int) -> Any:
    """A path that counts from an open directory, as `shutil.rmtree` has it."""
    if directory < 0 or isinstance(path, int) or sys.platform != "linux":
        return path
    return os.path.join(os.readlink(f"/proc/self/fd/{directory}"), os.fsdecode(path))


def _caller(packages: tuple[str, ...]) -> bool:
    """Whether one of these packages is near the top of the stack."""
    frame: FrameType | None = sys._getframe(3)
    for _ in range(6):
        if frame is None:
            return False
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] in packages:
            return True
        frame = frame.f_back
    return False


_watch = _Watch()
_hooked = False


def _install() -> None:
    global _hooked
    if not _hooked:
        _hooked = True
        sys.addaudithook(_watch.hook)


@contextmanager
def guarded(folder: Path, *, seconds: float, mib: int) -> Iterator[None]:
    """Hold what happens in this block to the rules.

    Args:
        folder: the only place where files may be written, and other files read.
        seconds: of the processor, at most.
        mib: MiB of address space that may be added, at most; on Linux.

    Raises:
        Fault: a rule was broken.
        MemoryError: it took too much memory.
    """
    _install()
    before = _watch.folder
    _watch.folder, _watch.found = os.path.realpath(folder), []
    began = time.process_time()
    try:
        with _in_time(seconds), _in_memory(mib):
            yield
    finally:
        _watch.folder = before
    if _watch.found:  # a `BaseException` may have been caught
        raise Fault(_watch.found[0])
    if (took := time.process_time() - began) > seconds + 1:
        raise Fault(f"it took {took:.1f} s of the processor, and may take {seconds:g}")


@contextmanager
def _in_time(seconds: float) -> Iterator[None]:
    def too_long(_: int, __: FrameType | None) -> None:
        raise Fault(f"it ran for {seconds:g} s of the processor")

    old = signal.signal(signal.SIGPROF, too_long)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, old)


@contextmanager
def _in_memory(mib: int) -> Iterator[None]:
    if sys.platform != "linux":  # elsewhere the limit is not kept
        yield
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    old = resource.getrlimit(resource.RLIMIT_AS)
    most = pages * resource.getpagesize() + mib * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, old)
