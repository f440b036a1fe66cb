// The room check: the room at a glance, what to see to, and checks asked again.

import { call, get, may, post, say } from "./api.js";
import { keyed, make, notice, setClass, setText } from "./dom.js";
import { showReport } from "./room_report.js";
import { reportHere } from "./room_here.js";
import { age, ageSeconds, clock, heardNow } from "./times.js";

const root = document.getElementById("room-check");
const roomId = root.dataset.room;
const MARKS = { ready: "✓", warning: "!", not_ready: "×", unheard: "?", unchecked: "–", stale: "↻", link: "", none: "" };
const STATES = ["not_ready", "unheard", "unchecked", "stale", "link", "none", "warning", "ready"];
let state = null;
let changed = "";
let filter = "";
let asking = false;

async function refresh() {
  if (asking) return;
  asking = true;
  const away = document.getElementById("away");
  try {
    const answer = await get(`/api/rooms/${roomId}/check?changed=${changed}`);
    heardNow(answer.now);
    changed = answer.changed;
    if (!answer.unchanged) state = answer;
    away.hidden = true;
    render();
  } catch (refusal) {
    setText(away, refusal.message);
    away.hidden = false;
  } finally {
    asking = false;
  }
}

function render() {
  renderFigures();
  renderSeal();
  renderFilters();
  const shown = state.pcs.filter((pc) => !filter || pc.state === filter);
  renderPcs(document.getElementById("pcs"), shown.filter((pc) => !pc.is_spare));
  renderPcs(document.getElementById("spares"), shown.filter((pc) => pc.is_spare));
  document.getElementById("spare-title").hidden = !shown.some((pc) => pc.is_spare);
  document.getElementById("empty").hidden = shown.length > 0;
  renderMachines();
  renderFaults();
}

function renderFigures() {
  const box = document.getElementById("figures");
  if (!box.children.length) box.append(figure(), figure(), make("time"));
  const [own, spare, checked] = box.children;
  showFigure(own, state.seats, say("考生机就绪", "PCs ready"));
  showFigure(spare, state.spares, say("备用机", "spares"));
  spare.hidden = state.spares.all === 0;
  const last = state.pcs.map((pc) => pc.reported_at).filter(Boolean).sort().at(-1);
  setText(checked, last ? say(`最近检查 ${clock(last)}`, `last check ${clock(last)}`) : say("尚未检查", "never checked"));
  const progress = document.getElementById("progress");
  progress.hidden = state.checking === 0;
  const total = Math.max(Number(progress.dataset.total || 0), state.checking);
  progress.dataset.total = state.checking ? total : 0;
  progress.firstElementChild.max = total || 1;
  progress.firstElementChild.value = total - state.checking;
  setText(progress.lastElementChild, say(`检查中 ${total - state.checking} / ${total}`, `checking ${total - state.checking} / ${total}`));
}

function figure() {
  return make("span", {}, make("b"), make("span"));
}

function showFigure(element, count, name) {
  setText(element.firstElementChild, `${count.fit} / ${count.all}`);
  setText(element.lastElementChild, name + (count.warned ? say(`（${count.warned} 台有提示）`, ` (${count.warned} with advice)`) : ""));
  setClass(element, count.fit < count.all ? "some" : count.warned ? "part" : "all");
}

function renderSeal() {
  const line = document.getElementById("seal-line");
  line.hidden = !state.seal;
  if (!state.seal) return;
  const { seal } = state;
  setClass(line, seal.state);
  const text = seal.state === "broken"
    ? say(`封场后有 ${seal.breaks} 处变化未处理`, `${seal.breaks} changes since the sealing are to be seen to`)
    : say(`已封场 ${clock(seal.sealed_at)}`, `Sealed at ${clock(seal.sealed_at)}`) +
      (seal.is_confirmed ? say("，机构已确认", ", confirmed by the body") : say("，待机构技术支持确认", ", to be confirmed by technical support"));
  if (line.dataset.shown === text) return;
  line.dataset.shown = text;
  line.replaceChildren(text, may("seal_room") ? make("a", { href: `/rooms/${roomId}/seal`, text: say("查看封场", "See the sealing") }) : "");
}

function renderFilters() {
  const all = [["", say("全部", "All"), state.pcs.length], ...STATES.map((code) => [code, state.state_names[code], state.counts[code]])];
  const chips = all.filter(([code, , count]) => !code || count || code === filter || ["not_ready", "ready"].includes(code));
  keyed(document.getElementById("filters"), chips, ([code]) => code || "all",
    ([code]) => make("button", { type: "button", onclick: () => { filter = filter === code ? "" : code; render(); } }, make("span"), " ", make("b")),
    (button, [code, name, count]) => {
      setText(button.firstElementChild, name);
      setText(button.lastElementChild, String(count));
      setClass(button, count ? "" : "none");
      button.setAttribute("aria-pressed", String(filter === code));
    });
}

function renderPcs(box, pcs) {
  keyed(box, pcs, (pc) => pc.seat_id, newPc, showPc);
}

function newPc(pc) {
  return make("button", { type: "button", onclick: () => open(pc.seat_id) },
    make("span", { class: "head" }, make("b"), make("i", { "aria-hidden": "true" })),
    make("span", { class: "state" }), make("span", { class: "first" }), make("span", { class: "age" }));
}

function showPc(element, pc) {
  const [head, stateName, first, when] = element.children;
  setClass(element, `pc ${pc.state}${pc.is_checking ? " checking" : ""}`);
  setText(head.firstElementChild, pc.seat);
  setText(head.lastElementChild, MARKS[pc.state]);
  setText(stateName, pc.is_checking ? say("检查中…", "checking…") : pc.state_name);
  setText(first, ["not_ready", "warning"].includes(pc.state) ? pc.first + (pc.more ? ` +${pc.more}` : "") : "");
  setText(when, pc.reported_at ? say(`${age(ageSeconds(pc.reported_at))}前`, `${age(ageSeconds(pc.reported_at))} ago`) : "");
  const title = [pc.name, pc.first, pc.told].filter(Boolean).join(" · ");
  if (element.title !== title) element.title = title;
}

function renderMachines() {
  const machines = [...state.machines];
  if (!machines.some((one) => one.role === "server")) {
    machines.unshift({ machine: "server", role: "server", state: "unchecked", state_name: state.state_names.unchecked, text: "" });
  }
  keyed(document.getElementById("machines"), machines, (one) => one.machine, newMachine, (row, one) => {
    const [mark, title, text, acts] = row.children;
    const kind = { ready: "good", warning: "warn", not_ready: "alarm" }[one.state] || "";
    setClass(row, `machine ${kind}`);
    setText(mark, MARKS[one.state]);
    setText(title, one.role === "server" ? say("服务器", "Server") : say("监考机 ", "Invigilator PC ") + one.address + (one.machine === root.dataset.here ? say("（本机）", " (this PC)") : ""));
    setText(text, [one.state_name, one.text, one.reported_at ? clock(one.reported_at) : ""].filter(Boolean).join(" · "));
    acts.firstElementChild.hidden = !one.reported_at;
    acts.lastElementChild.hidden = !(one.role === "server" ? may("check_room") : one.machine === root.dataset.here);
  });
}

function newMachine(one) {
  return make("div", {}, make("span", { class: "mark", "aria-hidden": "true" }), make("b"), make("span", { class: "text" }),
    make("span", { class: "acts" },
      make("button", { type: "button", class: "small", text: say("详情", "Details"), onclick: () => showReport(one.machine, titleOf(one.machine), null) }),
      make("button", { type: "button", class: "small", text: say("检查", "Check"), onclick: (event) => checkMachine(one, event.target) })));
}

function titleOf(machine) {
  return machine === "server" ? say("服务器", "Server") : say(`监考机 ${machine.slice(8)}`, `Invigilator PC ${machine.slice(8)}`);
}

async function checkMachine(one, button) {
  button.disabled = true;
  try {
    if (one.role === "server") await call("POST", "/api/machines/server/check", { body: {}, timeoutMs: 40000 });
    else await reportHere();
    await refresh();
  } catch (refusal) {
    notice(refusal.message, "bad");
  } finally {
    button.disabled = false;
  }
}

function renderFaults() {
  const unheard = state.pcs.filter((pc) => pc.state === "unheard");
  const faults = [...state.faults];
  if (unheard.length) {
    const fails = faults.filter((one) => one.state === "fail").length;
    faults.splice(fails, 0, {
      key: "unheard", state: "unheard", title: say("联系不上", "Not heard"), measured: "", wanted: "",
      to_do: say("开机；检查网线；考试机程序没有运行的，重启该机。", "Switch the PC on; check its cable; restart it if its agent does not run."),
      seats: unheard.map((pc) => ({ seat_id: pc.seat_id, seat: pc.seat, measured: "" })),
    });
  }
  keyed(document.getElementById("fault-list"), faults, (one) => one.key, () => make("li", {}, make("div", { class: "title" }), make("p", { class: "what" }), make("p"), make("div", { class: "who" })), showFault);
  const well = document.getElementById("all-well");
  well.hidden = faults.length > 0;
  setText(well, state.counts.ready === state.pcs.length && state.pcs.length ? say("全部就绪，没有需要处理的问题。", "All ready: nothing to see to.")
    : say("已检查的考试机没有问题。", "No fault on the PCs that were checked."));
}

function showFault(element, fault) {
  setClass(element, fault.state);
  const shown = JSON.stringify(fault);
  if (element.dataset.shown === shown) return;
  element.dataset.shown = shown;
  const [head, what, todo, who] = element.children;
  const again = may("check_room") && fault.state !== "unheard"
    ? make("button", { type: "button", class: "small", text: say("重新检查", "Check again"), onclick: () => check(fault.seats.map((one) => one.seat_id)) }) : "";
  head.replaceChildren(make("span", { class: "count", text: say(`${fault.seats.length} 台：`, `${fault.seats.length}: `) }), make("b", { text: fault.title }), again);
  const said = [fault.measured, fault.wanted && say(`要求 ${fault.wanted}`, `wanted: ${fault.wanted}`)].filter(Boolean);
  setText(what, said.join(say("，", "; ")));
  what.hidden = !said.length;
  setText(todo, fault.to_do);
  todo.hidden = !fault.to_do;
  who.replaceChildren(...fault.seats.map((one) => make("button", { type: "button", class: "small", text: one.seat, title: one.measured, onclick: () => open(one.seat_id) })));
}

function open(seatId) {
  const pc = state.pcs.find((one) => one.seat_id === seatId);
  const title = say(`考位 ${pc.seat}`, `Seat ${pc.seat}`) + (pc.is_spare ? say("（备用）", " (spare)") : "");
  if (!pc.machine) {
    notice(pc.state === "link"
      ? say(`${title} 没有安装考试机程序，只打开了考位链接，不能自动检查。`, `${title} has no agent, only the seat link: it cannot be checked from here.`)
      : say(`${title} 还没有考试机。`, `${title} has no PC yet.`), "bad");
    return;
  }
  showReport(pc.machine, `${title} · ${pc.name}`, may("check_room") ? () => check([seatId]) : null);
}

export async function check(seatIds) {
  try {
    const done = await post(`/api/rooms/${roomId}/check`, seatIds ? { seat_ids: seatIds } : {});
    const left = done.left_out ? say(`，${done.left_out} 个考位没有考试机程序`, `, ${done.left_out} seats without an agent`) : "";
    notice(done.asked ? say(`已通知 ${done.asked} 台考试机检查${left}。`, `${done.asked} PCs were asked${left}.`) : say("没有可检查的考试机。", "No PC can be checked."), done.asked ? "good" : "bad");
    await refresh();
  } catch (refusal) {
    notice(refusal.message, "bad");
  }
}

document.getElementById("check-all")?.addEventListener("click", () => {
  check(null);
  checkMachine({ role: "server" }, document.getElementById("check-all"));
  reportHere().catch(() => {});
});
setInterval(refresh, 1000);
refresh().then(() => reportHere()).catch(() => {});
