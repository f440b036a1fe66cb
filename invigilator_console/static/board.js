// The board: asks the station each second and brings the page into line without touching what has not changed.

import { get, say } from "./api.js";
import { board, choose } from "./board_state.js";
import { courseActs, renderCourse } from "./course.js";
import { keyed, make, setClass, setText } from "./dom.js";
import { renderEvents, renderPending } from "./side.js";
import { renderBar } from "./seat_acts.js";
import { renderHalt } from "./halt.js";
import { renderList, renderTiles } from "./tiles.js";
import { renderTrouble } from "./trouble.js";
import { clockSeconds, heardNow, stationNow } from "./times.js";

let changed = "";
let asking = null;
let next = null;
let awaySince = null;

function render() {
  if (!board.state) return;
  const present = new Set(board.state.seats.map((seat) => seat.entry_id));
  for (const entryId of board.chosen) if (!present.has(entryId)) board.chosen.delete(entryId);
  renderCourse(board);
  renderAlarms();
  renderHalt(board);
  renderCounts();
  renderTrouble(board);
  document.getElementById("tiles").hidden = board.asList;
  document.getElementById("list").hidden = !board.asList;
  if (board.asList) renderList(board);
  else renderTiles(board);
  renderPending(board);
  renderStatus();
  renderBar(board);
}

// Gives the answer to a question that was asked after this call: what was under way may know too little.
function refresh() {
  if (!asking) {
    asking = askStation().finally(() => {
      asking = null;
    });
    return asking;
  }
  if (!next) {
    next = asking.then(() => {
      next = null;
      return refresh();
    });
  }
  return next;
}

async function askStation() {
  const since = board.events.length ? board.events[0].number : 0;
  try {
    const answer = await get(`/api/board/${board.sittingId}?since=${since}&changed=${changed}`, { timeoutMs: 5000 });
    heardNow(answer.now);
    showAway(null);
    changed = answer.changed;
    if (!answer.unchanged) {
      if (answer.events.length) {
        const isRestored = answer.events[0].number <= since; // a journal that goes on from a backup
        board.events = (isRestored ? answer.events : [...answer.events, ...board.events]).slice(0, 300);
        renderEvents(board);
      }
      board.state = answer;
    }
    render();
  } catch (refusal) {
    if (refusal.code === "staff_not_logged_in") return;
    showAway(refusal);
    render(); // countdowns and ages run on
  }
}

function showAway(refusal) {
  const box = document.getElementById("away");
  if (!refusal) {
    awaySince = null;
    box.hidden = true;
    return;
  }
  awaySince = awaySince || new Date(stationNow()).toISOString();
  const since = clockSeconds(awaySince);
  setText(box, refusal.code === "away"
    ? say(`自 ${since} 起与服务器失去连接，下方为断开前的情况，正在自动重连。考生答案暂存在考生机上。`,
      `The server has been away since ${since}; what you see is from before. Trying again by itself. Answers wait on the candidates' PCs.`)
    : say(`自 ${since} 起无法刷新：${refusal.message}`, `No refresh since ${since}: ${refusal.message}`));
  box.hidden = false;
}

function renderAlarms() {
  const box = document.getElementById("alarms");
  const texts = board.state.alarms.map((alarm) => alarm.text);
  box.hidden = texts.length === 0;
  if (box.dataset.shown === texts.join("|")) return;
  box.dataset.shown = texts.join("|");
  box.replaceChildren(...board.state.alarms.map((alarm) =>
    make("p", { class: alarm.level }, make("span", { class: "mark", text: "!", "aria-hidden": "true" }), alarm.text)));
}

function renderStatus() {
  keyed(document.getElementById("status"), board.state.status, (line) => line.code, () => make("li"), (element, line) => {
    setClass(element, line.level);
    setText(element, line.text);
  });
}

const COUNTS = [
  ["expected", "应考", "expected", () => true],
  ["logged_in", "已登录", "logged in", (seat) => !["expected", "absent", "elsewhere"].includes(seat.state)],
  ["answering", "作答中", "answering", (seat) => seat.state === "answering"],
  ["suspended", "暂停", "suspended", (seat) => seat.state === "suspended"],
  ["handed_in", "已交卷", "handed in", (seat) => seat.state === "handed_in"],
  ["collected", "已收卷", "collected", (seat) => seat.state === "collected"],
  ["cancelled", "已终止", "terminated", (seat) => seat.state === "cancelled"],
  ["absent", "缺考", "absent", (seat) => seat.state === "absent"],
  ["late", "迟到", "late", (seat) => seat.attendance === "late"],
  ["lost", "断线", "lost", (seat) => seat.problems.some((one) => one.code === "lost")],
  ["help", "举手", "hands", (seat) => seat.problems.some((one) => one.code === "help")],
];

function renderCounts() {
  const box = document.getElementById("counts");
  if (!box.children.length) {
    for (const [code, zh, en, holds] of COUNTS) {
      box.append(make("button", {
        type: "button", class: `count ${code}`, title: say(`选中：${zh}`, `Select: ${en}`),
        onclick: () => choose(board.state.seats.filter((seat) => seat.entry_id && holds(seat)).map((seat) => seat.entry_id)),
      }, make("b"), make("span", { text: say(zh, en) })));
    }
    box.append(make("span", { class: "space" }), ...viewButtons());
  }
  COUNTS.forEach(([code], index) => {
    const chip = box.children[index];
    const number = board.state.counts[code] || 0;
    setText(chip.firstElementChild, String(number));
    setClass(chip, `count ${code}${number ? "" : " none"}`);
  });
  for (const button of box.querySelectorAll("[data-view]")) {
    button.setAttribute("aria-pressed", String((button.dataset.view === "list") === board.asList));
  }
}

function viewButtons() {
  const show = (asList) => () => {
    board.asList = asList;
    localStorage.setItem("board.list", asList ? "yes" : "no");
    render();
  };
  return [
    make("button", { type: "button", "data-view": "tiles", text: say("座位图", "Seats"), onclick: show(false) }),
    make("button", { type: "button", "data-view": "list", text: say("列表", "List"), onclick: show(true) }),
  ];
}

board.render = render;
board.refresh = refresh;
courseActs(board);
document.getElementById("loud-only").addEventListener("change", () => renderEvents(board));
setInterval(refresh, 1000);
refresh();
