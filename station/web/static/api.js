import { say } from "./say.js";
import { afterAwake, onWake, timesWoken } from "./wakes.js";

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
const repeatable = new Set(); // of each call on its way that may be made twice: what cuts it short

onWake((hasStoodStill) => hasStoodStill && repeatable.forEach((abort) => abort.abort()));

export function ask(path, timeout = TIMEOUT_MS) {
  return call(path, { method: "GET", timeout, isRepeatable: true });
}

export function tell(path, body, options = {}) {
  return call(path, { method: "POST", body: JSON.stringify(body), ...options });
}

/**
 * Call the API. Returns the JSON; throws Refusal or Away. `packed` bodies are gzip. A call that may be made twice
 * (`isRepeatable`) and meets a standstill of the page is made again: what comes of it then may be long out of date.
 */
export async function call(path, options) {
  for (;;) {
    const before = timesWoken();
    try {
      return await callOnce(path, options);
    } catch (error) {
      const isCutShort = error instanceof Away && !error.isReached && options.isRepeatable && timesWoken() > before;
      if (!isCutShort) throw error;
    }
  }
}

async function callOnce(path, { method, body, keepalive = false, packed = false, timeout = TIMEOUT_MS, isRepeatable = false }) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  if (packed) headers["Content-Encoding"] = "gzip";
  const abort = new AbortController();
  const callOff = afterAwake(timeout, () => abort.abort());
  if (isRepeatable) repeatable.add(abort);
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
    callOff();
    repeatable.delete(abort);
  }
}

let heard = () => {};

/** Tell somebody each time the station says its time: `(iso, monotonic ms when asked)`. */
export function onHeard(listener) {
  heard = listener;
}
