"""Which models the cache of the Hugging Face hub has, and whether it has all of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from rxvoice._files.json import read_json
from rxvoice.errors import ConfigError

_WEIGHTS = (".safetensors", ".npz")
_INDEX = "model.safetensors.index.json"


@dataclass(frozen=True)
class Cached:
    """A model in the cache.

    Attributes:
        name: its name on the hub.
        bytes: what it takes there.
        complete: whether its configuration and all of its weights are there.
    """

    name: str
    bytes: int
    complete: bool


def cache_directory() -> Path:
    """Where the hub's client keeps models: ``HF_HUB_CACHE``, or below ``HF_HOME``."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser()


def cached() -> list[Cached]:
    """All models there, by name. Nothing is asked of the hub."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    directory = cache_directory()
    try:
        found = scan_cache_dir(directory)
    except (CacheNotFound, ValueError):  # no directory, or not one
        return []
    models: dict[str, Cached] = {}
    for repo in found.repos:
        size = max(repo.size_on_disk, _blobs(repo.repo_path))
        if repo.repo_type == "model" and size:
            complete = any(_is_complete(repo.repo_id, it.snapshot_path) for it in repo.revisions)
            models[repo.repo_id] = Cached(repo.repo_id, size, complete)
    # One that was interrupted in its first file is no model to the scan.
    for path in directory.glob("models--*"):
        name = path.name.removeprefix("models--").replace("--", "/", 1)
        if name not in models and _blobs(path):
            models[name] = Cached(name, _blobs(path), False)
    return sorted(models.values(), key=lambda it: it.name.lower())


def _is_complete(name: str, snapshot: Path) -> bool:
    if not (snapshot / "config.json").exists():
        return False
    wanted = _listed(name, snapshot) | _indexed(snapshot)
    if not all((snapshot / file).exists() for file in wanted):
        return False
    return any(path.suffix in _WEIGHTS and path.exists() for path in snapshot.rglob("*"))


def _listed(name: str, snapshot: Path) -> set[str]:
    """What the hub listed when it was downloaded, as far as a library would want it."""
    try:
        # Older versions of the client have neither.
        from huggingface_hub import get_cached_repo_tree
        from huggingface_hub.errors import CachedRepoTreeNotFoundError
    except ImportError:
        return set()
    try:
        tree = get_cached_repo_tree(name, revision=snapshot.name, cache_dir=cache_directory())
    except (CachedRepoTreeNotFoundError, OSError, ValueError):
        return set()
    files = {file.path for file in tree}
    weights = {it for it in files if it.endswith(_WEIGHTS)}
    # mlx-lm fetches no others where there are such.
    weights = {it for it in weights if it.startswith("model")} or weights
    return weights | {it for it in files if it.startswith("tokenizer") and it.endswith(".json")}


def _indexed(snapshot: Path) -> set[str]:
    """The parts that the index of split weights names."""
    try:
        index = read_json((snapshot / _INDEX).read_bytes(), _INDEX)
    except (OSError, ConfigError):
        return set()
    parts = cast("dict[str, object]", index).get("weight_map") if isinstance(index, dict) else None
    if not isinstance(parts, dict):
        return set()
    return {str(it) for it in cast("dict[str, object]", parts).values()}


def _blobs(repo: Path) -> int:
    """Bytes below a model's directory, pieces of broken downloads too; links are not counted."""
    files = (it for it in repo.rglob("*") if it.is_file() and not it.is_symlink())
    return sum(it.stat().st_size for it in files if it.parent.name == "blobs")
