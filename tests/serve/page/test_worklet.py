"""The worklets, rendered without a clock: what they make of sound of any rate."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from serve.page.browser_kit import visit
from serve.page.fake_server import RATE, FakeServer, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

HERTZ = 1000
RATES = [24_000, 44_100, 48_000, 96_000]

CAPTURE = """async ({rate, hertz, seconds}) => {
  const context = new OfflineAudioContext(1, rate * seconds, rate);
  await context.audioWorklet.addModule("/page/worklet.js");
  const sound = new OscillatorNode(context, {frequency: hertz});
  const gain = new GainNode(context, {gain: 0.5});
  const node = new AudioWorkletNode(context, "capture");
  const blocks = [];
  let flushed;
  const over = new Promise((resolve) => (flushed = resolve));
  node.port.onmessage = ({data}) => {
    blocks.push([...new Int16Array(data.pcm)]);
    if (data.flushed) flushed();
  };
  sound.connect(gain).connect(node).connect(context.destination);
  sound.start();
  await context.startRendering();
  node.port.postMessage("flush");
  await over;
  return blocks;
}"""

PLAYBACK = """async ({rate, seconds, messages}) => {
  const context = new OfflineAudioContext(1, rate * seconds, rate);
  await context.audioWorklet.addModule("/page/worklet.js");
  const node = new AudioWorkletNode(
    context, "playback", {numberOfInputs: 0, outputChannelCount: [1]});
  const said = [];
  node.port.onmessage = ({data}) => data.type === "progress" || said.push(data);
  node.connect(context.destination);
  // Answers when the audio thread has taken what was posted before.
  const witness = new AudioWorkletNode(context, "capture");
  const taken = () => new Promise((resolve) => {
    witness.port.onmessage = resolve;
    witness.port.postMessage("flush");
  });
  const tell = ({tone, ...message}) => {
    if (tone) {
      const [from, to, hertz] = tone;
      message.samples = Float32Array.from({length: to - from}, (_, index) =>
        0.5 * Math.sin((2 * Math.PI * hertz * (from + index)) / 24000));
    }
    node.port.postMessage(message);
  };
  for (const at of new Set(messages.map(([at]) => at))) {
    context.suspend(at).then(async () => {
      for (const [when, message] of messages) if (when === at) tell(message);
      await taken();
      context.resume();
    });
  }
  const rendered = await context.startRendering();
  await taken();
  return {samples: [...rendered.getChannelData(0)], said};
}"""


@pytest.fixture(scope="module")
def page(chrome: Browser) -> Any:
    with serving(FakeServer().app()) as url, visit(chrome, url) as it:
        yield it.page


def strongest(samples: np.ndarray, rate: int) -> tuple[float, float]:
    """The strongest frequency, and how far below it all others are, in dB."""
    spectrum = np.abs(np.fft.rfft(samples * np.blackman(len(samples))))
    top = int(np.argmax(spectrum))
    others = np.delete(spectrum, slice(max(0, top - 4), top + 5))
    return top * rate / len(samples), 20 * np.log10(spectrum[top] / others.max())


@pytest.mark.parametrize("rate", RATES)
def test_the_microphone_is_24_khz_in_blocks_of_40_ms(rate: int, page: Any) -> None:
    blocks = page.evaluate(CAPTURE, {"rate": rate, "hertz": HERTZ, "seconds": 1})
    assert {len(block) for block in blocks[:-1]} == {960}
    assert len(blocks[-1]) < 960
    samples = np.concatenate(blocks) / 32767
    assert len(samples) == pytest.approx(
        RATE, abs=70
    )  # whole quanta, less what the filter looks ahead
    hertz, clean = strongest(samples[200:-200], RATE)
    assert hertz == pytest.approx(HERTZ, abs=2)
    assert clean > 60
    assert np.abs(samples[200:-200]).max() == pytest.approx(0.5, abs=0.005)


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_what_24_khz_cannot_hold_is_filtered_out(rate: int, page: Any) -> None:
    blocks = page.evaluate(CAPTURE, {"rate": rate, "hertz": 15_000, "seconds": 1})
    samples = np.concatenate(blocks)[200:-200] / 32767
    assert np.abs(samples).max() < 0.5 / 1000  # 60 dB


@pytest.mark.parametrize("rate", RATES)
def test_playback_is_gapless_from_piece_to_piece_and_exact(rate: int, page: Any) -> None:
    edges = [0, 100, 4800, 4801, 9000, 12_000]
    tell = [
        [0, {"type": "play", "item": "a", "tone": [here, there, HERTZ]}]
        for here, there in pairwise(edges)
    ]
    asked = {"rate": rate, "seconds": 0.6, "messages": [*tell, [0, {"type": "end", "item": "a"}]]}
    result = page.evaluate(PLAYBACK, asked)
    kinds = [it["type"] for it in result["said"]]
    assert kinds == ["started", "finished"]
    assert result["said"][1]["played"] == 12_000
    samples = np.array(result["samples"])
    count = round(0.5 * rate)
    begun = round(result["said"][0]["time"] * rate)
    played = samples[begun : begun + count]
    wanted = 0.5 * np.sin(2 * np.pi * HERTZ * np.arange(count) / rate)
    inner = slice(rate // 200, -rate // 200)  # the filter sees an edge at both ends
    assert np.abs(played[inner] - wanted[inner]).max() < 0.005
    assert np.abs(samples[begun + count + 50 :]).max() == 0


def test_silence_while_sound_is_late_does_not_count_as_played(page: Any) -> None:
    first = [0, {"type": "play", "item": "a", "tone": [0, 4800, HERTZ]}]
    second = [0.512, {"type": "play", "item": "a", "tone": [4800, 9600, HERTZ]}]
    end = [0.512 + 128 / 48_000, {"type": "end", "item": "a"}]
    asked = {"rate": 48_000, "seconds": 1, "messages": [first, second, end]}
    result = page.evaluate(PLAYBACK, asked)
    assert [it["type"] for it in result["said"]] == ["started", "gap", "finished"]
    assert result["said"][-1]["played"] == 9600
    loud = np.abs(np.array(result["samples"])) > 1e-4
    energy = np.sum(np.square(result["samples"]))
    assert energy == pytest.approx(2 * 9600 * 0.5**2 / 2, rel=0.01)
    assert not loud[round(0.25 * 48_000) : round(0.51 * 48_000)].any()


def test_a_stop_takes_5_ms_without_a_click_and_says_what_was_played(page: Any) -> None:
    messages = [
        [0, {"type": "play", "item": "a", "tone": [0, 6000, HERTZ]}],
        [0, {"type": "play", "item": "b", "tone": [0, 24_000, HERTZ]}],
        [0, {"type": "play", "item": "c", "tone": [0, 2400, HERTZ]}],
        [0.512, {"type": "stop"}],
        [0.64, {"type": "play", "item": "d", "tone": [0, 2400, HERTZ]}],
        [0.65, {"type": "end", "item": "d"}],
    ]
    result = page.evaluate(PLAYBACK, {"rate": 48_000, "seconds": 1, "messages": messages})
    said = {it["type"]: it for it in result["said"] if it["type"] == "stopped"}
    items = {it["item"]: it for it in said["stopped"]["items"]}
    assert set(items) == {"b", "c"}
    assert items["b"]["played"] == pytest.approx(0.517 * RATE - 6000, abs=70)
    assert items["b"]["received"] == 24_000
    assert items["c"]["played"] == 0
    samples = np.array(result["samples"])
    assert np.abs(samples[round(0.519 * 48_000) : round(0.63 * 48_000)]).max() == 0
    fading = samples[round(0.5121 * 48_000) : round(0.518 * 48_000)]
    assert np.abs(np.diff(fading)).max() < 0.08  # as a tone of 1 kHz has it
    assert result["said"][-1]["played"] == 2400


def test_a_short_answer_does_not_wait_for_the_cushion(page: Any) -> None:
    messages = [
        [0, {"type": "play", "item": "a", "tone": [0, 480, HERTZ]}],
        [0.2, {"type": "end", "item": "a"}],
    ]
    result = page.evaluate(PLAYBACK, {"rate": 48_000, "seconds": 0.5, "messages": messages})
    assert [it["type"] for it in result["said"]] == ["started", "finished"]
    assert result["said"][0]["time"] == pytest.approx(0.2, abs=0.01)
