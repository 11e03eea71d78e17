"""The sentence for a system that MLX has no wheel for."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from rxvoice import _system

ROOT = Path(__file__).parent.parent


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A Mac with Apple silicon and macOS 15."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(platform, "mac_ver", lambda: ("15.1", ("", "", ""), "arm64"))
    monkeypatch.setattr(_system, "is_translated", lambda: False)
    return monkeypatch


def test_apple_silicon_with_macos_14_or_later_is_supported(mac: pytest.MonkeyPatch) -> None:
    for version in ("14.0", "15.1", "26.1", "10.16", ""):
        mac.setattr(platform, "mac_ver", lambda version=version: (version, ("", "", ""), "arm64"))
        assert _system.unsupported() == ""


def test_an_intel_mac_is_told_what_rxvoice_wants(mac: pytest.MonkeyPatch) -> None:
    mac.setattr(platform, "machine", lambda: "x86_64")
    told = _system.unsupported()
    assert told.startswith("this Mac has an Intel processor")
    assert "Apple silicon (M1 or later) with macOS 14 or later, or Linux" in told


def test_an_intel_python_on_apple_silicon_is_told_to_get_another(mac: pytest.MonkeyPatch) -> None:
    mac.setattr(platform, "machine", lambda: "x86_64")
    mac.setattr(_system, "is_translated", lambda: True)
    told = _system.unsupported()
    assert "Rosetta" in told
    assert "install a Python for Apple silicon" in told


def test_macos_13_is_told_to_update(mac: pytest.MonkeyPatch) -> None:
    mac.setattr(platform, "mac_ver", lambda: ("13.6.1", ("", "", ""), "arm64"))
    assert _system.unsupported().startswith("this is macOS 13.6.1, and MLX wants macOS 14 or later")


@pytest.mark.parametrize(
    ("machine", "libc", "told"),
    [
        ("x86_64", ("glibc", "2.35"), ""),
        ("aarch64", ("glibc", "2.36"), ""),
        ("x86_64", ("glibc", "2.31"), "this Linux has glibc 2.31, and MLX wants glibc 2.35"),
        ("x86_64", ("", ""), "this Linux has no glibc"),
        ("riscv64", ("glibc", "2.36"), "MLX has no build for the processor riscv64"),
    ],
)
def test_a_linux_is_judged_by_its_processor_and_its_glibc(
    machine: str, libc: tuple[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "libc_ver", lambda: libc)
    found = _system.unsupported()
    assert found.startswith(told)
    assert bool(found) == bool(told)


def test_another_system_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    assert _system.unsupported() == "rxvoice runs on macOS and on Linux, and not on Windows"


def as_intel_mac(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process that takes itself for an Intel Mac without MLX."""
    pretend = (
        "import ctypes, platform, sys\n"
        "sys.modules['mlx'] = sys.modules['mlx.core'] = None\n"
        "sys.platform = 'darwin'\n"
        "platform.machine = lambda: 'x86_64'\n"
        "platform.mac_ver = lambda: ('13.6', ('', '', ''), 'x86_64')\n"
        "class Libc:\n    sysctlbyname = lambda *_: -1\n"
        "ctypes.CDLL = lambda *_, **__: Libc()\n"
    )
    command = [sys.executable, "-c", pretend + code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_import_of_rxvoice_mlx_gives_the_sentence() -> None:
    done = as_intel_mac("import rxvoice.mlx")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("rxvoice.errors.MissingDependency: rxvoice.mlx needs MLX, which does")
    assert "this Mac has an Intel processor" in last


def test_the_makefile_s_program_gives_the_sentence() -> None:
    run = "import runpy; runpy.run_path('rxvoice/_system.py', run_name='__main__')"
    done = as_intel_mac(run)
    assert done.returncode == 1
    assert done.stderr.startswith("rxvoice cannot be installed: this Mac has an Intel processor")
    here = [sys.executable, "-I", str(ROOT / "rxvoice" / "_system.py")]
    assert subprocess.run(here, check=False).returncode == 0
