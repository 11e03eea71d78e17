// Both ends of the sound, on the browser's audio thread. One file: not every browser lets a worklet
// import another. The server's sound is mono at 24 kHz; the browser's has any rate.

const RATE = 24000;
const BLOCK = 960; // samples of the microphone in one message: 40 ms
const CUSHION = RATE * 0.04; // what must wait before playback starts, so that it does not stutter
const FADE_SECONDS = 0.005; // stopping at once without a click
const CROSSINGS = 16; // of the resampler's filter, on each side
const FINE = 256; // entries of its table for each sample

/** Changes a sample rate, with a windowed sinc. `position` counts input samples, exactly. */
class Resampler {
  constructor(from, to) {
    this.from = from;
    this.to = to;
    this.scale = Math.min(1, to / from);
    this.half = from === to ? 0 : Math.ceil(CROSSINGS / this.scale);
    this.table = from === to ? null : kernel(this.scale, this.half);
    this.held = new Float32Array(4096);
    this.reset();
  }

  reset() {
    this.base = 0; // the index of held[0] in the input
    this.end = 0; // how many samples came
    this.made = 0;
  }

  /** Where in the input the next output sample lies. */
  get position() {
    return (this.made * this.from) / this.to;
  }

  push(samples) {
    const unused = Math.max(this.base, Math.floor(this.position) - this.half);
    const kept = this.end - unused;
    if (kept + samples.length > this.held.length) {
      const larger = new Float32Array(2 * (kept + samples.length));
      larger.set(this.held.subarray(unused - this.base, this.end - this.base));
      this.held = larger;
    } else if (unused > this.base) {
      this.held.copyWithin(0, unused - this.base, this.end - this.base);
    }
    this.base = unused;
    this.held.set(samples, kept);
    this.end += samples.length;
  }

  /** Whether the next output sample can be made from what came. */
  get ready() {
    return Math.floor(this.position) + this.half < this.end;
  }

  next() {
    const at = this.position;
    this.made += 1;
    const middle = Math.floor(at);
    if (!this.table) return this.held[middle - this.base];
    let sum = 0;
    const first = Math.max(this.base, middle - this.half + 1);
    for (let index = first; index <= middle + this.half; index += 1) {
      const distance = Math.abs(at - index) * FINE;
      const entry = distance | 0;
      const weight =
        this.table[entry] + (distance - entry) * (this.table[entry + 1] - this.table[entry]);
      sum += weight * this.held[index - this.base];
    }
    return sum;
  }
}

/** One side of the filter: a sinc that ends with half of the lower rate, under Blackman's window. */
function kernel(scale, half) {
  const table = new Float32Array(half * FINE + 2);
  const cutoff = 0.94 * scale;
  for (let index = 0; index <= half * FINE; index += 1) {
    const x = index / FINE;
    const phase = Math.PI * cutoff * x;
    const share = x / half;
    const blackman = 0.42 + 0.5 * Math.cos(Math.PI * share) + 0.08 * Math.cos(2 * Math.PI * share);
    table[index] = cutoff * (index ? Math.sin(phase) / phase : 1) * blackman;
  }
  return table;
}

/** The microphone: posts `{pcm, level}`, 16-bit samples at 24 kHz and their RMS. */
class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, RATE);
    this.block = new Int16Array(BLOCK);
    this.filled = 0;
    this.energy = 0;
    // On "flush" it posts what it has, however short, and says so.
    this.port.onmessage = () => this.post(true);
  }

  process([input]) {
    if (!input.length) return true;
    this.resampler.push(input[0]);
    while (this.resampler.ready) {
      const sample = Math.max(-1, Math.min(1, this.resampler.next()));
      this.block[this.filled] = Math.round(sample * 32767);
      this.energy += sample * sample;
      this.filled += 1;
      if (this.filled === BLOCK) this.post(false);
    }
    return true;
  }

  post(flushed) {
    const pcm = this.block.slice(0, this.filled).buffer;
    const level = Math.sqrt(this.energy / Math.max(1, this.filled));
    this.filled = this.energy = 0;
    this.port.postMessage({ pcm, level, flushed }, [pcm]);
  }
}

/**
 * The loudspeaker: plays items one after the other without a gap, and knows exactly how much of each
 * was played. Takes `{type}`: "play" (item, samples), "end" (item), "stop". Posts "started" (item,
 * time), "progress" (item, played, level), "finished" (item, played), "gap" where sound came too late,
 * and after a "stop" one "stopped" with all items that were not finished.
 */
class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(RATE, sampleRate);
    this.step = 1 / (FADE_SECONDS * sampleRate);
    this.clear();
    this.port.onmessage = ({ data }) => this.take(data);
  }

  clear() {
    this.resampler.reset();
    this.waiting = []; // what the resampler has not yet taken
    this.waitingSamples = 0;
    this.items = []; // in order: {item, start, length, ended, started}
    this.running = false; // false until the cushion is full
    this.starved = false; // ran dry in the middle of an item
    this.stopping = false;
    this.gain = 1; // fades to 0 when it is to stop
    this.energy = this.frames = 0;
  }

  take(message) {
    if (message.type === "play") this.add(message.item, message.samples);
    if (message.type === "end") for (const it of this.items) it.ended ||= it.item === message.item;
    if (message.type === "stop") this.stopping = true;
  }

  add(item, samples) {
    if (this.stopping) return;
    let last = this.items.at(-1);
    if (last?.item !== item) {
      if (last) last.ended = true;
      last = { item, start: this.total(), length: 0, ended: false, started: false };
      this.items.push(last);
    }
    if (this.starved && last.length) this.port.postMessage({ type: "gap" });
    this.starved = false;
    last.length += samples.length;
    this.waiting.push(samples);
    this.waitingSamples += samples.length;
  }

  /** How many samples came, with those that the resampler still has. */
  total() {
    return this.resampler.end + this.waitingSamples;
  }

  process(_, [[out]]) {
    for (let frame = 0; frame < out.length; frame += 1) {
      if (this.stopping) this.gain -= this.step;
      if (this.gain <= 0 || !this.supply()) {
        if (this.stopping) this.stopped();
        break;
      }
      const sample = this.resampler.next() * this.gain;
      out[frame] = sample;
      this.energy += sample * sample;
      this.announce(frame);
    }
    this.frames += out.length;
    if (this.frames >= sampleRate * 0.03) this.report();
    return true;
  }

  /** Give the resampler what it needs for its next sample; false if there is nothing to play. */
  supply() {
    const last = this.items.at(-1);
    const end = last ? last.start + last.length : 0;
    const unplayed = end - this.resampler.position;
    if (unplayed <= 0) return (this.running = false);
    if (this.running && this.resampler.ready) return true;
    if (!this.running && !last.ended && unplayed < CUSHION) return false;
    while (!this.resampler.ready && this.waiting.length) {
      const samples = this.waiting.shift();
      this.waitingSamples -= samples.length;
      this.resampler.push(samples);
    }
    if (!this.resampler.ready && last.ended) {
      this.resampler.push(new Float32Array(this.resampler.half + 1)); // what the filter looks ahead
    }
    this.starved ||= this.running && !this.resampler.ready;
    return (this.running = this.resampler.ready);
  }

  /** Say that an item began with this frame, or that those before it are over. */
  announce(frame) {
    const position = this.resampler.position;
    const [first] = this.items;
    if (!first.started && position > first.start) {
      first.started = true;
      const time = currentTime + frame / sampleRate;
      this.port.postMessage({ type: "started", item: first.item, time });
    }
    if (first.ended && position >= first.start + first.length) {
      this.items.shift();
      this.port.postMessage({ type: "finished", item: first.item, played: first.length });
    }
  }

  playedOf(item) {
    return Math.max(0, Math.min(item.length, Math.floor(this.resampler.position) - item.start));
  }

  report() {
    const [first] = this.items;
    const level = Math.sqrt(this.energy / this.frames);
    this.energy = this.frames = 0;
    if (!first) {
      if (level) this.port.postMessage({ type: "progress", item: null, played: 0, level });
      return;
    }
    // An item whose end was told only after its last sample was played.
    if (first.ended && this.playedOf(first) === first.length) {
      this.items.shift();
      this.port.postMessage({ type: "finished", item: first.item, played: first.length });
      return;
    }
    const played = this.playedOf(first);
    this.port.postMessage({ type: "progress", item: first.item, played, level });
  }

  stopped() {
    const items = this.items.map((it) => ({
      item: it.item,
      played: this.playedOf(it),
      received: it.length,
    }));
    this.clear();
    this.port.postMessage({ type: "stopped", items });
  }
}

registerProcessor("capture", Capture);
registerProcessor("playback", Playback);
