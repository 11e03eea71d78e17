from __future__ import annotations

import wave
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from serve.page.browser_kit import Visit, browser, visit
from serve.page.fake_server import RATE, FakeServer, serving, tone

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MICROPHONE_HERTZ = 600


@pytest.fixture(scope="package")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium, whose microphone hears a tone without an end."""
    path = tmp_path_factory.mktemp("microphone") / "tone.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((tone(1, MICROPHONE_HERTZ) * 32767).astype("<i2").tobytes())
    with browser(path) as launched:
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


def hertz(samples: np.ndarray, rate: int) -> float:
    """The strongest frequency."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)
