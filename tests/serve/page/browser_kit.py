"""Chromium with a microphone that plays a file, and a record of what its loudspeaker plays."""

from __future__ import annotations

import base64
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

NAMES = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    *(f"/Applications/{it}.app/Contents/MacOS/{it}" for it in ("Google Chrome", "Chromium")),
)

LISTEN = """
window.played = [];
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...rest) {
  const linked = connect.call(this, target, ...rest);
  if (target instanceof AudioDestinationNode) {
    const { context } = this;
    window.rate = context.sampleRate;
    context.recorder ??= context.audioWorklet.addModule("/recorder.js").then(() => {
      const node = new AudioWorkletNode(context, "recorder");
      node.port.onmessage = ({ data }) => window.played.push(data);
      connect.call(node, context.destination);
      return node;
    });
    context.recorder.then((node) => connect.call(this, node));
  }
  return linked;
};
"""

PLAYED = """() => {
  const samples = Int16Array.from(played.flatMap((it) => [...it]), (it) => Math.round(it * 32767));
  const bytes = new Uint8Array(samples.buffer);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return [window.rate, btoa(text)];
}"""


def chromium() -> str:
    """Chromium's path; skips the test where there is none."""
    pytest.importorskip("playwright", reason="no playwright: pip install playwright")
    for name in NAMES:
        if path := shutil.which(name):
            return path
    install = "brew install --cask" if sys.platform == "darwin" else "apt-get install"
    pytest.skip(f"no Chromium: {install} chromium")


@contextmanager
def browser(playwright: Playwright, microphone: Path | str) -> Iterator[Browser]:
    """Chromium, whose microphone plays this file again and again."""
    options = [
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
        "--autoplay-policy=user-gesture-required",
        "--disable-audio-output",  # a sound system that hangs would stop the page's time
        "--no-sandbox",  # as root, of a container
    ]
    launched = playwright.chromium.launch(executable_path=chromium(), args=options)
    try:
        yield launched
    finally:
        launched.close()


@dataclass
class Visit:
    """A page that is open, and what went wrong in it.

    Attributes:
        complaints: errors of its JavaScript, and what its console warned of.
    """

    page: Page
    context: BrowserContext
    complaints: list[str] = field(default_factory=list)

    def played(self) -> tuple[int, np.ndarray]:
        """The rate, and what the loudspeaker has played so far."""
        rate, text = self.page.evaluate(PLAYED)
        return rate, np.frombuffer(base64.b64decode(text), "<i2") / 32767

    def is_in(self, state: str) -> None:
        """Wait until the page is in this state."""
        self.page.locator(f"body[data-state={state}]").wait_for()


@contextmanager
def visit(
    launched: Browser, url: str, *, microphone: bool = True, **options: object
) -> Iterator[Visit]:
    """Open the page in a profile of its own."""
    context = launched.new_context(**options)  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    if microphone:
        context.grant_permissions(["microphone"])
    page = context.new_page()
    it = Visit(page, context)
    page.on("pageerror", lambda error: it.complaints.append(str(error)))
    page.on(
        "console",
        lambda said: it.complaints.append(said.text) if said.type in ("error", "warning") else None,
    )
    page.add_init_script(LISTEN)
    page.goto(url)
    try:
        yield it
    finally:
        context.close()
