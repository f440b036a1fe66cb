// What needs somebody now, above the room: who, since when, and the one thing to do about it.

import { may, post, say } from "./api.js";
import { choose } from "./board_state.js";
import { keyed, make, notice, setClass, setText } from "./dom.js";
import { showDetails } from "./details.js";
import { decideLate } from "./late_answers.js";
import { markAbsent } from "./seat_acts.js";
import { holdTime, moveSeat, moveToWaiting, proposeTime, seatOfWaiting, watchLine } from "./swap.js";
import { age, ageSeconds } from "./times.js";
import { hold, holdNow } from "./workstation_acts.js";

// Above this many of one kind a single line stands for all.
const MOST_ALIKE = 3;
const LEVELS = { alarm: 0, warn: 1, note: 2 };

const REMEDIES = {
  waiting_release: ["release_login", "放行", "Release", (seat) => release(seat)],
  help: ["send_message", "已应答", "Answered", (seat) => quick("/api/help/answer", { entry_id: seat.entry_id })],
  lost: ["move_to_spare", "换备用机", "Move", (seat, board) => moveSeat(board, seat)],
  deadline_near: ["suspend_attempts", "暂停", "Suspend", (seat) => quick("/api/attempts/suspend", holdTime(seat))],
  time_lost: ["propose_extension", "申请补时", "Propose", (seat, board, seats) => proposeTime(board, seats)],
  suspended: ["resume_attempts", "恢复", "Resume", (seat) => quick("/api/attempts/resume", { entry_ids: [seat.entry_id] })],
  out: ["record_leave", "已返回", "Is back", (seat) => quick("/api/leave/end", { entry_id: seat.entry_id })],
  absence_open: ["record_attendance", "记缺考", "Absent", (seat, board) => markAbsent(board, [seat])],
  late_saves: ["see_board", "裁定", "Decide", () => decideLate()],
  device_code: ["free_devices", "重新锁定", "Lock again", (seat, board, seats) => lockAgain(board, seats)],
  device_freed: ["free_devices", "重新锁定", "Lock again", (seat, board, seats) => lockAgain(board, seats)],
};
// What can also be let be, once somebody has looked.
const NOTED = { device_code: ["free_devices", "知悉", "Noted", (seats) => quick("/api/devices/acknowledge", { device_ids: seats.map((seat) => seat.device.id) })] };
// What has one screen for many.
const FOR_MANY = ["late_saves", "time_lost", "device_code", "device_freed"];

let quickDone = () => {};

export function renderTrouble(board) {
  quickDone = board.refresh;
  const box = document.getElementById("trouble");
  const lines = gather(board);
  box.hidden = lines.length === 0;
  keyed(box, lines, (line) => line.key, newLine, (element, line) => {
    element.line = line;
    element.board = board;
    setClass(element, `line ${line.level}${line.code === "device_code" ? " wide" : ""}`);
    const [mark, who, text, noted, button] = element.children;
    noted.hidden = !canBeNoted(line);
    setText(mark, line.level === "note" ? "i" : "!");
    setText(who, line.seats.length === 1 ? `${line.seats[0].seat} ${line.seats[0].name}` : say(`${line.seats.length} 人`, `${line.seats.length}`));
    who.title = who.textContent;
    setText(text, textOf(line));
    text.title = text.textContent;
    const remedy = (line.seats.length === 1 || FOR_MANY.includes(line.code)) && remedyOf(board, line);
    setText(button, remedy && may(remedy[0]) ? say(remedy[1], remedy[2]) : line.seats.length === 1 ? say("查看", "Look") : say("选中", "Select"));
  });
}

function gather(board) {
  const byCode = new Map();
  for (const seat of board.state.seats) {
    for (const one of seat.problems) {
      if (one.code === "extension_pending") continue; // has its own list beside
      if (one.code === "lost" && seatOfWaiting(board, seat)) continue; // sits at a spare: one line with one button
      if (!byCode.has(one.code)) byCode.set(one.code, []);
      byCode.get(one.code).push({ ...one, seats: [seat], key: `${one.code}-${seat.entry_id}` });
    }
  }
  const lines = [];
  for (const [code, alike] of byCode) {
    // Nobody is late in the first minutes: those who have yet to come stand in one line.
    const together = alike.length > MOST_ALIKE || ["not_in", "not_opened"].includes(code);
    if (!together || alike.length === 1) lines.push(...alike);
    else lines.push({ ...alike[0], key: code, text: summary(code, alike[0]), seats: alike.map((one) => one.seats[0]) });
  }
  return lines.sort((one, other) => LEVELS[one.level] - LEVELS[other.level] || (one.since || "").localeCompare(other.since || ""));
}

function textOf(line) {
  if (line.seats.length > 1) return line.text;
  if (["lost", "moving"].includes(line.code) && line.seats[0].swap) return watchLine(line.seats[0]);
  return line.since ? `${line.text} ${age(ageSeconds(line.since))}` : line.text;
}

// Who has left a dead PC and sits at a spare already is moved there, not only let in.
function remedyOf(board, { seats, code }) {
  const spare = code === "waiting_release" && seatOfWaiting(board, seats[0]);
  if (!spare) return REMEDIES[code];
  return ["move_to_spare", `换至 ${spare.seat}`, `Move to ${spare.seat}`, (seat) => moveToWaiting(board, seat)];
}

function canBeNoted({ code, level }) {
  return level === "alarm" && Boolean(NOTED[code]) && may(NOTED[code][0]);
}

// One PC at once; many after a look at which they are.
async function lockAgain(board, seats) {
  if (seats.length > 1) return hold(seats, board.refresh);
  try {
    await holdNow(seats);
  } catch (refusal) {
    notice(refusal.message, "bad");
  }
  return quickDone();
}

function summary(code, one) {
  return { late_saves: say("有答案截止后到达，待裁定", "have late answers, undecided"), device_code: say("考试机已用解锁码解锁", "PCs unlocked by code"), suspended: say("已暂停", "suspended"),
    waiting_release: say("等待放行", "wait for release"), time_lost: say("已恢复，损失待申请补时", "are back: time lost to propose") }[code] || one.text;
}

function newLine() {
  const line = make("div", { class: "line" },
    make("span", { class: "mark", "aria-hidden": "true" }), make("b"), make("span", { class: "text" }),
    make("button", { type: "button", class: "small", text: say("知悉", "Noted"), hidden: "" }), make("button", { type: "button", class: "small" }));
  line.children[1].addEventListener("click", () => choose(line.line.seats.map((seat) => seat.entry_id)));
  line.children[3].addEventListener("click", () => NOTED[line.line.code][3](line.line.seats));
  line.lastElementChild.addEventListener("click", () => mend(line));
  return line;
}

function mend(element) {
  const { seats, code } = element.line;
  const remedy = remedyOf(element.board, element.line);
  if (seats.length > 1 && !FOR_MANY.includes(code)) choose(seats.map((seat) => seat.entry_id));
  else if (remedy && may(remedy[0])) remedy[3](seats[0], element.board, seats);
  else showDetails(seats[0]);
}

function release(seat) {
  return quick(`/api/logins/${seat.waiting_login.login_id}/release`, {});
}

async function quick(path, body) {
  try {
    await post(path, body);
  } catch (refusal) {
    notice(refusal.message, "bad");
  }
  await quickDone();
}
