/** The station's time on this PC: the monotonic counter plus what the station said, never the PC's own clock. */

let offset = null; // station ms minus scaled monotonic ms
let best = Infinity; // shortest round trip behind `offset`
let scale = 1; // station ms per real ms: 1 but in a rehearsal

export function stationHeard(iso, askedAt) {
  const answeredAt = performance.now();
  const trip = answeredAt - askedAt;
  const found = Date.parse(iso) - ((askedAt + answeredAt) / 2) * scale;
  // Take a fresh reading when it is about as good as the best, or when the station's clock was set anew.
  if (offset === null || trip <= best * 1.5 + 5 || Math.abs(found - offset) > (trip / 2) * scale + 1000) {
    offset = found;
    best = Math.min(Math.max(trip, 1), best);
  }
  best *= 1.02;
}

export function setTimeScale(value) {
  if (value === scale) return;
  scale = value;
  offset = null;
  best = Infinity;
}

/** Both counters of this PC, in ms: good for telling that it has slept, and for nothing else. */
export function counters() {
  return [performance.now(), Date.now()];
}

/** Station time now, in ms since 1970; the PC's clock until the station has been heard. */
export function stationNow() {
  return offset === null ? Date.now() : performance.now() * scale + offset;
}
