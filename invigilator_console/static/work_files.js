// A candidate's files in the seat's details: what is wanted and what has come, each with its versions.

import { say } from "./api.js";
import { make } from "./dom.js";
import { clockSeconds } from "./times.js";

const VERSIONS_OPEN = 1;

export function workPart(work) {
  if (!work) return [];
  const parts = [make("h3", { text: say("作品文件", "Work files") })];
  if (work.facts) parts.push(make("p", { class: "work-facts", text: factsText(work.facts) }));
  parts.push(make("table", { class: "work" }, make("tbody", {}, ...work.wanted.map(wantedRow))));
  if (work.files.length) {
    parts.push(make("details", { class: "work-all" },
      make("summary", { text: say(`全部文件（${work.files.length} 个）与历史版本`, `All files (${work.files.length}) and their versions`) }),
      make("ul", {}, ...work.files.map(fileItem))));
  }
  return parts;
}

function factsText(facts) {
  const { agent } = facts;
  const heard = agent.heard_at && clockSeconds(agent.heard_at);
  const parts = [!heard ? say("考试机未连接（考站启动后没有连接过）", "PC not heard since the station started")
    : agent.is_lost ? say(`考试机未连接（最近 ${heard}）`, `PC not heard (last ${heard})`) : say(`考试机已连接（${heard}）`, `PC heard (${heard})`)];
  if (agent.waiting) parts.push(say(`还有 ${agent.waiting} 个文件正在传送`, `${agent.waiting} files on their way`));
  if (facts.settled_at) parts.push(say(`已于 ${clockSeconds(facts.settled_at)} 全部收齐`, `all came by ${clockSeconds(facts.settled_at)}`));
  else if (facts.until) parts.push(facts.is_awaited ? say("正在收取最后状态", "the last state is awaited") : say("最后状态未确认，请到该机查看", "the last state was not confirmed: look at the PC"));
  if (facts.late_count) parts.push(say(`截止后到达 ${facts.late_count} 个版本`, `${facts.late_count} versions came late`));
  return parts.join(say("；", "; "));
}

function wantedRow(one) {
  const bad = one.is_missing;
  const what = one.file
    ? `${one.file.path} · ${one.file.version ? say(`第 ${one.file.version} 版`, `version ${one.file.version}`) : say("网页上传", "uploaded")} · ${clockSeconds(one.file.saved_at)} · ${size(one.file.size)}`
    : one.required ? one.state_name : say("未交（选交）", "none (optional)");
  const state = one.file && one.state !== "there" ? `${one.state_name}：` : "";
  return make("tr", { class: bad ? "missing" : "" }, make("th", { scope: "row", text: one.name }), make("td", { text: state + what }));
}

function fileItem(file) {
  const head = file.is_removed ? say("已从文件夹删除", "removed") : say(`第 ${file.version ?? "—"} 版`, `version ${file.version ?? "—"}`);
  const list = make("ol", {}, ...file.versions.map((one) => make("li", { class: one.is_late && !one.is_accepted ? "late" : "",
    text: [say(`第 ${one.version} 版`, `version ${one.version}`), clockSeconds(one.saved_at), one.is_removed ? "" : size(one.size), one.cause_name,
      one.is_late ? (one.is_accepted ? say("迟到，已采纳", "late, accepted") : say("迟到，未计入", "late, not counted")) : "", one.is_current ? say("当前计入", "counts now") : ""].filter(Boolean).join(" · ") })));
  const entry = make("details", {}, make("summary", { text: `${file.path} · ${head} · ${clockSeconds(file.saved_at)}` }), list);
  entry.open = file.count <= VERSIONS_OPEN;
  return make("li", {}, entry);
}

export function size(bytes) {
  if (bytes < 1048576) return `${Math.max(1, Math.round(bytes / 1024))} KB`;
  return bytes < 1073741824 ? `${(bytes / 1048576).toFixed(1)} MB` : `${(bytes / 1073741824).toFixed(1)} GB`;
}
