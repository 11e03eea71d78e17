// The page: what is pressed and typed, and what is shown.

import { look } from "./connection.js";
import { Conversation } from "./conversation.js";
import { Ribbon } from "./ribbon.js";
import { Settings } from "./settings.js";
import { MicrophoneError, Sound } from "./sound.js";
import { Talk } from "./talk.js";
import { TranscriptView } from "./transcript.js";
import { ACTIONS, hintOf, STATUS, words } from "./words.js";

const get = (id) => document.getElementById(id);
const KEY = "rxvoice.key";
const LOADING = 1000; // ms until a server that loads its models is asked again
let key = sessionStorage.getItem(KEY) ?? "";
let again = null; // what was tried when something failed
let retry = 0; // the timer that tries it again
let model = "";

const announce = (text) => (get("announcer").textContent = text);
const view = new TranscriptView(get("conversation"), get("scroller"), get("welcome"), announce);
const conversation = new Conversation(view);
const ribbon = new Ribbon(get("ribbon"), get("level"));
const settings = new Settings(get("settings").querySelector("form"), get("mode"), () =>
  talk.configure(),
);
const sound = new Sound({
  block: (...heard) => talk.block(...heard),
  lost: () => {
    talk.deafen();
    problem("microphone-lost");
  },
  started: (...it) => talk.started(...it),
  progress: (...it) => talk.progress(...it),
  finished: (...it) => talk.finished(...it),
  gap: () => {},
});
const talk = new Talk(
  { sound, conversation, settings, ribbon },
  { changed: show, problem, opened },
);

// What is shown

function show() {
  const { state } = talk;
  const pushing = settings.mode === "push-to-talk";
  const over = sound.listening && settings.interrupts && !pushing;
  document.body.dataset.state = state;
  document.body.dataset.mode = settings.mode;
  document.body.dataset.microphone = sound.listening ? "on" : "off";
  get("state").textContent = STATUS[state][0];
  get("hint").textContent = hintOf(state, pushing, over);
  get("stop").hidden = state !== "speaking";
  get("fresh").hidden = !view.shown.size;
  const button = get("talk");
  button.ariaPressed = String(pushing ? talk.holding : sound.listening);
  button.ariaLabel = pushing
    ? "Hold to talk"
    : sound.listening
      ? "Stop listening"
      : "Start talking";
  get("model").textContent = talk.connection
    ? model
    : talk.opening
      ? "Connecting"
      : "Not connected";
  document.body.dataset.connected = Boolean(talk.connection);
  if (sound.listening || talk.playing.size) ribbon.start();
  else if (!talk.connection) ribbon.stop();
}

function opened(session) {
  model = session.model ?? "Connected";
  settings.learn(session);
  hideNotice();
  announce("Connected");
}

function problem(reason, detail) {
  const { text, action } = words(reason, detail);
  clearTimeout(retry);
  if (reason === "not-ready") retry = setTimeout(() => attempt(again ?? (() => {})), LOADING);
  if (action === "key") get("key-why").textContent = text;
  get("notice").hidden = false;
  get("notice").dataset.reason = reason;
  // The same words again would be read aloud again.
  if (get("notice-text").textContent !== text) get("notice-text").textContent = text;
  const button = get("notice-action");
  button.hidden = !action;
  button.textContent = ACTIONS[action] ?? "";
  button.dataset.action = action ?? "";
  if (action === "key") askKey();
}

function hideNotice() {
  clearTimeout(retry);
  get("notice-text").textContent = "";
  get("notice").hidden = true;
}

/** Do something that needs the server; what fails is told in words, with a button that tries again. */
async function attempt(action) {
  again = action;
  try {
    await talk.ready(key);
    await action();
  } catch (error) {
    if (!error.reason) throw error;
    problem(error.reason, error instanceof MicrophoneError ? "" : error.detail);
  }
  show();
}

// What is pressed and typed

async function listen() {
  if (sound.listening) return;
  await talk.listen();
  hideNotice();
  announce(settings.mode === "hands-free" ? "Listening" : "The microphone is open");
}

async function press() {
  if (!talk.connection || !sound.listening) {
    await attempt(listen);
    if (!pressed) return; // let go before all was open
  }
  if (sound.listening && pressed && !talk.holding) talk.push();
}

async function letGo() {
  if (!(await talk.release())) problem("short");
}

let pressed = false;

function hold() {
  if (pressed) return;
  pressed = true;
  hideNotice();
  press();
}

function drop() {
  if (!pressed) return;
  pressed = false;
  letGo();
}

const pushing = () => settings.mode === "push-to-talk";
const button = get("talk");
button.addEventListener("pointerdown", (event) => {
  if (!pushing() || event.button !== 0) return;
  button.setPointerCapture(event.pointerId);
  hold();
});
for (const over of ["pointerup", "pointercancel", "lostpointercapture"])
  button.addEventListener(over, drop);
button.addEventListener("contextmenu", (event) => pushing() && event.preventDefault()); // a long touch
button.addEventListener("click", (event) => {
  if (pushing()) {
    // From Enter or an assistive tool, which cannot hold: once to begin, once more to end.
    if (event.detail === 0) (pressed ? drop : hold)();
  } else if (sound.listening) {
    talk.deafen();
    announce("The microphone is off");
  } else {
    attempt(listen);
  }
});

const typing = (element) =>
  element.closest("input:not([type=radio]), textarea, select, dialog, summary, nav, form");
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) talk.interrupt(true);
  if (event.key !== " " || !pushing() || typing(event.target)) return;
  event.preventDefault();
  if (!event.repeat) hold();
});
addEventListener("keyup", (event) => {
  if (event.key !== " " || !pushing() || typing(event.target)) return;
  event.preventDefault();
  drop();
});
addEventListener("blur", drop);

get("write").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = get("text").value.trim();
  if (!text) return;
  attempt(() => {
    talk.write(text);
    get("text").value = "";
  });
});
get("stop").addEventListener("click", () => {
  talk.interrupt(true);
  get("text").focus();
});
get("fresh").addEventListener("click", () => {
  const on = sound.listening;
  talk.close();
  conversation.clear();
  attempt(on ? listen : () => {});
  button.focus();
});

get("notice-close").addEventListener("click", hideNotice);
get("notice-action").addEventListener("click", ({ target }) => {
  hideNotice();
  if (target.dataset.action === "key") return askKey();
  if (view.shown.size && !talk.connection)
    view.divide("Reconnected. A new conversation begins here.");
  return attempt(again ?? (() => {}));
});

get("open-settings").addEventListener("click", () => get("settings").showModal());
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", ({ target }) => {
    if (target === dialog || target.closest(".close")) dialog.close(); // beside it, or its cross
  });
}

// The key

function askKey() {
  if (!get("key").open) get("key").showModal();
}

get("key").addEventListener("close", () => {
  const given = get("key-value").value.trim();
  get("key-value").value = "";
  const use = get("key").returnValue === "use" && given;
  get("key").returnValue = "";
  if (!use) return;
  key = given;
  sessionStorage.setItem(KEY, key);
  hideNotice();
  attempt(again ?? (() => {}));
});

show();
// Whether the server wants a key is known before the first word is said.
look(key).catch((refusal) => problem(refusal.reason, refusal.detail));
if (!isSecureContext) problem("insecure");
