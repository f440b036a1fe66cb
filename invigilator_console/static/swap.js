// A seat's PC dies: the stopwatch, the move to a spare with everything filled in, and the time lost in one click.

import { post, say } from "./api.js";
import { ask } from "./dialog.js";
import { notice } from "./dom.js";
import { decide } from "./extensions.js";
import { who, whom } from "./seat_acts.js";
import { ageSeconds, clockSeconds } from "./times.js";

const CAUSE = say("计算机故障", "PC fault");

/** Minutes and seconds since a moment, as a stopwatch shows them. */
export function stopwatch(moment) {
  const seconds = ageSeconds(moment);
  const hours = Math.floor(seconds / 3600);
  const minutes = String(Math.floor((seconds % 3600) / 60)).padStart(hours ? 2 : 1, "0");
  return `${hours ? `${hours}:` : ""}${minutes}:${String(seconds % 60).padStart(2, "0")}`;
}

/** What a tile says while its candidate has no PC. */
export function watchText(seat) {
  const time = stopwatch(seat.swap.heard_at || seat.swap.since);
  return seat.swap.from_seat ? say(`换机中 ${time}`, `moving ${time}`) : say(`断线 ${time}`, `lost ${time}`);
}

/** The same with both times, where there is room for them. */
export function watchLine(seat) {
  const { since, heard_at: heardAt, from_seat: fromSeat } = seat.swap;
  const act = say(`距上次操作 ${stopwatch(since)}`, `${stopwatch(since)} since the last act`);
  if (fromSeat) return say(`由 ${fromSeat} 换来，等候登录 ${stopwatch(since)}`, `from ${fromSeat}, log-in awaited ${stopwatch(since)}`);
  return heardAt ? say(`断线 ${stopwatch(heardAt)}，${act}`, `lost ${stopwatch(heardAt)}, ${act}`) : say(`断线，${act}`, `lost, ${act}`);
}

/** The free seat at which somebody whose PC has died has logged in and waits, if that is so. */
export function seatOfWaiting(board, seat) {
  if (!seat.waiting_login || seat.attempt_id === null || seat.connection === "online") return null;
  return board.state.seats.find((other) => other.seat === seat.waiting_login.seat && other.entry_id === null) || null;
}

/** They sit at the spare already: moving them there lets them in as well. */
export function moveToWaiting(board, seat) {
  return move(board, seat, seatOfWaiting(board, seat).seat_id, CAUSE);
}

/** Propose a spare whose PC has opened its link and at which nobody waits, with the reason filled in. */
export function moveSeat(board, seat) {
  const waitedAt = new Set(board.state.seats.map((other) => other.waiting_login?.seat));
  const rank = (other) => (other.is_spare ? 0 : 2) + (other.has_workstation ? 0 : 1) + (waitedAt.has(other.seat) ? 4 : 0);
  const spares = board.state.seats.filter((other) => other.entry_id === null).sort((one, other) => rank(one) - rank(other));
  if (!spares.length) return notice(say("本考场没有空闲考位。", "No seat of this room is free."), "bad");
  const options = Object.fromEntries(spares.map((other) => [`s${other.seat_id}`,
    `${other.seat}${other.is_spare ? say("（备用机）", " (spare)") : ""}${other.has_workstation ? "" : say("，未打开考位链接", ", link not opened")}`]));
  return ask({
    title: say("更换考位", "Move to another seat"),
    effects: [
      who(seat),
      say("答案与剩余时间全部保留；原考生机立即停止作答。", "All answers and the time stay; the old PC stops at once."),
      say("请考生到新考位用准考证号重新登录。更换情况和损失的时间自动记入考场情况记录。", "The candidate logs in again at the new seat. The move and the time lost go into the room record."),
    ],
    fields: [
      { name: "seat", label: say("换到", "Move to"), kind: "select", options },
      { name: "reason", label: say("原因", "Reason"), value: CAUSE },
    ],
    confirm: say("更换考位", "Move"),
    isFilledIn: true,
    act: async (values) => {
      await moveTo(board, seat, Number(values.seat.slice(1)), values.reason);
    },
  });
}

/**
 * Propose the exact time lost, for one or for all who came back; only where somebody was reading a person must say
 * from when it counts.
 */
export async function proposeTime(board, seats) {
  const isReading = seats.some((seat) => seat.returns[0].heard);
  const proposed = isReading ? await chooseBeginning(seats) : await tried(() => propose(seats, "act"));
  if (!proposed) return;
  await board.refresh();
  await decide(board, proposed.extension_ids);
}

/** Let the time stand still before the deadline collects somebody who has no PC. */
export function holdTime(seat) {
  return { entry_ids: [seat.entry_id], reason: say("计算机故障，等待换机", "PC fault, waiting for another PC") };
}

function chooseBeginning(seats) {
  const [back] = seats[0].returns;
  const line = (loss, zh, en) => (seats.length > 1 ? say(`自各自的${zh}起`, `from the ${en} of each`)
    : say(`自${zh} ${clockSeconds(loss.began_at)} 起：${loss.length}`, `from the ${en} at ${clockSeconds(loss.began_at)}: ${loss.length}`));
  return ask({
    title: say("申请补时", "Propose the time lost"),
    effects: [
      whom(seats),
      say("最后一次操作之后本机仍保持联系，考生可能在阅读。请选择从何时起计。", "The PC was still heard after the last act: the candidate may have been reading. Choose from when it counts."),
    ],
    fields: [{ name: "since", label: say("起计时间", "Counted"), kind: "select", value: "act", options: {
      act: line(back.act, "最后操作", "last act"), heard: line(back.heard, "最后联系", "last sign of life") } }],
    confirm: say("申请补时", "Propose"),
    isFilledIn: true,
    act: (values) => propose(seats, values.since),
  });
}

// One after the other: each has seconds and a reason of its own; they are decided together.
async function propose(seats, since) {
  const extensionIds = [];
  for (const seat of seats) {
    const [back] = seat.returns;
    const proposed = await post(`/api/swaps/${back.place_id}/propose`, { since: back.heard ? since : "act" });
    extensionIds.push(...proposed.extension_ids);
  }
  return { extension_ids: extensionIds };
}

function move(board, seat, seatId, reason) {
  return tried(() => moveTo(board, seat, seatId, reason));
}

async function moveTo(board, seat, seatId, reason) {
  const moved = await post("/api/seat_moves", { entry_id: seat.entry_id, seat_id: seatId, reason });
  notice(say(`${seat.name} 已换至考位 ${moved.seat}。`, `${seat.name} moved to seat ${moved.seat}.`));
  await board.refresh();
}

async function tried(act) {
  try {
    return await act();
  } catch (refusal) {
    notice(refusal.message, "bad");
    return null;
  }
}
