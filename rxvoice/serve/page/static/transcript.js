// The conversation as the page shows it.

import { bar, make } from "./latency.js";

const LEAST = 1000; // ms: what the full width of a latency bar stands for, at least

export class TranscriptView {
  /** @param list the <ol>; @param scroller what scrolls; @param welcome shown while it is empty. */
  constructor(list, scroller, welcome, say) {
    this.list = list;
    this.scroller = scroller;
    this.welcome = welcome;
    this.say = say;
    this.shown = new Map();
    this.longest = LEAST;
    this.following = true; // what is newest is in view, and stays there
    scroller.addEventListener("scroll", () => (this.following = this.#isAtEnd()));
    new ResizeObserver(() => this.#follow()).observe(scroller);
  }

  clear() {
    this.list.replaceChildren();
    this.shown.clear();
    this.welcome.hidden = false;
  }

  remove({ id }) {
    this.shown.get(id)?.row.remove();
    this.shown.delete(id);
    this.welcome.hidden = this.shown.size > 0;
  }

  /** A line across the conversation. */
  divide(text) {
    this.list.append(make("li", "divide", text));
  }

  show(entry) {
    const parts = this.shown.get(entry.id) ?? this.#row(entry);
    parts.row.dataset.state = entry.state;
    if (entry.kind === "user") this.#user(entry, parts);
    else this.#reply(entry, parts);
    this.#follow();
  }

  #follow() {
    if (this.following) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  #isAtEnd() {
    const { scrollTop, clientHeight, scrollHeight } = this.scroller;
    return scrollHeight - clientHeight - scrollTop < 80;
  }

  #row(entry) {
    const row = make("li", entry.kind);
    row.dataset.item = entry.id;
    const who = make("span", "who", entry.kind === "user" ? "You" : "Voice");
    const body = make("div", "body");
    const text = make("p", "text");
    const note = make("p", "note");
    body.append(text, note);
    row.append(who, body);
    this.list.append(row);
    this.welcome.hidden = true;
    const parts = { row, text, note, body };
    this.shown.set(entry.id, parts);
    return parts;
  }

  #user(entry, { text, note }) {
    text.textContent = entry.text;
    text.classList.toggle("pending", entry.state !== "said");
    note.textContent = entry.state === "failed" ? `Not understood. ${entry.why}`.trim() : "";
    if (entry.state === "said" && !entry.announced) {
      entry.announced = true;
      this.say(`You: ${entry.text}`);
    }
  }

  #reply(entry, parts) {
    const { text, note, body } = parts;
    const all = entry.state === "said";
    const [heard, rest] = all ? [entry.heard.text, ""] : entry.heard.split();
    const pieces = [make("span", "heard", heard)];
    if (entry.state === "cut")
      pieces.push(make("span", "cut"), make("span", "hidden", " Interrupted. Not heard: "));
    if (rest) pieces.push(make("span", "unheard", rest));
    text.replaceChildren(...pieces);
    note.textContent = noteOf(entry, rest);
    if (entry.silent && entry.over && !entry.announced) {
      entry.announced = true;
      this.say(`Voice: ${entry.heard.text}`); // nothing else reads it aloud
    }
    if (entry.timing?.complete && !parts.latency) {
      this.longest = Math.max(this.longest, entry.timing.total);
      this.list.style.setProperty("--longest", this.longest);
      parts.latency = bar(entry.timing);
      parts.latency.addEventListener("toggle", () =>
        parts.latency.scrollIntoView({ block: "nearest" }),
      );
      body.append(parts.latency);
    }
  }
}

function noteOf(entry, rest) {
  if (entry.state === "failed") return `The reply failed. ${entry.why}`.trim();
  if (entry.state === "cut" && rest.trim()) return "Interrupted: the faint words were not heard";
  if (entry.why === "max_output_tokens") return "Ends here: it may not be longer";
  return "";
}
