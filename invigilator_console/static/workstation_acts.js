// What staff do with PCs: each dialog says which PCs and what will happen.

import { get, may, post, say } from "./api.js";
import { ask } from "./dialog.js";
import { make, notice } from "./dom.js";
import { clock } from "./times.js";

const there = (seat) => !["lost", "unheard"].includes(seat.device.state);
const any = () => true;

// text, the role's act, for which PCs, what it does; `one`: a single PC, `whole`: the room
const ACTS = [
  { code: "lock_screen", act: "command_devices", text: say("锁屏并提示", "Lock screen"), holds: any, perform: lockScreen },
  { code: "release_screen", act: "command_devices", text: say("恢复屏幕", "Release screen"), holds: (seat) => seat.device.state === "screen" || seat.device.screen_text !== "", perform: releaseScreen },
  { code: "restart_browser", act: "command_devices", text: say("重启考试页面", "Restart page"), holds: any, perform: (seats, done) => command(seats, done, "restart_browser", say("重启考试页面", "Restart the test page"), say("考试页面关闭后重新打开，已保存的答案不受影响。", "The page closes and opens again; saved answers stay.")) },
  { code: "picture", act: "see_screens", text: say("查看屏幕", "Look at screen"), holds: (seat) => seat.device.takes_pictures && there(seat), one: true, perform: lookAtScreen, hint: say("考试计划允许、且已告知考生时可用", "Where the plan allows it and candidates are told") },
  { code: "check", act: "command_devices", text: say("重新检查", "Check again"), holds: any, perform: (seats, done) => command(seats, done, "check", say("重新检查", "Check again"), say("结果显示在“考场检查”页。", "The result stands on the page Room check.")) },
  { code: "update", act: "command_devices", text: say("更新程序", "Update"), holds: (seat) => seat.device.can_update, perform: (seats, done) => command(seats, done, "update", say("更新程序", "Update the agent"), say("从本服务器下载安装，约 1 分钟，其间考试机短暂断线。", "Installed from this server in about a minute; the PC is away for a moment.")) },
  { code: "confirm", act: "set_up_seats", text: say("确认考试机", "Confirm PC"), holds: (seat) => seat.device.is_doubted, perform: confirmPc, hint: say("更换过网卡、主板等的考试机，核对后确认", "For a PC whose parts were changed, after a look at it") },
  { code: "free", act: "free_devices", text: say("解除锁定", "Unlock"), holds: (seat) => seat.device.is_held && !["freed", "code"].includes(seat.device.state), perform: free, danger: true },
  { code: "hold", act: "free_devices", text: say("重新锁定", "Lock again"), holds: (seat) => ["freed", "code"].includes(seat.device.state) || (seat.device.is_held && !there(seat)), perform: hold, hint: say("断线的考试机恢复连接后锁定", "A PC that is away locks when it is back") },
  { code: "acknowledge", act: "free_devices", text: say("知悉", "Noted"), holds: (seat) => seat.device.state === "code" && !seat.device.is_freed_seen, perform: acknowledge, hint: say("知悉已用解锁码，保持解锁，不再报警", "Stays unlocked, calls nobody any more") },
  { code: "unlock_code", act: "show_unlock_code", text: say("解锁码", "Unlock code"), holds: any, one: true, perform: showCode, hint: say("考试机连不上服务器又锁定时使用", "For a locked PC that cannot reach the server") },
  { code: "log_out", act: "command_devices", text: say("注销", "Log out"), holds: there, perform: (seats, done) => command(seats, done, "log_out", say("注销", "Log out"), say("注销操作系统账户。有人作答的考试机不能注销。", "Logs out of the system; refused where somebody answers."), true), danger: true },
  { code: "shut_down", act: "command_devices", text: say("关机", "Shut down"), holds: there, perform: (seats, done) => command(seats, done, "shut_down", say("关机", "Shut down"), say("有人作答的考试机不能关机。", "Refused where somebody answers."), true), danger: true },
  { code: "sheet", act: "print_unlock_sheet", text: say("打印解锁码密封单", "Sealed sheet"), holds: any, whole: true, perform: (seats, done, room) => { location.href = `/unlock_sheet/${room.id}`; } },
];

export function allowedActs() {
  return ACTS.filter((act) => may(act.act));
}

export function openPairing(room, done) {
  return ask({
    title: say("开放登记", "Open registration"),
    effects: [room.name, say("12 小时内，考试机输入考位号即可登记；封场或点“关闭登记”后停止。", "For 12 hours PCs register by typing their seat number; sealing the room or closing ends it.")],
    confirm: say("开放登记", "Open"), isFilledIn: true,
    act: async () => { await post("/api/pairing/open", { room_id: room.id }); await done(); },
  });
}

export async function closePairing(room, done) {
  try {
    await post("/api/pairing/close", { room_id: room.id });
    await done();
  } catch (refusal) {
    notice(refusal.message, "bad");
  }
}

export function giveSeat(device, rooms, done) {
  const several = rooms.length > 1;
  // Keys that are numbers would stand before all others: the first seat, with its PC, would be chosen already.
  const options = { "": say("请选择", "choose") };
  for (const room of rooms) {
    for (const seat of room.seats) {
      if (seat.device?.id === device.id) continue;
      const holder = seat.device ? say(`（现为 ${seat.device.name}）`, ` (now ${seat.device.name})`) : "";
      options[`s${seat.seat_id}`] = `${several ? `${room.name} ` : ""}${seat.seat}${seat.is_spare ? say(" 备用", " spare") : ""}${holder}`;
    }
  }
  return ask({
    title: say("指定考位", "Give a seat"),
    effects: [say(`考试机 ${device.name}`, `PC ${device.name}`), say("如该考位已有考试机，原来那台变为待指定考位。", "A PC that holds the seat now stands without one then.")],
    fields: [{ name: "seat_id", label: say("考位", "Seat"), kind: "select", options }],
    confirm: say("指定考位", "Give the seat"),
    act: async (values) => {
      if (!values.seat_id) throw new Error(say("请选择考位。", "Choose a seat."));
      await post("/api/devices/seat", { device_id: device.id, seat_id: Number(values.seat_id.slice(1)) });
      await done();
    },
  });
}

export function removeDevice(device, seat, done) {
  return ask({
    title: say("移除考试机", "Take a PC away"),
    effects: [seat ? say(`考位 ${seat.seat} 考试机 ${device.name}`, `Seat ${seat.seat}, PC ${device.name}`) : device.name,
      say("本机不再受考站管理，须重新登记才能使用。", "The station has no more to do with it until it is registered again.")],
    confirm: say("移除", "Take away"), danger: true,
    act: async () => { await post("/api/devices/remove", { device_id: device.id }); await done(); },
  });
}

function confirmPc(seats, done) {
  return ask({
    title: say("确认考试机", "Confirm PCs"),
    effects: [whom(seats), say("请到考位核对：确是这台电脑，硬件更换有据。不是的，请移除。", "Go and look: it is this PC, and its parts were changed. If not, take it away.")],
    confirm: say("确认考试机", "Confirm"), isFilledIn: true,
    act: async () => { await post("/api/devices/confirm", ids(seats)); await done(); },
  });
}

export async function showPicture(seat, command) {
  const image = make("img", { src: `/pictures/${command.id}`, alt: say(`考位 ${seat.seat} 的屏幕`, `Screen of seat ${seat.seat}`) });
  const close = make("button", { type: "button", class: "primary", text: say("关闭", "Close") });
  const dialog = make("dialog", { class: "picture" }, make("h2", { text: say(`考位 ${seat.seat} 屏幕 ${clock(command.done_at || command.given_at)}`, `Seat ${seat.seat}, screen at ${clock(command.done_at || command.given_at)}`) }), image, make("div", { class: "acts" }, close));
  image.addEventListener("error", () => image.replaceWith(make("p", { text: say("画面已删除：成绩上报后不再保留。", "The picture is gone: it is not kept after delivery.") })));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function whom(seats) {
  const names = seats.slice(0, 15).map((seat) => seat.seat).join("、");
  return say(`考位 ${names}${seats.length > 15 ? " 等" : ""}（${seats.length} 台）`, `Seats ${names}${seats.length > 15 ? " …" : ""} (${seats.length})`);
}

const ids = (seats) => ({ device_ids: seats.map((seat) => seat.device.id) });

function command(seats, done, kind, title, effect, danger = false) {
  return ask({
    title, effects: [whom(seats), effect], confirm: title, danger, isFilledIn: true,
    act: async () => { await post("/api/devices/command", { ...ids(seats), kind }); notice(say("已下达。", "Given.")); await done(); },
  });
}

function lockScreen(seats, done) {
  return ask({
    title: say("锁屏并提示", "Lock screens"),
    effects: [whom(seats), say("考生只看到这段提示，不能作答；计时不停，需要停时请在监控页“暂停作答”。", "They see this text only. Time runs on: suspend on the board if it shall not.")],
    fields: [{ name: "text", label: say("提示内容", "Text"), kind: "text", value: say("请停止操作，听从监考员安排。", "Please stop and listen to the invigilator.") }],
    confirm: say("锁屏", "Lock"),
    act: async (values) => { await post("/api/devices/lock_screen", { ...ids(seats), text: values.text }); await done(); },
  });
}

function releaseScreen(seats, done) {
  return ask({
    title: say("恢复屏幕", "Release screens"), effects: [whom(seats), say("回到考试页面。", "Back to the test page.")],
    confirm: say("恢复屏幕", "Release"), isFilledIn: true,
    act: async () => { await post("/api/devices/release_screen", ids(seats)); await done(); },
  });
}

function free(seats, done) {
  return ask({
    title: say("解除锁定", "Unlock PCs"),
    effects: [whom(seats), say("本场次内考试机不再锁定，考生可使用其他程序，须有人在场看管。写入记录。", "Not locked for this sitting: other programs can be used, so somebody has to watch. It is recorded.")],
    fields: [{ name: "reason", label: say("原因", "Reason") }], confirm: say("解除锁定", "Unlock"), danger: true,
    act: async (values) => { await post("/api/devices/free", { ...ids(seats), reason: values.reason }); await done(); },
  });
}

export function hold(seats, done) {
  const away = seats.filter((seat) => !there(seat));
  const later = away.length && say(`${away.length} 台断线：恢复连接后锁定；此前用过的解锁码不再有效。`, `${away.length} are away: they lock when they are back, whatever code was used before now.`);
  return ask({
    title: say("重新锁定", "Lock again"), effects: [whom(seats), say("考试页面重新打开，已保存的答案不受影响。", "The test page opens anew; saved answers stay."), later].filter(Boolean), confirm: say("重新锁定", "Lock again"), isFilledIn: true,
    act: async () => { await holdNow(seats); await done(); },
  });
}

/** Lock PCs again, and say of those that are away that it comes later. */
export async function holdNow(seats) {
  const answer = await post("/api/devices/hold", ids(seats));
  if (answer.silent) notice(say(`已下达。${answer.silent} 台断线，恢复连接后锁定。`, `Given. ${answer.silent} are away and lock when they are back.`));
}

function acknowledge(seats, done) {
  return ask({
    title: say("知悉解锁", "Note the unlocking"),
    effects: [whom(seats), say("考试机保持解锁，须有人看管；监控页不再报警。写入记录。", "They stay unlocked and somebody has to watch; the board calls nobody any more. It is recorded.")],
    confirm: say("知悉", "Noted"), isFilledIn: true,
    act: async () => { await post("/api/devices/acknowledge", ids(seats)); await done(); },
  });
}

async function showCode(seats) {
  const seat = seats[0];
  const shown = await ask({
    title: say("查看解锁码", "Show an unlock code"),
    effects: [say(`考位 ${seat.seat} 考试机 ${seat.device.name}`, `Seat ${seat.seat}, PC ${seat.device.name}`),
      say("仅当考试机连不上服务器又处于锁定时使用。每个解锁码只能用一次，查看即写入记录。", "Only for a locked PC that cannot reach the server. Each code is good once; showing it is recorded.")],
    fields: [{ name: "reason", label: say("原因", "Reason") }], confirm: say("查看解锁码", "Show"), danger: true,
    act: (values) => post("/api/unlock_codes/show", { seat_id: seat.seat_id, reason: values.reason }),
  });
  if (!shown) return;
  const close = make("button", { type: "button", class: "primary", text: say("关闭", "Close") });
  const dialog = make("dialog", {}, make("h2", { text: say(`考位 ${seat.seat} 解锁码`, `Unlock code of seat ${seat.seat}`) }),
    make("p", { class: "big-code", text: `${shown.code.slice(0, 4)} ${shown.code.slice(4)}` }),
    make("p", { class: "hint", text: say("在该考试机上按 Ctrl+Alt+Shift+U，由监考员亲自输入，不要念出声。", "Press Ctrl+Alt+Shift+U on that PC. The invigilator types it; do not read it aloud.") }),
    make("div", { class: "acts" }, close));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

// The picture is asked for, waited for, and shown when it has come.
async function lookAtScreen(seats, done) {
  const seat = seats[0];
  const given = await ask({
    title: say("查看屏幕", "Look at a screen"),
    effects: [say(`考位 ${seat.seat}`, `Seat ${seat.seat}`), say("取一张当前屏幕画面，只供监考人员查看，成绩上报后删除。写入记录。", "One picture, for staff only, deleted after delivery. It is recorded.")],
    fields: [{ name: "reason", label: say("原因", "Reason") }], confirm: say("查看屏幕", "Look"),
    act: (values) => post("/api/devices/picture", { ...ids(seats), reason: values.reason }),
  });
  if (!given) return;
  await done();
  const id = given.command_ids[0];
  for (let turn = 0; turn < 20; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const answer = await get("/api/workstations");
    const commands = answer.rooms.flatMap((room) => room.seats).flatMap((one) => one.device?.commands || []);
    const command = commands.find((one) => one.id === id);
    if (command?.done_at) {
      if (command.is_ok) showPicture(seat, command);
      else notice(say(`没有取到画面：${command.text}`, `No picture: ${command.text}`), "bad");
      return;
    }
  }
  notice(say("画面还没有到，到后显示在“最近操作”栏。", "The picture has not come yet; it will stand under Last act."), "bad");
}
