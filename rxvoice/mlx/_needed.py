"""Files that a model needs beside its own directory: of other repositories of the hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rxvoice.errors import ConfigError

__all__ = ["Needed", "bring"]


@dataclass(frozen=True, slots=True)
class Needed:
    """Files of a repository.

    Attributes:
        repository: its name on the hub.
        patterns: which of its files, as the hub's client takes them.
        revision: of the repository; None for the newest.
    """

    repository: str
    patterns: tuple[str, ...]
    revision: str | None = None

    def here(self) -> Path | None:
        """The directory with the files, if all of them were named and are in the cache."""
        import huggingface_hub as hub

        found: str | None = None
        for name in self.patterns:
            file = hub.try_to_load_from_cache(self.repository, name, revision=self.revision)
            if not isinstance(file, str):
                return None
            found = file.removesuffix(name)
        return None if found is None else Path(found)


def bring(needed: Needed) -> Path:
    """The directory with the files, which are fetched if need be.

    Errors: `ConfigError` if the repository has no such file.
    """
    here = needed.here()
    if here is not None:
        return here
    import huggingface_hub as hub

    directory = Path(
        hub.snapshot_download(  # pyright: ignore[reportUnknownMemberType]
            needed.repository, revision=needed.revision, allow_patterns=list(needed.patterns)
        )
    )
    for name in needed.patterns:
        if not any(directory.glob(name)):
            raise ConfigError(
                f"the repository {needed.repository!r} has no {name!r}, which the model needs: "
                "check the name, or the network if it was never fetched"
            )
    return directory
