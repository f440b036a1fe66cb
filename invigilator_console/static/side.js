// The right column: extensions that wait for somebody, and what has happened, newest first.

import { say } from "./api.js";
import { choose } from "./board_state.js";
import { keyed, make, setClass, setText } from "./dom.js";
import { decide, refuse } from "./extensions.js";
import { clockSeconds } from "./times.js";

export function renderPending(board) {
  const groups = new Map();
  for (const one of board.state.pending_extensions) {
    const key = `${one.group}-${one.minutes}-${one.reason}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(one);
  }
  document.getElementById("pending").hidden = groups.size === 0;
  keyed(document.getElementById("pending-list"), [...groups.entries()], ([key]) => key, () => newGroup(board), (box, [, waiting]) => {
    box.waiting = waiting;
    const first = waiting[0];
    const names = waiting.slice(0, 3).map((one) => `${one.seat} ${one.name}`).join("、");
    setText(box.children[0], say(`延时 ${first.length} · ${waiting.length} 人`, `${first.length} · ${waiting.length}`));
    setText(box.children[1], `${names}${waiting.length > 3 ? "…" : ""}`);
    setText(box.children[2], say(`${first.reason}（${first.proposed_by} 提出${first.asked_by_candidate ? "，考生要求" : ""}）`, `${first.reason} (${first.proposed_by})`));
    const [site, body] = box.children[3].children;
    decided(site, waiting.every((one) => one.site_decided), say("主考", "chief"));
    decided(body, waiting.every((one) => one.body_decided), say("巡考", "inspector"));
  });
}

export function renderEvents(board) {
  const loudOnly = document.getElementById("loud-only").checked;
  const events = board.events.filter((event) => (loudOnly ? event.weight === "alarm" : true));
  keyed(document.getElementById("event-list"), events, (event) => event.number, newEvent, (row, event) => {
    row.event = event;
    setClass(row, event.weight);
    setText(row.children[0], clockSeconds(event.at));
    setText(row.children[1], event.weight === "alarm" ? "!" : "");
    setText(row.children[2], event.sentence);
  });
}

function decided(element, isDecided, name) {
  setClass(element, isDecided ? "yes" : "open");
  setText(element, isDecided ? `✓ ${name}` : say(`待 ${name}`, `${name} open`));
}

function newGroup(board) {
  const box = make("div", { class: "request" }, make("b"), make("span", { class: "names" }), make("span", { class: "hint" }),
    make("span", { class: "sides" }, make("span"), make("span")));
  box.append(make("div", { class: "acts" },
    make("button", { type: "button", class: "primary small", text: say("确认", "Confirm"), onclick: () => decide(board, box.waiting.map((one) => one.id)) }),
    make("button", { type: "button", class: "small", text: say("不批准", "Refuse"), onclick: () => refuse(board, box.waiting) })));
  return box;
}

function newEvent() {
  const row = make("li", {}, make("time"), make("span", { class: "mark", "aria-hidden": "true" }), make("span", { class: "sentence" }));
  row.addEventListener("click", () => row.event.entry_id && choose([row.event.entry_id]));
  return row;
}
