"""The page of a timeline in a browser: by mouse, by keyboard, and to hear."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from serve.page.browser_kit import Visit, browser, chromium
from trace_kit import example

from rxvoice.trace import read, story, timeline
from rxvoice.trace._sounding import loudspeaker_on_axis

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

AXE = Path(sys.prefix) / "npm/node_modules/axe-core/axe.min.js"
SIZES = {"phone": {"width": 390, "height": 844}, "laptop": {"width": 1280, "height": 800}}

COUNT = """globalThis.heard_pieces = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (when, offset, length) {
  heard_pieces.push([offset, length]);
  return start.call(this, when, offset, length);
};
0"""


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, browser(playwright, "none.wav") as launched:
        yield launched


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("page")
    trace = example(77.0).write(directory / "trace")
    return timeline(trace, directory / "turn.html").as_uri()


@contextmanager
def visit(chrome: Browser, url: str, **options: Any) -> Iterator[Visit]:
    """The page, which must ask for nothing else and complain of nothing."""
    context = chrome.new_context(**options)
    it = Visit(context.new_page(), context)
    asked: list[str] = []
    it.page.on("request", lambda request: asked.append(request.url))
    it.page.on("pageerror", lambda error: it.complaints.append(str(error)))
    it.page.on("console", lambda said: it.complaints.append(said.text))
    it.page.goto(url)
    try:
        yield it
        assert it.complaints == []
        assert asked == [url]
    finally:
        context.close()


@pytest.fixture
def at_page(chrome: Browser, url: str) -> Iterator[Visit]:
    with visit(chrome, url, viewport=SIZES["laptop"]) as it:
        yield it


def shown(it: Visit) -> tuple[float, float]:
    start, end = it.page.evaluate("[from, to]")
    return start, end


def settled(it: Visit) -> None:
    """Wait until what was asked for is drawn."""
    it.page.evaluate("new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")


def trace_of(it: Visit) -> Path:
    """The directory of the trace that the page was made of."""
    return Path(it.page.url.removeprefix("file://")).parent / "trace"


def until(it: Visit, what: str) -> None:
    """Wait until it is so; the page's policy forbids playwright's own way."""
    look = f"const look = () => (({what}) ? go() : setTimeout(look, 20)); look();"
    it.page.evaluate(f"new Promise((go) => {{ {look} }})")


def test_the_keys_move_and_zoom_and_go_from_turn_to_turn(at_page: Visit) -> None:
    keys = at_page.page.keyboard
    assert shown(at_page) == (0, 30)
    keys.press("ArrowRight")
    assert shown(at_page) == (6, 36)
    keys.press("+")
    start, end = shown(at_page)
    assert end - start == pytest.approx(18)
    keys.press("Home")
    keys.press("n")
    settled(at_page)
    start, end = shown(at_page)
    (turn,) = [it for it in at_page.page.evaluate("data.turns") if it["said"].startswith("And")][:1]
    assert start < turn["start"]
    assert turn["end"] < end
    keys.press("0")
    assert shown(at_page) == (0, 77)


def test_the_mouse_selects_a_stretch_and_tells_what_lies_under_it(at_page: Visit) -> None:
    page = at_page.page
    box = page.locator("#stage").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 500, box["y"] + 60, steps=3)
    page.mouse.up()
    settled(at_page)
    start, end = page.evaluate("selected")
    assert 0 < start < end < 30
    assert f"({end - start:.2f} s)" in page.locator("#now").inner_text()
    page.locator("#view .k-first_token").first.hover()
    assert "ms, for the text model" in page.locator("#tip").inner_text()
    page.keyboard.press("Escape")
    assert page.evaluate("selected") is None


def test_a_selected_stretch_is_heard_with_both_sides_in_it(at_page: Visit) -> None:
    page = at_page.page
    page.evaluate("selected = [59.5, 60.5]")  # across two pieces of the sound
    page.evaluate(COUNT)
    page.locator("#play").click()
    until(at_page, "heard_pieces.length === 2 && playing === null")
    assert page.evaluate("heard_pieces") == [[59.5, 0.5], [0, 0.5]]
    assert page.evaluate("cursor") == 59.5  # ready to be heard again
    lengths = page.evaluate(
        "Promise.all([piece(0), piece(1)]).then((all) => all.map((it) => it.duration))"
    )
    assert lengths == pytest.approx([60, 17], abs=0.01)
    # The reply of the first turn is where the picture has it.
    pcm, rate = loudspeaker_on_axis(story(read(trace_of(at_page))))
    wanted = np.flatnonzero(np.abs(pcm) > 0.02 * 32768)[0] / rate
    loud = """piece(0).then((it) => {
      const rate = it.sampleRate, samples = it.getChannelData(0).subarray(3.5 * rate, 5 * rate);
      return 3.5 + samples.findIndex((value) => Math.abs(value) > 0.02) / rate;
    })"""
    assert page.evaluate(loud) == pytest.approx(wanted, abs=0.02)


def test_the_cursor_is_where_the_sound_is(at_page: Visit) -> None:
    page = at_page.page
    page.evaluate("selected = [10, 40]")
    page.evaluate(COUNT)
    page.locator("#play").click()
    until(at_page, "heard_pieces.length === 1")
    # All of it is scheduled; the cursor is where it is heard, and no further.
    page.evaluate("new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    cursor, played = page.evaluate("[cursor, context.currentTime]")
    assert 10 <= cursor <= 10 + played
    until(at_page, f"cursor > {cursor}")
    page.locator("#play").click()
    assert page.evaluate("playing") is None


def test_a_turn_of_the_list_is_shown(at_page: Visit) -> None:
    at_page.page.get_by_role("button", name="Thank you, goodbye.").nth(2).click()
    settled(at_page)
    start, end = shown(at_page)
    (turn,) = [it for it in at_page.page.evaluate("data.turns") if it["start"] > 60][-1:]
    assert turn["said"] == "Thank you, goodbye."
    assert start < turn["start"] < turn["end"] < end


@pytest.mark.parametrize(("size", "scheme"), [("laptop", "light"), ("phone", "dark")])
def test_it_can_be_read_in_every_light_and_size(
    chrome: Browser, url: str, size: str, scheme: str
) -> None:
    if not AXE.exists():
        pytest.skip(f"no axe-core: npm install --prefix {Path(sys.prefix) / 'npm'} axe-core")
    options: dict[str, Any] = {"viewport": SIZES[size], "color_scheme": scheme}
    with visit(chrome, url, **options) as it:
        it.page.evaluate(AXE.read_text("utf-8"))
        found = it.page.evaluate("axe.run()")["violations"]
        assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []
        assert it.page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
