"""The models in the cache of the Hugging Face hub, and whether they are complete."""

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
        bytes: its size in the cache.
        complete: whether its configuration and all of its weights are in the cache.
    """

    name: str
    bytes: int
    complete: bool


def cache_directory() -> Path:
    """The directory of the cache: ``HF_HUB_CACHE``, or a directory in ``HF_HOME``."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser()


def cached() -> list[Cached]:
    """All models in the cache, sorted by name. Does not contact the hub."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    directory = cache_directory()
    try:
        found = scan_cache_dir(directory)
    except (CacheNotFound, ValueError):  # the cache does not exist, or is not a directory
        return []
    models: dict[str, Cached] = {}
    for repo in found.repos:
        size = max(repo.size_on_disk, _blobs(repo.repo_path))
        if repo.repo_type == "model" and size:
            complete = any(_is_complete(repo.repo_id, it.snapshot_path) for it in repo.revisions)
            models[repo.repo_id] = Cached(repo.repo_id, size, complete)
    # The scan leaves out a model whose download stopped in its first file.
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
    """The files that the hub listed at the download and that a library would load."""
    try:
        # Older versions of the client lack both names.
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
    # If there are files "model*", mlx-lm fetches no others.
    weights = {it for it in weights if it.startswith("model")} or weights
    return weights | {it for it in files if it.startswith("tokenizer") and it.endswith(".json")}


def _indexed(snapshot: Path) -> set[str]:
    """The parts of split weights, as their index names them."""
    try:
        index = read_json((snapshot / _INDEX).read_bytes(), _INDEX)
    except (OSError, ConfigError):
        return set()
    parts = cast("dict[str, object]", index).get("weight_map") if isinstance(index, dict) else None
    if not isinstance(parts, dict):
        return set()
    return {str(it) for it in cast("dict[str, object]", parts).values()}


def _blobs(repo: Path) -> int:
    """Bytes in the directory of a model, with unfinished downloads and without links."""
    files = (it for it in repo.rglob("*") if it.is_file() and not it.is_symlink())
    return sum(it.stat().st_size for it in files if it.parent.name == "blobs")
