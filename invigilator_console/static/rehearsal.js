// Rehearsals and trials of a room: begin, watch, see the figures, end and wipe.

import { get, may, post, say } from "./api.js";
import { keyed, make, notice, setClass, setText } from "./dom.js";
import { ask } from "./dialog.js";
import { clock, date, heardNow, stationNow } from "./times.js";

const root = document.getElementById("rehearsal");
const roomId = root.dataset.room;
const byId = (id) => document.getElementById(id);
let shownId = null;
let rehearsals = [];
let asking = false;
let choicesShown = "";

async function refresh() {
  if (asking) return;
  asking = true;
  try {
    const [played, trials] = await Promise.all([get(`/api/rooms/${roomId}/rehearsals`), get(`/api/rooms/${roomId}/trials`)]);
    heardNow(played.now);
    rehearsals = played.rehearsals;
    byId("away").hidden = true;
    renderRehearsals(played);
    renderTrials(trials);
  } catch (refusal) {
    setText(byId("away"), refusal.message);
    byId("away").hidden = false;
  } finally {
    asking = false;
  }
}

function renderRehearsals(played) {
  const running = rehearsals.find((one) => one.state === "running");
  byId("running").hidden = !running;
  if (byId("begin")) {
    byId("begin").hidden = Boolean(running);
    setText(byId("able"), say(`${played.able} / ${played.seats} 台可参加`, `${played.able} of ${played.seats} PCs can take part`));
    byId("begin").querySelector('[value="agents"]').disabled = played.able === 0;
  }
  if (running) renderRunning(running);
  const ended = rehearsals.filter((one) => one.state !== "running");
  const shown = ended.find((one) => one.id === shownId) || ended[0];
  byId("result").hidden = !shown || Boolean(running);
  if (shown) renderResult(shown);
  byId("never").hidden = rehearsals.length > 0;
  keyed(byId("history"), ended, (one) => one.id, newLine, showLine);
}

function renderRunning(one) {
  const all = (new Date(one.ends_by) - new Date(one.started_at)) / 1000;
  const planned = one.minutes * 60;
  const passed = Math.max(0, (stationNow() - new Date(one.started_at)) / 1000);
  const left = Math.ceil(planned - passed);
  const text = left > 0
    ? say(`演练中：${one.players} 名模拟考生，还有 ${Math.floor(left / 60)} 分 ${left % 60} 秒`, `Running: ${one.players} candidates, ${Math.floor(left / 60)} min ${left % 60} s to go`)
    : say(`正在收集结果：${one.reported} / ${one.players}`, `Gathering results: ${one.reported} / ${one.players}`);
  setText(byId("running-text"), text);
  byId("running").querySelector("progress").value = Math.min(1, passed / Math.min(all, planned + 5));
  if (byId("stop")) byId("stop").onclick = () => act(`/api/rehearsals/${one.id}/stop`, {});
}

function renderResult(one) {
  const verdict = byId("result").querySelector(".verdict");
  setClass(verdict, `verdict ${one.state}`);
  setText(verdict.children[0], one.state_name);
  setText(verdict.children[1], `${date(one.started_at)} ${clock(one.started_at)} · ${one.way_name} · ` + say(`${one.players} 名 ${one.minutes} 分钟`, `${one.players} for ${one.minutes} min`));
  byId("print-link").href = `/rehearsals/${one.id}/report`;
  keyed(byId("figures"), one.figures, (figure) => figure.code, () => make("tr", {}, make("td"), make("td", { class: "n" }), make("td", { class: "n" }), make("td")), (row, figure) => {
    setText(row.children[0], figure.name);
    setText(row.children[1], figure.value === null ? "—" : `${figure.value} ${figure.unit}`.trim());
    setText(row.children[2], figure.wanted);
    setText(row.children[3], figure.wanted === "—" ? "" : figure.holds ? "✓" : "×");
    setClass(row, figure.holds ? "" : "bad");
  });
  const bad = one.seats.filter((seat) => !seat.is_passed);
  setText(byId("bad-seats"), bad.length
    ? say(`未通过的考位：${bad.map((seat) => seat.seat).join("、")}`, `Seats not passed: ${bad.map((seat) => seat.seat).join(", ")}`) + firstText(bad)
    : "");
}

function firstText(bad) {
  const told = bad.find((seat) => seat.texts && seat.texts.length);
  return told ? say(`（${told.seat}：${told.texts[0]}）`, ` (${told.seat}: ${told.texts[0]})`) : "";
}

function newLine(one) {
  return make("li", {}, make("span"), make("span"), make("span", { class: "what" }), make("span", { class: "acts" },
    make("button", { type: "button", class: "small", text: say("查看", "Show"), onclick: () => { shownId = one.id; refresh(); } }),
    make("a", { class: "button small", href: `/rehearsals/${one.id}/report`, text: say("打印", "Print") })));
}

function showLine(line, one) {
  setText(line.children[0], `${date(one.started_at)} ${clock(one.started_at)}`);
  setText(line.children[1], one.state_name);
  setClass(line.children[1], one.state);
  setText(line.children[2], `${one.way_name} · ${one.players} × ${one.minutes} min`);
}

function renderTrials(answer) {
  renderChoices(answer);
  byId("no-trial").hidden = answer.trials.length > 0;
  const held = answer.trials.some((one) => ["admitting", "running", "suspended"].includes(one.state));
  if (byId("prepare")) byId("prepare").hidden = held;
  keyed(byId("trials"), answer.trials, (one) => one.id, () => make("li", {}, make("span"), make("span"), make("span", { class: "what" }), make("span", { class: "acts" })), showTrial);
}

function renderChoices(answer) {
  const form = byId("prepare");
  const shown = JSON.stringify([answer.papers, answer.subjects]);
  if (!form || shown === choicesShown) return;
  choicesShown = shown;
  form.querySelector("button").disabled = false; // before, it would open a trial without the subject's rules
  form.elements.paper_id.replaceChildren(make("option", { value: "0", text: say("系统自带练习卷", "the station's own") }), ...answer.papers.map((one) => make("option", { value: one.id, text: one.title })));
  form.elements.subject_id.replaceChildren(...answer.subjects.map((one) => make("option", { value: one.id, text: one.name })), make("option", { value: "0", text: say("不按科目", "no subject") }));
}

function showTrial(line, one) {
  const { counts } = one;
  setText(line.children[0], `${date(one.opened_at)} ${clock(one.opened_at)}`);
  setText(line.children[1], one.wiped_at ? say("已清除", "wiped") : one.state === "closed" ? say("已结束", "ended") : one.state_name);
  setText(line.children[2], say(`${one.paper} · ${one.minutes} 分钟 · 作答 ${counts.came}，有保存 ${counts.saved} / ${counts.seats}`, `${one.paper} · ${one.minutes} min · ${counts.came} answering, ${counts.saved} / ${counts.seats} saved`));
  const acts = line.children[3];
  const key = `${one.state}${one.wiped_at}`;
  if (acts.dataset.shown === key) return;
  acts.dataset.shown = key;
  const button = (text, path) => make("button", { type: "button", class: "small", text, onclick: path });
  const held = ["admitting", "running", "suspended"].includes(one.state);
  const buttons = [];
  if (held) buttons.push(make("a", { class: "button small", href: `/board/${one.id}`, text: say("监控", "Board") }), make("a", { class: "button small", href: `/trials/${one.id}/tickets`, text: say("打印试考号", "Print numbers") }));
  if (may("rehearse")) {
    if (one.state === "admitting") buttons.push(button(say("立即开考", "Start now"), () => act(`/api/trials/${one.id}/start`, {})));
    if (held) buttons.push(button(say("结束试考", "End"), () => askFirst(say("结束试考", "End the trial"), say("正在作答的将被收卷，考试机回到登录页。", "Who still answers is collected; the PCs go back to the log-in."), say("结束试考", "End it"), `/api/trials/${one.id}/end`)));
    if (!held && !one.wiped_at) buttons.push(button(say("清除数据", "Wipe"), () => askFirst(say("清除试考数据", "Wipe the trial"), say("清除这次试考的全部作答和文件，不能恢复。正式数据不受影响。", "All its answers and files are removed for good. Nothing real is touched."), say("清除", "Wipe"), `/api/trials/${one.id}/wipe`)));
  }
  acts.replaceChildren(...buttons);
}

function askFirst(title, effect, confirm, path) {
  ask({ title, effects: [effect], confirm, danger: true, act: () => post(path, {}) }).then(refresh);
}

async function act(path, body) {
  try {
    await post(path, body);
    await refresh();
    return true;
  } catch (refusal) {
    notice(refusal.message, "bad");
    return false;
  }
}

function numbers(form, names) {
  return Object.fromEntries(names.map((name) => [name, Number(form.elements[name].value)]));
}

byId("begin")?.addEventListener("change", (event) => {
  byId("players-field").hidden = event.currentTarget.elements.way.value === "agents";
});
byId("begin")?.addEventListener("submit", (event) => {
  event.preventDefault();
  shownId = null;
  const form = event.currentTarget;
  act(`/api/rooms/${roomId}/rehearsals`, { way: form.elements.way.value, ...numbers(form, ["minutes", "players"]) });
});
byId("prepare")?.addEventListener("submit", (event) => {
  event.preventDefault();
  act(`/api/rooms/${roomId}/trials`, numbers(event.currentTarget, ["minutes", "paper_id", "subject_id"]));
});
setInterval(refresh, 1500);
refresh();
