import { Away, call } from "./api.js";
import { keepLastWords } from "./last_words.js";
import { identity, inOrder, settled } from "./settling.js";
import { stationNow } from "./station_clock.js";

const REST_MS = 1000; // a text is saved after so long a rest
const TYPING_MS = 5000; // and at the latest so long after the first change
const VIEW_MS = 3000;
const BATCH_SAVES = 100;
const BATCH_CHARACTERS = 200_000;
const PACK_FROM = 8_000;
const KEEPALIVE_CHARACTERS = 18_000; // below 60 kB even when each character takes three bytes
const BACKOFF_MS = [1000, 2000, 3500, 5000];

/**
 * Saves of one attempt from one load of the page (design §5, §13.1, §13.4).
 *
 * A change rests for a moment, becomes a row on this PC's disk, and is sent in order, one request in flight,
 * until the station has acknowledged it. Acknowledged rows stay until the receipt: a station that was restored
 * from a backup names what it has, and the rest is sent again.
 */
export class Saving {
  constructor(attemptId, store, { owner = "", getView = () => null, onChange = () => {}, onReply = () => {}, onRestored = null } = {}) {
    this.attemptId = attemptId;
    this.store = store;
    this.owner = owner; // whose answers: outlives a restore, after which the attempt may have another number
    this.getView = getView;
    this.onChange = onChange;
    this.onReply = onReply;
    this.onRestored = onRestored; // the station lacks what it had acknowledged: take a new place, and settle
    this.place = null;
    this.sequence = 0;
    this.pending = []; // rows to send, in order
    this.drafts = new Map(); // item id → { response, since, timer }
    this.sending = null;
    this.failures = 0;
    this.timer = null;
    this.viewTimer = null;
    this.savedAt = null;
    this.number = 0; // of the newest acknowledged save in the attempt's chain, which only grows
    this.lateCount = 0;
    this.refused = new Map(); // item id → sentence
    this.isStopped = false;
    this.blocked = ""; // code of a refusal that more tries will not mend
    this.trouble = null; // { kind: "away" | "unwritten" | "blocked", since } while tries fail
  }

  /** Load what an earlier page left unsent, and try for a moment to send it. */
  async begin() {
    const rows = await this.store.rows(this.attemptId);
    this.pending = rows.filter((row) => !row.acknowledged && (!this.owner || row.owner === this.owner)).sort(inOrder);
    if (this.pending.length) await Promise.race([this.flush(), pause(3000)]);
  }

  /**
   * Take the place of this load from what the station says (`/api/places`); send again what it turns out to lack, and
   * keep here what only it has (settling.js).
   */
  async settle(there) {
    const stored = await this.store.rowsOf(this.owner);
    const known = new Set(this.pending.map(identity));
    const rows = [...this.pending, ...stored.filter((row) => !known.has(identity(row)))].sort(inOrder);
    const { gone, put, pending, sequence } = settled(rows, there, { attemptId: this.attemptId, owner: this.owner });
    this.place = there.place;
    this.sequence = sequence;
    this.pending = pending;
    this.number = 0;
    this.failures = 0;
    this.#pump();
    await this.store.swap(gone, put);
  }

  /** What rows still to be sent say, on top of what the station knows: only what is newer than its answer. */
  overlay({ answers, saved_as: savedAs = {} }) {
    const merged = { ...answers };
    for (const row of this.pending) {
      const there = savedAs[row.item_id];
      if (!there || inOrder(row, there) > 0) merged[row.item_id] = row.response;
    }
    return merged;
  }

  /** A change that may go on: saved after a rest. */
  change(itemId, response) {
    const draft = this.drafts.get(itemId) || { since: performance.now(), timer: null };
    draft.response = response;
    clearTimeout(draft.timer);
    const left = TYPING_MS - (performance.now() - draft.since);
    draft.timer = setTimeout(() => this.commit(itemId), Math.max(0, Math.min(REST_MS, left)));
    this.drafts.set(itemId, draft);
    this.onChange();
  }

  /** A finished change: saved at once. */
  record(itemId, response) {
    this.change(itemId, response);
    return this.commit(itemId);
  }

  /** Save at once what rests of an item, or of all. */
  commit(itemId = null) {
    const chosen = itemId === null ? [...this.drafts.keys()] : [itemId];
    const rows = [];
    for (const id of chosen) {
      const draft = this.drafts.get(id);
      if (!draft) continue;
      clearTimeout(draft.timer);
      this.drafts.delete(id);
      rows.push(this.#row(id, draft.response));
    }
    if (!rows.length) return Promise.resolve();
    this.pending.push(...rows);
    this.#pump();
    this.onChange();
    return this.store.put(rows);
  }

  /** The page's position, flags or font size changed: they travel with the next save, or soon alone. */
  viewChanged() {
    clearTimeout(this.viewTimer);
    this.viewTimer = setTimeout(() => this.#send([]).catch(() => {}), VIEW_MS);
  }

  /** Try to bring everything to the station now; resolves when nothing is left or a try has failed. */
  async flush() {
    await this.commit();
    clearTimeout(this.timer);
    this.failures = 0;
    if (this.sending) await this.sending;
    await this.#run();
    return this.unsent === 0;
  }

  /** Last words of a page that is hidden, or goes away for good: one request that outlives it. */
  flushOnLeaving({ isLast = false } = {}) {
    this.commit();
    if (isLast) keepLastWords(this.attemptId, this.place, this.pending);
    if (!this.pending.length || this.place === null) return;
    const rows = [];
    let characters = 0;
    for (const row of this.pending.filter((one) => one.place === this.pending[0].place)) {
      characters += JSON.stringify(row.response).length + 60;
      if (characters > KEEPALIVE_CHARACTERS) break;
      rows.push(row);
    }
    if (rows.length) this.#send(rows, { keepalive: true }).catch(() => {});
  }

  /** What this PC holds of an item, newest first, as the station would list it. */
  async versions(itemId) {
    const rows = (await this.store.rows(this.attemptId)).filter((row) => row.item_id === itemId && !row.refused);
    return rows.sort(inOrder).reverse().map(({ response, made_at }) => ({ response, saved_at: made_at }));
  }

  get unsent() {
    return this.pending.length + this.drafts.size;
  }

  /** The receipt is here and nothing is left to send: the next candidate finds nothing on this PC. */
  async forget() {
    this.stop();
    await this.store.forget(this.attemptId);
  }

  stop() {
    this.isStopped = true;
    clearTimeout(this.timer);
    clearTimeout(this.viewTimer);
    for (const draft of this.drafts.values()) clearTimeout(draft.timer);
  }

  #row(itemId, response) {
    this.sequence += 1;
    return {
      attempt_id: this.attemptId,
      owner: this.owner,
      place: this.place,
      sequence: this.sequence,
      item_id: itemId,
      response,
      acknowledged: false,
      refused: false,
      made_at: stationNow(),
    };
  }

  #pump() {
    if (this.isStopped || this.sending || !this.pending.length) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#run(), this.failures ? this.#wait() : 0);
  }

  #wait() {
    const base = BACKOFF_MS[Math.min(this.failures, BACKOFF_MS.length) - 1];
    return base * (0.7 + Math.random() * 0.6);
  }

  #run() {
    if (!this.sending) {
      this.sending = this.#sendAll().finally(() => {
        this.sending = null;
        if (this.pending.length) this.#pump();
        this.onChange();
      });
    }
    return this.sending;
  }

  /** What the station will not take as it is goes without the view, then row by row, so that the rest gets through. */
  async #sendAll() {
    let size = BATCH_SAVES;
    let hasView = true;
    let isRenewed = false;
    while (this.pending.length) {
      const rows = this.#batch(size);
      try {
        await this.#send(rows, { hasView });
      } catch (error) {
        const isWrong = error.status === 400 || error.status === 413;
        if (error instanceof Away || error.status === 429) return this.#failed("", error instanceof Away ? error.kind : "unwritten");
        if (isWrong && hasView) hasView = false;
        else if (isWrong && rows.length > 1) size = 1;
        else if (isWrong) {
          await this.#giveUp(rows[0], error.sentence);
          size = BATCH_SAVES;
        } else if (error.code !== "place_unknown" || isRenewed || !(await this.#renewed())) return this.#failed(error.code);
        else isRenewed = true;
      }
    }
    return undefined;
  }

  async #renewed() {
    if (this.place === null || !this.onRestored) return false;
    return this.onRestored().then(() => true, () => false);
  }

  #failed(code, kind = "blocked") {
    this.failures += 1;
    this.blocked = code;
    this.trouble = { kind, since: this.trouble ? this.trouble.since : stationNow() };
  }

  #batch(size) {
    const rows = [];
    let characters = 0;
    for (const row of this.pending) {
      characters += JSON.stringify(row.response).length;
      if (rows.length && (rows.length >= size || characters > BATCH_CHARACTERS || row.place !== rows[0].place)) break;
      rows.push(row);
    }
    return rows;
  }

  async #send(rows, { keepalive = false, hasView = true } = {}) {
    const place = rows.length ? rows[0].place : this.place;
    const body = {
      attempt_id: this.attemptId,
      owner: this.owner,
      place,
      saves: rows.map(({ sequence, item_id, response }) => ({ sequence, item_id, response })),
      view: hasView && place === this.place ? this.getView() : null,
    };
    const text = JSON.stringify(body);
    const packed = !keepalive && text.length > PACK_FROM && typeof CompressionStream === "function";
    const reply = await call("/api/saves", { method: "POST", body: packed ? await pack(text) : text, packed, keepalive, isRepeatable: true });
    await this.#acknowledge(rows, reply);
    this.onReply(reply);
  }

  async #acknowledge(rows, reply) {
    this.failures = 0;
    this.blocked = "";
    this.trouble = null;
    const bySequence = new Map(rows.map((row) => [row.sequence, row]));
    const before = this.number;
    let isRestored = false;
    for (const one of reply.acknowledged) {
      const row = bySequence.get(one.sequence);
      isRestored ||= !row.acknowledged && one.number <= before;
      this.number = Math.max(this.number, one.number);
      row.acknowledged = true;
      this.refused.delete(row.item_id);
      this.savedAt = one.saved_at;
      this.lateCount += one.is_late ? 1 : 0;
    }
    for (const one of reply.refused) {
      const row = bySequence.get(one.sequence);
      row.acknowledged = row.refused = true;
      this.refused.set(row.item_id, one.sentence);
    }
    this.pending = this.pending.filter((row) => !row.acknowledged);
    this.onChange();
    await this.store.put(rows);
    if (isRestored) this.#renewed();
  }

  async #giveUp(row, sentence) {
    row.acknowledged = row.refused = true;
    this.refused.set(row.item_id, sentence);
    this.pending = this.pending.filter((one) => one !== row);
    await this.store.put([row]);
  }
}

/** Send what candidates' pages on this PC have left; what belongs to somebody else stays, unseen. */
export async function sendLeftovers(store) {
  for (const { attemptId, owner } of await store.unsent()) {
    const saving = new Saving(attemptId, store, { owner });
    await saving.begin();
    saving.stop();
  }
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function pack(text) {
  return new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"))).blob();
}

/** After the receipt: bring what is left to the station, and forget the attempt on this PC once a backup has it, too. */
export async function emptyQueue(store, attemptId, { owner, isInBackup }) {
  const saving = new Saving(attemptId, store, { owner });
  await saving.begin();
  saving.stop();
  if (saving.unsent === 0 && isInBackup) await saving.forget();
  return saving.unsent;
}
