/**
 * What a page that opens, or that meets a restored station, makes of the rows that lie on this PC (design §13.1, §13.4).
 *
 * 1. Rows of a place or of an attempt number that the station does not know were made after the backup from which it
 *    was restored, and their numbers mean nothing now: they go on under this page's own place, in their order.
 * 2. Where another PC has answered the same item since, the station's answer follows them, so that it stays the newest.
 * 3. Of a place where the station holds fewer saves than it had acknowledged, all go out again; so does what is newer
 *    there than its newest.
 * 4. An answer that only the station has is kept here as well: this PC's own copy may have been lost (the browser drops
 *    what it was writing as a page goes, or another PC wrote it), and the station's disk can die next.
 *
 * `there` is the station's answer to `/api/places`. Gives `gone` and `put` for the disk, `pending` to send, and the
 * highest `sequence` under the new place.
 */
export function settled(rows, there, { attemptId, owner }) {
  const { place, held, highest, answers, saved_as: savedAs = {} } = there;
  const gone = rows.filter((row) => row.attempt_id !== attemptId || !(row.place in held));
  const known = rows.filter((row) => !gone.includes(row));
  let sequence = Math.max(0, ...known.filter((row) => row.place === place).map((row) => row.sequence));
  const following = (row) => {
    sequence += 1;
    return { ...row, attempt_id: attemptId, owner, place, sequence, acknowledged: false };
  };
  const named = Object.keys(savedAs).map((item) => answerRow(item, savedAs[item], answers[item], { attemptId, owner }));
  const moved = [...gone, ...named.filter((row) => isNewer(row, gone))].map(following);
  const lacking = lackingOf(known, held, highest);
  for (const row of lacking) row.acknowledged = false;
  const here = new Set(known.map(identity));
  const kept = named.filter((row) => !here.has(identity(row)));
  const pending = [...known.filter((row) => !row.acknowledged), ...moved].sort(inOrder);
  return { gone, put: [...lacking, ...moved, ...kept], pending, sequence };
}

export function identity(row) {
  return `${row.attempt_id}/${row.place}/${row.sequence}`;
}

export function inOrder(one, other) {
  return one.place - other.place || one.sequence - other.sequence;
}

function answerRow(item, { place, sequence, saved_at: savedAt }, response, { attemptId, owner }) {
  const madeAt = Date.parse(savedAt);
  return { attempt_id: attemptId, owner, place, sequence, item_id: item, response, acknowledged: true, refused: false, made_at: madeAt };
}

/** Places are numbered upwards, also past a restore. */
function isNewer(answer, rows) {
  const same = rows.filter((row) => row.item_id === answer.item_id);
  return same.length > 0 && same.every((row) => row.place < answer.place);
}

function lackingOf(rows, held, highest) {
  const acknowledged = rows.filter((row) => row.acknowledged && !row.refused);
  const counted = new Map();
  for (const { place } of acknowledged) counted.set(place, (counted.get(place) || 0) + 1);
  return acknowledged.filter((row) => counted.get(row.place) > held[row.place] || row.sequence > (highest[row.place] || 0));
}
