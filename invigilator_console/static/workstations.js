// The PCs of a room: asks each second, and changes only what has changed.

import { get, may, say } from "./api.js";
import { keyed, make, setClass, setText } from "./dom.js";
import { allowedActs, closePairing, giveSeat, openPairing, removeDevice, showPicture } from "./workstation_acts.js";
import { age, ageSeconds, clock, heardNow } from "./times.js";

const view = { rooms: [], waiting: [], roomId: Number(localStorage.getItem("pcs.room")), chosen: new Set(), filter: "all" };
const FILTERS = [
  ["all", say("全部", "All"), () => true],
  ["attention", say("需处理", "Attention"), (seat) => seat.device && (["alarm", "warn"].includes(seat.device.level) || seat.device.problems.length > 0 || seat.device.is_old)],
  ["absent", say("未登记", "Not registered"), (seat) => !seat.device],
  ["silent", say("断线或未连接", "Lost"), (seat) => seat.device && ["lost", "unheard"].includes(seat.device.state)],
];
const SYSTEMS = { windows: "Windows", linux: "Linux" };
const PAGES = { running: say("已打开", "open"), starting: say("正在打开", "opening"), none: say("未打开", "not open") };

const room = () => view.rooms.find((one) => one.id === view.roomId) || view.rooms.find((one) => one.seats.length) || view.rooms[0];
const chosenSeats = () => room().seats.filter((seat) => seat.device && view.chosen.has(seat.device.id));

async function refresh() {
  const away = document.getElementById("away");
  try {
    const answer = await get("/api/workstations");
    heardNow(answer.now);
    Object.assign(view, { rooms: answer.rooms, waiting: answer.waiting, wanted: answer.wanted });
    render();
    away.hidden = true;
  } catch (refusal) {
    setText(away, refusal.message);
    away.hidden = false;
  }
}

function render() {
  if (!room()) return;
  const present = new Set(room().seats.map((seat) => seat.device?.id));
  view.chosen = new Set([...view.chosen].filter((id) => present.has(id)));
  renderHead();
  renderWaiting();
  renderFilters();
  renderRows();
  renderBar();
}

function renderHead() {
  const rooms = document.getElementById("rooms");
  rooms.hidden = view.rooms.length < 2;
  keyed(rooms, view.rooms, (one) => one.id, (one) => make("button", { type: "button", role: "tab", onclick: () => chooseRoom(one.id) }), (tab, one) => {
    setText(tab, one.name);
    tab.setAttribute("aria-selected", String(one === room()));
  });
  const seats = room().seats;
  const paired = seats.filter((seat) => seat.device);
  const online = paired.filter((seat) => !["lost", "unheard"].includes(seat.device.state));
  const ordinary = (list) => list.filter((seat) => !seat.is_spare).length;
  setText(document.getElementById("pc-counts"), say(
    `考位 ${ordinary(seats)} + 备用 ${seats.length - ordinary(seats)} · 已登记 ${ordinary(paired)} + ${paired.length - ordinary(paired)} · 在线 ${ordinary(online)} + ${online.length - ordinary(online)}`,
    `${ordinary(seats)} seats + ${seats.length - ordinary(seats)} spares · registered ${ordinary(paired)} + ${paired.length - ordinary(paired)} · there ${ordinary(online)} + ${online.length - ordinary(online)}`));
  renderPairing();
}

function renderPairing() {
  const box = document.getElementById("pairing");
  const until = room().pairing_until;
  setClass(box, until ? "open" : "");
  const key = `${room().id} ${until}`;
  if (box.dataset.shows === key) return;
  box.dataset.shows = key;
  const text = until ? say(`登记开放至 ${clock(until)}`, `registration open until ${clock(until)}`) : say("登记已关闭", "registration closed");
  const act = until ? [say("关闭登记", "Close"), () => closePairing(room(), refresh)] : [say("开放登记", "Open registration"), () => openPairing(room(), refresh)];
  box.replaceChildren(make("span", { text }), may("set_up_seats") ? make("button", { type: "button", class: "small", text: act[0], onclick: act[1] }) : "");
}

function renderWaiting() {
  const box = document.getElementById("waiting");
  box.hidden = view.waiting.length === 0;
  if (!box.firstElementChild) box.append(make("h2"), make("ul"));
  setText(box.children[0], say(`等待指定考位的考试机（${view.waiting.length} 台）`, `PCs that wait for a seat (${view.waiting.length})`));
  keyed(box.children[1], view.waiting, (device) => device.id, newWaiting, (row, device) => {
    row.device = device;
    setText(row.children[0], device.name);
    setText(row.children[1], [SYSTEMS[device.system] || device.system, device.version, device.state_name, ...device.problems].join(" · "));
  });
}

function newWaiting() {
  const row = make("li", {}, make("b"), make("span", { class: "hint" }));
  if (may("set_up_seats")) {
    row.append(
      make("button", { type: "button", class: "small primary", text: say("指定考位", "Give a seat"), onclick: () => giveSeat(row.device, view.rooms, refresh) }),
      make("button", { type: "button", class: "small", text: say("移除", "Take away"), onclick: () => removeDevice(row.device, null, refresh) }));
  }
  return row;
}

function renderFilters() {
  keyed(document.getElementById("pc-filters"), FILTERS, ([code]) => code, ([code]) => make("button", { type: "button", onclick: () => chooseFilter(code) }), (button, [code, text, holds]) => {
    setText(button, `${text} ${room().seats.filter(holds).length}`);
    button.setAttribute("aria-pressed", String(view.filter === code));
  });
}

function renderRows() {
  const holds = FILTERS.find(([code]) => code === view.filter)[2];
  const seats = room().seats.filter(holds);
  const none = document.getElementById("pc-none");
  none.hidden = seats.length > 0;
  setText(none, room().seats.length ? say("没有这样的考试机。", "No PC is like that.") : say("本考场还没有考位，请先导入名单。", "This room has no seats yet: import the roster first."));
  keyed(document.getElementById("pc-rows"), seats, (seat) => seat.seat_id, newRow, (row, seat) => {
    row.seat = seat;
    const device = seat.device;
    const isChosen = device !== null && view.chosen.has(device.id);
    setClass(row, device ? `level-${device.level}${device.state === "locked" ? " is-locked" : ""}${isChosen ? " chosen" : ""}` : "none");
    const [box, number, name, state, page, version, problems, act, more] = row.children;
    box.firstElementChild.checked = isChosen;
    box.firstElementChild.disabled = device === null;
    setText(number.firstElementChild, seat.seat);
    setText(number.children[1], seat.is_spare ? say(" 备用", " spare") : "");
    setText(name, device ? device.name : seat.link_address ? say(`考位链接 ${seat.link_address}`, `seat link ${seat.link_address}`) : "—");
    setText(state, device ? stateText(device) : say("未登记", "not registered"));
    setText(page, device?.browser && !["lost", "unheard"].includes(device.state) ? PAGES[device.browser] || device.browser : "");
    setText(version, device ? versionText(device) : "");
    setClass(version, device?.is_old ? "old" : "");
    setText(problems, device ? device.problems.join("；") : "");
    renderCommand(act, device?.commands[0]);
    more.firstElementChild.hidden = device === null || !may("set_up_seats");
    more.children[1].hidden = device === null || !may("set_up_seats");
  });
  const all = document.getElementById("choose-all");
  all.disabled = false;
  all.checked = seats.some((seat) => seat.device) && seats.every((seat) => !seat.device || view.chosen.has(seat.device.id));
}

function stateText(device) {
  if (device.state === "code") return say(`已用解锁码 ${device.freed_code || "—"} 解锁（${clock(device.freed_at)}）`, `unlocked by code ${device.freed_code || "—"} (${clock(device.freed_at)})`) + (device.is_freed_seen ? say("，已知悉", ", noted") : "");
  if (device.state === "freed" && device.freed_at) return say(`${device.state_name}（${clock(device.freed_at)}）`, `${device.state_name} (${clock(device.freed_at)})`);
  if (device.state === "lost" && device.since) return say(`断线 ${age(ageSeconds(device.since))}`, `lost ${age(ageSeconds(device.since))}`);
  return device.state_name;
}

function versionText(device) {
  if (!device.is_old) return device.version;
  return say(`${device.version}（需 ${view.wanted[device.system]}）`, `${device.version} (${view.wanted[device.system]} wanted)`);
}

function renderCommand(cell, command) {
  const text = !command ? "" : !command.done_at ? say(`${command.name}：等待执行`, `${command.name}: waits`)
    : command.is_ok ? say(`${command.name}：完成 ${clock(command.done_at)}`, `${command.name}: done ${clock(command.done_at)}`)
      : command.text === "withdrawn" ? say(`${command.name}：已撤回`, `${command.name}: withdrawn`)
        : say(`${command.name}：未成功（${command.text}）`, `${command.name}: failed (${command.text})`);
  setClass(cell, `wrap ${!command || command.is_ok ? "" : command.done_at ? "failed" : "doing"}`);
  setText(cell.firstElementChild, text);
  cell.children[1].hidden = !(command?.kind === "picture" && command.is_ok && may("see_screens"));
  cell.command = command;
}

function newRow() {
  const row = make("tr", {},
    make("td", {}, make("input", { type: "checkbox", "aria-label": say("选中", "choose"), onchange: () => choose(row.seat.device.id) })),
    make("td", {}, make("b"), make("span", { class: "spare" })), make("td"), make("td", { class: "state" }), make("td"), make("td"),
    make("td", { class: "wrap" }), make("td", { class: "wrap" }, make("span"), make("button", { type: "button", class: "small", text: say("查看", "Show"), onclick: () => showPicture(row.seat, row.children[7].command) })),
    make("td", {},
      make("button", { type: "button", class: "small", text: say("换考位", "Other seat"), onclick: () => giveSeat(row.seat.device, view.rooms, refresh) }),
      make("button", { type: "button", class: "small", text: say("移除", "Take away"), onclick: () => removeDevice(row.seat.device, row.seat, refresh) })));
  row.addEventListener("click", (event) => {
    if (!event.target.closest("button, input") && row.seat.device) choose(row.seat.device.id);
  });
  return row;
}

function renderBar() {
  const seats = chosenSeats();
  setText(document.getElementById("pc-chosen"), seats.length ? say(`已选 ${seats.length} 台`, `${seats.length} chosen`) : say("未选考试机", "none chosen"));
  keyed(document.getElementById("pc-acts"), allowedActs(), (act) => act.code, (act) => make("button", { type: "button", class: act.danger ? "danger-text" : "" , onclick: () => act.perform(act.whole ? [] : chosenSeats().filter(act.holds), refresh, room()) }), (button, act) => {
    setText(button, act.text);
    const meant = seats.filter(act.holds).length;
    button.disabled = !act.whole && (meant === 0 || (act.one && seats.length !== 1));
    button.title = act.hint || "";
  });
}

function choose(id) {
  if (!view.chosen.delete(id)) view.chosen.add(id);
  render();
}

// What is not shown is not chosen: an act must never reach a PC that nobody sees.
function chooseFilter(code) {
  const holds = FILTERS.find(([one]) => one === code)[2];
  const shown = new Set(room().seats.filter(holds).map((seat) => seat.device?.id));
  view.filter = code;
  view.chosen = new Set([...view.chosen].filter((id) => shown.has(id)));
  render();
}

function chooseRoom(id) {
  view.roomId = id;
  localStorage.setItem("pcs.room", id);
  render();
}

document.getElementById("choose-all").addEventListener("change", (event) => {
  const holds = FILTERS.find(([code]) => code === view.filter)[2];
  for (const seat of room().seats.filter((one) => one.device && holds(one))) {
    if (event.target.checked) view.chosen.add(seat.device.id);
    else view.chosen.delete(seat.device.id);
  }
  render();
});

refresh();
setInterval(refresh, 1500);
