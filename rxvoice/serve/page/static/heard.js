// Which words of a reply were heard, from how many samples were played.

const RATE = 24000;
const CHARACTERS_A_SECOND = 15; // while nothing better is known

export class Heard {
  constructor() {
    this.text = "";
    this.received = 0; // samples
    this.played = 0;
    this.spans = []; // {at, start, end}: from which sample on which characters are spoken
    this.whole = false; // all sound has come
    this.given = null; // the server has said how much was heard
  }

  /** Sound came; `span` if a new sentence begins with it. */
  sound(count, span) {
    if (span) this.spans.push({ at: this.received, start: span.text_start, end: span.text_end });
    this.received += count;
  }

  /** How many characters (code points) were heard, whole words only. */
  get characters() {
    const letters = Array.from(this.text);
    if (this.given !== null) return Math.min(letters.length, this.given);
    if (this.whole && this.played >= this.received) return letters.length;
    let count = Math.min(letters.length, Math.floor(this.#reached(letters.length)));
    while (count > 0 && count < letters.length && !/\s/.test(letters[count])) count -= 1;
    return count;
  }

  #reached(length) {
    const index = this.spans.findLastIndex((span) => span.at <= this.played);
    if (index < 0) {
      if (this.whole && this.received) return (length * this.played) / this.received;
      return (CHARACTERS_A_SECOND * this.played) / RATE;
    }
    const { at, start, end } = this.spans[index];
    const known = this.spans[index + 1]?.at ?? (this.whole ? this.received : null);
    const guess = ((end - start) / CHARACTERS_A_SECOND) * RATE;
    const samples = known === null ? Math.max(guess, this.received - at) : known - at;
    return start + (end - start) * Math.min(1, (this.played - at) / Math.max(1, samples));
  }

  /** The text in two: heard, and not. */
  split() {
    const letters = Array.from(this.text);
    const count = this.characters;
    return [letters.slice(0, count).join(""), letters.slice(count).join("")];
  }
}
