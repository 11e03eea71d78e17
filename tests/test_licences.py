"""docs/licences.md says all that an app takes on which ships rxvoice."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from docs import licences
from docs.licences import PAGE, Package, asks, listed, missing, packages, rendered, unnamed

TOML: dict[str, Any] = tomllib.loads(licences.TOML.read_text("utf-8"))
TEXT = PAGE.read_text("utf-8")


@pytest.fixture(scope="module")
def found() -> dict[str, Package]:
    return packages(TOML["says"])


def test_the_page_says_enough(capsys: pytest.CaptureFixture[str]) -> None:
    assert licences.main(["--check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("licence", "much"),
    [
        ("MIT", 0),
        ("BSD-3-Clause AND Zlib", 0),
        ("MPL-2.0 AND MIT", 1),
        ("LGPL-2.1-or-later", 2),
        ("GNU Lesser General Public License v3 (LGPLv3)", 2),
        ("LGPL-3.0-only OR GPL-2.0-only", 2),
        ("GPL-3.0-or-later", 3),
        ("AGPL-3.0-only", 3),
        ("MIT AND GPL-2.0-only", 3),
        ("MIT OR GPL-2.0-only", 0),
        ("GPL-3.0-or-later WITH GCC-exception-3.1", 0),
    ],
)
def test_how_much_a_licence_asks(licence: str, much: int) -> None:
    assert asks(licence) == much


def test_what_asks_most_comes_first(found: dict[str, Package]) -> None:
    table = TEXT.partition(licences.BEGIN)[2].partition(licences.END)[0]
    rows = re.findall(r"^\| (.*?) \| (.*?) \| (.*?) \|$", table, re.MULTILINE)[2:]
    much = [asks(licence) for licence, _, _ in rows]
    assert much == sorted(much, reverse=True)
    first = {what for licence, what, _ in rows if asks(licence) == 3}
    assert {"`espeakng-loader`", "`piper-tts`", "x264 and x265, in the wheel of `av`"} <= first


@pytest.mark.parametrize(
    ("was", "becomes", "fault"),
    [
        (r"^\| `numpy` .*\n", "", "numpy comes with core, and the page does not say so"),
        (
            r"^(\| `espeakng-loader` .*), `kokoro` \|$",
            r"\1 |",
            "espeakng-loader comes with kokoro, and the page does not say so",
        ),
        (
            r"^(\| `soxr` \|) [\w.-]+ ",
            r"\1 MIT ",
            "soxr is under LGPL-2.1-or-later, and the page says MIT",
        ),
        (r"^\| `tqdm` .*\n", "", "tqdm is under MPL-2.0 AND MIT, and the page says nothing"),
        (r"^\| Whisper tiny.en .*\n", "", "the table of weights is another one"),
    ],
)
def test_a_page_that_says_too_little_is_told(
    was: str, becomes: str, fault: str, found: dict[str, Package]
) -> None:
    page, count = re.subn(was, becomes, TEXT, flags=re.MULTILINE)
    assert count == 1
    assert fault in missing(page, found, TOML)


def test_a_new_permissive_dependency_is_no_fault(found: dict[str, Package]) -> None:
    new = {"left-pad": Package("left-pad", "MIT", {"core": {"Linux", "Mac"}})}
    assert missing(TEXT, {**found, **new}, TOML) == []
    new["left-pad"].licence = "GPL-3.0-only"
    assert missing(TEXT, {**found, **new}, TOML) == [
        "left-pad is under GPL-3.0-only, and the page says nothing"
    ]


def test_a_library_in_a_wheel_is_named() -> None:
    assert unnamed("av", ["libx264-d6533a8d.so.165", "libz.so.1"], TOML) == []
    assert unnamed("numpy", ["libx264.so.165", "libquadmath-1.so.0"], TOML) == ["libx264.so.165"]


def test_the_tables_are_written_between_their_comments(found: dict[str, Package]) -> None:
    empty = re.sub(r"(toml instead -->\n).*?(<!-- end)", r"\1\2", TEXT, flags=re.DOTALL)
    assert "`soxr`" not in empty
    page = rendered(empty, found, TOML)
    assert rendered(page, found, TOML) == page
    assert listed(page)["soxr"] == ("LGPL-2.1-or-later", {"core"})
    assert re.sub(r"(toml instead -->\n).*?(<!-- end)", r"\1\2", page, flags=re.DOTALL) == empty
