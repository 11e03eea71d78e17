"""The checks of ``rxvoice doctor`` that look at the machine: each outcome, on fakes."""

from __future__ import annotations

import platform
import shutil
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from rxvoice import _system
from rxvoice.cli._cached import Cached
from rxvoice.cli._catalog import MODELS, Model
from rxvoice.cli._doctor import disk, memory, mlx, models, packages, python, settings, system
from rxvoice.cli._doctor.finding import Finding
from rxvoice.cli._doctor.requirement import lacking
from rxvoice.errors import ConfigError
from rxvoice.mlx._trial import Trial, trial

ROOT = Path(__file__).parents[2]
GB = 10**9


def only(found: list[Finding]) -> Finding:
    (one,) = found
    return one


# Python and the system


def test_a_python_that_rxvoice_is_tested_with_is_ok() -> None:
    found = python.judged((3, 13), "3.13.1", "CPython")
    assert found.state == "ok"
    assert found.told == "CPython 3.13.1, in a virtual environment"
    outside = python.judged((3, 11), "3.11.7", "CPython", virtual=False)
    assert outside.told == "CPython 3.11.7, outside of any virtual environment"


@pytest.mark.parametrize(
    ("pair", "implementation", "free"),
    [((3, 15), "CPython", False), ((3, 12), "PyPy", False), ((3, 14), "CPython", True)],
)
def test_another_python_is_a_warning(
    pair: tuple[int, int], implementation: str, free: bool
) -> None:
    found = python.judged(pair, "x", implementation, free_threaded=free)
    assert found.state == "warning"
    assert "tested with CPython 3.11 to 3.14" in found.remedy


def test_the_pythons_are_those_of_the_classifiers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    last = [it.rpartition(" ")[2] for it in project["classifiers"] if ":: 3." in it]
    assert [tuple(map(int, it.split("."))) for it in (last[0], last[-1])] == list(python.TRIED)


def test_a_system_that_mlx_does_not_support_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(system.check()).facts["machine"] == platform.machine()
    monkeypatch.setattr(_system, "unsupported", lambda: "this Mac has an Intel processor: buy")
    found = only(system.check())
    assert (found.state, found.remedy) == ("problem", "this Mac has an Intel processor: buy")


def test_rosetta_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(platform, "mac_ver", lambda: ("15.1", ("", "", ""), "x86_64"))
    monkeypatch.setattr(_system, "is_translated", lambda: True)
    found = only(system.check())
    assert found.state == "problem"
    assert found.told.startswith("macOS 15.1 on x86_64 (Rosetta), ")
    assert "install a Python for Apple silicon" in found.remedy


# Packages


def fake_packages(
    monkeypatch: pytest.MonkeyPatch, installed: dict[str, str], requires: dict[str, list[str]]
) -> None:
    """Let these be the installed packages, and what they require."""

    def version(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(metadata, "requires", lambda name: requires.get(name, []))


def test_a_requirement_lacks_what_is_missing_old_or_in_an_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_packages(
        monkeypatch,
        {"mlx": "0.30", "misaki": "0.9.4"},
        {"misaki": ["spacy>=3; extra == 'en'", "regex", "jieba; extra == 'zh'"]},
    )
    wanted = {
        "mlx>=0.29": [],
        "mlx>=0.32.4; sys_platform != 'nowhere'": ["mlx>=0.32.4"],
        "mlx>=0.32.4; sys_platform == 'nowhere'": [],
        "soxr[x]": ["soxr[x]"],
        "misaki": [],
        "misaki[en]": ["spacy>=3"],
    }
    found = {it: list(lacking(Requirement(it))) for it in wanted}
    assert found == wanted


def test_packages_that_are_missing_or_old_are_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_packages(
        monkeypatch,
        {"rxvoice": "1", "mlx": "0.30"},
        {"rxvoice": ["mlx>=0.32.4", "soxr>=1.0", "openai>=2; extra == 'remote'"]},
    )
    found = only(packages.check())
    assert found.state == "problem"
    assert found.remedy.endswith("pip install --upgrade 'mlx>=0.32.4' 'soxr>=1.0'")
    assert found.facts["missing"] == ["mlx>=0.32.4", "soxr>=1.0"]


def test_the_extras_that_are_complete_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_packages(
        monkeypatch,
        {"rxvoice": "1", "openai": "2.1"},
        {"rxvoice": ["openai>=2; extra == 'remote'", "livekit>=1.2; extra == 'echo'"]},
    )
    monkeypatch.setattr(packages, "_extras", lambda: ["echo", "remote"])
    found = only(packages.check())
    assert (found.state, found.facts["extras"]) == ("ok", ["remote"])
    assert found.told.endswith("; extras: remote")


def test_rxvoice_that_is_not_installed_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(_: str) -> list[str]:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "requires", requires)
    found = only(packages.check())
    assert found.state == "warning"
    assert "pip install rxvoice" in found.remedy


# MLX

METAL = Trial("0.32.4", "gpu", "Apple M2", 12 * 2**30, "not needed", 0.4, True)
CPU = Trial("0.32.4", "cpu", "AMD EPYC", 12 * 2**30, "openblas", 4.0, True)


def test_mlx_on_a_gpu_is_ok() -> None:
    found = mlx.judged(METAL)
    assert found.state == "ok"
    assert found.told == "MLX 0.32.4 on the GPU, Apple M2; models may take 12.0 GB"


def test_mlx_on_a_cpu_is_ok_on_linux_and_a_warning_on_a_mac(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert mlx.judged(CPU).state == "ok"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "Metal is not available" in mlx.judged(CPU).remedy


def test_mlx_without_openblas_is_slow() -> None:
    found = mlx.judged(Trial("1", "cpu", "", None, "missing", 300.0, True))
    assert found.state == "warning"
    assert "sudo apt-get install libopenblas0-pthread" in found.remedy


def test_mlx_that_computes_wrongly_is_a_problem() -> None:
    found = mlx.judged(Trial("1", "gpu", "", None, "not needed", 1.0, False))
    assert (found.state, found.remedy.partition(":")[0]) == (
        "problem",
        "it computes a product of matrices wrongly",
    )


def test_mlx_that_raises_wants_a_compiler_or_another_installation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert mlx.failed(RuntimeError("no")).remedy.endswith("sudo apt-get install g++")
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/g++")
    found = mlx.failed(RuntimeError("no"))
    assert found.told == "MLX does not compute: RuntimeError: no"
    assert found.remedy == "pip install --force-reinstall 'mlx[cpu]' mlx-lm mlx-audio"


def test_mlx_computes_here() -> None:
    found = trial()
    assert found.is_right
    assert found.version == metadata.version("mlx")
    assert found.product_ms > 0


# Memory, disk and models


def test_memory_names_the_models_that_fit() -> None:
    found = memory.judged(16, None)
    assert found.state == "ok"
    first = {it.slot: it.name for it in reversed(MODELS) if 16 in it.memories}
    assert found.facts["models"] == first
    assert found.told == "16 GB; models that fit: " + ", ".join(
        first[it] for it in ("stt", "llm", "tts")
    )


def test_too_little_memory_is_a_warning() -> None:
    assert "want 8 GB or more: use the embedded ones" in memory.judged(4, 3.0).remedy
    found = memory.judged(16, 1.5)
    assert (found.state, found.remedy) == (
        "warning",
        "close other programs before you load models",
    )


def test_memory_that_the_system_does_not_tell_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "total_gb", lambda: None)
    assert only(memory.check()).state == "warning"
    monkeypatch.undo()
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    assert memory.free_gb() is None


def test_a_container_s_limit_is_its_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_GROUP_LIMIT", limit)
    whole = memory.total_gb()
    limit.write_text("1073741824\n")
    assert memory.total_gb() == 1
    limit.write_text("max\n")
    assert memory.total_gb() == whole


def model(name: str, size: int | None = 4 * GB, needs: str | None = None) -> Model:
    return Model("llm", name, "f", "1B", size, "MIT", (8,), "", needs)


def test_the_disk_has_room_for_what_is_not_there_yet() -> None:
    begin_with = [model("a"), model("b"), model("c", None)]
    where = Path("/cache")
    assert disk.room(where, 20 * GB, begin_with, []).state == "ok"
    full = disk.room(where, 5 * GB, begin_with, [Cached("a", 1, False)])
    assert full.state == "warning"
    assert "take 8.0 GB more: make room, or set HF_HOME" in full.remedy
    there = [Cached("a", 1, True), Cached("b", 1, True)]
    assert disk.room(where, 5 * GB, begin_with, there).state == "ok"


def test_the_cache_tells_listed_models_and_counts_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    listed = MODELS[-1].name
    there = [Cached(listed, GB, True), Cached("ada/secret", GB, False)]
    found = disk.holds(Path("/cache"), there, True)
    assert found.state == "ok"
    assert found.told == f"2 models of 2.0 GB in the hub's cache, among them {listed}"
    assert "secret" not in str(found)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert disk.holds(Path("/cache"), [], True).told.endswith("so that none is fetched")


def test_a_part_of_a_model_is_a_warning_and_a_cache_that_cannot_be_written_a_problem() -> None:
    name = MODELS[-1].name
    part = disk.holds(Path("/cache"), [Cached(name, GB, False)], True)
    assert part.state == "warning"
    assert part.remedy.startswith(f"{name} is not complete: load it once")
    closed = disk.holds(Path("/cache"), [], False)
    assert closed.state == "problem"
    assert closed.remedy == "/cache cannot be written: set HF_HOME to a directory of yours"


def test_a_cache_that_does_not_exist_is_judged_by_the_directory_above(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(disk, "cache_directory", lambda: tmp_path / "not" / "there")
    monkeypatch.setattr(disk, "cached", list)
    free, holds = disk.check()
    assert free.facts["free_bytes"]
    assert holds.facts["writable"] is True


def test_a_missing_embedded_model_has_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    assert models.embedded().state == "ok"
    real = models.find_spec
    monkeypatch.setattr(models, "find_spec", lambda name: None if name == "piper" else real(name))
    found = models.embedded()
    assert found.state == "warning"
    assert found.told == "the embedded models are not complete: rxv.offline.tts()"
    assert found.remedy == "pip install 'rxvoice[offline]', for rxvoice talk and demo"


def test_a_damaged_embedded_model_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def path(_: object) -> Path:
        raise ConfigError("the SHA-256 is another. Install the known one: pip install it")

    monkeypatch.setattr(type(models.PUBLISHED[0]), "path", path)
    found = models.embedded()
    assert (found.state, found.told) == ("problem", "an embedded model is damaged")
    assert found.remedy.endswith("pip install it")


def test_each_recommended_model_without_its_package_has_its_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_packages(monkeypatch, {"requests": "2.32"}, {})
    several = [
        model("kokoro", needs="'misaki[en]' num2words"),
        model("pocket", needs="requests"),
        model("qwen"),
        model("odd", needs="--no-deps soprano"),
    ]
    found = list(models.wanting(several))
    assert [(it.state, it.remedy) for it in found] == [
        ("warning", "pip install 'misaki[en]' num2words"),
        ("warning", "pip install --no-deps soprano"),
    ]
    assert found[0].told == "kokoro (language) wants misaki[en], num2words, if you choose it"


def test_the_settings_file_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    monkeypatch.setattr(settings, "settings_path", lambda: file)
    assert settings.check() == []
    file.write_text('microphone = "Ada\'s"\n[serve]\nport = 9000\n', "utf-8")
    found = only(settings.check())
    assert (found.state, found.facts["names"]) == ("ok", ["microphone", "port"])
    assert "Ada" not in str(found)
    file.write_text("silence-ms = 'long'\n", "utf-8")
    assert only(settings.check()).state == "problem"
