"""Models of the Hugging Face hub: the files of a model, and fetching them."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from rxvoice.errors import ConfigError
from rxvoice.mlx._files import check_json
from rxvoice.mlx._progress import Meter, Progress, bar, gigabytes

_WEIGHTS = (".safetensors", ".npz")


@dataclass(frozen=True)
class _Listing:
    revision: str
    files: dict[str, int]


class Remote:
    """A model with a name on the hub.

    The constructor asks the hub for the list of files. If the hub cannot be asked, a complete copy
    in the cache will do.

    Args:
        name: such as ``"mlx-community/Kokoro-82M-bf16"``.
        what: the kind of model, for messages, such as "speech model".
        patterns: the files that its library fetches.
        revision: of its files; None for the newest.
        weights: refuse a repository without weights.
        trust_remote_code: let its code run.

    Raises:
        ConfigError: there is no such model, it may not be read, or the hub cannot be reached and
            the cache does not have all of it.
    """

    def __init__(
        self,
        name: str,
        what: str,
        patterns: Sequence[str],
        *,
        revision: str | None = None,
        weights: bool = True,
        trust_remote_code: bool = False,
    ) -> None:
        self._name = name
        self._what = what
        self._patterns = list(patterns)
        self._revision = revision
        self._trusted = trust_remote_code
        self._here: Path | None = None
        self._listing: _Listing | None = None
        try:
            self._listing = self._listed()
        # The errors of the hub and of its transport share no other base.
        except Exception as error:
            self._here = self._cached()
            if self._here is None:
                raise self._refused(error) from error
        else:
            if weights:
                self._check_weights(self._listing)

    @property
    def weights(self) -> int:
        """How many bytes its weights have."""
        if self._here is not None or self._listing is None:
            return 0 if self._here is None else weights_in(self._here)
        return sum(size for name, size in self._listing.files.items() if name.endswith(_WEIGHTS))

    def fetch(
        self, check: Callable[[dict[str, object]], None], report: Callable[[Progress], None]
    ) -> Path:
        """Fetch what is missing, config.json first, and return the model's directory.

        Reports nothing if nothing is missing.

        Args:
            check: called with the entries of config.json, before the rest is fetched.

        Raises:
            ConfigError: the model may not be loaded, by its JSON files, which come before its
                weights; or the disk has too little room, the files may not be read, or the
                download broke off. Complete files stay, and another try fetches the rest.
        """
        if self._here is not None or self._listing is None:
            return cast("Path", self._here)
        import huggingface_hub as hub

        listing = self._listing
        missing = {
            name: size
            for name, size in listing.files.items()
            if not isinstance(
                hub.try_to_load_from_cache(self._name, name, revision=listing.revision), str
            )
        }
        self._check_disk(sum(missing.values()))
        total = sum(listing.files.values())
        meter = Meter(self._name, total - sum(missing.values()), total, report)
        # Small files first, so that a fault shows before gigabytes are fetched for nothing.
        order = sorted(listing.files, key=lambda it: (it != "config.json", listing.files[it], it))
        for name in order:
            if name in missing:
                meter.begin(name, missing[name])
            try:
                path = hub.hf_hub_download(  # pyright: ignore[reportUnknownMemberType]
                    self._name,
                    name,
                    revision=listing.revision,
                    tqdm_class=bar(meter if name in missing else None),
                )
            except Exception as error:
                raise self._refused(error, (name, meter.done, total)) from error
            if name in missing:
                meter.end()
            if name.endswith(".json"):
                entries = check_json(
                    Path(path.removesuffix(name)), Path(path), trusted=self._trusted
                )
                if name == "config.json":
                    check(entries)
        try:
            # All is there. This marks the copy as complete, for use without a network.
            return Path(
                hub.snapshot_download(  # pyright: ignore[reportUnknownMemberType]
                    self._name,
                    revision=self._revision,
                    allow_patterns=self._patterns,
                    tqdm_class=bar(None),
                )
            )
        except Exception as error:
            raise self._refused(error) from error

    def _listed(self) -> _Listing:
        import huggingface_hub as hub
        from huggingface_hub.utils import filter_repo_objects

        info = hub.HfApi().model_info(self._name, revision=self._revision, files_metadata=True)
        sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
        names = filter_repo_objects(sizes, allow_patterns=self._patterns)
        return _Listing(info.sha or "main", {name: sizes[name] for name in names})

    def _check_weights(self, listing: _Listing) -> None:
        if not any(name.endswith(_WEIGHTS) for name in listing.files):
            raise ConfigError(
                f"{self._name!r} has no weights that MLX can load (no file ends in "
                f"{' or '.join(_WEIGHTS)}): look for a conversion of it, often by mlx-community"
            )

    def _cached(self) -> Path | None:
        import huggingface_hub as hub

        try:
            return Path(
                hub.snapshot_download(  # pyright: ignore[reportUnknownMemberType]
                    self._name,
                    revision=self._revision,
                    allow_patterns=self._patterns,
                    local_files_only=True,
                )
            )
        except OSError:
            return None

    def _check_disk(self, needed: int) -> None:
        from huggingface_hub.constants import HF_HUB_CACHE

        cache = Path(HF_HUB_CACHE).expanduser()
        there = next(path for path in (cache, *cache.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free
        if needed > free:
            raise ConfigError(
                f"the {self._what} {self._name!r} still takes {gigabytes(needed)} of disk, and "
                f"{str(cache)!r} has {gigabytes(free)} left: make room, or set HF_HOME to a "
                "directory on another disk"
            )

    def _refused(self, error: Exception, at: tuple[str, int, int] | None = None) -> ConfigError:
        from huggingface_hub import errors

        model = f"the {self._what} {self._name!r}"
        status = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(error, errors.GatedRepoError):
            return ConfigError(
                f"{model} is gated: its authors want its terms to be accepted first. Log in on the "
                "hub, accept them on the model's page, and run `hf auth login` here"
            )
        if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 403):
            return ConfigError(
                f"there is no {self._what} {self._name!r} on the Hugging Face hub, or it is "
                "private: check the name; `rxvoice models` lists some; for a private one run "
                "`hf auth login`"
            )
        said = str(error).strip().splitlines()
        why = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return ConfigError(
                f"the disk was full before {model} was fetched ({why}): make room, or set HF_HOME "
                "to a directory on another disk, and try again"
            )
        if at is not None:
            file, done, total = at
            return ConfigError(
                f"the download of {model} broke off in {file} at {gigabytes(done)} of "
                f"{gigabytes(total)} ({why}): try again; files that were complete are kept"
            )
        if isinstance(error, errors.OfflineModeIsEnabled):
            return ConfigError(
                f"{model} is not in the cache, or not all of it, and HF_HUB_OFFLINE forbids to "
                "fetch it: unset that once, or pass a directory"
            )
        if status is not None:
            return ConfigError(
                f"the Hugging Face hub answered {status} when it was asked for {model} ({why}): "
                "try again later, or pass a directory"
            )
        return ConfigError(
            f"the Hugging Face hub cannot be reached ({why}), and {model} is not in the cache, or "
            "not all of it: check the network (and HF_ENDPOINT, if it is set), or pass a directory"
        )


def weights_in(directory: Path) -> int:
    """How many bytes the weights in a directory have."""
    return sum(it.stat().st_size for it in directory.rglob("*") if it.suffix in _WEIGHTS)
