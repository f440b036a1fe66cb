import { counters } from "./station_clock.js";

/**
 * Tells when the page runs again after it stood still: frozen by the browser, kept for the way back, the whole PC
 * asleep; and when it is seen again or the network is back. What timers say then, says nothing of the station.
 */

const TICK_MS = 1000;
const STOOD_STILL_MS = 4000; // no page that runs, not even on a slow PC, misses that many ticks

const listeners = [];
let seen = counters();
let count = 0;

/** Tell when the page wakes: `(hasStoodStill)`, false where it was only not seen, or without a network. */
export function onWake(listener) {
  listeners.push(listener);
}

/** How often the page has stood still so far; also where its timers have not told of it yet. */
export function timesWoken() {
  look();
  return count;
}

/** Act after so long a time, of which a standstill is no part. Gives a function that calls it off. */
export function afterAwake(milliseconds, act) {
  let timer = null;
  const wait = (isAgain) => {
    const dueAt = performance.now() + milliseconds;
    timer = setTimeout(() => (isAgain || performance.now() - dueAt < STOOD_STILL_MS ? act() : wait(true)), milliseconds);
  };
  wait(false);
  return () => clearTimeout(timer);
}

/** The PC's sleep moves one of the counters or both: which, is the system's choice. */
function look() {
  const now = counters();
  const stride = Math.max(...now.map((value, index) => value - seen[index]));
  seen = now;
  if (stride > TICK_MS + STOOD_STILL_MS) awake();
}

function awake() {
  seen = counters();
  count += 1;
  tell(true);
}

function tell(hasStoodStill) {
  for (const listener of listeners) listener(hasStoodStill);
}

setInterval(look, TICK_MS);
document.addEventListener("resume", awake); // also of a page that was kept for the way back
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && tell(false));
window.addEventListener("online", () => tell(false));
