import { say } from "./say.js";

/** The station said no: `code` is stable, `sentence` is for people. */
export class Refusal extends Error {
  constructor(status, body) {
    super(body.sentence);
    this.status = status;
    this.code = body.code;
    this.sentence = body.sentence;
    this.details = body.details || {};
  }
}

/** The station was not reached, or (`isReached`) could not work: nothing is known to have happened, try again. */
export class Away extends Error {
  constructor(message, { isReached = false } = {}) {
    super(message);
    this.isReached = isReached;
  }

  get kind() {
    return this.isReached ? "unwritten" : "away";
  }

  get sentence() {
    if (this.isReached) return say("服务器暂时无法处理，请稍候再试；如一直不行，请举手。", "The server cannot work at the moment. Try again shortly; if that does not help, raise your hand.");
    return say("暂时连不上服务器，请稍候再试。", "The server cannot be reached. Please try again in a moment.");
  }
}

const TIMEOUT_MS = 10_000;

export function ask(path, timeout = TIMEOUT_MS) {
  return call(path, { method: "GET", timeout });
}

export function tell(path, body, options = {}) {
  return call(path, { method: "POST", body: JSON.stringify(body), ...options });
}

/** Call the API. Returns the JSON; throws Refusal or Away. `packed` bodies are gzip. */
export async function call(path, { method, body, keepalive = false, packed = false, timeout = TIMEOUT_MS }) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  if (packed) headers["Content-Encoding"] = "gzip";
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), timeout);
  const asked = performance.now();
  try {
    const reply = await fetch(path, { method, body, headers, keepalive, signal: abort.signal, cache: "no-store" });
    const answer = await reply.json();
    if (reply.ok) {
      if (answer.now) heard(answer.now, asked);
      return answer;
    }
    if (reply.status >= 500 || !answer.error) throw new Away(String(reply.status), { isReached: true });
    throw new Refusal(reply.status, answer.error);
  } catch (error) {
    throw error instanceof Refusal || error instanceof Away ? error : new Away(String(error));
  } finally {
    clearTimeout(timer);
  }
}

let heard = () => {};

/** Tell somebody each time the station says its time: `(iso, monotonic ms when asked)`. */
export function onHeard(listener) {
  heard = listener;
}
