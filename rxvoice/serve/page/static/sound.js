// The microphone and the loudspeaker, with the worklets that stand behind them.

const CONSTRAINTS = {
  channelCount: 1,
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
};

/** Why there is no microphone, by the name of the browser's error. `words.js` says it in words. */
export class MicrophoneError extends Error {
  constructor(reason, cause) {
    super(reason, { cause });
    this.reason = reason;
  }
}

const REASONS = {
  NotAllowedError: "microphone-denied",
  SecurityError: "microphone-denied",
  NotFoundError: "microphone-missing",
  OverconstrainedError: "microphone-missing",
  NotReadableError: "microphone-busy",
  AbortError: "microphone-busy",
};

export class Sound {
  /**
   * @param {object} on what is called: `block(pcm, level)` for 40 ms of the microphone, `lost()` when
   *   the microphone goes away, and `started(item, at)`, `progress(item, played, level)`,
   *   `finished(item, played)`, `gap()` of the loudspeaker. `at` is in the time of performance.now().
   */
  constructor(on) {
    this.on = on;
    this.listening = false;
    this.opening = null;
    this.flushed = [];
    this.stopping = [];
  }

  /** Open the loudspeaker; call it from a click or a key, or the browser keeps it silent. */
  open() {
    this.context ??= new AudioContext({ latencyHint: "interactive" });
    this.context.resume();
    this.opening ??= this.#connect().catch((error) => {
      this.opening = null;
      throw error;
    });
    return this.opening;
  }

  async #connect() {
    await this.context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
    const options = { numberOfInputs: 0, outputChannelCount: [1] };
    this.player = new AudioWorkletNode(this.context, "playback", options);
    this.player.port.onmessage = ({ data }) => this.#heard(data);
    this.player.connect(this.context.destination);
  }

  #heard(message) {
    if (message.type === "stopped") return this.stopping.shift()?.(message.items);
    if (message.type === "started") {
      const late = message.time - this.context.currentTime + (this.context.outputLatency || 0);
      return this.on.started(message.item, performance.now() + 1000 * late);
    }
    const { type, item, played, level } = message;
    return this.on[type](item, played, level);
  }

  /** Open the microphone. Throws a MicrophoneError that says why it cannot. */
  async listen() {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new MicrophoneError(isSecureContext ? "microphone-missing" : "insecure");
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: CONSTRAINTS });
    } catch (error) {
      throw new MicrophoneError(REASONS[error.name] ?? "microphone-failed", error);
    }
    this.deafen();
    this.stream = stream;
    stream.getAudioTracks()[0].onended = () => {
      this.deafen();
      this.on.lost();
    };
    this.source = this.context.createMediaStreamSource(stream);
    const options = { channelCount: 1, channelCountMode: "explicit" };
    this.recorder = new AudioWorkletNode(this.context, "capture", options);
    this.recorder.port.onmessage = ({ data }) => {
      if (data.pcm.byteLength && this.listening) this.on.block(data.pcm, data.level);
      if (data.flushed) this.flushed.shift()?.();
    };
    // The recorder writes nothing; a node that leads nowhere may not be asked to work.
    this.source.connect(this.recorder).connect(this.context.destination);
    this.listening = true;
  }

  /** Close the microphone: the browser no longer shows that it is used. */
  deafen() {
    this.listening = false;
    for (const done of this.flushed.splice(0)) done();
    this.stream?.getTracks().forEach((track) => track.stop());
    this.source?.disconnect();
    this.recorder?.disconnect();
    this.stream = this.source = null;
  }

  /** Wait until everything that was said so far was given to `block`. */
  flush() {
    if (!this.listening) return Promise.resolve();
    return new Promise((resolve) => {
      this.flushed.push(resolve);
      this.recorder.port.postMessage("flush");
    });
  }

  play(item, pcm) {
    const samples = Float32Array.from(pcm, (value) => value / 32768);
    this.player?.port.postMessage({ type: "play", item, samples }, [samples.buffer]);
  }

  end(item) {
    this.player?.port.postMessage({ type: "end", item });
  }

  /** Stop at once; gives `{item, played, received}` of each item that was not over, in samples. */
  stop() {
    if (!this.player) return Promise.resolve([]);
    return new Promise((resolve) => {
      this.stopping.push(resolve);
      this.player.port.postMessage({ type: "stop" });
    });
  }
}
