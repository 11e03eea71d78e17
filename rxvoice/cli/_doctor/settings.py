"""Whether the settings file can be read."""

from __future__ import annotations

from rxvoice.cli._doctor.finding import Finding
from rxvoice.cli._options import from_file, settings_path
from rxvoice.cli._serve_settings import ServeSettings
from rxvoice.errors import ConfigError


def check() -> list[Finding]:
    """Read the settings file, if there is one. Tells the names of settings, and no values."""
    path = settings_path()
    if not path.exists():
        return []
    try:
        names = [*from_file(path), *from_file(path, ServeSettings, "serve")]
    except ConfigError as error:
        return [Finding("settings", "problem", f"{path} has a mistake", str(error))]
    told = f"{path} sets {', '.join(names) or 'nothing'}"
    return [Finding("settings", "ok", told, facts={"path": str(path), "names": names})]
