"use strict";
// Draws the shapes that rxvoice/trace/_lanes.py made. Times are seconds since the trace began.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const AXIS = 22, GAP = 5, CHAR = 6, BUCKET = 0.01;
const [FIRST, LAST] = [data.start, data.end];
const narrow = () => innerWidth <= 640;
const bytes = (text) => Uint8Array.from(atob(text), (it) => it.charCodeAt(0));
const waves = Object.fromEntries(Object.entries(data.waves).map(([name, it]) => [name, new Int8Array(bytes(it).buffer)]));
const judged = { times: new Float32Array(bytes(data.speech.times).buffer), values: bytes(data.speech.values) };
const byLane = new Map(data.lanes.map(([name]) => [name, []]));
for (const [lane, kind, start, end, label, tip] of data.shapes) byLane.get(lane).push({ kind, start, end, label, tip });

let from = FIRST, to = Math.min(LAST, FIRST + (narrow() ? 10 : 30));
if (LAST - FIRST <= 40 && !narrow()) to = LAST;
let selected = null; // [start, end]
let cursor = null; // where the sound is

function make(tag, attributes = {}, text = "") {
  const it = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) it.setAttribute(name, value);
  if (text) it.textContent = text;
  return it;
}
function html(tag, classes = "", text = "") {
  const it = document.createElement(tag);
  if (classes) it.className = classes;
  it.textContent = text;
  return it;
}
function clock(seconds, digits = 0) {
  const units = Math.round(seconds * 10 ** digits);
  const minute = 60 * 10 ** digits;
  const rest = (units % minute) / 10 ** digits;
  return `${Math.floor(units / minute)}:${rest.toFixed(digits).padStart(digits ? digits + 3 : 2, "0")}`;
}
const sizes = () => {
  const width = $("stage").clientWidth;
  const left = narrow() ? 0 : 92;
  return { width, left, right: width - 6, scale: (width - 6 - left) / (to - from), above: narrow() ? 15 : 0 };
};
const xOf = (time, size) => size.left + (Math.min(Math.max(time, from), to) - from) * size.scale;

// The picture

function fit(text, width) {
  const room = Math.floor(width / CHAR);
  if (text.length <= room) return text;
  return room >= 4 ? `${text.slice(0, room - 1).trimEnd()}…` : "";
}
function lowerBound(list, value) {
  let [a, b] = [0, list.length];
  while (a < b) { const middle = (a + b) >> 1; if (list[middle] < value) a = middle + 1; else b = middle; }
  return a;
}
function draw() {
  const size = sizes(), view = $("view"), parts = [];
  let top = AXIS;
  const bottom = data.lanes.reduce((sum, lane) => sum + lane[2] + GAP + size.above, AXIS);
  axis(size, bottom, parts);
  for (const [name, title, height] of data.lanes) {
    if (size.above) parts.push(make("text", { x: 2, y: top + 8, class: "title" }, title));
    else parts.push(make("text", { x: size.left - 8, y: top + height / 2, "text-anchor": "end", class: "title" }, title));
    top += size.above;
    parts.push(make("rect", { x: size.left, y: top, width: size.right - size.left, height, rx: 3, class: "c-raised" }));
    const shapes = byLane.get(name).filter((it) => it.end >= from && it.start <= to);
    if (name === "speech") speech(size, top, height, parts);
    else bars(name, shapes, size, top, height, parts);
    if (waves[name]) parts.push(wave(name, size, top, height));
    top += height + GAP;
  }
  if (selected) {
    const [a, b] = selected.map((it) => xOf(it, size));
    parts.push(make("rect", { x: a, y: AXIS, width: Math.max(1, b - a), height: bottom - AXIS - GAP, class: "c-amber", "fill-opacity": 0.16, "pointer-events": "none" }));
  }
  if (cursor !== null && cursor >= from && cursor <= to)
    parts.push(make("rect", { x: xOf(cursor, size) - 0.75, y: AXIS - 6, width: 1.5, height: bottom - AXIS, class: "c-alarm", "pointer-events": "none" }));
  view.setAttribute("viewBox", `0 0 ${size.width} ${bottom}`);
  view.setAttribute("height", bottom);
  view.replaceChildren(...parts);
  map();
  const shown = data.turns.filter((it) => it.end >= from && it.start <= to);
  for (const [n, row] of [...$("turns").children].entries())
    row.firstChild.toggleAttribute("aria-current", shown.includes(data.turns[n]));
  const chosen = selected ? ` · selected ${clock(selected[0], 1)} to ${clock(selected[1], 1)} (${(selected[1] - selected[0]).toFixed(2)} s)` : "";
  $("now").textContent = `${clock(from, 1)} to ${clock(to, 1)}${chosen}`;
}
function axis(size, bottom, parts) {
  const step = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120].find((it) => it * size.scale >= 58) ?? 300;
  const digits = step < 0.1 ? 2 : step < 1 ? 1 : 0;
  for (let n = Math.ceil(from / step - 1e-9); n * step <= to + 1e-9; n++) {
    const x = xOf(n * step, size);
    parts.push(make("line", { x1: x, x2: x, y1: AXIS - 6, y2: bottom - GAP, class: "s-line" }));
    if (x < size.right - 42) parts.push(make("text", { x: x + 3, y: AXIS - 11, class: "c-faint" }, clock(n * step, digits)));
  }
}
function bars(lane, shapes, size, top, height, parts) {
  const starts = shapes.filter((it) => it.kind !== "said").map((it) => xOf(it.start, size)).sort((a, b) => a - b);
  let free = 0;
  const text = (x, y, it, said, strong) => parts.push(make("text", { x, y, class: `l-${it.kind}${strong ? " strong" : ""}` }, said));
  for (const it of shapes) {
    const left = xOf(it.start, size), right = xOf(it.end, size);
    let shape = null;
    if (it.kind === "said" || it.kind === "total") {
      const until = starts[lowerBound(starts, left + 0.5)] ?? size.right;
      const said = fit(it.label, until - left - 14);
      if (said && it.start >= from) text(left + 6, top + height / 2, it, said, it.kind === "total");
    } else if (it.kind === "token") {
      if (size.scale >= 40 && it.start >= from) parts.push(make("rect", { x: left, y: top + 4, width: 1, height: height - 8, class: "k-token", "pointer-events": "none" }));
    } else if (it.end > it.start) {
      const width = Math.max(right - left, 0.8);
      shape = make("rect", { x: left, y: top + 1, width, height: height - 2, rx: Math.min(2.5, width / 2), class: `k-${it.kind}` });
      parts.push(shape);
      const said = fit(it.label, width - 8);
      if (said) text(left + 4, top + height / 2, it, said);
    } else if (it.start >= from) {
      shape = lane === "marks" || it.kind === "failed"
        ? make("circle", { cx: left, cy: top + height / 2, r: 4, class: `k-${it.kind}` })
        : make("rect", { x: left - 0.75, y: top, width: 1.5, height, class: `k-${it.kind}` });
      parts.push(shape);
      const beside = lane === "played" ? size.right : starts[lowerBound(starts, left + 0.5)] ?? size.right;
      const said = fit(it.label, Math.min(40 * CHAR, beside - left - 14));
      if (said && left >= free) {
        text(left + 7, lane === "played" ? top + 9 : top + height / 2, it, said);
        free = left + said.length * CHAR + 14;
      }
    }
    if (shape && it.tip) shape.dataset.tip = it.tip;
  }
}
function wave(name, size, top, height) {
  const peaks = waves[name], half = height / 2 - 2, middle = top + height / 2;
  const upper = [], lower = [];
  for (let x = size.left; x < size.right; x += 1) {
    const a = Math.max(0, Math.floor((from + (x - size.left) / size.scale - FIRST) / BUCKET));
    const b = Math.min(peaks.length / 2, Math.max(a + 1, Math.ceil((from + (x + 1 - size.left) / size.scale - FIRST) / BUCKET)));
    let low = 0, high = 0;
    for (let n = a; n < b; n++) { low = Math.min(low, peaks[2 * n]); high = Math.max(high, peaks[2 * n + 1]); }
    const y = (value) => (value / 127) * half;
    upper.push(`${x} ${(middle - Math.max(y(high), 0.4)).toFixed(1)}`);
    lower.push(`${x} ${(middle + Math.max(y(-low), 0.4)).toFixed(1)}`);
  }
  return make("path", { d: `M${[...upper, ...lower.reverse()].join("L")}Z`, class: name === "you" ? "c-you" : "c-voice", "pointer-events": "none" });
}
function speech(size, top, height, parts) {
  const y = (value) => top + height - 2 - value * (height - 4);
  const points = [];
  let last = -1;
  for (let n = lowerBound(judged.times, from); n < judged.times.length && judged.times[n] <= to; n++) {
    const x = xOf(judged.times[n], size);
    if (x - last < 1) continue;
    points.push(`${x.toFixed(1)} ${y(judged.values[n] / 255).toFixed(1)}`);
    last = x;
  }
  if (points.length > 1) {
    const ends = [points[0], points[points.length - 1]].map((it) => it.split(" ")[0]);
    parts.push(make("path", { d: `M${ends[0]} ${y(0)}L${points.join("L")}L${ends[1]} ${y(0)}Z`, class: "c-you", "fill-opacity": 0.22 }));
    parts.push(make("path", { d: `M${points.join("L")}`, fill: "none", class: "s-you", "stroke-width": 1.2 }));
  }
  for (const value of [data.speech.start, data.speech.stop])
    parts.push(make("line", { x1: size.left, x2: size.right, y1: y(value), y2: y(value), class: "s-faint", "stroke-dasharray": "3 3", "stroke-width": 0.8 }));
}
function map() {
  const it = $("map"), width = it.clientWidth, height = it.clientHeight, parts = [];
  const x = (time) => ((time - FIRST) / (LAST - FIRST)) * width;
  for (const [name, colour, middle] of [["you", "c-you", 14], ["played", "c-voice", 31]]) {
    const peaks = waves[name], each = peaks.length / 2 / width, points = [];
    for (let at = 0; at < width; at++) {
      let high = 0;
      for (let n = Math.floor(at * each); n < (at + 1) * each; n++) high = Math.max(high, peaks[2 * n + 1] || 0);
      points.push([at, Math.max(0.4, (high / 127) * 11)]);
    }
    const path = [...points.map(([a, b]) => `${a} ${(middle - b).toFixed(1)}`), ...points.reverse().map(([a, b]) => `${a} ${(middle + b).toFixed(1)}`)];
    parts.push(make("path", { d: `M${path.join("L")}Z`, class: colour, "fill-opacity": 0.8 }));
  }
  for (const mark of byLane.get("marks")) if (["failed", "lost", "underrun", "device"].includes(mark.kind)) parts.push(make("rect", { x: x(mark.start), y: 0, width: 1.5, height: 5, class: `k-${mark.kind}` }));
  const [a, b] = [x(from), x(to)];
  parts.push(make("rect", { x: 0, y: 0, width: a, height, class: "c-paper", "fill-opacity": 0.65 }));
  parts.push(make("rect", { x: b, y: 0, width: Math.max(0, width - b), height, class: "c-paper", "fill-opacity": 0.65 }));
  parts.push(make("rect", { x: a + 0.5, y: 0.5, width: Math.max(2, b - a - 1), height: height - 1, fill: "none", rx: 4, class: "s-faint" }));
  if (cursor !== null) parts.push(make("rect", { x: x(cursor), y: 0, width: 1.5, height, class: "c-alarm" }));
  it.replaceChildren(...parts);
}

// Moving

let due = 0;
function later() { due ||= requestAnimationFrame(() => { due = 0; draw(); }); }
function show(start, end) {
  const length = Math.min(Math.max(end - start, 0.2), LAST - FIRST);
  hint(null);
  from = Math.min(Math.max(start, FIRST), LAST - length);
  to = from + length;
  later();
}
function zoom(by, around = (from + to) / 2) { show(around - (around - from) * by, around + (to - around) * by); }
function move(by) { show(from + by * (to - from), to + by * (to - from)); }
function step(by) {
  const middle = (from + to) / 2, turns = data.turns.filter((it) => !it.candidate);
  const next = by > 0 ? turns.find((it) => centre(it) > middle + 0.01) : turns.findLast((it) => centre(it) < middle - 0.01);
  if (next) toTurn(next);
}
const centre = (it) => (it.start + it.end) / 2;
function toTurn(it) {
  const length = Math.min(Math.max(to - from, it.end - it.start + 1), 40);
  show(centre(it) - length / 2, centre(it) + length / 2);
}
const timeAt = (event) => {
  const size = sizes(), x = event.clientX - $("stage").getBoundingClientRect().left;
  return Math.min(Math.max(from + (x - size.left) / size.scale, from), to);
};
let drag = null;
$("stage").addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  drag = { at: timeAt(event), x: event.clientX, moved: false };
  if (event.pointerType === "mouse") $("stage").setPointerCapture(event.pointerId);
});
$("stage").addEventListener("pointermove", (event) => {
  if (drag && Math.abs(event.clientX - drag.x) > 3) drag.moved = true;
  if (drag?.moved) {
    const now = timeAt(event);
    selected = [Math.min(drag.at, now), Math.max(drag.at, now)];
    later();
  }
  hint(drag?.moved ? null : event);
});
$("stage").addEventListener("pointerup", () => {
  if (drag && !drag.moved) { selected = null; start(drag.at, true); }
  drag = null;
  later();
});
$("stage").addEventListener("pointercancel", () => { drag = null; });
$("stage").addEventListener("pointerleave", () => hint(null));
$("stage").addEventListener("wheel", (event) => {
  const across = Math.abs(event.deltaX) > Math.abs(event.deltaY);
  if (!across && !event.ctrlKey && !event.metaKey) return; // the page scrolls
  event.preventDefault();
  if (across) move(event.deltaX / 1000); else zoom(Math.exp(event.deltaY / 200), timeAt(event));
}, { passive: false });
$("map").addEventListener("pointerdown", (event) => { event.target.setPointerCapture?.(event.pointerId); jump(event); });
$("map").addEventListener("pointermove", (event) => { if (event.buttons & 1) jump(event); });
function jump(event) {
  const box = $("map").getBoundingClientRect();
  const at = FIRST + ((event.clientX - box.left) / box.width) * (LAST - FIRST), half = (to - from) / 2;
  show(at - half, at + half);
}
function hint(event) {
  const tip = $("tip"), told = event?.target?.dataset?.tip;
  tip.hidden = !told;
  if (!told) return;
  tip.textContent = told;
  const box = $("stage").getBoundingClientRect();
  const x = Math.min(event.clientX - box.left + 12, box.width - tip.offsetWidth - 4);
  tip.style.left = `${Math.max(0, x)}px`;
  tip.style.top = `${event.clientY - box.top + 16}px`;
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const onButton = event.target.closest?.("button");
  const act = {
    ArrowLeft: () => (event.shiftKey ? select(-1) : move(-0.2)), ArrowRight: () => (event.shiftKey ? select(1) : move(0.2)),
    "+": () => zoom(0.6), "=": () => zoom(0.6), "-": () => zoom(1 / 0.6), Home: () => show(FIRST, FIRST + to - from), End: () => show(LAST - (to - from), LAST),
    n: () => step(1), p: () => step(-1), 0: () => show(FIRST, LAST), Escape: () => { selected = null; stop(); later(); },
    " ": onButton ? null : toggle,
  }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
function select(by) {
  const each = (to - from) / 40, [a, b] = selected ?? [(from + to) / 2, (from + to) / 2];
  selected = [a, Math.min(Math.max(b + by * each, a), LAST)];
  later();
}
$("in").onclick = () => zoom(0.6);
$("out").onclick = () => zoom(1 / 0.6);
$("all").onclick = () => show(FIRST, LAST);
$("play").onclick = toggle;
addEventListener("resize", later);

// Hearing

const PIECE = 60;
let context = null, playing = null;
const decoded = new Map();
function piece(n) {
  if (!decoded.has(n)) decoded.set(n, context.decodeAudioData(bytes(data.sound[n]).buffer));
  return decoded.get(n);
}
function toggle() {
  if (playing) { stop(); return; }
  const [a, b] = selected ?? [cursor !== null && cursor < to && cursor >= from ? cursor : from, LAST];
  start(a, false, b);
}
function start(at, only = false, until = LAST) {
  if (only) { const was = playing; stop(); cursor = at; if (!was) { later(); return; } }
  if (!data.sound.length) return;
  context ??= new AudioContext();
  context.resume();
  stop();
  playing = { nodes: [] };
  button();
  run(playing, at, until);
}
async function run(mine, begin, until) {
  let at = begin, n = Math.floor((at - FIRST) / PIECE);
  // Time begins when the sound of the next 20 seconds is there, however long that takes.
  const begins = (it) => FIRST + it * PIECE;
  const soon = [n, n + 1].filter((it) => data.sound[it] && begins(it) < Math.min(until, at + 20));
  await Promise.all(soon.map(piece));
  if (playing !== mine) return;
  const zero = context.currentTime + 0.05 - at;
  const tick = () => {
    if (playing !== mine) return;
    cursor = Math.max(begin, context.currentTime - zero);
    if (cursor >= until) { stop(); cursor = selected ? selected[0] : until; later(); return; }
    if (cursor > to) show(cursor, cursor + to - from);
    later();
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  for (; n < data.sound.length && at < until; n++) {
    const sound = await piece(n);
    if (playing !== mine) return;
    const offset = at - FIRST - n * PIECE, length = Math.min(until, FIRST + (n + 1) * PIECE) - at;
    if (offset < sound.duration) {
      const node = context.createBufferSource();
      node.buffer = sound;
      node.connect(context.destination);
      node.start(Math.max(zero + at, context.currentTime), offset, length);
      mine.nodes.push(node);
    }
    at += length;
    while (playing === mine && zero + at - context.currentTime > 20) await new Promise((go) => setTimeout(go, 500));
  }
}
function stop() {
  for (const node of playing?.nodes ?? []) node.stop();
  playing = null;
  button();
}
function button() {
  const [shape, name] = playing ? ["M2.5 2h2.5v8H2.5zM7 2h2.5v8H7z", "Pause"] : ["M3 1.5v9l7.5-4.5z", "Play"];
  $("play").querySelector("path").setAttribute("d", shape);
  $("play").querySelector("span").textContent = name;
}

// Around it

const began = new Date(data.began);
document.querySelector("h1").textContent = Number.isNaN(began.getTime()) ? "Conversation" : `Conversation of ${began.toLocaleString([], { dateStyle: "long", timeStyle: "short" })}`;
const heard = data.turns.map((it) => it.total).filter((it) => it !== null).sort((a, b) => a - b);
const about = [`${clock(LAST - FIRST)} min`, `${data.turns.filter((it) => !it.candidate).length} turns`];
if (heard.length) about.push(`first sound after ${(heard[heard.length >> 1] / 1000).toFixed(2)} s (median)`, `${(heard[heard.length - 1] / 1000).toFixed(2)} s (slowest)`);
if (data.torn) about.push("the recording was cut short");
about.push(data.by);
$("about").textContent = about.join(" · ");
$("play").disabled = !data.sound.length;
if (!data.sound.length) $("play").title = "This page has no sound";
for (const [name, [told, owner]] of Object.entries(data.parts)) {
  const it = html("li"), box = make("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" });
  box.append(make("rect", { width: 10, height: 10, rx: 2, class: `k-${name}` }));
  it.append(box, `${told}: ${owner}`);
  $("legend").append(it);
}
const longest = Math.max(1, ...heard);
for (const turn of data.turns) {
  const item = html("li"), it = html("button"), words = html("span");
  it.type = "button";
  it.append(html("span", "at", clock(turn.start, 1)), words);
  if (turn.candidate) words.append(html("span", "quiet", `a sound over the reply, dropped: ${turn.why.replaceAll("_", " ")}`));
  else {
    words.append(html("span", "said", turn.said || (turn.id < 0 ? "(the app)" : "…")));
    const end = { interrupted: " — interrupted", finished: "", failed: "", dropped: `dropped: ${turn.why}`, open: "" }[turn.over];
    if (turn.over === "failed") words.append(html("span", "reply bad", turn.why));
    else if (turn.reply || end) words.append(html("span", "reply", turn.reply + end));
  }
  const bar = make("svg", { viewBox: "0 0 1000 14", preserveAspectRatio: "none", role: "img" });
  bar.setAttribute("aria-label", turn.parts.map(([name, ms]) => `${data.parts[name][0]} ${Math.round(ms)} ms`).join(", ") || "no reply was heard");
  let x = 0;
  for (const [name, ms] of turn.parts) {
    const width = (Math.max(0, ms) / longest) * 1000;
    const part = make("rect", { x, y: 2, width, height: 10, class: `k-${name}` });
    part.append(make("title", {}, `${data.parts[name][0]}: ${Math.round(ms)} ms, ${data.parts[name][1]}`));
    bar.append(part);
    x += width;
  }
  it.append(bar, html("span", "total", turn.total === null ? "" : `${(turn.total / 1000).toFixed(2)} s`));
  it.onclick = () => { toTurn(turn); $("stage").scrollIntoView({ block: "nearest" }); };
  item.append(it);
  $("turns").append(item);
}
draw();
