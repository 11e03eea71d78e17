"""Fails unless a tag is that of the version in pyproject.toml: ``python .ci/version.py v0.1.0``."""

import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent / "pyproject.toml"

version = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["version"]
tag = sys.argv[1] if len(sys.argv) > 1 else ""
if tag != f"v{version}":
    sys.exit(f"wanted the tag v{version}, of the version in pyproject.toml, got {tag!r}")
