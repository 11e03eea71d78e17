"""OpenBLAS is loaded before MLX, or its absence is told."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rxvoice import _blas
from rxvoice._blas import advice, load_openblas
from tests.mlx.near import ON_A_GPU

ROOT = Path(__file__).parent.parent.parent
linux = pytest.mark.skipif(
    sys.platform != "linux" or ON_A_GPU,
    reason="OpenBLAS replaces the BLAS of MLX's CPU build for Linux",
)


def is_here() -> bool:
    try:
        ctypes.CDLL("libopenblas.so.0")
    except OSError:
        return False
    return True


openblas = pytest.mark.skipif(not is_here(), reason=f"no OpenBLAS: {_blas.OPENBLAS_COMMAND}")


def run(program: str) -> str:
    """What a fresh interpreter prints."""
    inherited = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    program = f"from pathlib import Path\n{program}"
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=inherited | {"PYTHONPATH": os.pathsep.join(path)},
    )
    return done.stdout.strip()


@linux
@openblas
@pytest.mark.models
def test_it_is_loaded_before_mlx() -> None:
    program = """
import rxvoice.mlx
from rxvoice._blas import load_openblas
print(load_openblas(), "libopenblas" in Path("/proc/self/maps").read_text())
"""
    assert run(program) == "openblas True"


@linux
@openblas
@pytest.mark.models
def test_after_mlx_it_has_no_effect_and_that_is_said() -> None:
    program = """
import mlx.core
import rxvoice.mlx
from rxvoice._blas import load_openblas
print(load_openblas())
"""
    assert run(program) == "late"
    assert advice("late").endswith("import rxvoice.mlx first")


def test_importing_rxvoice_loads_none() -> None:
    program = """
import sys, rxvoice
print("rxvoice._blas" in sys.modules)
"""
    assert run(program) == "False"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A Linux machine without OpenBLAS, on which MLX is not yet imported."""
    monkeypatch.setattr(_blas, "_is_linux_cpu", lambda: True)
    monkeypatch.setattr(_blas, "_LIBRARY", "libno-such-blas.so.0")
    monkeypatch.setattr(_blas, "_is_loaded", lambda: False)
    load_openblas.cache_clear()
    return monkeypatch


def test_where_there_is_none_the_command_is_named(
    machine: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rxvoice.cli.models import models

    try:
        assert load_openblas() == "missing"
        models()
        assert "sudo apt-get install libopenblas0-pthread" in capsys.readouterr().out
        models(as_json=True)
        assert json.loads(capsys.readouterr().out)["blas"] == "missing"
    finally:
        load_openblas.cache_clear()


@pytest.mark.models
def test_loading_a_large_model_names_the_command(
    machine: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from rxvoice.mlx import loading

    with caplog.at_level(logging.WARNING, "rxvoice"):
        try:
            loading.tell_of_blas(10_000)
            assert not caplog.messages
            loading.tell_of_blas(100_000_000)
        finally:
            load_openblas.cache_clear()
    (message,) = caplog.messages
    assert message.endswith("without: sudo apt-get install libopenblas0-pthread")


def test_elsewhere_it_is_not_needed(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(_blas, "_is_linux_cpu", lambda: False)
    try:
        assert load_openblas() == "not needed"
        assert advice("not needed") == advice("openblas") == ""
    finally:
        load_openblas.cache_clear()


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str | None, str | None]]]:
    """How idle threads wait, of each library that is loaded while this is in use."""
    seen: list[tuple[str | None, str | None]] = []

    def found(_: int) -> bool:
        names = ("OPENBLAS_THREAD_TIMEOUT", "OMP_WAIT_POLICY")
        seen.append((os.environ.get(names[0]), os.environ.get(names[1])))
        return True

    monkeypatch.setattr(_blas, "_is_linux_cpu", lambda: True)
    monkeypatch.setattr(_blas, "_is_loaded", lambda: True)
    monkeypatch.setattr(_blas, "_found", found)
    for name in ("OPENBLAS_THREAD_TIMEOUT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    load_openblas.cache_clear()
    yield seen
    load_openblas.cache_clear()


def test_idle_threads_sleep(waiting: list[tuple[str | None, str | None]]) -> None:
    assert load_openblas() == "openblas"
    assert waiting == [("16", "PASSIVE")]
    assert "OPENBLAS_THREAD_TIMEOUT" not in os.environ, "programs started later have their own way"


def test_what_the_user_set_holds(
    waiting: list[tuple[str | None, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    load_openblas()
    assert waiting == [("16", "ACTIVE")]
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


@linux
@openblas
@pytest.mark.models
def test_between_two_products_a_core_is_free() -> None:
    """The time of the CPU that passes after a product, while nothing is computed."""
    program = """
import resource, threading, time
import rxvoice.mlx
import mlx.core as mx
a = mx.random.normal((384, 384))
def spent():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
idle = 0.0
for _ in range(40):
    mx.eval(a @ a)
    before = spent()
    threading.Event().wait(0.01)
    idle += spent() - before
print(idle)
"""
    assert float(run(program)) < 0.02, "of 0.4 s"
