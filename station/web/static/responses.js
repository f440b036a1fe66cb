/** Responses are QTI PCI JSON (design §7); an empty one is `{"base": null}`. */

export const NOTHING = { base: null };

export function stringResponse(text) {
  return text === "" ? NOTHING : { base: { string: text } };
}

export function stringOf(response) {
  return (response && response.base && response.base.string) || "";
}

export function identifiersOf(response) {
  if (response && response.list) return response.list.identifier;
  if (response && response.base && response.base.identifier !== undefined) return [response.base.identifier];
  return [];
}

/** A record of named texts as a Map. */
export function recordOf(response) {
  const record = (response && response.record) || [];
  return new Map(record.filter((one) => one.base).map((one) => [one.name, one.base.string ?? one.base.file]));
}

export function recordResponse(values, kind = "string") {
  const record = [...values].filter(([, value]) => value).map(([name, value]) => ({ name, base: { [kind]: value } }));
  return record.length ? { record } : NOTHING;
}

/** Say how far an item is answered: "open", "part" or "answered". `there`: parts that the work folder holds. */
export function stateOf(item, response, there = []) {
  const parts = partsOf(item);
  if (!parts) return hasAnswer(response) ? "answered" : "open";
  const filled = recordOf(response);
  const count = parts.filter((name) => there.includes(name) || isFilled(filled.get(name))).length;
  if (!count) return there.length || [...filled.values()].some(isFilled) ? "part" : "open";
  return count < parts.length ? "part" : "answered";
}

function isFilled(value) {
  return typeof value === "string" ? value.trim() !== "" : Boolean(value);
}

function hasAnswer(response) {
  if (!response) return false;
  if (response.list) return response.list.identifier.length > 0;
  if (!response.base) return false;
  return response.base.string === undefined || response.base.string.trim() !== "";
}

function partsOf(item) {
  const { interaction } = item;
  if (item.kind === "fill_in") return interaction.blanks.map((blank) => blank.id);
  if (item.kind === "table") {
    return interaction.rows.flatMap((row) =>
      interaction.columns.filter((column) => !isFixed(row, column)).map((column) => `${row.id}.${column.id}`),
    );
  }
  if (item.kind !== "file") return null;
  const required = interaction.files.filter((file) => file.required !== false);
  return (required.length ? required : interaction.files).map((file) => file.id);
}

export function isFixed(row, column) {
  const cell = (row.cells || {})[column.id];
  return cell !== undefined && cell.text !== undefined && cell.text !== null;
}

/** Say an answer in a line, for the list of earlier versions. */
export function inWords(item, response, say) {
  if (!response || (response.base === null && !response.record)) return say("（空）", "(empty)");
  if (response.base && response.base.boolean !== undefined) return response.base.boolean ? say("正确", "True") : say("错误", "False");
  if (response.base && response.base.string !== undefined) return response.base.string;
  if (response.record) return [...recordOf(response).values()].map((value) => value.name || value).join(" ｜ ");
  return identifiersOf(response).join("、") || say("（空）", "(empty)");
}
