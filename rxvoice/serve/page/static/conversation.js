// What was said, from the server's events: a list of entries, each told to the view as it changes.

import { Heard } from "./heard.js";

/**
 * An entry is one of
 *   {kind: "user", id, text, state: "hearing" | "transcribing" | "said" | "failed"}
 *   {kind: "reply", id, response, heard, state: "waiting" | "speaking" | "said" | "cut" | "failed"}
 * A reply's state is "said" when all of it was heard, or when it is text alone.
 */
export class Conversation {
  /** @param {object} view `show(entry)` for each that is new or changed, `remove(entry)`, `clear()`. */
  constructor(view) {
    this.view = view;
    this.entries = new Map();
  }

  clear() {
    this.entries.clear();
    this.view.clear();
  }

  take(event) {
    this[event.type]?.(event);
  }

  entry(id) {
    return this.entries.get(id);
  }

  /** The user types: shown at once, before the server has said so. */
  typed(id, text) {
    this.#user(id, { text, state: "said" });
  }

  /** Sound of a reply came; `span` says which of its characters it speaks, where that is known. */
  sounds(id, samples, span) {
    this.#reply(id, (entry) => entry.heard.sound(samples, span));
  }

  /** Something of a reply was played. */
  played(id, samples) {
    this.#reply(id, (entry) => {
      entry.heard.played = samples;
      if (entry.state === "waiting") entry.state = "speaking";
    });
  }

  /** A reply was played to its end. */
  finished(id, samples) {
    this.#reply(id, (entry) => {
      entry.heard.played = samples;
      if (entry.state !== "cut") entry.state = "said";
    });
  }

  /** A reply was stopped when so many samples of it were played. */
  stopped(id, samples) {
    this.#reply(id, (entry) => {
      entry.heard.played = samples;
      entry.state = "cut";
    });
  }

  /** What the user sees of a turn's latency. */
  timed(id, timing) {
    this.#reply(id, (entry) => (entry.timing = timing));
  }

  "input_audio_buffer.speech_started"({ item_id }) {
    this.#user(item_id, { text: "", state: "hearing" });
  }

  "input_audio_buffer.speech_stopped"({ item_id }) {
    this.#user(item_id, { state: "transcribing" });
  }

  "input_audio_buffer.committed"({ item_id }) {
    if (this.entry(item_id)?.state !== "said") this.#user(item_id, { state: "transcribing" });
  }

  "conversation.item.input_audio_transcription.delta"({ item_id, delta }) {
    this.#user(item_id, { text: (this.entry(item_id)?.text ?? "") + (delta ?? "") });
  }

  "conversation.item.input_audio_transcription.completed"({ item_id, transcript }) {
    if (transcript.trim()) this.#user(item_id, { text: transcript.trim(), state: "said" });
    else this.#remove(item_id); // a noise
  }

  "conversation.item.input_audio_transcription.failed"({ item_id, error }) {
    this.#user(item_id, { state: "failed", why: error?.message ?? "" });
  }

  "conversation.item.added"({ item }) {
    if (item.type !== "message") return;
    const text = item.content?.find((part) => part.type === "input_text")?.text;
    if (item.role === "user" && text) this.#user(item.id, { text, state: "said" });
  }

  "conversation.item.deleted"({ item_id }) {
    this.#remove(item_id);
  }

  "conversation.item.truncated"({ item_id, x_rxvoice }) {
    const heard = x_rxvoice?.heard;
    if (heard === undefined) return;
    this.#reply(item_id, (entry) => {
      // The text kept may differ in its spaces at the end.
      const kept = heard.trimEnd();
      if (entry.heard.text.startsWith(kept)) entry.heard.given = Array.from(kept).length;
    });
  }

  "response.output_item.added"({ response_id, item }) {
    if (item.type !== "message") return;
    const entry = {
      kind: "reply",
      id: item.id,
      response: response_id,
      heard: new Heard(),
      state: "waiting",
    };
    this.entries.set(item.id, entry);
    this.view.show(entry);
  }

  "response.output_audio_transcript.delta"({ item_id, delta }) {
    this.#reply(item_id, (entry) => (entry.heard.text += delta));
  }

  "response.output_audio_transcript.done"({ item_id, transcript }) {
    this.#reply(item_id, (entry) => (entry.heard.text = transcript || entry.heard.text));
  }

  "response.output_text.delta"({ item_id, delta }) {
    this.#reply(item_id, (entry) => {
      entry.heard.text += delta;
      entry.state = "said";
      entry.silent = true;
    });
  }

  "response.output_audio.done"({ item_id }) {
    this.#reply(item_id, (entry) => (entry.heard.whole = true));
  }

  "response.done"({ response }) {
    for (const entry of this.entries.values()) {
      if (entry.response !== response.id) continue;
      this.#reply(entry.id, () => {
        entry.over = true;
        if (response.status === "failed") {
          entry.state = "failed";
          entry.why = response.status_details?.error?.message ?? "";
        } else if (response.status === "incomplete") {
          entry.why = response.status_details?.reason ?? "";
        } else if (response.status === "cancelled" && !entry.heard.played) {
          entry.state = "cut";
        }
      });
    }
  }

  #user(id, change) {
    const entry = this.entries.get(id) ?? { kind: "user", id, text: "", state: "transcribing" };
    this.entries.set(id, Object.assign(entry, change));
    this.view.show(entry);
  }

  #reply(id, change) {
    const entry = this.entries.get(id);
    if (entry?.kind !== "reply") return;
    change(entry);
    this.view.show(entry);
  }

  #remove(id) {
    const entry = this.entries.get(id);
    this.entries.delete(id);
    if (entry) this.view.remove(entry);
  }
}
