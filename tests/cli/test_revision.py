"""The header of a trace says which weights a model had."""

from __future__ import annotations

from pathlib import Path

import pytest

from rxvoice.cli._revision import revision


def test_a_directory_is_known_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(bytes(2_000_000))
    first = revision(str(tmp_path))
    assert first is not None
    assert first.startswith("sha256:")
    assert revision(str(tmp_path)) == first
    (tmp_path / "config.json").write_text('{"a": 1}')
    assert revision(str(tmp_path)) != first


def test_a_name_of_the_hub_has_the_revision_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "models--ann--voice" / "snapshots" / "abc123"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    refs = tmp_path / "models--ann--voice" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc123")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(tmp_path), raising=False)
    assert revision("ann/voice") == "abc123"
    assert revision("ann/other") is None
    assert revision("gpt 4: large") is None
