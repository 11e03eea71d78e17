"""What people install: a wheel and a source distribution, in an environment of its own."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import wave
import zipfile
from pathlib import Path

import pytest

import rxvoice

pytest.importorskip("build")
pytest.importorskip("hatchling")

ROOT = Path(__file__).parent.parent
VERSION = rxvoice.__version__

pytestmark = pytest.mark.slow


def run(*command: str, cwd: Path | None = None) -> str:
    # Nothing of this environment may help: no PYTHONPATH, and not this folder.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment = {**inherited, "PIP_NO_INDEX": "1", "MLX_DISABLE_COMPILE": "1"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, and the wheel that is built of it."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT))
    return out


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    return dist / f"rxvoice-{VERSION}-py3-none-any.whl"


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, which sees what it depends on and not this checkout."""
    home = tmp_path_factory.mktemp("clean")
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    install = ("-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps")
    run(sys.executable, *install, "--no-compile", str(wheel))
    # A path in a .pth file is not searched for .pth files, such as that of an editable rxvoice.
    where = run(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    purelib = sysconfig.get_path("purelib")
    (Path(where.strip()) / "dependencies.pth").write_text(purelib, "utf-8")
    return home


def test_the_wheel_has_the_package_and_its_data_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = [path for path in (ROOT / "rxvoice").rglob("*") if path.is_file()]
    wanted = {it.relative_to(ROOT).as_posix() for it in files if "__pycache__" not in it.parts}
    assert held == wanted
    assert {
        "rxvoice/py.typed",
        "rxvoice/data/demo.wav",
        "rxvoice/data/user.wav",
        "rxvoice/data/user.json",
    } <= held
    assert any(name.startswith("rxvoice/offline/demo-llm/") for name in held)


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        about = archive.read(f"rxvoice-{VERSION}.dist-info/METADATA").decode()
        entries = archive.read(f"rxvoice-{VERSION}.dist-info/entry_points.txt").decode()
        assert f"rxvoice-{VERSION}.dist-info/licenses/LICENSE" in archive.namelist()
    assert "\nRequires-Python: >=3.11\n" in about
    assert "\nDescription-Content-Type: text/markdown\n" in about
    assert "\nLicense-Expression: MIT\n" in about
    assert "rxvoice = rxvoice.cli:main" in entries


def test_the_source_distribution_is_enough_for_a_contributor(dist: Path) -> None:
    with tarfile.open(dist / f"rxvoice-{VERSION}.tar.gz") as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"pyproject.toml", "Makefile", "mkdocs.yml", "README.md", "LICENSE", "CONTRIBUTING.md"}
    wanted |= {"tests/test_distribution.py", "docs/hooks.py", "operators/chunk.md"}
    wanted |= {"examples/README.md", "benchmarks/__main__.py"}
    assert wanted <= held
    assert not [name for name in held if "__pycache__" in name or name.startswith("out/")]


def test_the_checkout_gives_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    run(
        *(sys.executable, "-m", "build", "--no-isolation", "--wheel"),
        *("--outdir", str(tmp_path), str(ROOT)),
    )
    assert contents(tmp_path / wheel.name) == contents(wheel)


def contents(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def test_the_installed_package_is_the_wheel_s(clean: Path, tmp_path: Path) -> None:
    code = "import rxvoice; print(rxvoice.__file__, rxvoice.__version__)"
    file, version = run(str(clean / "bin" / "python"), "-c", code, cwd=tmp_path).split()
    assert Path(file).is_relative_to(clean)
    assert version == VERSION
    assert run(str(clean / "bin" / "rxvoice"), "--version").strip() == f"rxvoice {VERSION}"


@pytest.mark.models
def test_the_installed_command_answers_a_recording(clean: Path, tmp_path: Path) -> None:
    recording, seconds = ROOT / "rxvoice" / "data" / "demo.wav", 4
    with wave.open(str(recording)) as whole, wave.open(str(tmp_path / "one.wav"), "wb") as one:
        one.setparams(whole.getparams())
        one.writeframes(whole.readframes(seconds * whole.getframerate()))
    command = (str(clean / "bin" / "rxvoice"), "run", "one.wav", "-o", "a.wav")
    shown = run(*command, "--voice", "espeak:en-us", cwd=tmp_path)
    assert "wrote a.wav: 1 turns answered, 0 failed" in shown
    assert (tmp_path / "a.wav").stat().st_size > 10_000


def test_what_is_looked_at_before_a_release_is_what_the_demo_leaves() -> None:
    shown = (ROOT / "README.md").read_text("utf-8").partition("$ rxvoice demo\n")[2]
    shown = shown.partition("```")[0]
    looked_at = (ROOT / ".ci" / "smoke.sh").read_text("utf-8")
    assert f"""grep -c ' assistant ' demo.txt)" -eq {shown.count(" assistant ")} ]""" in looked_at
    assert re.findall(r"\[ -s (.+) \]", looked_at) == re.findall("^wrote (.+?):", shown, re.M)
