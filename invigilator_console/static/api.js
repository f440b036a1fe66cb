// Talk to the station: JSON both ways, refusals as errors with the station's own sentence.

export const language = document.documentElement.lang.startsWith("en") ? "en" : "zh";

export function say(zh, en) {
  return language === "en" ? en : zh;
}

export class Refusal extends Error {
  constructor(status, code, sentence, details) {
    super(sentence);
    this.status = status;
    this.code = code;
    this.details = details || {};
  }
}

let csrfToken = document.querySelector('meta[name="csrf-token"]')?.content || "";

// fetch() knows no timeout of its own; a station that hangs must look like one that is away.
export async function call(method, path, { body, raw, timeoutMs = 8000 } = {}) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), timeoutMs);
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRF-Token"] = csrfToken;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: raw !== undefined ? raw : body === undefined ? undefined : JSON.stringify(body),
      signal: stop.signal,
      credentials: "same-origin",
    });
    return await read(response);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(0, "away", say("与服务器的连接中断。", "The server cannot be reached."));
  } finally {
    clearTimeout(timer);
  }
}

export function get(path, options) {
  return call("GET", path, options);
}

export function post(path, body = {}) {
  return call("POST", path, { body });
}

export function rememberToken(token) {
  csrfToken = token;
}

export function may(act) {
  return document.body.dataset.acts.split(" ").includes(act);
}

async function read(response) {
  const text = await response.text();
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    answer = null;
  }
  if (response.ok) return answer;
  const refusal = answer?.error;
  if (refusal?.code === "staff_not_logged_in" && location.pathname !== "/login") location.href = "/login";
  throw new Refusal(
    response.status,
    refusal?.code || "unknown",
    refusal?.sentence || say(`服务器返回错误 ${response.status}。`, `The server answered with error ${response.status}.`),
    refusal?.details,
  );
}
