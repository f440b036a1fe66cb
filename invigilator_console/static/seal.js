// Sealing a room: what the station found, what people confirm, who signs; afterwards what has changed since.

import { get, may, post, say } from "./api.js";
import { ask, secondOf, secondPerson } from "./dialog.js";
import { keyed, make, notice, setClass, setText } from "./dom.js";
import { clock, date, heardNow } from "./times.js";

const root = document.getElementById("seal");
const roomId = root.dataset.room;
const order = document.getElementById("order");
const MARKS = { ok: "✓", note: "!", open: "×", never: "×" };
let state = null;

async function refresh() {
  const away = document.getElementById("away");
  try {
    const isFirst = state === null;
    state = await get(`/api/rooms/${roomId}/seal`);
    heardNow(state.now);
    if (isFirst) document.getElementById("seal-now").disabled = false; // what would be sealed is known only now
    away.hidden = true;
    render();
  } catch (refusal) {
    setText(away, refusal.message);
    away.hidden = false;
  }
}

function render() {
  keyed(document.getElementById("points"), state.points, (one) => one.code,
    () => make("div", {}, make("span", { class: "mark", "aria-hidden": "true" }), make("span", { class: "text" }, make("b"), make("span")), make("span", { class: "acts" })),
    (row, point) => {
      const [mark, text, acts] = row.children;
      setClass(row, `point ${point.state}`);
      setText(mark, MARKS[point.state]);
      setText(text.firstElementChild, point.title);
      setText(text.lastElementChild, point.text);
      const wantsDisk = point.code === "disk" && state.tight_sittings.length > 0;
      if (wantsDisk && !acts.children.length) acts.append(make("button", { type: "button", class: "small", text: say("主考确认…", "Chief examiner accepts…"), onclick: acceptDisk }));
      if (!wantsDisk) acts.replaceChildren();
    });
  keyed(document.getElementById("ticks"), state.ticks, (one) => one.code,
    (one) => make("label", { class: "check" }, make("input", { type: "checkbox", name: one.code }), make("span", { text: one.text })), () => {});
  keyed(document.getElementById("sheets"), state.sheets, (one) => one.sitting_id,
    (one) => make("label", {}, make("span", { text: one.name }), make("input", { type: "number", min: "0", inputmode: "numeric", name: `sheet-${one.sitting_id}`, placeholder: say("人数", "number") })), () => {});
  offer("technicians", "technician", state.technicians);
  offer("exam_officers", "exam_officer", state.exam_officers);
  document.getElementById("force").hidden = !leftOpen().length;
  setText(document.getElementById("seal-now"), state.seal ? say("重新封场", "Seal anew") : say("封场", "Seal the room"));
  showLeft();
  renderStanding();
}

function offer(listId, inputId, names) {
  const list = document.getElementById(listId);
  if (list.children.length) return;
  list.append(...names.map((value) => make("option", { value })));
  const input = document.getElementById(inputId);
  if (!input.value && names.length === 1) [input.value] = names;
}

function entered() {
  const sheets = {};
  for (const one of state.sheets) {
    const typed = order.elements[`sheet-${one.sitting_id}`].value.trim();
    if (typed !== "") sheets[one.sitting_id] = Math.round(Number(typed));
  }
  return {
    technician: document.getElementById("technician").value.trim(),
    exam_officer: document.getElementById("exam_officer").value.trim(),
    ticks: state.ticks.filter((one) => order.elements[one.code].checked).map((one) => one.code),
    sheets,
    again: Boolean(state.seal),
  };
}

// What still stands in the way, in the words of the page.
function leftOpen() {
  const given = entered();
  return [
    ...state.points.filter((one) => ["open", "never"].includes(one.state)).map((one) => one.title),
    ...state.ticks.filter((one) => !given.ticks.includes(one.code)).map((one) => one.text),
    ...state.sheets.filter((one) => given.sheets[one.sitting_id] !== one.expected).map((one) =>
      say(`${one.name} 签到表人数与名单（${one.expected} 人）不一致`, `${one.name}: the sheet differs from the roster (${one.expected})`)),
  ];
}

function showLeft() {
  const left = leftOpen();
  setText(document.getElementById("left"), left.length
    ? say(`还有 ${left.length} 项未完成：${left.slice(0, 3).join("、")}${left.length > 3 ? "…" : ""}`, `${left.length} points are open: ${left.slice(0, 3).join(", ")}${left.length > 3 ? "…" : ""}`)
    : say("全部完成，可以封场。封场后关闭考试机登记，任何变化都会在监控页面提示。", "All is in order. Sealing closes the registration of PCs; any change will show on the board."));
  document.getElementById("force").hidden = left.length === 0;
}

function renderStanding() {
  const box = document.getElementById("standing");
  const { seal } = state;
  box.hidden = !seal;
  if (!seal) return;
  const shown = JSON.stringify(seal);
  if (box.dataset.shown === shown) return;
  box.dataset.shown = shown;
  const open = seal.breaks.filter((one) => !one.accepted_at);
  setClass(box, `card whole standing ${open.length ? "broken" : "sealed"}`);
  box.replaceChildren(
    make("h2", { text: open.length ? say(`已封场，其后有 ${open.length} 处变化`, `Sealed; ${open.length} changes since`) : say("已封场", "Sealed") }),
    make("p", { text: say(`${date(seal.sealed_at)} ${clock(seal.sealed_at)}，技术人员 ${seal.technician}，考务人员 ${seal.exam_officer}（由 ${seal.sealed_by} 操作）`,
      `${date(seal.sealed_at)} ${clock(seal.sealed_at)}, technician ${seal.technician}, exam officer ${seal.exam_officer} (by ${seal.sealed_by})`) }),
    seal.forced_by ? make("p", { class: "fault", text: say(`有未完成项，由机构技术支持 ${seal.forced_by} 放行：${seal.force_reason}`, `Let pass with open points by technical support ${seal.forced_by}: ${seal.force_reason}`) }) : "",
    confirmation(seal),
    ...seal.breaks.map(breakRow),
    make("div", { class: "acts" }, make("button", { type: "button", class: "danger-text", text: say("解除封场…", "Unseal…"), onclick: unseal })));
}

function confirmation(seal) {
  if (seal.confirmed_at) {
    const how = seal.is_confirmed_in_person ? "" : say("，由考点登记", ", written down by the site");
    return make("p", { class: "good-line", text: say(`机构技术支持 ${seal.confirmed_name} 已确认：${date(seal.confirmed_at)} ${clock(seal.confirmed_at)}（${seal.confirmed_way}${how}）。技术人员可以离开。`,
      `Confirmed by technical support ${seal.confirmed_name}: ${date(seal.confirmed_at)} ${clock(seal.confirmed_at)} (${seal.confirmed_way}${how}). The technician may leave.`) });
  }
  return make("p", { class: "notice" }, make("b", { text: say("等待机构技术支持确认，确认前技术人员不得离开。", "To be confirmed by the body's technical support; the technician stays until then.") }), " ",
    make("button", { type: "button", class: "small", text: say("登记电话确认…", "Write down a telephone confirmation…"), onclick: noteConfirmation }), " ",
    make("button", { type: "button", class: "small", text: say("技术支持本人确认…", "Technical support confirms here…"), onclick: confirmHere }));
}

function breakRow(one) {
  const told = one.accepted_at ? say(` — ${one.accepted_by} 已认可：${one.reason}`, ` — accepted by ${one.accepted_by}: ${one.reason}`) : "";
  return make("div", { class: `break ${one.accepted_at ? "accepted" : "open"}` },
    make("span", { class: "text" }, make("b", { text: `${one.machine} ` }), one.texts.join("；") + ` · ${date(one.found_at)} ${clock(one.found_at)}` + told),
    one.accepted_at ? "" : make("button", { type: "button", class: "small", text: say("认可…", "Accept…"), onclick: () => acceptBreak(one) }));
}

async function act(dialog, done) {
  if (await ask(dialog)) {
    notice(done);
    await refresh();
  }
}

const supportHere = () => (may("confirm_seal") ? [] : secondPerson(say("机构技术支持", "technical support")));
const chiefHere = () => (may("accept_seal_break") ? [] : secondPerson(say("主考", "chief examiner")));

function noteConfirmation() {
  act({
    title: say("登记机构技术支持的确认", "Confirmation of the body's technical support"),
    effects: [say("写明是谁、以什么方式确认的；确认时间记为现在。", "Say who confirmed and how; the time is now.")],
    fields: [{ name: "name", label: say("技术支持姓名", "Name") }, { name: "way", label: say("方式", "How"), value: say("电话", "by telephone") }],
    confirm: say("登记确认", "Note it"),
    act: (values) => post(`/api/rooms/${roomId}/note_confirmation`, { name: values.name, way: values.way }),
  }, say("已登记机构确认。", "Noted."));
}

function confirmHere() {
  act({
    title: say("机构技术支持确认封场", "Technical support confirms the sealing"),
    effects: [say("由机构技术支持用本人账号确认。", "By technical support's own account.")],
    fields: supportHere(), confirm: say("确认封场", "Confirm"),
    act: (values) => post(`/api/rooms/${roomId}/confirm_seal`, { second: secondOf(values) }),
  }, say("机构已确认封场。", "Confirmed."));
}

function acceptBreak(one) {
  act({
    title: say(`认可变化：${one.machine}`, `Accept: ${one.machine}`),
    effects: one.texts,
    fields: [{ name: "reason", kind: "text", label: say("原因", "Reason"), placeholder: say("如：该机硬盘故障，换用备用主机", "e.g. disk failed, PC replaced") }, ...chiefHere()],
    confirm: say("认可", "Accept"),
    act: (values) => post(`/api/seal_breaks/${one.id}/accept`, { reason: values.reason, second: secondOf(values) }),
  }, say("已认可。", "Accepted."));
}

function unseal() {
  act({
    title: say("解除封场", "Unseal the room"),
    effects: [say("解除后须重新检查、重新封场并重新确认。", "The room then has to be checked, sealed and confirmed again.")],
    fields: [{ name: "reason", kind: "text", label: say("原因", "Reason") }],
    confirm: say("解除封场", "Unseal"), danger: true,
    act: (values) => post(`/api/rooms/${roomId}/unseal`, { reason: values.reason }),
  }, say("已解除封场。", "Unsealed."));
}

function acceptDisk() {
  act({
    title: say("确认磁盘空间偏紧仍开考", "Accept a tight disk"),
    effects: [state.points.find((one) => one.code === "disk").text],
    fields: may("accept_tight_disk") ? [] : secondPerson(say("主考", "chief examiner")),
    confirm: say("确认", "Accept"),
    act: async (values) => {
      for (const id of state.tight_sittings) await post(`/api/sittings/${id}/accept_tight_disk`, { second: secondOf(values) });
    },
  }, say("已确认。", "Accepted."));
}

order.addEventListener("input", () => {
  document.getElementById("fault").hidden = true;
  if (state) showLeft();
});
order.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fault = document.getElementById("fault");
  const button = document.getElementById("seal-now");
  button.disabled = true;
  try {
    await post(`/api/rooms/${roomId}/seal`, entered());
    fault.hidden = true;
    notice(say("已封场。请电话报告机构技术支持，由其确认。", "Sealed. Now call the body's technical support to confirm it."));
    await refresh();
    window.scrollTo(0, 0);
  } catch (refusal) {
    setText(fault, refusal.message);
    fault.hidden = false;
  } finally {
    button.disabled = false;
  }
});
document.getElementById("force").addEventListener("click", () => {
  act({
    title: say("有未完成项，由机构技术支持放行", "Technical support lets the room pass"),
    effects: leftOpen(),
    fields: [{ name: "reason", kind: "text", label: say("原因（印在确认单上）", "Reason (printed on the form)") },
      ...(may("force_seal") ? [] : secondPerson(say("机构技术支持", "technical support")))],
    confirm: say("放行并封场", "Let pass and seal"), danger: true,
    act: (values) => post(`/api/rooms/${roomId}/force_seal`, { ...entered(), reason: values.reason, second: secondOf(values) }),
  }, say("已封场（有未完成项）。", "Sealed with open points."));
});
setInterval(refresh, 3000);
refresh();
