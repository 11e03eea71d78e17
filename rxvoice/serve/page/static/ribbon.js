// The last seconds as a ribbon: the user above the line, the voice below, and where speech was judged.

const STEP = 100; // ms that one bar stands for
const PITCH = 5; // pixels from bar to bar
const WIDTH = 3;

export class Ribbon {
  constructor(canvas, meter) {
    this.canvas = canvas;
    this.meter = meter;
    this.bars = []; // {you, voice, speech}, the newest last
    this.now = { you: 0, voice: 0, speech: 0 };
    this.last = 0;
    this.frame = 0;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    const redraw = () => this.draw(performance.now());
    new ResizeObserver(redraw).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    this.still.addEventListener("change", redraw);
  }

  /** Something was measured: `you` and `voice` are levels (RMS), `speech` a probability. */
  put(measured) {
    for (const [name, value] of Object.entries(measured))
      this.now[name] = Math.max(this.now[name], value);
  }

  start() {
    if (this.frame) return;
    this.last = performance.now();
    const tick = (now) => {
      this.step(now);
      this.frame = requestAnimationFrame(tick);
    };
    this.frame = requestAnimationFrame(tick);
  }

  stop() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.bars = [];
    this.#measure(0);
    this.draw(performance.now());
  }

  step(now) {
    let added = false;
    while (now - this.last >= STEP) {
      this.last = now - this.last > 10 * STEP ? now : this.last + STEP; // the page was in the background
      this.bars.push({ ...this.now });
      this.#measure(this.now.you);
      this.now = { you: 0, voice: 0, speech: 0 };
      added = true;
    }
    const most = Math.ceil(this.canvas.clientWidth / PITCH) + 2;
    if (this.bars.length > most) this.bars.splice(0, this.bars.length - most);
    if (added || !this.still.matches) this.draw(now);
  }

  #measure(level) {
    this.meter.setAttribute("aria-valuenow", Math.round(100 * loudness(level)));
  }

  draw(now) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const density = devicePixelRatio || 1;
    if (!width) return;
    if (this.canvas.width !== Math.round(width * density))
      this.canvas.width = Math.round(width * density);
    if (this.canvas.height !== Math.round(height * density))
      this.canvas.height = Math.round(height * density);
    const brush = this.canvas.getContext("2d");
    brush.setTransform(density, 0, 0, density, 0, 0);
    brush.clearRect(0, 0, width, height);
    const colours = getComputedStyle(this.canvas);
    const colour = (name) => colours.getPropertyValue(name).trim();
    const middle = Math.round(height / 2);
    brush.fillStyle = colour("--line");
    brush.fillRect(0, middle - 0.5, width, 1);
    if (this.still.matches) return this.#level(brush, middle, width, colour);
    const moved = Math.min(1, (now - this.last) / STEP) * PITCH;
    this.bars.forEach((bar, index) => {
      const x = width - (this.bars.length - index) * PITCH - moved + PITCH;
      brush.globalAlpha = 1;
      if (bar.speech > 0.02) {
        brush.globalAlpha = 0.14 * bar.speech;
        brush.fillStyle = colour("--you");
        brush.fillRect(x - 1, 0, PITCH, middle - 0.5);
      }
      brush.globalAlpha = Math.min(1, (x + 20) / 120); // the past fades
      if (brush.globalAlpha <= 0 || x < -PITCH) return;
      stroke(brush, x, middle, -loudness(bar.you) * (middle - 3), colour("--you"));
      stroke(brush, x, middle, loudness(bar.voice) * (middle - 3), colour("--voice"));
    });
    brush.globalAlpha = 1;
  }

  /** Without motion: one bar for each side, along the line. */
  #level(brush, middle, width, colour) {
    const bar = this.bars.at(-1) ?? { you: 0, voice: 0, speech: 0 };
    brush.fillStyle = colour("--you");
    brush.fillRect(0, middle - 8, width * loudness(bar.you), 5);
    brush.fillStyle = colour("--voice");
    brush.fillRect(0, middle + 4, width * loudness(bar.voice), 5);
  }
}

/** 0 to 1 for an RMS, by decibels: -60 dB is silence. */
export function loudness(level) {
  return level > 0 ? Math.min(1, Math.max(0, (20 * Math.log10(level) + 60) / 52)) : 0;
}

function stroke(brush, x, middle, height, colour) {
  if (Math.abs(height) < 1) return;
  brush.fillStyle = colour;
  brush.beginPath();
  const top = height < 0 ? middle - 1.5 + height : middle + 1.5;
  brush.roundRect(x, top, WIDTH, Math.abs(height), WIDTH / 2);
  brush.fill();
}
