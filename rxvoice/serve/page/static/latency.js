// How long each part of a turn took, from the end of the user's speech to the first sound heard.

export const MOMENTS = [
  "turn_ended",
  "transcript",
  "first_token",
  "first_sentence",
  "first_audio",
  "first_heard",
];

export const NAMES = {
  turn_ended: "Turn ended",
  transcript: "Transcript",
  first_token: "First token",
  first_sentence: "First sentence",
  first_audio: "First audio",
  first_heard: "First heard",
};

const MEANINGS = {
  turn_ended: "after your last word",
  transcript: "your words as text",
  first_token: "the reply begins, as text",
  first_sentence: "long enough to be spoken",
  first_audio: "the reply begins, as sound",
  first_heard: "on its way to you, and played",
};

/**
 * The moments of one turn. The page's clock starts when the turn has ended; `silence` is what was
 * waited before that. The server's own moments are finer, and replace those that the page sees.
 */
export class Timing {
  constructor(start, silence) {
    this.start = start;
    this.seen = { turn_ended: silence };
    this.silence = silence;
  }

  /** The page sees a moment now; only its first time counts. */
  mark(moment, now) {
    this.seen[moment] ??= this.silence + now - this.start;
  }

  /** The server says when its moments were, in ms from the end of the user's speech. */
  told(moments) {
    const silence = moments.turn_ended ?? 0;
    const later = silence - this.silence; // first_heard is counted from the turn's end
    if (this.seen.first_heard !== undefined) this.seen.first_heard += later;
    this.silence = silence;
    for (const name of MOMENTS.slice(0, -1)) {
      if (moments[name] === undefined) delete this.seen[name];
      else this.seen[name] = moments[name];
    }
  }

  get complete() {
    return this.seen.first_heard !== undefined;
  }

  /** The parts, in ms, of which each begins where the one before it ends: their sum is `total`. */
  get parts() {
    let before = 0;
    const there = (name) =>
      this.seen[name] !== undefined && (name !== "turn_ended" || this.silence);
    return MOMENTS.filter(there).map((name) => {
      const at = Math.max(before, this.seen[name]);
      const part = { name, ms: at - before };
      before = at;
      return part;
    });
  }

  get total() {
    return Math.max(...Object.values(this.seen));
  }
}

const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;

/** Whole milliseconds whose sum is the rounded total. */
export function whole(parts) {
  let exact = 0;
  let given = 0;
  return parts.map(({ name, ms }) => {
    exact += ms;
    const share = Math.round(exact) - given;
    given += share;
    return { name, ms: share };
  });
}

/** The bar of a turn: a summary that opens into a table. `--longest` is its full width, in ms. */
export function bar(timing) {
  const parts = whole(timing.parts);
  const total = parts.reduce((sum, { ms }) => sum + ms, 0);
  const track = make("span", "track");
  track.ariaHidden = "true";
  const rows = make("dl", "parts");
  for (const { name, ms } of parts) {
    const piece = make("span", `part ${name}`);
    piece.style.setProperty("--ms", ms);
    track.append(piece);
    const row = make("div", name);
    const term = make("dt", "", NAMES[name]);
    term.append(make("small", "", MEANINGS[name]));
    row.append(term, make("dd", "", `${ms} ms`));
    rows.append(row);
  }
  const details = make("details", "latency");
  const summary = make("summary");
  const label = make("span", "total", seconds(total));
  label.append(make("span", "hidden", " to the first sound"));
  summary.append(label, track);
  details.dataset.total = total;
  details.append(summary, rows);
  return details;
}

export function make(tag, classes = "", text = "") {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  element.textContent = text;
  return element;
}
