// Acts on the chosen candidates: each dialog repeats name, seat and effect, and asks for one decision.

import { may, post, say } from "./api.js";
import { board, chosenSeats, choose } from "./board_state.js";
import { ask, secondOf, secondUnlessMay } from "./dialog.js";
import { showDetails } from "./details.js";
import { make, notice, setText } from "./dom.js";
import { extendTime } from "./extensions.js";
import { moveSeat } from "./swap.js";

const OPEN = ["answering", "suspended", "waiting"];
const isOpen = (seat) => seat.attempt_id !== null && OPEN.includes(seat.state);

// code, act of the role, text, for whom it can be done, what it does, whether for one only
const ACTS = [
  ["message", "send_message", say("发送消息", "Send message"), () => true, (seats) => sendMessage(seats)],
  ["extend", "propose_extension", say("延长时间", "Extend time"), isOpen, (seats) => extendTime(board, seats)],
  ["suspend", "suspend_attempts", say("暂停作答", "Suspend"), (seat) => seat.state === "answering", (seats) => suspend(seats)],
  ["resume", "resume_attempts", say("恢复作答", "Resume"), (seat) => seat.state === "suspended", (seats) => resume(seats)],
  ["move", "move_to_spare", say("换备用机", "Move to spare"), (seat) => !["handed_in", "collected", "cancelled"].includes(seat.state), (seats) => moveSeat(board, seats[0]), true],
  ["collect", "collect_attempts", say("收取答卷", "Collect"), isOpen, (seats) => collect(seats)],
  ["leave", "record_leave", say("临时离场", "Leave for a moment"), isOpen, (seats) => leave(seats[0]), true],
  ["early", "see_board", say("同意提前交卷", "Allow early hand-in"), isOpen, (seats) => earlyLeave(seats)],
  ["absent", "record_attendance", say("记为缺考", "Record absent"), (seat) => seat.attempt_id === null && seat.state !== "absent", (seats) => markAbsent(board, seats)],
  ["present", "record_attendance", say("撤销缺考", "Withdraw absence"), (seat) => seat.state === "absent", (seats) => withdrawAbsence(seats)],
  ["incident", "record_incident", say("记录情况", "Record incident"), () => true, (seats) => board.recordIncident(seats[0]), true],
  ["terminate", "see_board", say("终止考核", "Terminate"), isOpen, (seats) => terminate(seats[0]), true],
  ["details", "see_board", say("查看详情", "Details"), () => true, (seats) => showDetails(seats[0]), true],
];

export function renderBar(state) {
  const box = document.getElementById("chosen-acts");
  if (!box.children.length) {
    box.append(make("button", { type: "button", text: say("全选", "Select all"), onclick: () => chooseAll() }),
      make("button", { type: "button", text: say("取消选择", "Select none"), onclick: () => choose([]) }));
    for (const [code, act, text] of ACTS) {
      if (may(act)) box.append(make("button", { type: "button", "data-act": code, text, class: code === "terminate" ? "danger-text" : "", onclick: () => perform(code) }));
    }
  }
  const seats = chosenSeats();
  const names = seats.slice(0, 3).map((seat) => `${seat.seat} ${seat.name}`).join("、");
  setText(document.getElementById("chosen"), seats.length === 0 ? say("点选考位后操作", "Select seats to act on")
    : say(`已选 ${seats.length} 人：${names}${seats.length > 3 ? "…" : ""}`, `${seats.length} selected: ${names}${seats.length > 3 ? "…" : ""}`));
  box.children[1].hidden = seats.length === 0;
  for (const button of box.querySelectorAll("[data-act]")) {
    const [, , , holds, , single] = ACTS.find(([code]) => code === button.dataset.act);
    const fitting = seats.filter(holds);
    button.hidden = fitting.length === 0 || (single && seats.length !== 1);
  }
  document.body.classList.toggle("acting", state.chosen.size > 0);
}

export function markAbsent(theBoard, seats) {
  return simple(seats, "/api/entries/absent", say("记为缺考", "Record as absent"),
    [say("记录后该考生不能再登录本场次；误记可以撤销。", "They cannot log in to this sitting any more; it can be withdrawn.")], [], {}, true);
}

export function who(seat) {
  return say(`考位 ${seat.seat} ${seat.name}（准考证尾号 ${seat.ticket_tail}）`, `Seat ${seat.seat} ${seat.name} (ticket …${seat.ticket_tail})`);
}

export function whom(seats) {
  if (seats.length === 1) return who(seats[0]);
  const names = seats.slice(0, 10).map((seat) => `${seat.seat} ${seat.name}`).join("、");
  return say(`${seats.length} 人：${names}${seats.length > 10 ? " 等" : ""}`, `${seats.length} candidates: ${names}${seats.length > 10 ? " …" : ""}`);
}

board.recordIncident = (seat) => ask({
  title: say("记录考场情况", "Record an incident"),
  effects: [seat ? who(seat) : say("全考场", "The whole room"), say("记入《考场情况记录表》，不能删除。", "Goes into the room record and cannot be removed.")],
  fields: [
    { name: "kind", label: say("情况类别", "Kind"), kind: "select", options: board.words.incidents, value: seat ? "other" : "equipment" },
    { name: "text", label: say("经过与处理", "What happened, what was done"), kind: "text" },
    { name: "measure", label: say("违纪处理措施（由主考决定）", "Measure (decided by the chief examiner)"), kind: "select",
      options: { "": say("无", "none"), ...board.words.measures }, when: (values) => ["violation", "cheating"].includes(values.kind) },
    ...secondUnlessMay("decide_violation", (values) => values.measure && ["violation", "cheating"].includes(values.kind)),
  ],
  confirm: say("记录情况", "Record"),
  act: async (values) => {
    const measure = ["violation", "cheating"].includes(values.kind) ? values.measure : "";
    await post("/api/incidents", { sitting_id: board.sittingId, entry_id: seat ? seat.entry_id : null, kind: values.kind,
      measure, text: values.text, second: measure ? secondOf(values) : undefined });
    await done(say("已记录。", "Recorded."));
  },
});

function sendMessage(seats) {
  const all = seats.length === board.state.counts.expected;
  return ask({
    title: say("发送消息", "Send a message"),
    effects: [all ? say("全场考生", "All candidates") : whom(seats), say("显示在考生页面上方。不得提示或解释试题。", "Shown on their page. No help with items.")],
    fields: [{ name: "text", label: say("消息内容", "Message"), kind: "text" }],
    confirm: say("发送消息", "Send"),
    act: async (values) => {
      await post("/api/messages", { sitting_id: board.sittingId, entry_ids: all ? null : seats.map((seat) => seat.entry_id), text: values.text });
      await done(say("消息已发送。", "Sent."));
    },
  });
}

function suspend(seats) {
  return simple(seats, "/api/attempts/suspend", say("暂停作答", "Suspend"),
    [say("立即停止作答，计时停止；恢复后补回暂停的时间。", "Stops at once; the time stands still and is given back.")],
    [{ name: "reason", label: say("原因", "Reason") }]);
}

function resume(seats) {
  return simple(seats, "/api/attempts/resume", say("恢复作答", "Resume"), [say("暂停的时间补给考生。", "The suspended time is given back.")]);
}

function collect(seats) {
  return simple(seats, "/api/attempts/collect", say("收取答卷", "Collect"),
    [say("已保存的答案全部收取，考生不能再作答。此操作不能撤销。", "All saved answers are taken and answering ends. This cannot be undone.")],
    [{ name: "reason", label: say("原因", "Reason") }], {}, true);
}

function terminate(seat) {
  return simple([seat], "/api/attempts/terminate", say("终止考核", "Terminate the test"),
    [say("考核立即终止，答案保留上报。由主考决定，不能撤销。", "The test ends at once, answers are kept. The chief examiner decides; it cannot be undone.")],
    [{ name: "reason", label: say("原因", "Reason"), kind: "text" }, ...secondUnlessMay("decide_violation")], {}, true);
}

function earlyLeave(seats) {
  const minutes = board.state.sitting.early_leave_min;
  return simple(seats, "/api/early_leave", say("同意提前交卷", "Allow early hand-in"),
    [say(`主考同意后，考生可在最后 ${minutes} 分钟内自行交卷。`, `They may hand in during the last ${minutes} minutes.`)], secondUnlessMay("allow_early_leave"));
}

function withdrawAbsence(seats) {
  return simple(seats, "/api/entries/withdraw_absence", say("撤销缺考", "Withdraw absence"), [say("考生可以重新登录。", "They may log in again.")]);
}

function leave(seat) {
  return simple([seat], "/api/leave/begin", say("临时离场", "Leave for a moment"),
    [say("每个考场同时只允许一人离场，须有人陪同；计时不停。", "One at a time, accompanied; the time runs on.")], [], { entry_id: seat.entry_id });
}

function simple(seats, path, title, effects, fields = [], body = null, danger = false) {
  const target = body?.entry_id ? body : { entry_ids: seats.map((seat) => seat.entry_id) };
  return ask({
    title, effects: [whom(seats), ...effects], fields, confirm: title, danger,
    act: async (values) => {
      await post(path, { ...target, reason: values.reason, second: secondOf(values) });
      await done(say(`${title}：完成。`, `${title}: done.`));
    },
  });
}

async function done(text) {
  notice(text);
  await board.refresh();
}

function chooseAll() {
  choose(board.state.seats.filter((seat) => seat.entry_id !== null).map((seat) => seat.entry_id));
}

function perform(code) {
  const [, , , holds, act] = ACTS.find((one) => one[0] === code);
  act(chosenSeats().filter(holds));
}
