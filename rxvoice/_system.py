"""Whether this system is one that rxvoice runs on. The Makefile runs this file as a program."""

import ctypes
import platform
import sys

_MACOS = 14
_GLIBC = (2, 35)
"""The oldest systems that MLX has wheels for."""

_MACHINES = ("x86_64", "aarch64")
"""The processors that MLX has wheels for on Linux."""


def unsupported() -> str:
    """Why MLX has no wheel for this system and what to do, in a sentence; "" if it has one."""
    if sys.platform == "darwin":
        return _mac(platform.machine(), platform.mac_ver()[0], is_translated())
    if sys.platform == "linux":
        return _linux(platform.machine(), *platform.libc_ver())
    return f"rxvoice runs on macOS and on Linux, and not on {platform.system() or sys.platform}"


def mlx_command() -> str:
    """The command that installs MLX again."""
    package = "mlx" if sys.platform == "darwin" else "'mlx[cpu]'"
    return f"pip install --force-reinstall {package}"


def is_translated() -> bool:
    """Whether this process is one for Intel that Rosetta runs on Apple silicon."""
    if sys.platform != "darwin":
        return False
    value, size = ctypes.c_int(0), ctypes.c_size_t(ctypes.sizeof(ctypes.c_int))
    name = b"sysctl.proc_translated"
    failed = ctypes.CDLL(None).sysctlbyname(
        name, ctypes.byref(value), ctypes.byref(size), None, ctypes.c_size_t(0)
    )
    return not failed and value.value == 1


def _mac(machine: str, version: str, translated: bool) -> str:
    if translated:
        return (
            "this Python is one for Intel, which Rosetta runs on this Apple silicon, and MLX has "
            "no build for Intel: install a Python for Apple silicon, from python.org or by the "
            "Homebrew in /opt/homebrew, and make a new environment with it"
        )
    if machine != "arm64":
        return (
            "this Mac has an Intel processor, which MLX has no build for: rxvoice wants Apple "
            f"silicon (M1 or later) with macOS {_MACOS} or later, or Linux"
        )
    # A Python that was built for very old systems is told 10.16 by every later one.
    if version and version != "10.16" and _numbers(version) < (_MACOS,):
        return (
            f"this is macOS {version}, and MLX wants macOS {_MACOS} or later: update it in System "
            "Settings > General > Software Update"
        )
    return ""


def _linux(machine: str, libc: str, version: str) -> str:
    if machine not in _MACHINES:
        return (
            f"MLX has no build for the processor {machine} on Linux: rxvoice wants "
            f"{' or '.join(_MACHINES)}"
        )
    wanted = ".".join(map(str, _GLIBC))
    if libc != "glibc":
        return (
            f"this Linux has no glibc, which MLX wants: use one with glibc {wanted} or later, such "
            "as Debian 12 or Ubuntu 22.04"
        )
    if _numbers(version) < _GLIBC:
        return (
            f"this Linux has glibc {version}, and MLX wants glibc {wanted} or later: Debian 12 and "
            "Ubuntu 22.04 have it"
        )
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(it) for it in version.split(".") if it.isdigit())


if __name__ == "__main__" and unsupported():
    sys.exit(f"rxvoice cannot be installed: {unsupported()}")
