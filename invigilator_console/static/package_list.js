// Result packages as a table: how far each has come, export to a file, another try.

import { may, post, say } from "./api.js";
import { keyed, make, notice, setClass, setText } from "./dom.js";
import { clockSeconds, date } from "./times.js";

export function showPackages(box, packages, refresh, none = say("正在评分和生成，请稍候。", "Being marked and built; one moment.")) {
  if (!box.firstElementChild) {
    const heads = [say("成果包", "Package"), say("场次", "Sitting"), say("状态", "State"), say("回执号", "Receipt"), say("大小", "Size"), ""];
    box.append(make("table", { class: "wide" }, make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col", text })))), make("tbody")),
      make("p", { class: "hint" }));
  }
  box.lastElementChild.textContent = packages.length ? "" : none;
  box.firstElementChild.hidden = packages.length === 0;
  keyed(box.querySelector("tbody"), packages, (one) => one.id, () => newRow(refresh), (row, one) => {
    row.pack = one;
    const isBuilt = Boolean(one.sha256);
    const texts = [`№ ${one.number} · ${one.file_name}`, one.sitting || "", stateText(one), one.receipt_code || "—",
      isBuilt ? `${(one.size / 1024).toFixed(0)} KB` : "—"];
    texts.forEach((text, index) => setText(row.children[index], text));
    setClass(row.children[2], `state ${one.state}`);
    const [file, retry] = row.children[5].children;
    file.hidden = !isBuilt || !may("deliver_results");
    retry.hidden = !may("deliver_results") || !["waiting", "needs_attention"].includes(one.state) || !isBuilt;
  });
}

function stateText(one) {
  const text = one.sha256 ? one.state_name : say("正在生成", "being built");
  if (one.state === "confirmed") return `✓ ${text} ${date(one.confirmed_at)} ${clockSeconds(one.confirmed_at)}`;
  if (one.last_error) return `${text}：${one.last_error}`;
  return text;
}

function newRow(refresh) {
  const file = make("button", { type: "button", class: "small", text: say("导出文件", "Export file") });
  const retry = make("button", { type: "button", class: "small", text: say("立即重试", "Try again now") });
  const row = make("tr", {}, make("td"), make("td"), make("td"), make("td", { class: "mono" }), make("td"), make("td", { class: "acts" }, file, retry));
  file.addEventListener("click", () => attempt(async () => {
    const made = await post(`/api/packages/${row.pack.id}/export`);
    location.href = made.url;
  }));
  retry.addEventListener("click", () => attempt(async () => {
    await post(`/api/packages/${row.pack.id}/retry`);
    await refresh();
  }));
  return row;
}

async function attempt(act) {
  try {
    await act();
  } catch (refusal) {
    notice(refusal.message, "bad");
  }
}
