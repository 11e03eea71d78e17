"""The site: it is built from what is there, fails for what is not, and asks no other host.

It is built once, of a copy with faults. mkdocs writes all of it before it fails for them.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from thorough import THOROUGH

import rxvoice
from rxvoice.cli import parser

pytest.importorskip("mkdocs", reason="the site is built with mkdocs: pip install 'rxvoice[docs]'")

ROOT = Path(__file__).parent.parent
PARTS = ("rxvoice", "operators", "examples", "docs")
FILES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "mkdocs.yml")


def build(root: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a checkout; not quietly, for then warnings do not count."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(site)],
        cwd=root,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True)
class Built:
    """The site of a checkout with all the faults, and the warnings."""

    site: Path
    warnings: list[str]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    copy = tmp_path_factory.mktemp("copy")
    for part in PARTS:
        ignored = shutil.ignore_patterns("__pycache__", "*.safetensors", "*.npz", "*.wav")
        shutil.copytree(ROOT / part, copy / part, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, copy / name)
    for name, old, new, _ in FAULTS.values():
        file = copy / name
        text = file.read_text("utf-8") if file.exists() else ""
        pattern = old if isinstance(old, re.Pattern) else re.compile(re.escape(old))
        planted = pattern.sub(new, text, count=1)
        assert planted != text, name
        file.write_text(planted, "utf-8")
    (copy / "docs" / "hooks.pyc").touch()
    done = build(copy, copy / "site")
    assert done.returncode != 0
    told = re.findall(r"^WARNING.*$(?:\n^ .*$)*", done.stderr, re.MULTILINE)
    assert f"Aborted with {len(told)} warnings in strict mode" in done.stdout + done.stderr
    return Built(copy / "site", told)


@pytest.fixture
def site(built: Built) -> Path:
    return built.site


@pytest.fixture
def warnings(built: Built) -> list[str]:
    return built.warnings


# What is there


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(site: Path) -> None:
    for name in ["rxvoice", *(f"rxvoice.{it}" for it in modules())]:
        page = (site / "reference" / f"{name}.html").read_text("utf-8")
        headings = re.findall(r'<h2 id="[\w.-]+"[^>]*>(.*?)</h2>', page, re.DOTALL)
        for item in exported(name):
            assert any(item in it for it in headings), f"{name}.{item}"


def modules() -> list[str]:
    named = [*rxvoice.__all__, "aio", "operators.kernel", "qt", "tk", "web"]
    return sorted({it for it in named if find_spec(f"rxvoice.{it}")})


def exported(name: str) -> list[str]:
    """``__all__``, without running the module: it may want a package that is not here."""
    origin = find_spec(name).origin  # type: ignore[union-attr]
    for node in ast.parse(Path(str(origin)).read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    raise AssertionError(f"{name} has no __all__")


@pytest.mark.slow
def test_every_operator_has_its_page_with_its_pictures(site: Path) -> None:
    for name in rxvoice.operators.__all__:
        page = (site / "operators" / f"{name}.html").read_text("utf-8")
        assert f"img/{name}-1.svg" in page
        assert (site / "operators" / "img" / f"{name}-1.svg").is_file()


@pytest.mark.slow
def test_every_example_has_its_page(site: Path) -> None:
    for path in sorted((ROOT / "examples").glob("*.py")):
        assert path.name in (site / "examples" / f"{path.stem}.html").read_text("utf-8")
        assert f"{path.stem}.html" in (site / "examples" / "index.html").read_text("utf-8")


@pytest.mark.slow
def test_the_command_line_s_page_has_every_option(site: Path) -> None:
    page = (site / "reference" / "cli.html").read_text("utf-8")
    for action in parser()._actions:
        if isinstance(action.choices, dict):
            for name, command in action.choices.items():
                assert f"rxvoice {name}" in page
                for option in command._option_string_actions:
                    assert option in page, f"rxvoice {name} {option}"


@pytest.mark.slow
def test_the_table_of_models_is_that_of_rxvoice_models(site: Path) -> None:
    from rxvoice.cli._catalog import MODELS

    page = (site / "guides" / "models.html").read_text("utf-8")
    assert all(it.name in page for it in MODELS)


@pytest.mark.slow
def test_a_page_asks_no_other_host_for_anything(site: Path) -> None:
    loads = re.compile(
        r'<(?:script|img|iframe|link(?! rel="canonical"))[^>]*(?:src|href)="(https?:)'
    )
    for page in site.rglob("*.html"):
        assert not loads.search(page.read_text("utf-8")), page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?https?:|@import", sheet.read_text("utf-8")), sheet


@pytest.mark.slow
def test_what_is_compiled_stays_out_of_it(site: Path) -> None:
    assert [*site.rglob("*.py"), *site.rglob("*.pyc")] == []


@pytest.mark.slow
def test_the_search_works_from_the_disk(site: Path) -> None:
    # A page of file:// may neither fetch an index nor start a worker.
    assert (site / "search" / "search_index.js").read_text("utf-8").startswith("var __index = ")
    page = (site / "guides" / "echo.html").read_text("utf-8")
    assert '<script src="../assets/iframe-worker.js">' in page
    assert (site / "assets" / "iframe-worker.js").is_file()


# What is not there

FAULTS = {
    "a broken link": (
        "docs/guides/index.md",
        "](testing.md)",
        "](tasting.md)",
        "a link 'tasting.md', but the target 'guides/tasting.md' is not found",
    ),
    "a broken link in the readme": (
        "README.md",
        "](operators/vad.md)",
        "](operators/mad.md)",
        "a link 'operators/mad.md', but the target is not found",
    ),
    "a broken anchor": (
        "docs/guides/testing.md",
        "#how-to-read-a-diagram",
        "#how-to-eat-a-diagram",
        "does not contain an anchor '#how-to-eat-a-diagram'",
    ),
    "a picture that is not there": (
        "operators/chunk.md",
        "img/chunk-2.svg",
        "img/chunk-99.svg",
        "a link 'img/chunk-99.svg', but the target 'operators/img/chunk-99.svg' is not found",
    ),
    "a page that the navigation has not": (
        "docs/forgotten.md",
        "",
        "# Forgotten",
        'not included in the "nav" configuration',
    ),
    "an undocumented name": (
        "rxvoice/offline/vad.py",
        re.compile(r"(def silero\(.*?\n)    \"\"\".*?\"\"\"\n", re.DOTALL),
        r"\1",
        "rxvoice.offline.silero has no docstring",
    ),
    "an undocumented method": (
        "rxvoice/sinks/memory.py",
        '"""How many times `flush` was called."""',
        "",
        "rxvoice.sinks.memory.MemorySink.flushes has no docstring",
    ),
    "a name that is not there": (
        "rxvoice/sinks/__init__.py",
        '"memory",',
        '"memory", "memories",',
        "rxvoice.sinks.__all__ names memories, which is not there",
    ),
    "an operator without a page": (
        "rxvoice/operators/__init__.py",
        '"chunk",',
        '"chunk", "lump",',
        "the operator lump has no page operators/lump.md",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_the_build_fails_for(fault: str, warnings: list[str]) -> None:
    # Each warning fails a strict build; there are no others than those of the faults.
    told = FAULTS[fault][-1]
    assert [it for it in warnings if told in it]


@pytest.mark.slow
def test_the_build_fails_for_nothing_else(warnings: list[str]) -> None:
    told = [fault[-1] for fault in FAULTS.values()]
    told += ["rxvoice.operators.__all__ names lump", "A reference to 'operators/lump.md'"]
    assert [it for it in warnings if not any(text in it for text in told)] == []


@pytest.mark.slow
@pytest.mark.skipif(not THOROUGH, reason="takes as long as all others together")
def test_this_checkout_is_built(tmp_path: Path) -> None:
    done = build(ROOT, tmp_path / "site")
    assert done.returncode == 0, done.stderr
