"""What importing rxvoice costs, and what it promises to export."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import rxvoice as rxv

PACKAGE = Path(rxv.__file__).parent
HEAVY = {
    "mlx",
    "mlx_lm",
    "mlx_audio",
    "sounddevice",
    "soundfile",
    "soxr",
    "scipy",
    "pytest",
    "openai",
    "rich",
    "icu4py",
    "markdown_it",
    "regex",
    "livekit",
    "opentelemetry",
    "PySide6",
    "tkinter",
    "fastapi",
    "starlette",
}


def test_importing_rxvoice_loads_no_model_and_no_device() -> None:
    code = "import sys, rxvoice; print(*{name.partition('.')[0] for name in sys.modules})"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert "rxvoice" in shown.stdout.split()
    assert HEAVY.isdisjoint(shown.stdout.split())


PARTS = {*rxv.__all__, "aio", "operators.kernel", "qt", "tk", "web"}
PUBLIC = ["rxvoice", *sorted(f"rxvoice.{it}" for it in PARTS if find_spec(f"rxvoice.{it}"))]


@pytest.mark.parametrize("name", PUBLIC)
def test_all_is_honest(name: str) -> None:
    module = importlib.import_module(name)
    exported = module.__all__
    assert len(exported) == len(set(exported))
    for item in exported:
        thing = getattr(module, item)
        if inspect.isroutine(thing) or inspect.isclass(thing) or inspect.ismodule(thing):
            assert thing.__doc__, f"{name}.{item} has no docstring"


@pytest.mark.parametrize("name", ["sources", "sinks", "offline", "mlx", "remote", "operators"])
def test_all_has_everything_that_a_package_gathers(name: str) -> None:
    module = importlib.import_module(f"rxvoice.{name}")
    assert module.__file__
    body = ast.parse(Path(module.__file__).read_text("utf-8")).body
    gathered = {
        alias.asname or alias.name
        for node in body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rxvoice.")
        for alias in node.names
    }
    assert {it for it in gathered if not it.startswith("_")} <= set(module.__all__)


def test_every_operator_has_its_file_and_its_test() -> None:
    named = set(rxv.operators.__all__)
    files = {p.stem for p in (PACKAGE / "operators").glob("[!_]*.py")} - {"kernel"}
    tests = {p.stem.removeprefix("test_") for p in Path("tests/operators").glob("test_*.py")}
    assert named == files
    assert named <= tests
    # An operator may have more than one; these are of all of them.
    others = {it for it in tests if not it.startswith(tuple(named))}
    assert others == {"bounds", "events", "kernel", "operator_corners", "rx_laws", "shapes"}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'rxvoice' has no attribute 'microfone'"):
        rxv.microfone  # type: ignore[attr-defined] # noqa: B018
