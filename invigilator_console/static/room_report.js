// One machine's last report: measured, wanted and what to do, worst first; it follows a check that is under way.

import { get, say } from "./api.js";
import { make, setText } from "./dom.js";
import { clockSeconds, date } from "./times.js";

const MARKS = { ok: "✓", advice: "!", fail: "×", unknown: "?" };

export function showReport(machine, title, again) {
  const facts = make("p", { class: "facts" });
  const rows = make("tbody");
  const button = again ? make("button", { type: "button", class: "primary", text: say("重新检查", "Check again") }) : null;
  const dialog = make("dialog", { class: "check" },
    make("header", {}, make("h2", { text: title }), make("span", { class: "space" })), facts,
    make("div", { class: "scroll", tabindex: "0" }, make("table", {}, make("thead", {}, make("tr", {},
      ...["", say("检查项", "Check"), say("实测", "Measured"), say("要求", "Wanted")].map((text) => make("th", { scope: "col", text })))), rows)),
    make("div", { class: "acts" }, make("button", { type: "button", text: say("关闭", "Close"), onclick: () => dialog.close() }), button));
  let shown = null;
  const refresh = async () => {
    try {
      const report = await get(`/api/reports/${encodeURIComponent(machine)}`);
      if (report.reported_at === shown) return;
      shown = report.reported_at;
      if (button) button.disabled = false;
      setText(facts, say(`${date(report.reported_at)} ${clockSeconds(report.reported_at)} 检查，用时 ${report.took_s.toFixed(1)} 秒`,
        `checked ${date(report.reported_at)} ${clockSeconds(report.reported_at)}, took ${report.took_s.toFixed(1)} s`));
      rows.replaceChildren(...report.findings.map(row));
    } catch (refusal) {
      setText(facts, refusal.message);
    }
  };
  button?.addEventListener("click", async () => {
    button.disabled = true;
    setText(facts, say("已通知该机检查，请稍候…", "The PC was asked to check itself: one moment…"));
    await again();
    setTimeout(() => { button.disabled = false; }, 15000);
  });
  const timer = setInterval(refresh, 1000);
  dialog.addEventListener("close", () => {
    clearInterval(timer);
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
  refresh();
}

function row(finding) {
  return make("tr", { class: `finding ${finding.state}` },
    make("td", {}, make("span", { class: "mark", title: finding.state_name, text: MARKS[finding.state] })),
    make("td", {}, finding.title),
    make("td", {}, finding.measured || finding.state_name, finding.to_do ? make("span", { class: "to-do", text: finding.to_do }) : ""),
    make("td", {}, finding.wanted));
}
