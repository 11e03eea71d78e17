// Everything that can go wrong, in words: what happened, and what to do.

const REASONS = {
  "microphone-denied": [
    "The browser does not let this page hear you. Allow the microphone beside the address, then try again. You can type meanwhile.",
    "microphone",
  ],
  "microphone-missing": [
    "There is no microphone. Connect one, then try again. You can type meanwhile.",
    "microphone",
  ],
  "microphone-busy": [
    "Another program has the microphone. Close it there, then try again.",
    "microphone",
  ],
  "microphone-failed": [
    "The microphone could not be opened. Try again, or choose another one in the browser.",
    "microphone",
  ],
  "microphone-lost": ["The microphone has gone. Connect it again, then start.", "microphone"],
  insecure: [
    "A browser gives the microphone only to pages over HTTPS, or on localhost. Open this page there to talk. You can type meanwhile.",
    null,
  ],
  slow: ["The connection is too slow.", null],
  said: ["The server could not do that.", null],
  short: ["That was too short. Hold the button for as long as you talk.", null],
  silent: ["The browser could not open the sound: replies come as text only.", null],
  unreachable: ["The server does not answer.", "reconnect"],
  "not-ready": ["The server is still loading its models. It begins when they are there.", null],
  full: ["The server is full: all its conversations are taken. Try again later.", "reconnect"],
  restarting: [
    "The server is restarting. Reconnect in a moment; a new conversation begins.",
    "reconnect",
  ],
  refused: ["The server ended this conversation.", "reconnect"],
  failed: ["Something failed on the server.", "reconnect"],
  "too-big": ["The server refused a message as too big.", "reconnect"],
  lost: ["The connection was lost. Reconnect to begin a new conversation.", "reconnect"],
  "key-needed": ["This server wants an API key.", "key"],
  "key-wrong": ["The server does not accept this API key.", "key"],
};

/** The words for a reason, with what the server said about it, and the action that helps. */
export function words(reason, detail = "") {
  const [text, action] = REASONS[reason] ?? REASONS.failed;
  const said = detail.trim().replace(/[.]$/, "");
  return { text: said && !/^\w+$/.test(said) ? `${text} It says: ${said}.` : text, action };
}

/** Whether there may be no keyboard. */
const coarse = matchMedia("(pointer: coarse)").matches;

export const ACTIONS = { reconnect: "Reconnect", microphone: "Try again", key: "Enter key" };

export const STATUS = {
  idle: ["Ready when you are", "Press the microphone and talk, or type"],
  lost: ["Not connected", "Press the microphone to begin again"],
  connecting: ["Connecting", ""],
  listening: ["Listening", "Say something"],
  hearing: ["Hearing you", ""],
  thinking: ["Thinking", ""],
  speaking: ["Speaking", coarse ? "Stop ends the reply" : "Esc stops the reply"],
  holding: [
    "Ready when you are",
    coarse ? "Hold the microphone to talk" : "Hold the microphone or the space bar",
  ],
  typing: ["Connected", "Press the microphone and talk, or type"],
};

/** What to do in a state. `over`: whether talking over a reply interrupts it. */
export function hintOf(state, pushing, over) {
  if (state === "idle" && pushing) return STATUS.holding[1];
  if (state === "speaking" && over)
    return coarse ? "Talk over it to interrupt" : "Talk over it to interrupt, or press Esc";
  return STATUS[state][1];
}
