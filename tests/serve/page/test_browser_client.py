"""The example of a browser client, from a host of its own, with the server itself."""

from __future__ import annotations

import re
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from serve.page.browser_kit import browser, visit
from serve.page.fake_server import RATE, serving, tone
from serve.realtime_kit import fake_models
from starlette.staticfiles import StaticFiles

from rxvoice import serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

pytest.importorskip("playwright", reason="no playwright: pip install playwright")
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

EXAMPLES = Path(__file__).parents[3] / "examples"
LONG = "I run on your own machine, and I go on talking until somebody speaks over me, as you do."


@pytest.fixture(scope="module")
def chatty(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium, whose microphone hears somebody for half a second, silence, and so on."""
    path = tmp_path_factory.mktemp("microphone") / "turns.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        sounds = np.concatenate([np.zeros(RATE // 3), tone(0.5), np.zeros(RATE)])
        file.writeframes((sounds * 32767).astype("<i2").tobytes())
    with browser(playwright, path) as launched:
        yield launched


@pytest.fixture(scope="module")
def page() -> Iterator[str]:
    with serving(StaticFiles(directory=EXAMPLES)) as url:
        yield url


def test_it_hears_a_reply_and_interrupts_it(chatty: Browser, page: str) -> None:
    models = fake_models(LONG, stt=lambda _: "who are you", tts=lambda text: tone(len(text) / 10))
    app = serve.app(models, allow_origins=[page.rstrip("/")], page=False)
    with serving(app) as url:
        server = url.replace("http", "ws") + "v1/realtime"
        with visit(chatty, f"{page}browser_client.html?server={server}") as it:
            it.page.get_by_role("button", name="Talk").click()
            expect(it.page.get_by_role("status")).to_have_text("Say something.")
            expect(it.page.locator("li.you").first).to_have_text("who are you")
            # The next turn of the microphone cuts the reply to what was heard of it.
            reply = it.page.locator("li.assistant").first
            expect(reply).to_have_text(re.compile("—$"))
            heard = reply.inner_text().removesuffix(" —")
            assert LONG.startswith(heard)
            assert 0 < len(heard) < len(LONG)
            _, samples = it.played()
            assert np.abs(samples).max() > 0.1
            it.page.get_by_role("button", name="Stop").click()
            expect(it.page.get_by_role("button", name="Talk")).to_be_visible()
            assert it.complaints == []


def test_it_says_that_a_page_of_another_host_has_to_be_let_in(chatty: Browser, page: str) -> None:
    with serving(serve.app(fake_models(), page=False)) as url:
        server = url.replace("http", "ws") + "v1/realtime"
        with visit(chatty, f"{page}browser_client.html?server={server}") as it:
            it.page.get_by_role("button", name="Talk").click()
            told = f"rxvoice serve --allow-origin {page.rstrip('/')}"
            expect(it.page.get_by_role("status")).to_contain_text(told)
            expect(it.page.get_by_role("button", name="Talk")).to_be_visible()
