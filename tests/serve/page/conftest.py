from __future__ import annotations

import wave
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from serve.page.browser_kit import Visit, browser, chromium, visit
from serve.page.fake_server import RATE, FakeServer, serving, tone

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

MICROPHONE_HERTZ = 600


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Drives browsers. It keeps an event loop running on this thread, to the end of the module."""
    chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as it:
        yield it


@pytest.fixture(scope="module")
def chrome(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium, whose microphone hears a tone without an end."""
    path = tmp_path_factory.mktemp("microphone") / "tone.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((tone(1, MICROPHONE_HERTZ) * 32767).astype("<i2").tobytes())
    with browser(playwright, path) as launched:
        yield launched


@pytest.fixture
def server() -> Iterator[FakeServer]:
    it = FakeServer()
    with serving(it.app()) as url:
        it.url = url
        yield it


@pytest.fixture
def at_page(chrome: Browser, server: FakeServer) -> Iterator[Visit]:
    """The page of `server`; after the test it must have had no complaint."""
    with visit(chrome, server.url) as it:
        yield it
        assert it.complaints == []
