/**
 * Where saves are kept on this PC: IndexedDB, or memory when the browser has none.
 * A row: { attempt_id, place, sequence, item_id, response, acknowledged, made_at }.
 */

const NAME = "exam-station-queue";
const KEPT_MS = 3 * 24 * 3600 * 1000;

export async function openQueueStore() {
  try {
    return new DiskStore(await openDatabase());
  } catch {
    return new MemoryStore();
  }
}

class DiskStore {
  constructor(database) {
    this.database = database;
    this.isDurable = true;
  }

  put(rows) {
    return this.#change((table) => rows.forEach((row) => table.put(row)));
  }

  rows(attemptId) {
    return this.#read((table) => table.getAll(rangeOf(attemptId)));
  }

  async attemptIds() {
    const keys = await this.#read((table) => table.getAllKeys());
    return [...new Set(keys.map((key) => key[0]))];
  }

  forget(attemptId) {
    return this.#change((table) => table.delete(rangeOf(attemptId)));
  }

  /** Remove what candidates of earlier days left behind. */
  async forgetOld(now) {
    const rows = await this.#read((table) => table.getAll());
    const old = rows.filter((row) => now - row.made_at > KEPT_MS);
    if (old.length) await this.#change((table) => old.forEach((row) => table.delete(keyOf(row))));
  }

  #change(work) {
    return new Promise((resolve, reject) => {
      const transaction = this.database.transaction("saves", "readwrite", { durability: "strict" });
      transaction.oncomplete = () => resolve();
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
      work(transaction.objectStore("saves"));
    });
  }

  #read(work) {
    return new Promise((resolve, reject) => {
      const request = work(this.database.transaction("saves").objectStore("saves"));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  }
}

class MemoryStore {
  constructor() {
    this.isDurable = false;
    this.kept = new Map();
  }

  async put(rows) {
    for (const row of rows) this.kept.set(keyOf(row).join("/"), row);
  }

  async rows(attemptId) {
    return [...this.kept.values()].filter((row) => row.attempt_id === attemptId);
  }

  async attemptIds() {
    return [...new Set([...this.kept.values()].map((row) => row.attempt_id))];
  }

  async forget(attemptId) {
    for (const [key, row] of this.kept) if (row.attempt_id === attemptId) this.kept.delete(key);
  }

  async forgetOld() {}
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
