// The room as tiles in seat order, or as a table that can be sorted.

import { say } from "./api.js";
import { board as theBoard } from "./board_state.js";
import { keyed, make, setClass, setText } from "./dom.js";
import { showDetails } from "./details.js";
import { watchText } from "./swap.js";
import { age, ageSeconds, clock } from "./times.js";

let lastTouched = null;
let sortBy = "seat";
let upwards = true;

const COLUMNS = [
  ["seat", "考位", "Seat", (seat) => [seat.is_spare ? 1 : 0, Number(seat.seat) || 0, seat.seat]],
  ["name", "姓名", "Name", (seat) => [seat.name || ""]],
  ["ticket", "准考证尾号", "Ticket ends", (seat) => [seat.ticket_tail]],
  ["state", "状态", "State", (seat) => [seat.state]],
  ["answered", "已答", "Answered", (seat) => [seat.answered ?? -1]],
  ["saved", "最近保存", "Last saved", (seat) => [seat.last_saved_at || ""]],
  ["connection", "连接", "Connection", (seat) => [seat.connection]],
  ["deadline", "截止", "Ends", (seat) => [seat.deadline_at || ""]],
  ["problems", "需要处理", "Attention", (seat) => [-seat.problems.length]],
];

export function renderTiles(board) {
  keyed(document.getElementById("tiles"), board.state.seats, (seat) => seat.seat_id, newTile, (tile, seat) => {
    tile.seat = seat;
    const level = seat.problems[0]?.level || "none";
    const chosen = seat.entry_id !== null && board.chosen.has(seat.entry_id);
    setClass(tile, `tile ${seat.state} level-${level}${chosen ? " chosen" : ""}${seat.is_spare ? " spare" : ""}`);
    tile.disabled = seat.entry_id === null;
    tile.setAttribute("aria-pressed", String(chosen));
    const [head, name, state, numbers, bar] = tile.children;
    setText(head.children[0], seat.seat);
    setText(head.children[1], markOf(seat));
    setText(name, seat.name || (seat.is_spare ? say("备用机", "spare") : say("空位", "free")));
    tile.title = titleOf(seat);
    setText(state, stateText(seat));
    const showNumbers = seat.attempt_id !== null;
    setText(numbers.children[0], showNumbers ? `${seat.answered}/${seat.items}` : "");
    setText(numbers.children[1], savedText(seat));
    bar.hidden = !showNumbers;
    const width = `${seat.items ? Math.round((100 * (seat.answered || 0)) / seat.items) : 0}%`;
    if (bar.firstElementChild.style.width !== width) bar.firstElementChild.style.width = width;
  });
}

export function renderList(board) {
  const box = document.getElementById("list");
  if (!box.firstElementChild) {
    const heads = COLUMNS.map(([code, zh, en]) => make("th", { scope: "col", "data-column": code },
      make("button", { type: "button", text: say(zh, en), onclick: () => sort(code) })));
    box.append(make("table", {}, make("thead", {}, make("tr", {}, make("th"), ...heads)), make("tbody")));
  }
  for (const head of box.querySelectorAll("th[data-column]")) {
    head.setAttribute("aria-sort", head.dataset.column !== sortBy ? "none" : upwards ? "ascending" : "descending");
  }
  const keyOf = COLUMNS.find(([code]) => code === sortBy)[3];
  const seats = board.state.seats.filter((seat) => seat.entry_id !== null);
  seats.sort((one, other) => (upwards ? 1 : -1) * compare(keyOf(one), keyOf(other)));
  keyed(box.querySelector("tbody"), seats, (seat) => seat.entry_id, newRow, (row, seat) => {
    row.seat = seat;
    const chosen = board.chosen.has(seat.entry_id);
    setClass(row, `${seat.state} level-${seat.problems[0]?.level || "none"}${chosen ? " chosen" : ""}`);
    row.querySelector("input").checked = chosen;
    const texts = [
      seat.seat, seat.name, seat.ticket_tail, stateText(seat),
      seat.attempt_id === null ? "" : `${seat.answered}/${seat.items}`, savedText(seat), connectionText(seat),
      seat.deadline_at ? clock(seat.deadline_at) : "", seat.problems.map((one) => one.text).join("；"),
    ];
    texts.forEach((text, index) => setText(row.children[index + 1], text || ""));
  });
}

export function stateText(seat) {
  const worst = seat.problems.find((one) => one.level !== "note");
  if (seat.swap && (!worst || ["lost", "moving", "deadline_near"].includes(worst.code))) return watchText(seat);
  if (worst?.code === "waiting_release") return say(`在 ${seat.waiting_login?.seat || "？"} 待放行`, `at ${seat.waiting_login?.seat || "?"}, waits`);
  const out = seat.problems.find((one) => one.code === "out");
  if (out) return say(`离场 ${age(ageSeconds(out.since))}`, `out ${age(ageSeconds(out.since))}`);
  if (seat.entry_id === null) return seat.device ? seat.device.state_name : "";
  const given = seat.extension_s ? ` +${Math.round(seat.extension_s / 60)}′` : "";
  return seat.state_name + (["answering", "suspended"].includes(seat.state) ? given : "");
}

function connectionText(seat) {
  if (seat.connection === "online") return say("在线", "online");
  if (seat.connection === "never") return "—";
  if (seat.swap) return watchText(seat);
  const since = seat.last_seen_at ? age(ageSeconds(seat.last_seen_at)) : "";
  return say(`断线 ${since}`, `lost ${since}`);
}

function savedText(seat) {
  if (!seat.last_saved_at || !["answering", "suspended", "waiting"].includes(seat.state)) return "";
  return say(`${age(ageSeconds(seat.last_saved_at))}前存`, `saved ${age(ageSeconds(seat.last_saved_at))}`);
}

function markOf(seat) {
  if (seat.problems.some((one) => one.code === "help")) return say("举手", "hand");
  const level = seat.problems[0]?.level;
  if (level === "alarm" || level === "warn") return "!";
  if (["handed_in", "collected"].includes(seat.state)) return "✓";
  if (["absent", "cancelled"].includes(seat.state)) return "×";
  if (seat.state === "suspended") return "‖";
  if (seat.attendance === "late") return say("迟", "late");
  return "";
}

function titleOf(seat) {
  if (seat.entry_id === null) return "";
  const lines = [`${seat.seat} ${seat.name}（…${seat.ticket_tail}）`, ...seat.problems.map((one) => one.text)];
  if (seat.receipt) lines.push(say(`回执 ${seat.receipt}`, `receipt ${seat.receipt}`));
  return [...lines, say("双击看详情", "double click for details")].join("\n");
}

function newTile() {
  const tile = make("button", { type: "button" },
    make("span", { class: "head" }, make("b"), make("i", { "aria-hidden": "true" })),
    make("span", { class: "name" }), make("span", { class: "state" }),
    make("span", { class: "numbers" }, make("span"), make("span")), make("span", { class: "bar" }, make("span")));
  tile.addEventListener("click", (event) => touch(tile.seat, event.shiftKey, theBoard.state.seats));
  tile.addEventListener("dblclick", () => showDetails(tile.seat));
  tile.addEventListener("keydown", (event) => moveFocus(event, tile));
  return tile;
}

function newRow() {
  const row = make("tr", {}, make("td", {}, make("input", { type: "checkbox", "aria-label": say("选中", "select") })),
    ...COLUMNS.map(() => make("td")));
  row.addEventListener("click", (event) => {
    const shown = [...row.parentElement.children].map((other) => other.seat);
    touch(row.seat, event.shiftKey, shown);
  });
  row.addEventListener("dblclick", () => showDetails(row.seat));
  return row;
}

// A click takes a seat in or out; with shift everything from the last one on comes in.
function touch(seat, isRange, inOrder) {
  const chosen = theBoard.chosen;
  const from = inOrder.findIndex((one) => one.entry_id === lastTouched);
  const to = inOrder.findIndex((one) => one.entry_id === seat.entry_id);
  if (isRange && from >= 0) {
    for (const one of inOrder.slice(Math.min(from, to), Math.max(from, to) + 1)) {
      if (one.entry_id !== null) chosen.add(one.entry_id);
    }
  } else if (!chosen.delete(seat.entry_id)) {
    chosen.add(seat.entry_id);
  }
  lastTouched = seat.entry_id;
  theBoard.render();
}

function moveFocus(event, tile) {
  const tiles = [...tile.parentElement.children];
  const inRow = tiles.filter((other) => other.offsetTop === tiles[0].offsetTop).length;
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: inRow, ArrowUp: -inRow };
  if (event.key === "i") showDetails(tile.seat);
  if (!(event.key in steps)) return;
  event.preventDefault();
  let place = tiles.indexOf(tile) + steps[event.key];
  while (tiles[place]?.disabled) place += Math.sign(steps[event.key]);
  tiles[place]?.focus();
}

function sort(code) {
  upwards = code === sortBy ? !upwards : true;
  sortBy = code;
  theBoard.render();
}

function compare(one, other) {
  for (let index = 0; index < one.length; index += 1) {
    const [left, right] = [one[index], other[index]];
    if (typeof left === "string") {
      const order = left.localeCompare(right, "zh-CN");
      if (order) return order;
    } else if (left !== right) return left - right;
  }
  return 0;
}
