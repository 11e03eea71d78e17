"""The page, and the client of OpenAI's agents for browsers, with the server itself."""

from __future__ import annotations

import re
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from serve.page.browser_kit import browser, visit
from serve.page.fake_server import RATE, serving, tone
from serve.realtime_kit import fake_models
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

import rxvoice as rxv
from rxvoice import serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

pytest.importorskip("playwright", reason="no playwright: pip install playwright")
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

LONG = "I run on your own machine, and I go on talking until somebody speaks over me, as you do."
BUNDLE = Path(sys.prefix) / "npm/node_modules/@openai/agents-realtime/dist/bundle"

AGENT = """<!doctype html><title>agent</title><link rel="icon" href="data:,">
<script src="/agents.js"></script><script>
const { RealtimeAgent, RealtimeSession, OpenAIRealtimeWebSocket } = OpenAIAgentsRealtime;
const events = [], waiting = [];
const late = (what) => new Promise((_, reject) =>
  setTimeout(() => reject(new Error(`${what} after ${events.map((it) => it.type)}`)), 20000));
let sound = 0;
function happened(type, more) {
  events.push({ type, more });
  for (const it of [...waiting]) it();
}
// Resolves with what an event had, once it has come.
function once(type, count = 1) {
  const came = new Promise((resolve) => {
    const look = () => {
      const found = events.filter((it) => it.type === type);
      if (found.length < count) return;
      waiting.splice(waiting.indexOf(look), 1);
      resolve(found[count - 1].more);
    };
    waiting.push(look);
    look();
  });
  return Promise.race([came, late(`no ${type}`)]);
}
const agent = new RealtimeAgent({ name: "agent", instructions: "Be brief." });
const transport = new OpenAIRealtimeWebSocket({ url: URL_OF_SERVER, useInsecureApiKey: true });
const session = new RealtimeSession(agent, { transport, model: "rxvoice" });
session.on("audio", (event) => { sound += event.data.byteLength; happened("audio"); });
for (const type of ["audio_start", "audio_stopped", "audio_interrupted", "agent_end"])
  session.on(type, () => happened(type));
session.on("history_updated", (history) => happened("history", history));
session.on("error", (error) => happened("error", String(error.error?.message ?? error.error)));
transport.on("*", (event) => happened(event.type, event));
const tone = (seconds, gain) => Int16Array.from({ length: 24000 * seconds }, (_, index) =>
  32767 * gain * Math.sin(index / 6)).buffer;
</script>"""


@pytest.fixture(scope="module")
def chatty(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium, whose microphone hears somebody for a second, silence for two, and so on."""
    path = tmp_path_factory.mktemp("microphone") / "turns.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        sounds = np.concatenate([np.zeros(RATE), tone(1), np.zeros(RATE)])
        file.writeframes((sounds * 32767).astype("<i2").tobytes())
    with browser(playwright, path) as launched:
        yield launched


def say(text: str) -> rxv.Samples:
    """Ten characters a second."""
    return tone(len(text) / 10).astype(np.float32)


def app(models: serve.Models, *routes: Route, key: str | None = None) -> ASGIApp:
    made = serve.app(models, api_key=key)
    made.router.routes.extend(routes)
    return made


def test_a_conversation_with_a_reply_that_is_interrupted(chatty: Browser) -> None:
    models = fake_models(LONG, stt=lambda audio: "who are you", tts=say)
    with serving(app(models)) as url, visit(chatty, url) as it:
        it.page.get_by_role("button", name="Start talking").click()
        users = it.page.locator("li.user .text")
        expect(users.first).to_have_text("who are you")
        reply = it.page.locator("li.reply").first
        expect(reply.locator(".heard")).to_have_text(re.compile("I run"))
        # The next turn of the microphone interrupts it.
        expect(reply).to_have_attribute("data-state", "cut")
        heard = reply.locator(".heard").inner_text()
        assert 0 < len(heard) < len(LONG)
        assert LONG.startswith(heard)
        expect(users.nth(1)).to_have_text("who are you")
        it.is_in("speaking")
        rate, samples = it.played()
        assert np.abs(samples).max() > 0.01
        assert rate > 0
        totals = it.page.locator(".latency").first
        expect(totals).to_be_visible()
        assert it.complaints == []


def test_typing_and_the_settings_of_a_server_with_a_key(chatty: Browser) -> None:
    models = fake_models("Yes.", voices=("joe", "amy"))
    with serving(app(models, key="open-sesame")) as url, visit(chatty, url) as it:
        it.page.get_by_label("The key that this server was started with").fill("open-sesame")
        it.page.keyboard.press("Enter")
        it.is_in("typing")
        it.page.get_by_role("button", name="Settings").click()
        voices = it.page.get_by_label("Voice", exact=True).locator("option")
        expect(voices).to_have_text(["The server’s own (joe)", "joe", "amy"])
        it.page.get_by_role("button", name="Done").click()
        it.page.get_by_label("Type a message").fill("Are you there?")
        it.page.keyboard.press("Enter")
        reply = it.page.locator("li.reply")
        expect(reply).to_have_attribute("data-state", "said")
        expect(reply.locator(".heard")).to_have_text("Yes.")
        expect(reply.locator(".latency")).to_be_visible()
        expect(it.page.get_by_role("alert")).to_be_hidden()


@pytest.mark.models
def test_real_models_are_asked_aloud_and_answer_aloud(playwright: Playwright) -> None:
    pytest.importorskip("faster_whisper", reason="no extra: pip install 'rxvoice[offline]'")
    pytest.importorskip("piper", reason="no extra: pip install 'rxvoice[offline]'")
    from rxvoice import mlx, offline

    llm = offline.llm()
    workers = mlx.MlxScheduler()
    models = serve.Models(
        stt=offline.stt(), llm=llm.fresh, tts=offline.tts(), vad=offline.silero, scheduler=workers
    )
    recording = Path(rxv.__file__).parent / "data" / "demo.wav"
    try:
        with (
            browser(playwright, f"{recording}%noloop") as launched,
            serving(app(models)) as url,
            visit(launched, url) as it,
        ):
            it.page.get_by_role("button", name="Start talking").click()
            said = it.page.locator("li.user .text")
            expect(said.first).to_have_text(re.compile("who are you", re.I), timeout=120_000)
            expect(said.nth(1)).to_have_text(re.compile("talk about", re.I), timeout=120_000)
            # On a slow machine the recording overtakes replies, but nothing comes after the last.
            last = it.page.locator("li.reply[data-state=said]").last
            expect(last.locator(".heard")).to_have_text(re.compile("[a-z]{2}"), timeout=120_000)
            expect(last.locator(".latency")).to_be_visible()
            rate, samples = it.played()
            assert np.sqrt(np.mean(samples[-20 * rate :] ** 2)) > 1e-3
            assert it.complaints == []
    finally:
        workers.dispose()


@pytest.fixture
def agent(chatty: Browser) -> Iterator[Page]:
    """A page with a `RealtimeSession` of @openai/agents-realtime, from its own bundle."""
    bundle = BUNDLE / "openai-realtime-agents.umd.js"
    if not bundle.exists():
        where = Path(sys.prefix) / "npm"
        pytest.skip(f"no client: npm install --prefix {where} @openai/agents-realtime")
    script = Response(bundle.read_bytes(), media_type="text/javascript")
    url_of_server = "`ws://${location.host}/v1/realtime`"
    html = HTMLResponse(AGENT.replace("URL_OF_SERVER", url_of_server))
    models = fake_models(LONG, "Yes.", stt=lambda audio: "who are you", tts=say)
    routes = [Route("/agents.js", _Always(script)), Route("/agent", _Always(html))]
    with serving(app(models, *routes, key="ek_sesame")) as url, visit(chatty, f"{url}agent") as it:
        yield it.page
        assert it.complaints == []
        assert it.page.evaluate("events.filter((it) => it.type === 'error')") == []


class _Always:
    """Gives the same response to each request."""

    def __init__(self, response: Response) -> None:
        self._response = response

    async def __call__(self, scope: object, receive: object, send: object) -> None:
        await self._response(scope, receive, send)  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_browser_client_of_openai_agents(agent: Page) -> None:
    connected = "session.connect({ apiKey: 'ek_sesame' })"
    agent.evaluate(f"Promise.race([{connected}, late('not connected')])")
    agent.evaluate("once('session.updated')")
    # A turn by voice activity, with its reply as sound and as words.
    agent.evaluate(
        "session.sendAudio(tone(0.2, 0)), session.sendAudio(tone(1, 0.5)),"
        "session.sendAudio(tone(5, 0)), undefined"  # its semantic_vad waits up to 4 s
    )
    agent.evaluate("once('audio_start')")
    history = agent.evaluate("once('conversation.item.input_audio_transcription.completed')")
    assert history["transcript"] == "who are you"
    # Another turn interrupts it.
    agent.evaluate("session.sendAudio(tone(1, 0.5)), undefined")
    agent.evaluate("once('audio_interrupted')")
    done = agent.evaluate("once('response.done')")
    assert done["response"]["status"] in {"cancelled", "completed"}
    agent.evaluate("session.sendAudio(tone(5, 0)), undefined")
    agent.evaluate("once('response.done', 2)")
    # A typed message.
    agent.evaluate("session.sendMessage('Are you there?'), undefined")
    agent.evaluate("once('response.done', 3)")
    history = agent.evaluate("session.history")
    assert [it["role"] for it in history if it["type"] == "message"][:2] == ["user", "assistant"]
    assert history[0]["content"][0]["transcript"] == "who are you"
    assert agent.evaluate("sound") > RATE
    agent.evaluate("session.close()")
