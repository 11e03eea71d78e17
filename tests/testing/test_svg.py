"""The drawings: well-formed, repeatable, nothing outside the plate, nothing missing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from docs.spec.block import parse_block
from docs.spec.pages import examples
from docs.spec.svg import draw

PAGES = Path(__file__).parents[2] / "operators"
BLOCKS = [
    pytest.param(example.block, id=f"{page.stem}-{example.number}")
    for page in sorted(PAGES.glob("*.md"))
    for example in examples(page.read_text("utf-8"))
]
LONG = """
judged     __~~__a(ab|)
> vox.map(a_rather_long_name_of_a_function, another_argument, yet_another_argument, keyword=1)
result     __~~__a(a#)

a = "a legend so long that it has to be wrapped " + "somewhere in the middle of it, or be clipped"
b = "<&>"
"""
SVG = "{http://www.w3.org/2000/svg}"


def drawn(block: object) -> ET.Element:
    return ET.fromstring(draw(block, 'a "title" & <more>'))  # type: ignore[arg-type]


@pytest.mark.parametrize("block", [*BLOCKS, pytest.param(parse_block(LONG), id="long")])
def test_everything_is_on_the_plate(block: object) -> None:
    root = drawn(block)
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for rect in root.iter(f"{SVG}rect"):
        x, y, w, h = (float(rect.get(name, 0)) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height
    for circle in root.iter(f"{SVG}circle"):
        x, y, r = (float(circle.get(name, 0)) for name in ("cx", "cy", "r"))
        assert r <= x <= width - r
        assert r <= y <= height - r
    for text in root.iter(f"{SVG}text"):
        # 12 px monospace is 7.2 px a character in the fonts that are asked for.
        long = 7.2 * len(text.text or "")
        x, y = float(text.get("x", 0)), float(text.get("y", 0))
        left = {"name": x - long, "note": x}.get(text.get("class", ""), x - long / 2)
        assert 0 <= left <= left + long <= width
        assert 12 <= y <= height - 4


def test_each_mark_is_drawn() -> None:
    root = drawn(parse_block(LONG))
    letters = [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "value"]
    assert letters == ["a", "a", "b", "a", "a"]
    fills = [rect.get("fill") for rect in root.iter(f"{SVG}rect")]
    assert fills.count("#c3cad2") == 8  # chunks of silence
    assert fills.count("#2f80c3") == 4 * 4  # chunks of speech, four bars each
    strokes = [path.get("stroke") for path in root.iter(f"{SVG}path")]
    assert strokes.count("#c62828") == 1  # the error


def test_marks_of_one_tick_stand_on_one_column_in_all_lines() -> None:
    block = parse_block("one  -a(aaa)-a|\n> f\ntwo  -b-b-b|\n\na = 1\nb = 2")
    root = drawn(block)
    xs = [float(it.get("cx", 0)) for it in root.iter(f"{SVG}circle")]
    above, below = xs[:5], xs[5:]
    assert above == sorted(set(above))
    assert above[0] == below[0]
    assert above[1] < below[1] + 90
    assert above[4] > below[1]


def test_the_same_block_is_drawn_the_same() -> None:
    assert draw(parse_block(LONG), "x") == draw(parse_block(LONG), "x")
    assert draw(parse_block(LONG), "x") != draw(parse_block(LONG.replace("a(ab", "b(ab")), "x")


def test_the_title_and_the_legend_are_escaped() -> None:
    text = draw(parse_block(LONG), 'a "title" & <more>')
    assert 'aria-label="a &quot;title&quot; &amp; &lt;more&gt;"' in text
    assert re.search(r"b = .*&lt;&amp;&gt;", text)
