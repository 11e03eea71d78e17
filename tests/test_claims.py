"""Numbers in the documentation are measured: a claim names the benchmark that repeats it.

A claim is a number of speed, memory or accuracy; a setting ("480 ms of silence") is none. What
tells them apart is how they are written: settings are whole milliseconds and seconds, or in code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.__main__ import LONG, NAMES
from docs import measured

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "operators").glob("*.md"))

_NUMBER = r"(?<![\w.,])\d[\d.,]*"
CLAIM = re.compile(
    rf"""
    {_NUMBER}\ ?µs                                            # 51 µs
    | (?<![\w.,])\d+\.\d+\ (?:ms|s)\b                         # 0.66 ms, 2.5 s
    | (?:about|median|under)\ {_NUMBER}\ (?:ms|s)\b
    | {_NUMBER}\ (?:ms|s),?\ (?:median|at\ best|at\ most)
    | {_NUMBER}\ ?%                                           # 4.5 %
    | {_NUMBER}\ [KMGkT]B\b                                   # 95 MB
    | {_NUMBER}\ times\ (?:as|\w+er\b|more|less|sooner)       # 50 times faster
    """,
    re.VERBOSE,
)
BENCHMARK = re.compile(r"`python -m benchmarks (\w+)[^`]*`|`make bench-peers`")
TEST = re.compile(r"`pytest [^`]*?(tests/[\w/]+\.py)[^`]*`")
EXCEPTIONS = {
    "README.md": {"language model (4 MB)": "the size of a file"},
    "docs/guides/mac.md": {"GB | `": "sizes of machines"},
    "docs/guides/models.md": {
        "tokens take 1.5 GB": "10,000 times what the line above says",
        "| 0.32 s at a time": "a setting of the model",
    },
    "docs/guides/servers.md": {"| 1 MB | a line of a stream": "a limit"},
    "docs/guides/sound.md": {"for more than 2.5 s": "a limit"},
    "docs/tutorial.md": {"a machine with 16 GB": "an example"},
}
"""By page and words of the line: why a claim needs no benchmark."""


def sections(text: str) -> Iterator[str]:
    """The prose and the tables under each heading, without programs and what they print."""
    text = re.sub(r"^( *)```.*?^\1```", "", text, flags=re.DOTALL | re.MULTILINE)
    written = rf"{re.escape(measured.BEGIN)}.*?{re.escape(measured.END)}"
    text = re.sub(written, "", text, flags=re.DOTALL)  # from docs/measured.json
    yield from re.split(r"^#+ ", text, flags=re.MULTILINE)


def claims(section: str) -> Iterator[str]:
    """The lines of a section with a claim, from the claim on."""
    prose = re.sub(r"`[^`]+`", lambda it: "`" + "_" * (len(it[0]) - 2) + "`", section)
    for found in CLAIM.finditer(prose):
        begin = section.rfind("\n", 0, found.start()) + 1
        end = section.find("\n", found.end())
        yield section[begin : end if end >= 0 else None]


def unproven(text: str, name: str) -> Iterator[str]:
    """The claims of a page for which no benchmark stands."""
    for section in sections(text):
        if not (BENCHMARK.search(section) or TEST.search(section)):
            for line in dict.fromkeys(claims(section)):
                if not any(words in line for words in EXCEPTIONS.get(name, ())):
                    yield line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_measured_number_names_its_benchmark(page: Path) -> None:
    text, name = page.read_text("utf-8"), page.relative_to(ROOT).as_posix()
    assert [*unproven(text, name)] == [], (
        "say in this section how it is measured, as in `python -m benchmarks silero`"
    )
    for found in BENCHMARK.finditer(text):
        assert found[1] is None or found[1] in NAMES + LONG, f"there is no benchmark {found[1]}"
    for found in TEST.finditer(text):
        assert (ROOT / found[1]).is_file(), f"there is no {found[1]}"


def test_every_exception_is_of_a_claim_that_stands_there() -> None:
    for name, exceptions in EXCEPTIONS.items():
        text = (ROOT / name).read_text("utf-8")
        found = [line for section in sections(text) for line in claims(section)]
        for words in exceptions:
            assert any(words in line for line in found), f"{name}: {words}"


@pytest.mark.parametrize(
    "claim",
    [
        "It answers in 0.66 ms.",
        "It takes 51 µs.",
        "Its first token comes after about 10 ms.",
        "It adds 16 ms, median.",
        "A replica takes 95 MB.",
        "It gets 4.5 % of the words wrong.",
        "It is 50 times faster.",
        "It is 3 to 7 times sooner.",
    ],
)
def test_a_claim_is_found(claim: str) -> None:
    assert [*unproven(f"# A\n\n{claim}\n", "page.md")] == [claim]
    named = f"# A\n\n{claim} `python -m benchmarks silero` measures it.\n"
    assert not [*unproven(named, "page.md")]
    elsewhere = f"# A\n\n{claim}\n\n## B\n\n`python -m benchmarks silero`\n"
    assert [*unproven(elsewhere, "page.md")] == [claim]


@pytest.mark.parametrize(
    "setting",
    [
        "It ends a turn after 480 ms of silence.",
        "Chunks of 32 ms come one by one.",
        "Wait for 30 s.",
        "Say `gather_ms=0.5 ms` or `4.5 %`.",
        "It is asked 30 times.",
        "```\n4.5 % of 95 MB\n```",
    ],
)
def test_a_setting_is_none(setting: str) -> None:
    assert not [*unproven(f"# A\n\n{setting}\n", "page.md")]
