"""The process that runs checks: ``python -m rxvoice.cli._doctor ASKED NAME...``, as `runner` does.

It writes a line of JSON when it is ready, and one with the findings of each check.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TextIO

from rxvoice.cli._doctor.checks import run, wanted
from rxvoice.cli._doctor.finding import Asked


def main(arguments: Sequence[str]) -> None:
    """Run the checks with these names, and write what they find."""
    # Libraries print, too.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        asked = Asked(**json.loads(arguments[0]))
        _write(out, "ready")
        for check in wanted(asked):
            if check.name in arguments[1:]:
                _write(out, [asdict(it) for it in run(check, asked)])
        out.flush()
        # A library that cannot end its threads must not keep the process.
        os._exit(0)


def _write(out: TextIO, what: object) -> None:
    print(json.dumps(what, default=str), file=out, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
