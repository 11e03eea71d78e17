"""Files that are written from the code, or checked: what ``docs.layers`` and others share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path


def write_or_check(
    module: str, rendered: Callable[[], dict[Path, str]], argv: list[str] | None = None
) -> int:
    """The command of a module: write each file that is stale, or fail for it with ``--check``.

    Args:
        module: the name to run it by, such as ``"docs.layers"``.
        rendered: each file, and what it should hold.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when stale")
    check: bool = parser.parse_args(argv).check
    stale = False
    for path, text in rendered().items():
        if path.is_file() and path.read_text("utf-8") == text:
            continue
        stale = True
        if check:
            print(f"stale: {path}: run python -m {module}", file=sys.stderr)
        else:
            path.write_text(text, "utf-8")
            print(f"written: {path}")
    return int(check and stale)
