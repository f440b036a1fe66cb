/**
 * What a page that goes had still to send. The browser drops what it was writing to its disk as a page goes, and a long
 * text is too long for a last request; these few rows it takes at once. The next page takes them in (queue_store.js).
 */

const PREFIX = "exam-station-last/";
const LONGEST = 4_000_000; // characters; the browser takes five million

/** Keep rows; where they are too many the newest. */
export function keepLastWords(attemptId, place, rows) {
  if (!rows.length) return;
  const texts = [];
  let characters = 0;
  for (const row of [...rows].reverse()) {
    const text = JSON.stringify(row);
    characters += text.length + 1;
    if (characters > LONGEST) break;
    texts.unshift(text);
  }
  quietly(() => localStorage.setItem(`${PREFIX}${attemptId}/${place}`, `[${texts.join()}]`));
}

/** Give all that was kept, and under which names. */
export function lastWords() {
  const names = [];
  const rows = [];
  quietly(() => names.push(...Object.keys(localStorage).filter((name) => name.startsWith(PREFIX))));
  for (const name of names) quietly(() => rows.push(...JSON.parse(localStorage.getItem(name))));
  return { names, rows };
}

export function forgetLastWords(names) {
  for (const name of names) quietly(() => localStorage.removeItem(name));
}

export function namesOf(attemptId) {
  return lastWords().names.filter((name) => name.startsWith(`${PREFIX}${attemptId}/`));
}

/** A browser may be told to keep nothing. */
function quietly(act) {
  try {
    act();
  } catch {
    // the disk's store, or the page, has it all the same
  }
}
