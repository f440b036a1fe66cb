/**
 * Where saves are kept on this PC: IndexedDB, and memory for what the disk does not take (none, full, broken).
 * A row: { attempt_id, owner, place, sequence, item_id, response, acknowledged, refused, made_at }.
 */

const NAME = "exam-station-queue";
const KEPT_MS = 3 * 24 * 3600 * 1000;
const OPENING_MS = 4000;
const WRITING_MS = 8000;

/** Open the disk's store; a browser that neither opens nor refuses it is not waited for. */
export async function openQueueStore() {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("late")), OPENING_MS));
  const database = await Promise.race([openDatabase(), late]).catch(() => null);
  return new QueueStore(database && new DiskStore(database));
}

/** Disk first; nothing that is asked of it fails: what the disk refuses stays in memory as long as the page lives. */
class QueueStore {
  constructor(disk) {
    this.disk = disk;
    this.memory = new MemoryStore();
  }

  /** Say whether everything would outlive a crash of the browser. */
  get isDurable() {
    return this.disk !== null && this.memory.kept.size === 0;
  }

  put(rows) {
    return this.swap([], rows);
  }

  /** Take rows out and put others in, both or neither. */
  async swap(gone, rows) {
    if (!gone.length && !rows.length) return;
    try {
      if (!this.disk) throw new Error("no disk");
      await this.disk.swap(gone, rows);
      this.memory.remove([...gone, ...rows]);
    } catch {
      this.memory.swap(gone, rows);
    }
  }

  async rows(attemptId) {
    const onDisk = await this.#ofDisk((disk) => disk.rows(attemptId));
    const merged = new Map(onDisk.map((row) => [keyOf(row).join("/"), row]));
    for (const row of this.memory.rows(attemptId)) merged.set(keyOf(row).join("/"), row);
    return [...merged.values()];
  }

  /** Find what belongs to one entry, whatever number its attempt had. */
  async rowsOf(owner) {
    const onDisk = await this.#ofDisk((disk) => disk.all());
    const merged = new Map([...onDisk, ...this.memory.kept.values()].map((row) => [keyOf(row).join("/"), row]));
    return [...merged.values()].filter((row) => row.owner === owner);
  }

  async attemptIds() {
    const onDisk = await this.#ofDisk((disk) => disk.attemptIds());
    return [...new Set([...onDisk, ...this.memory.attemptIds()])];
  }

  async forget(attemptId) {
    this.memory.forget(attemptId);
    await this.#ofDisk((disk) => disk.forget(attemptId));
  }

  /** Remove what candidates of earlier days left behind; `now` is the station's, a PC's clock may be years off. */
  async forgetOld(now) {
    await this.#ofDisk((disk) => disk.forgetOld(now));
  }

  async #ofDisk(ask) {
    try {
      return this.disk ? await ask(this.disk) : [];
    } catch {
      return [];
    }
  }
}

class DiskStore {
  constructor(database) {
    this.database = database;
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

  async attemptIds() {
    const keys = await this.#read((table) => table.getAllKeys());
    return [...new Set(keys.map((key) => key[0]))];
  }

  forget(attemptId) {
    return this.#change((table) => table.delete(rangeOf(attemptId)));
  }

  async forgetOld(now) {
    const rows = await this.all();
    const old = rows.filter((row) => now - row.made_at > KEPT_MS);
    if (old.length) await this.#change((table) => old.forEach((row) => table.delete(keyOf(row))));
  }

  /** A disk that neither takes nor refuses (dying, or the profile is held) must not hold up the sending. */
  #change(work) {
    return new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error("late")), WRITING_MS);
      const transaction = this.database.transaction("saves", "readwrite", { durability: "strict" });
      transaction.oncomplete = () => resolve();
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
      work(transaction.objectStore("saves"));
    });
  }

  #read(work) {
    return new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error("late")), WRITING_MS);
      const request = work(this.database.transaction("saves").objectStore("saves"));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  }
}

class MemoryStore {
  constructor() {
    this.kept = new Map();
  }

  swap(gone, rows) {
    this.remove(gone);
    for (const row of rows) this.kept.set(keyOf(row).join("/"), row);
  }

  remove(rows) {
    for (const row of rows) this.kept.delete(keyOf(row).join("/"));
  }

  rows(attemptId) {
    return [...this.kept.values()].filter((row) => row.attempt_id === attemptId);
  }

  attemptIds() {
    return [...new Set([...this.kept.values()].map((row) => row.attempt_id))];
  }

  forget(attemptId) {
    for (const [key, row] of this.kept) if (row.attempt_id === attemptId) this.kept.delete(key);
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
