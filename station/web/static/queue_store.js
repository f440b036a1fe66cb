/**
 * Where saves are kept on this PC: IndexedDB, and memory for what the disk does not take (none, full, broken).
 * A row: { attempt_id, owner, place, sequence, item_id, response, acknowledged, refused, made_at }.
 */

import { forgetLastWords, lastWords, namesOf } from "./last_words.js";
import { identity } from "./settling.js";
import { afterAwake } from "./wakes.js";

const NAME = "exam-station-queue";
const KEPT_MS = 3 * 24 * 3600 * 1000;
const OPENING_MS = 4000;
const WRITING_MS = 8000;
const OPEN_AGAIN_MS = 10_000;

/** Open the disk's store; a browser that neither opens nor refuses it is not waited for. */
export async function openQueueStore() {
  const disk = new DiskStore();
  await Promise.race([disk.open(), new Promise((resolve) => setTimeout(resolve, OPENING_MS))]);
  const store = new QueueStore(disk);
  store.takeIn(lastWords());
  return store;
}

/**
 * Disk first; nothing that is asked of it fails. What the disk refuses stays in memory as long as the page lives, and
 * goes to the disk with the next rows that it takes.
 */
class QueueStore {
  constructor(disk) {
    this.disk = disk;
    this.memory = new MemoryStore();
  }

  /** Say whether everything would outlive a crash of the browser. */
  get isDurable() {
    return this.disk.isOpen && this.memory.isEmpty;
  }

  put(rows) {
    return this.swap([], rows);
  }

  /** Take in what pages said as they went; there it is forgotten once it lies on the disk. */
  async takeIn({ names, rows }) {
    await this.put(rows);
    if (this.isDurable) forgetLastWords(names);
  }

  /** Take rows out and put others in, both or neither. */
  async swap(gone, rows) {
    if (!gone.length && !rows.length) return;
    const before = this.memory.waiting(gone, rows);
    try {
      await this.disk.swap([...before.gone, ...gone], [...before.rows, ...rows]);
      this.memory.settle([...before.gone, ...before.rows, ...gone, ...rows]);
    } catch {
      this.memory.swap(gone, rows);
    }
  }

  async rows(attemptId) {
    return this.#together(await this.#ofDisk((disk) => disk.rows(attemptId))).filter((row) => row.attempt_id === attemptId);
  }

  /** Find what belongs to one entry, whatever number its attempt had. */
  async rowsOf(owner) {
    return (await this.#all()).filter((row) => row.owner === owner);
  }

  /** List the attempts of which something waits to be sent, each with whose it is. */
  async unsent() {
    const waiting = (await this.#all()).filter((row) => !row.acknowledged);
    const pairs = waiting.map((row) => [`${row.attempt_id}/${row.owner}`, { attemptId: row.attempt_id, owner: row.owner }]);
    return [...new Map(pairs).values()];
  }

  async forget(attemptId) {
    forgetLastWords(namesOf(attemptId));
    this.memory.forget(attemptId);
    await this.#ofDisk((disk) => disk.forget(attemptId));
  }

  /**
   * Remove what candidates of earlier days left behind, but for the one who is here. `now` is the station's, as a PC's
   * clock may be years off; after a power cut the station's may be, too, while it waits for somebody to set it right.
   */
  async forgetOld(now, owner) {
    await this.#ofDisk((disk) => disk.forgetOld(now, owner));
  }

  async #all() {
    return this.#together(await this.#ofDisk((disk) => disk.all()));
  }

  #together(onDisk) {
    const merged = new Map(onDisk.map((row) => [identity(row), row]));
    for (const name of this.memory.gone.keys()) merged.delete(name);
    for (const [name, row] of this.memory.kept) merged.set(name, row);
    return [...merged.values()];
  }

  async #ofDisk(ask) {
    try {
      return await ask(this.disk);
    } catch {
      return [];
    }
  }
}

class DiskStore {
  constructor() {
    this.database = null;
    this.askedAt = -Infinity;
  }

  get isOpen() {
    return this.database !== null;
  }

  /** Resolve when the browser has answered, whatever it said. */
  open() {
    this.askedAt = performance.now();
    return openDatabase().then((database) => this.#use(database), () => {});
  }

  swap(gone, rows) {
    return this.#change((table) => {
      gone.forEach((row) => table.delete(keyOf(row)));
      rows.forEach((row) => table.put(row));
    });
  }

  rows(attemptId) {
    return this.#read((table) => table.getAll(rangeOf(attemptId)));
  }

  all() {
    return this.#read((table) => table.getAll());
  }

  forget(attemptId) {
    return this.#change((table) => table.delete(rangeOf(attemptId)));
  }

  async forgetOld(now, owner) {
    const old = (await this.all()).filter((row) => row.owner !== owner && now - row.made_at > KEPT_MS);
    if (old.length) await this.#change((table) => old.forEach((row) => table.delete(keyOf(row))));
  }

  /** The browser closes a store by itself when its files fail, or are cleared away. */
  #use(database) {
    this.database?.close();
    this.database = database;
    database.onclose = () => {
      if (this.database === database) this.database = null;
    };
  }

  #opened() {
    if (!this.database && performance.now() - this.askedAt > OPEN_AGAIN_MS) this.open();
    if (!this.database) throw new Error("not open");
    return this.database;
  }

  /**
   * A disk that neither takes nor refuses (dying, or the profile is held) must not hold up the sending. The commit is
   * asked for at once: left to the browser it comes after the answers to all requests, and a page that goes drops it.
   */
  #change(work) {
    return new Promise((resolve, reject) => {
      afterAwake(WRITING_MS, () => reject(new Error("late")));
      const transaction = this.#opened().transaction("saves", "readwrite", { durability: "strict" });
      transaction.oncomplete = () => resolve();
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
      try {
        work(transaction.objectStore("saves"));
        transaction.commit();
      } catch (error) {
        transaction.abort(); // both or neither
        reject(error);
      }
    });
  }

  #read(work) {
    return new Promise((resolve, reject) => {
      afterAwake(WRITING_MS, () => reject(new Error("late")));
      const request = work(this.#opened().transaction("saves").objectStore("saves"));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  }
}

class MemoryStore {
  constructor() {
    this.kept = new Map(); // by name: rows that the disk has not taken
    this.gone = new Map(); // and rows that it still holds but should not
  }

  get isEmpty() {
    return this.kept.size === 0 && this.gone.size === 0;
  }

  swap(gone, rows) {
    for (const row of gone) {
      this.kept.delete(identity(row));
      this.gone.set(identity(row), row);
    }
    for (const row of rows) {
      this.gone.delete(identity(row));
      this.kept.set(identity(row), row);
    }
  }

  /** What waits for the disk, but for what is about to change anyway. */
  waiting(gone, rows) {
    const changing = new Set([...gone, ...rows].map(identity));
    const others = (map) => [...map].filter(([name]) => !changing.has(name)).map(([, row]) => row);
    return { gone: others(this.gone), rows: others(this.kept) };
  }

  /** The disk has taken these changes. */
  settle(rows) {
    for (const row of rows) {
      this.kept.delete(identity(row));
      this.gone.delete(identity(row));
    }
  }

  forget(attemptId) {
    for (const map of [this.kept, this.gone]) {
      for (const [name, row] of map) if (row.attempt_id === attemptId) map.delete(name);
    }
  }
}

function keyOf(row) {
  return [row.attempt_id, row.place, row.sequence];
}

function rangeOf(attemptId) {
  return IDBKeyRange.bound([attemptId], [attemptId, []]);
}

function openDatabase() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () =>
      request.result.createObjectStore("saves", { keyPath: ["attempt_id", "place", "sequence"] });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
}
