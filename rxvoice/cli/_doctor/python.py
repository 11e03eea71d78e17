"""Which Python runs, and whether rxvoice was tried with it."""

from __future__ import annotations

import platform
import sys
import sysconfig

from rxvoice.cli._doctor.finding import Finding

TRIED = ((3, 11), (3, 14))
"""The oldest and the newest Python that CI runs the tests with."""


def check() -> list[Finding]:
    """Look at the Python that runs this."""
    return [
        judged(
            sys.version_info[:2],
            platform.python_version(),
            platform.python_implementation(),
            virtual=sys.prefix != sys.base_prefix,
            free_threaded=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        )
    ]


def judged(
    pair: tuple[int, int],
    version: str,
    implementation: str,
    *,
    virtual: bool = True,
    free_threaded: bool = False,
) -> Finding:
    """What is to be said of such a Python."""
    where = "in a virtual environment" if virtual else "outside of any virtual environment"
    free = ", free-threaded" if free_threaded else ""
    told = f"{implementation} {version}{free}, {where}"
    facts = {
        "version": version,
        "implementation": implementation,
        "virtual_environment": virtual,
        "free_threaded": free_threaded,
    }
    oldest, newest = (".".join(map(str, it)) for it in TRIED)
    usual = implementation == "CPython" and TRIED[0] <= pair <= TRIED[1] and not free_threaded
    remedy = (
        ""
        if usual
        else f"rxvoice is tested with CPython {oldest} to {newest}, not free-threaded: make an "
        "environment with one of these"
    )
    return Finding("python", "ok" if usual else "warning", told, remedy, facts)
