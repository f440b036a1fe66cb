// Import a file: send it, watch it being checked, read what would come in or what is wrong, confirm.

import { call, get, post, say } from "./api.js";
import { make } from "./dom.js";

const form = document.getElementById("choose");
const outcome = document.getElementById("outcome");
const ACCEPT = { plan: ".json", roster: ".xlsx", photos: ".zip", paper: ".xlsx,.zip" };
let current = null;

form.addEventListener("change", showFields);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = new FormData(form);
  const file = fields.get("file");
  fields.delete("file");
  const query = new URLSearchParams(fields);
  query.set("name", file.name);
  form.querySelector("button").disabled = true;
  show(make("p", { text: say(`正在发送 ${file.name}……`, `Sending ${file.name} …`) }), make("progress"));
  try {
    const job = await call("POST", `/api/imports?${query}`, { raw: file, timeoutMs: 600000 });
    current = job.id;
    await watch(job.id);
  } catch (refusal) {
    show(make("p", { class: "fault", text: refusal.message }));
  } finally {
    form.querySelector("button").disabled = false;
  }
});

function showFields() {
  const kind = form.elements.kind.value;
  form.elements.file.accept = ACCEPT[kind];
  for (const part of form.querySelectorAll("[data-for]")) part.hidden = part.dataset.for !== kind;
}

async function watch(id) {
  for (;;) {
    const job = await get(`/api/imports/${id}`);
    if (current !== id) return;
    showJob(job);
    if (job.state !== "reading") return;
    await new Promise((later) => setTimeout(later, 400));
  }
}

function showJob(job) {
  const title = make("h2", { text: job.name });
  if (job.state === "reading") {
    const bar = make("progress", { max: job.total || undefined, value: job.total ? job.done : undefined });
    show(title, make("p", { text: job.total ? say(`正在检查 ${job.done}/${job.total}`, `Checking ${job.done} of ${job.total}`) : say("正在检查……", "Checking …") }), bar);
  } else if (job.state === "refused") {
    show(title, make("p", { class: "fault", text: job.error.sentence }), rejectionsOf(job));
  } else if (job.state === "ready") {
    const confirm = make("button", { type: "button", class: "primary large", text: say("确认导入", "Import") });
    confirm.addEventListener("click", () => take(job, confirm));
    show(title, make("p", { class: "good-line", text: say("检查通过，将导入：", "Checked. This would come in:") }), linesOf(job), diskOf(job), confirm);
  } else {
    show(title, make("p", { class: "good-line", text: say("✓ 已导入", "✓ Imported") }), summariesOf(job), diskOf(job));
    form.elements.file.value = "";
  }
}

async function take(job, button) {
  button.disabled = true;
  try {
    showJob(await post(`/api/imports/${job.id}/confirm`));
  } catch (refusal) {
    show(make("h2", { text: job.name }), make("p", { class: "fault", text: refusal.message }));
  }
}

// What the day may need on this server's disk once this file is in, and what is free.
function diskOf(job) {
  return job.disk && make("p", { class: job.disk.space === "enough" ? "hint" : "fault", text: job.disk.text });
}

function linesOf(job) {
  const notes = job.summaries.flatMap((one) => one.notes);
  return make("ul", {}, ...[...job.lines, ...notes].map((text) => make("li", { text })));
}

function summariesOf(job) {
  return make("ul", {}, ...job.summaries.map((one) => make("li", { text: `${one.title}：${one.count}${one.notes.length ? `（${one.notes.join("；")}）` : ""}` })));
}

function rejectionsOf(job) {
  if (!job.rejections.length) return null;
  const heads = [say("工作表", "Sheet"), say("行", "Row"), say("列", "Column"), say("原因", "Reason")];
  return make("table", { class: "wide" },
    make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col", text })))),
    make("tbody", {}, ...job.rejections.map((one) => make("tr", {},
      make("td", { text: one.sheet || "—" }), make("td", { text: one.row || "—" }), make("td", { text: one.column || "—" }), make("td", { text: one.text })))));
}

function show(...parts) {
  outcome.hidden = false;
  outcome.replaceChildren(...parts.filter(Boolean));
}

showFields();
