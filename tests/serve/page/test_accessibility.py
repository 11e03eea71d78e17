"""The page for those who use a keyboard or a screen reader: axe-core's rules, and ours."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from serve.page.browser_kit import Visit, visit
from serve.page.fake_server import (
    FakeServer,
    partial,
    reply_begins,
    reply_ends,
    sentence,
    tone,
    transcript,
    user_speaks,
    user_stops,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("playwright", reason="no playwright: pip install playwright")
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

AXE = Path(sys.prefix) / "npm/node_modules/axe-core/axe.min.js"
SIZES = {"phone": {"width": 390, "height": 844}, "laptop": {"width": 1280, "height": 800}}
WORDS = "I am rxvoice, and I run on your own machine."


def in_a_conversation(it: Visit, server: FakeServer) -> None:
    """One reply was interrupted, another is being spoken, and there is an error."""
    it.page.get_by_role("button", name="Start talking").click()
    it.is_in("listening")
    for number in (1, 2):
        response, item, user = f"r{number}", f"a{number}", f"u{number}"
        server.send(*user_speaks(user), *user_stops(user), transcript(user, "Who are you?"))
        server.send(*reply_begins(response, item), *sentence(response, item, WORDS, tone(30)))
        expect(it.page.locator(f"li[data-item={item}] .heard")).not_to_be_empty()
        if number == 1:
            server.send(*user_speaks("u2"), partial("u2", "Who"))
            it.is_in("hearing")
            server.send(*reply_ends(response, item, WORDS, "cancelled"))
    it.page.locator(".latency summary").first.click()
    server.send({"type": "error", "error": {"type": "server_error", "message": "Out of memory."}})
    expect(it.page.get_by_role("alert")).to_contain_text("Out of memory")


@pytest.fixture
def axe() -> str:
    if not AXE.exists():
        pytest.skip(f"no axe-core: npm install --prefix {Path(sys.prefix) / 'npm'} axe-core")
    return AXE.read_text("utf-8")


def violations(it: Visit, axe: str) -> list[str]:
    it.page.evaluate(axe)
    found: dict[str, Any] = it.page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{it['id']}: {it['help']}: {[node['html'] for node in it['nodes']]}"
        for it in found["violations"]
    ]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    scheme: str, size: str, axe: str, chrome: Browser, server: FakeServer
) -> None:
    options = {"color_scheme": scheme, "viewport": SIZES[size], "reduced_motion": "reduce"}
    with visit(chrome, server.url, **options) as it:
        assert violations(it, axe) == []
        in_a_conversation(it, server)
        assert violations(it, axe) == []
        it.page.get_by_role("button", name="Settings").click()
        assert violations(it, axe) == []


def test_axe_finds_what_is_wrong(axe: str, chrome: Browser, server: FakeServer) -> None:
    with visit(chrome, server.url) as it:
        it.page.evaluate("document.getElementById('send').removeAttribute('aria-label')")
        assert [line.split(":")[0] for line in violations(it, axe)] == ["button-name"]


@pytest.mark.parametrize("size", [*SIZES, "small phone"])
def test_nothing_is_cut_off(size: str, chrome: Browser, server: FakeServer) -> None:
    viewport = SIZES.get(size, {"width": 320, "height": 568})
    with visit(chrome, server.url, viewport=viewport) as it:
        in_a_conversation(it, server)
        width = it.page.evaluate("document.documentElement.scrollWidth")
        assert width <= viewport["width"]
        for name in ("Stop listening", "Send", "Settings", "Stop the reply", "New conversation"):
            box = it.page.get_by_role("button", name=name).bounding_box()
            assert box is not None, name
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= viewport["width"], name
            assert box["y"] + box["height"] <= viewport["height"], name
            assert min(box["width"], box["height"]) >= 24, name


def test_all_can_be_reached_with_the_keyboard(at_page: Visit, server: FakeServer) -> None:
    page = at_page.page
    names: list[str] = []
    for _ in range(6):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.id || document.activeElement.value"))
        assert page.evaluate("document.activeElement.matches(':focus-visible')"), names
    assert names == ["open-settings", "scroller", "talk", "hands-free", "text", "send"]
    page.locator("#talk").focus()
    page.keyboard.press("Enter")
    at_page.is_in("listening")
    page.keyboard.press("Space")
    at_page.is_in("typing")


def test_what_is_told_aloud(at_page: Visit, server: FakeServer) -> None:
    at_page.page.get_by_role("button", name="Start talking").click()
    told = at_page.page.get_by_role("status")
    expect(told).to_have_text("Listening")
    server.send(*user_speaks("u1"), *user_stops("u1"), transcript("u1", "Who are you?"))
    expect(told).to_have_text("You: Who are you?")
    # What is spoken is not told as well; what is only written is.
    server.send(*reply_begins("r1", "a1"), *sentence("r1", "a1", WORDS, tone(0.2)))
    server.send(*reply_ends("r1", "a1", WORDS))
    expect(at_page.page.locator("li[data-item=a1]")).to_have_attribute("data-state", "said")
    expect(told).to_have_text("You: Who are you?")
    ids = {"response_id": "r2", "item_id": "a2", "output_index": 0, "content_index": 0}
    server.send(*reply_begins("r2", "a2")[:-1])
    server.send({"type": "response.output_text.delta", **ids, "delta": "Hello."})
    server.send({"type": "response.done", "response": {"id": "r2", "status": "completed"}})
    expect(told).to_have_text("Voice: Hello.")
