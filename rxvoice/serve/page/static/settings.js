// What the user chooses, kept in this browser; and what is sent of it.

const KEPT = "rxvoice.settings";
const FORMAT = { type: "audio/pcm", rate: 24000 };

export class Settings {
  /** @param {() => void} changed called after each change */
  constructor(form, modes, changed) {
    this.form = form;
    this.modes = modes;
    this.server = null; // the session as the server made it
    this.chosen = read(); // only what was changed by hand
    form.addEventListener("change", ({ target }) => {
      this.#choose(target.name, valueOf(target));
      changed();
    });
    form.addEventListener("input", () => this.#outputs());
    form.addEventListener("reset", (event) => {
      event.preventDefault();
      const { mode } = this.chosen;
      this.chosen = mode ? { mode } : {};
      this.#keep();
      this.show();
      changed();
    });
    modes.addEventListener("change", ({ target }) => {
      this.#choose("mode", target.value);
      changed();
    });
    this.show();
  }

  #choose(name, value) {
    this.chosen[name] = value;
    this.#keep();
    this.#outputs();
  }

  #keep() {
    try {
      localStorage.setItem(KEPT, JSON.stringify(this.chosen));
    } catch {
      // Private windows may keep nothing.
    }
  }

  get mode() {
    return this.chosen.mode === "push-to-talk" ? "push-to-talk" : "hands-free";
  }

  get interrupts() {
    return this.chosen.interrupt ?? true;
  }

  /** What interrupts a reply: any speech, or only words that the reply does not say itself. */
  get interruptOn() {
    return this.chosen.words ? "words" : "speech";
  }

  get aloud() {
    return this.chosen.aloud ?? true;
  }

  /** How long the server waits in silence before a turn ends, in ms. */
  get silence() {
    return (
      this.chosen.silence ?? this.server?.audio?.input?.turn_detection?.silence_duration_ms ?? 500
    );
  }

  get threshold() {
    return this.chosen.threshold ?? this.server?.audio?.input?.turn_detection?.threshold ?? 0.5;
  }

  /** How fast the voice speaks; 1 is its own speed. */
  get speed() {
    return this.chosen.speed ?? this.server?.audio?.output?.speed ?? 1;
  }

  /** The server has told its own values, and its voices. */
  learn(session) {
    this.server = session;
    const { voice } = this.form.elements;
    const voices = session.x_rxvoice?.voices ?? [];
    voice.length = 1;
    for (const name of voices) voice.add(new Option(name, name));
    const own = session.audio?.output?.voice;
    voice.options[0].text =
      typeof own === "string" && own ? `The server’s own (${own})` : "The server’s own";
    this.form.elements.instructions.placeholder = session.instructions || "The server’s own";
    this.show();
  }

  show() {
    const { voice, speed, instructions, silence, threshold } = this.form.elements;
    const { interrupt, words, aloud } = this.form.elements;
    const chosen = this.chosen.voice ?? "";
    if (chosen && ![...voice.options].some((it) => it.value === chosen))
      voice.add(new Option(chosen, chosen));
    voice.value = chosen;
    speed.value = this.speed;
    instructions.value = this.chosen.instructions ?? "";
    silence.value = this.silence;
    threshold.value = this.threshold;
    interrupt.checked = this.interrupts;
    words.checked = this.interruptOn === "words";
    aloud.checked = this.aloud;
    for (const it of this.modes.querySelectorAll("input")) it.checked = it.value === this.mode;
    this.#outputs();
  }

  #outputs() {
    const { speed, silence, threshold } = this.form.elements;
    const told = {
      speed: `${Number(speed.value).toFixed(2)} ×`,
      silence: `${silence.value} ms`,
      threshold: `${Math.round(100 * threshold.value)} %`,
    };
    for (const [name, text] of Object.entries(told)) {
      this.form.querySelector(`output[for=${name}]`).value = text;
      this.form.elements[name].ariaValueText = text;
    }
  }

  /** The session that `session.update` asks for. */
  session(sounding) {
    const detection = {
      type: "server_vad",
      threshold: this.threshold,
      silence_duration_ms: this.silence,
      create_response: true,
      interrupt_response: this.interrupts,
    };
    const voice = this.chosen.voice || this.server?.audio?.output?.voice;
    const output = { format: FORMAT, speed: this.speed };
    return {
      type: "realtime",
      output_modalities: [sounding && this.aloud ? "audio" : "text"],
      instructions: this.chosen.instructions?.trim() || this.server?.instructions || "",
      audio: {
        input: {
          format: FORMAT,
          transcription: this.server?.audio?.input?.transcription ?? { model: "default" },
          turn_detection: this.mode === "hands-free" ? detection : null,
        },
        output: voice ? { ...output, voice } : output,
      },
      x_rxvoice: { voice_activity: true, interrupt_on: this.interruptOn },
    };
  }
}

function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT));
    return kept && typeof kept === "object" ? kept : {};
  } catch {
    return {};
  }
}

function valueOf(field) {
  if (field.type === "checkbox") return field.checked;
  return field.type === "range" ? Number(field.value) : field.value;
}
