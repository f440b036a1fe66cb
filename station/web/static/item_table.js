import { el } from "./dom.js";
import { isFixed, recordOf, recordResponse } from "./responses.js";
import { say } from "./say.js";

/** A table to fill in; the arrow keys go from cell to cell, Enter to the cell below. */
export function tableFields({ item, change, record }) {
  const { columns, rows } = item.interaction;
  const inputs = new Map(); // name → input
  const grid = rows.map((row) => columns.map((column) => cellInput(row, column)));
  const table = el(
    "table",
    { onkeydown: (event) => walk(event) },
    el("thead", el("tr", columns.map((column) => el("th", { scope: "col" }, column.title)))),
    el("tbody", rows.map((row, y) => el("tr", columns.map((column, x) => el("td", grid[y][x] ? { className: "input" } : {}, grid[y][x] || row.cells[column.id].text))))),
  );

  function cellInput(row, column) {
    if (isFixed(row, column)) return null;
    const name = `${row.id}.${column.id}`;
    const label = `${column.title} · ${say("第", "row ")}${rows.indexOf(row) + 1}${say("行", "")}`;
    const input =
      column.input === "choice"
        ? el("select", { "aria-label": label, onchange: () => record(response()) }, el("option", { value: "" }, say("请选择", "choose")), column.options.map((option) => el("option", { value: option }, option)))
        : el("input", { type: "text", "aria-label": label, autocomplete: "off", spellcheck: false, maxLength: 2000, inputMode: column.input === "number" ? "decimal" : "text", className: column.input === "number" ? "number" : "", oninput: () => change(response()) });
    inputs.set(name, input);
    return input;
  }

  function response() {
    return recordResponse([...inputs].map(([name, input]) => [name, input.value]));
  }

  function walk(event) {
    const step = stepOf(event);
    if (!step) return;
    const y = grid.findIndex((line) => line.includes(event.target));
    const x = y < 0 ? -1 : grid[y].indexOf(event.target);
    if (x < 0) return;
    const [down, right] = step;
    for (let row = y + down, cell = x + right; grid[row] && cell in grid[row]; row += down, cell += right) {
      if (grid[row][cell]) {
        event.preventDefault();
        grid[row][cell].focus();
        if (grid[row][cell].select) grid[row][cell].select();
        return;
      }
    }
  }

  return {
    element: el("div.grid", table),
    show(answer) {
      const values = recordOf(answer);
      for (const [name, input] of inputs) input.value = values.get(name) || "";
    },
  };
}

/** Where a key leads: [rows down, cells right]; null when the field itself needs the key. */
function stepOf(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.isComposing) return null;
  const field = event.target;
  const isChoice = field.tagName === "SELECT";
  if (event.key === "Enter" && !isChoice) return event.shiftKey ? [-1, 0] : [1, 0];
  if (event.shiftKey) return null;
  if (event.key === "ArrowDown" && !isChoice) return [1, 0];
  if (event.key === "ArrowUp" && !isChoice) return [-1, 0];
  if (event.key === "ArrowRight" && (isChoice || field.selectionStart === field.value.length)) return [0, 1];
  if (event.key === "ArrowLeft" && (isChoice || field.selectionEnd === 0)) return [0, -1];
  return null;
}
