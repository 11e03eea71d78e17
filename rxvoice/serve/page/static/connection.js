// The WebSocket to the server, from the first look at it to the last word.

export const base = () => new URL(".", document.baseURI);

/** Why there is no connection. `words.js` says it in words. */
export class Refusal extends Error {
  constructor(reason, detail = "") {
    super(detail || reason);
    this.reason = reason;
    this.detail = detail;
  }
}

const headers = (key) => (key ? { Authorization: `Bearer ${key}` } : {});

/** Ask whether the server is there, lets this key in, and can take a session; gives its model. */
export async function look(key) {
  let answer;
  try {
    answer = await fetch(new URL("v1/models", base()), {
      headers: headers(key),
      cache: "no-store",
    });
  } catch {
    throw new Refusal("unreachable");
  }
  if (answer.status === 401 || answer.status === 403)
    throw new Refusal(key ? "key-wrong" : "key-needed");
  if (answer.status === 503) throw new Refusal("not-ready");
  if (!answer.ok) throw new Refusal("unreachable", `HTTP ${answer.status}`);
  const models = (await answer.json()).data ?? [];
  return models[0]?.id ?? "rxvoice";
}

/** A WebSocket cannot send a header: it gets a short-lived secret instead of the key itself. */
async function secretFor(key) {
  if (key.startsWith("ek_")) return key;
  const request = {
    method: "POST",
    headers: { ...headers(key), "Content-Type": "application/json" },
    body: "{}",
  };
  const answer = await fetch(new URL("v1/realtime/client_secrets", base()), request);
  if (answer.status === 401 || answer.status === 403) throw new Refusal("key-wrong");
  if (!answer.ok) throw new Refusal("unreachable", `HTTP ${answer.status}`);
  return (await answer.json()).value;
}

const CLOSED = {
  1001: "restarting",
  1008: "refused",
  1009: "too-big",
  1011: "failed",
  1012: "restarting",
  1013: "full",
};

/** What the code and the reason of a close mean. */
function refusalOf({ code, reason }) {
  if (code === 1008 && /key|auth/i.test(reason)) return new Refusal("key-wrong");
  if (code === 1013 && /loading/i.test(reason)) return new Refusal("not-ready");
  if (code === 1013 && /drain/i.test(reason)) return new Refusal("restarting");
  return new Refusal(CLOSED[code] ?? "lost", reason);
}

/** Why a WebSocket was not opened: a browser is not told what HTTP answered to it. */
async function why(key) {
  try {
    await look(key);
    const ready = await fetch(new URL("readyz", base()), { cache: "no-store" });
    const said = ready.status === 503 ? await ready.text() : "";
    return refusalOf({ code: said ? 1013 : 1006, reason: said });
  } catch (refusal) {
    return refusal instanceof Refusal ? refusal : new Refusal("unreachable");
  }
}

export class Connection {
  /**
   * Connect, and resolve with the connection once the server has said `session.created`.
   *
   * @param {object} on `event(event)` for each event of the server, the first one too, and
   *   `closed(refusal)` when the connection ends, unless `close` ended it.
   */
  static async open(key, on) {
    const model = await look(key);
    const url = new URL("v1/realtime", base());
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("model", model);
    const protocols = ["realtime"];
    if (key) protocols.push(`openai-insecure-api-key.${await secretFor(key)}`);
    const socket = new WebSocket(url, protocols);
    return new Promise((resolve, reject) => {
      const connection = new Connection(socket, on);
      let open = false;
      socket.onmessage = ({ data }) => {
        const event = JSON.parse(data);
        on.event(event);
        if (event.type === "session.created") {
          open = true;
          resolve(connection);
        } else if (event.type === "error" && !open) {
          connection.close();
          reject(new Refusal("failed", event.error?.message));
        }
      };
      socket.onclose = async (event) => {
        if (connection.done) return;
        const refusal = refusalOf(event);
        if (open) on.closed(refusal);
        else reject(refusal.reason === "lost" ? await why(key) : refusal);
      };
    });
  }

  constructor(socket) {
    this.socket = socket;
    this.done = false;
    this.count = 0;
  }

  get isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  /** How many bytes wait to be sent. */
  get waiting() {
    return this.socket.bufferedAmount;
  }

  send(type, fields = {}) {
    if (this.isOpen)
      this.socket.send(JSON.stringify({ event_id: `page_${++this.count}`, type, ...fields }));
  }

  close() {
    this.done = true;
    this.socket.close(1000);
  }
}

export function base64(buffer) {
  return btoa(String.fromCharCode(...new Uint8Array(buffer)));
}

/** The 16-bit samples of a base64 text. */
export function samplesOf(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Int16Array(bytes.buffer, 0, bytes.length >> 1);
}
