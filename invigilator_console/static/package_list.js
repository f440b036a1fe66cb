// Result packages as a table: how far each has come, export to a file, another try.

import { may, post, say } from "./api.js";
import { keyed, make, notice, setClass, setText } from "./dom.js";
import { clockSeconds, date, leftSeconds } from "./times.js";
import { size } from "./work_files.js";

export function showPackages(box, packages, refresh, none = say("正在评分和生成，请稍候。", "Being marked and built; one moment.")) {
  if (!box.firstElementChild) {
    const heads = [say("成果包", "Package"), say("场次", "Sitting"), say("状态", "State"), say("回执号", "Receipt"), say("大小", "Size"), ""];
    box.append(make("table", { class: "wide packages" }, make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col", text })))), make("tbody")),
      make("p", { class: "hint" }));
  }
  box.lastElementChild.textContent = packages.length ? "" : none;
  box.firstElementChild.hidden = packages.length === 0;
  const hasSittings = packages.some((one) => one.sitting); // those of one sitting do not name it
  box.querySelector("thead tr").children[1].hidden = !hasSittings;
  keyed(box.querySelector("tbody"), troubledFirst(packages), (one) => one.id, () => newRow(refresh), (row, one) => {
    row.pack = one;
    const isBuilt = Boolean(one.sha256);
    const texts = [`№ ${one.number} · ${one.file_name}`, one.sitting || "", stateText(one), one.receipt_code || "—", isBuilt ? size(one.size) : "—"];
    texts.forEach((text, index) => setText(row.children[index], text));
    row.children[1].hidden = !hasSittings;
    setClass(row.children[2], `state ${one.state}`);
    const [file, retry] = row.children[5].firstElementChild.children;
    file.hidden = !isBuilt || !may("deliver_results");
    retry.hidden = !may("deliver_results") || !(one.state === "needs_attention" || (one.state === "waiting" && isBuilt));
  });
}

function troubledFirst(packages) {
  const isTroubled = (one) => one.state === "needs_attention";
  return [...packages.filter(isTroubled), ...packages.filter((one) => !isTroubled(one))];
}

function stateText(one) {
  if (one.state === "confirmed") return `✓ ${one.state_name} ${date(one.confirmed_at)} ${clockSeconds(one.confirmed_at)}`;
  if (!one.last_error) return standing(one);
  const isTriedLater = one.state === "waiting" && leftSeconds(one.next_try_at) > 0;
  const later = isTriedLater ? say(`（${clockSeconds(one.next_try_at)} 再试）`, ` (next try at ${clockSeconds(one.next_try_at)})`) : "";
  return `${standing(one)}${say("：", ": ")}${one.last_error}${later}`;
}

function standing(one) {
  if (one.sha256) return one.state_name;
  return one.state === "needs_attention" ? say("未能生成", "could not be built") : say("正在生成", "being built");
}

function newRow(refresh) {
  const file = make("button", { type: "button", class: "small", text: say("导出文件", "Export file") });
  const retry = make("button", { type: "button", class: "small", text: say("立即重试", "Try again now") });
  const row = make("tr", {}, make("td"), make("td"), make("td"), make("td", { class: "mono" }), make("td"), make("td", {}, make("div", { class: "acts" }, file, retry)));
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
