// One conversation: the connection, the sound and the words, without anything of the page.

import { base64, Connection, samplesOf } from "./connection.js";
import { Timing } from "./latency.js";

const RATE = 24000;
const LEAST = RATE / 10; // samples that a turn must have: the server refuses less
const MOST_WAITING = 128_000; // bytes that wait for a slow network: 2 s of microphone

export class Talk {
  /**
   * @param {object} parts sound, conversation, settings and ribbon
   * @param {object} on `changed()` when `state` may be another, `problem(reason, detail)`, and
   *   `opened(session)` with what the server made
   */
  constructor(parts, on) {
    Object.assign(this, parts);
    this.on = on;
    this.connection = null;
    this.opening = null;
    this.ended = false; // by the server, or the network
    this.sounding = true; // false where the browser opens no sound
    this.#forget();
  }

  #forget() {
    this.hearing = false; // the server hears the user
    this.holding = false; // push to talk, and it is pushed
    this.waiting = false; // for the first sound of a reply
    this.judged = false; // the server tells voice activity
    this.generating = null; // the response that is being made
    this.responses = new Map();
    this.dead = new Set(); // interrupted responses: what still comes of them is not played
    this.playing = new Set(); // items
    this.timing = null; // of the turn whose reply has not begun
    this.next = null; // asks for a response as soon as the one before is over
    this.sent = 0; // samples of this push
    this.lost = 0; // samples that the network was too slow for
  }

  get state() {
    if (this.opening) return "connecting";
    if (!this.connection) return this.ended ? "lost" : "idle";
    if (this.hearing || this.holding) return "hearing";
    if (this.playing.size) return "speaking";
    if (this.waiting) return "thinking";
    if (!this.sound.listening) return "typing";
    return this.settings.mode === "hands-free" ? "listening" : "holding";
  }

  // What the user does

  /** Connect, and open the sound. Called from a click or a key. */
  ready(key) {
    if (this.connection) return Promise.resolve();
    this.opening ??= this.#open(key).finally(() => {
      this.opening = null;
      this.on.changed();
    });
    this.on.changed();
    return this.opening;
  }

  async #open(key) {
    try {
      await this.sound.open();
      this.sounding = true;
    } catch {
      this.sounding = false;
      this.on.problem("silent");
    }
    this.#forget();
    this.ended = false;
    const on = { event: (event) => this.take(event), closed: (refusal) => this.#closed(refusal) };
    this.connection = await Connection.open(key, on);
    this.configure();
  }

  /** Tell the server the settings. */
  configure() {
    this.connection?.send("session.update", { session: this.settings.session(this.sounding) });
    this.on.changed();
  }

  async listen() {
    await this.sound.listen();
    this.on.changed();
  }

  /** Close the microphone. A turn that is open ends by silence, as if the user had stopped. */
  deafen() {
    this.sound.deafen();
    this.holding = false;
    if (this.hearing) {
      for (let ms = 0; ms < this.settings.silence + 400; ms += 100) {
        this.#append(new ArrayBuffer((2 * RATE) / 10));
      }
    }
    this.on.changed();
  }

  /** Push to talk: from here on. */
  push() {
    this.interrupt(true);
    this.connection.send("input_audio_buffer.clear");
    this.sent = 0;
    this.holding = true;
    this.on.changed();
  }

  /** Push to talk: to here. False if it was too short to be a turn. */
  async release() {
    if (!this.holding) return true;
    await this.sound.flush();
    this.holding = false;
    const enough = this.sent >= LEAST;
    if (enough) {
      this.connection?.send("input_audio_buffer.commit");
      this.#turnEnded(0);
      this.#ask();
    }
    this.on.changed();
    return enough;
  }

  write(text) {
    this.interrupt(true);
    const id = `item_${crypto.getRandomValues(new Uint32Array(3)).join("")}`.slice(0, 32);
    const content = [{ type: "input_text", text }];
    this.conversation.typed(id, text);
    this.connection.send("conversation.item.create", {
      item: { id, type: "message", role: "user", content },
    });
    this.#turnEnded(0);
    this.#ask();
    this.on.changed();
  }

  /** Stop the reply at once, and tell the server how much of it was played. */
  async interrupt(cancel) {
    if (!this.generating && !this.playing.size) return;
    if (cancel && this.generating)
      this.connection.send("response.cancel", { response_id: this.generating });
    for (const id of this.responses.keys()) this.dead.add(id);
    this.responses.clear();
    this.playing.clear();
    this.waiting = false;
    this.on.changed();
    const { connection } = this;
    for (const { item, played } of await this.sound.stop()) {
      this.conversation.stopped(item, played);
      const audio_end_ms = Math.floor((1000 * played) / RATE);
      connection?.send("conversation.item.truncate", {
        item_id: item,
        content_index: 0,
        audio_end_ms,
      });
    }
  }

  close() {
    this.connection?.close();
    this.connection = null;
    this.#end();
  }

  #closed(refusal) {
    this.connection = null;
    this.ended = true;
    this.#end();
    this.on.problem(refusal.reason, refusal.detail);
  }

  async #end() {
    this.sound.deafen();
    this.#forget();
    this.on.changed();
    for (const { item, played } of await this.sound.stop()) this.conversation.stopped(item, played);
  }

  #turnEnded(silence) {
    this.waiting = true;
    this.timing = new Timing(performance.now(), silence);
  }

  /** Ask for a response, once the one that is being cancelled is over. */
  #ask() {
    const ask = () => this.connection?.send("response.create");
    if (this.generating) this.next = ask;
    else ask();
  }

  // The microphone

  block(pcm, level) {
    this.ribbon.put({ you: level, ...(this.judged ? {} : { speech: this.hearing ? 1 : 0 }) });
    if (!this.connection || (this.settings.mode === "push-to-talk" && !this.holding)) return;
    if (this.connection.waiting > MOST_WAITING) {
      this.lost += pcm.byteLength / 2;
      return;
    }
    if (this.lost) {
      this.on.problem(
        "slow",
        `${(this.lost / RATE).toFixed(1)} s of what you said did not get through`,
      );
      this.lost = 0;
    }
    this.#append(pcm);
  }

  #append(pcm) {
    this.sent += pcm.byteLength / 2;
    this.connection?.send("input_audio_buffer.append", { audio: base64(pcm) });
  }

  // The loudspeaker

  started(item, at) {
    const response = [...this.responses.values()].find((it) => it.items.has(item));
    this.waiting = false;
    if (response?.timing) {
      response.timing.mark("first_heard", at);
      this.conversation.timed(item, response.timing);
      response.timing = null;
    }
    this.on.changed();
  }

  progress(item, played, level) {
    this.ribbon.put({ voice: level });
    if (item && this.playing.has(item)) this.conversation.played(item, played);
  }

  finished(item, played) {
    this.playing.delete(item);
    this.conversation.finished(item, played);
    this.on.changed();
  }

  // The server

  take(event) {
    if (event.type === "session.created") this.on.opened(event.session);
    this.conversation.take(event);
    this[event.type]?.(event);
  }

  "input_audio_buffer.speech_started"() {
    this.hearing = true;
    if (this.settings.interrupts) this.interrupt(false);
    this.on.changed();
  }

  "input_audio_buffer.speech_stopped"() {
    this.hearing = false;
    this.#turnEnded(this.settings.silence);
    this.on.changed();
  }

  "conversation.item.input_audio_transcription.completed"({ transcript }) {
    this.timing?.mark("transcript", performance.now());
    if (!transcript.trim() && !this.generating) this.waiting = false;
    this.on.changed();
  }

  "conversation.item.input_audio_transcription.failed"() {
    this.waiting = this.generating !== null;
    this.on.changed();
  }

  "response.created"({ response }) {
    this.generating = response.id;
    this.responses.set(response.id, { items: new Set(), timing: this.timing });
    this.timing = null;
  }

  "response.output_audio_transcript.delta"({ response_id }) {
    this.responses.get(response_id)?.timing?.mark("first_token", performance.now());
  }

  "response.output_audio.delta"({ response_id, item_id, delta, x_rxvoice }) {
    const response = this.responses.get(response_id);
    if (this.dead.has(response_id) || !response) return;
    response.timing?.mark("first_audio", performance.now());
    if (x_rxvoice?.moments) response.timing?.told(x_rxvoice.moments);
    if (!this.sounding) return;
    const samples = samplesOf(delta);
    response.items.add(item_id);
    this.playing.add(item_id);
    this.conversation.sounds(
      item_id,
      samples.length,
      x_rxvoice?.text_end === undefined ? null : x_rxvoice,
    );
    this.sound.play(item_id, samples);
  }

  "response.output_audio.done"({ item_id }) {
    this.sound.end(item_id);
  }

  "response.done"({ response }) {
    if (response.status === "cancelled" && this.responses.has(response.id)) this.interrupt(false);
    if (this.generating === response.id) this.generating = null;
    const spoken = this.responses.get(response.id)?.items.size;
    if (!spoken && !this.timing) this.waiting = false;
    this.next?.();
    this.next = null;
    this.on.changed();
  }

  "x_rxvoice.voice_activity"({ probability }) {
    this.judged = true;
    this.ribbon.put({ speech: probability });
  }

  error({ error }) {
    if (error.code === "response_cancel_not_active") return; // it ended by itself meanwhile
    this.on.problem("said", error.message);
  }
}
