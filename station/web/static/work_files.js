import { ask, tell } from "./api.js";
import { el, setText, sign } from "./dom.js";
import { acting, noticeLine } from "./frame.js";
import { clockTime, fileSize, say } from "./say.js";

const RETRY_MS = 5000;
const WAIT_FOR_FILES_MS = 60_000;

/** The work folder of an attempt as the station knows it: asked for again whenever its stamp has changed. */
export class WorkFolder {
  constructor(attemptId, onChange) {
    this.attemptId = attemptId;
    this.onChange = onChange;
    this.facts = null; // short, with every poll; null: no PC holds a folder
    this.wanted = new Map(); // "item/part" → what answers it
    this.files = [];
    this.programs = []; // by item: what can be opened on this PC
    this.stamp = -1;
    this.asking = null; // the question that is under way
    this.notBefore = 0; // of the counter that no wrong clock of the PC can move
    this.waitsSince = null;
  }

  /** What a poll has brought. */
  update(facts) {
    if (!facts && !this.facts) return;
    this.facts = facts;
    if (!facts || facts.stamp === this.stamp) this.onChange();
    else if (!this.asking) this.refresh();
  }

  /** Ask for the list, after one that is under way and may know too little; rejects nothing: a later poll asks again. */
  async refresh() {
    while (this.asking) await this.asking;
    if (performance.now() < this.notBefore) return;
    this.asking = this.#ask();
    await this.asking;
    this.onChange();
  }

  async #ask() {
    try {
      const answer = await ask(`/api/work_files/${this.attemptId}`);
      this.stamp = answer.stamp;
      this.files = answer.files;
      this.programs = answer.programs;
      this.wanted = new Map(answer.wanted.map((one) => [`${one.item_id}/${one.part}`, one]));
    } catch {
      this.notBefore = performance.now() + RETRY_MS;
    } finally {
      this.asking = null;
    }
  }

  of(itemId, part) {
    return this.wanted.get(`${itemId}/${part}`);
  }

  /** The parts of an item that the station has, from the folder or uploaded. */
  partsOf(itemId) {
    return [...this.wanted.values()].filter((one) => one.item_id === itemId && one.state === "there").map((one) => one.part);
  }

  /** Say why to wait before handing in, or "". After a minute of waiting nobody is held up any longer. */
  reasonToWait() {
    const { agent } = this.facts || {};
    if (!agent || agent.is_lost || !agent.waiting) {
      this.waitsSince = null;
      return "";
    }
    this.waitsSince ??= performance.now();
    if (performance.now() - this.waitsSince > WAIT_FOR_FILES_MS) return "";
    return say(`还有 ${agent.waiting} 个作品文件正在保存到服务器（${fileSize(agent.waiting_bytes)}），请稍候再交卷，最多等一分钟。`,
      `${agent.waiting} work files (${fileSize(agent.waiting_bytes)}) are on their way to the server. Please wait, for a minute at most.`);
  }
}

/** How the folder's program on this PC is heard, in a line. */
export function agentText(facts) {
  const { agent } = facts;
  if (agent.is_lost) {
    const when = agent.heard_at ? say(`（最近 ${clockTime(agent.heard_at)}）`, ` (last heard ${clockTime(agent.heard_at)})`) : "";
    return say(`作品文件夹暂时没有连上服务器${when}：请照常保存，连上后会自动送出；较久未恢复请举手。`, `The work folder is not connected${when}: keep saving, files go out by themselves later. If it lasts, raise your hand.`);
  }
  if (agent.waiting) return say(`正在把 ${agent.waiting} 个文件保存到服务器（${fileSize(agent.waiting_bytes)}）……`, `Saving ${agent.waiting} files to the server (${fileSize(agent.waiting_bytes)}) …`);
  return say(`作品文件夹已连接（${clockTime(agent.heard_at)}），文件保存后会自动送到服务器。`, `The work folder is connected (${clockTime(agent.heard_at)}): what you save there goes to the server by itself.`);
}

/** Above the boxes of a file item: how it goes; below: other files of the folder. */
export class WorkLines {
  constructor(work) {
    this.work = work;
    this.line = el("p.work-line", { role: "status", hidden: true });
    this.button = el("button.plain", { type: "button", hidden: true, onclick: () => filesDialog(work) }, sign("history"), el("span"));
    this.foot = el("p.work-foot", this.button);
  }

  draw() {
    const { facts, files } = this.work;
    this.line.hidden = !facts;
    this.button.hidden = !files.length;
    if (!facts) return;
    this.line.dataset.state = facts.agent.is_lost ? "lost" : facts.agent.waiting ? "busy" : "fine";
    setText(this.line, agentText(facts));
    setText(this.button.lastChild, say(`作品文件夹中的全部文件（${files.length} 个）和历史版本`, `All files of the work folder (${files.length}) and their versions`));
  }
}

/** What is wanted and whether it is there, for the hand-in. */
export function wantedList(work) {
  const wanted = [...work.wanted.values()];
  if (!work.facts || !wanted.length) return null;
  const rows = wanted.map((one) => {
    const version = one.file?.version ? say(`第 ${one.file.version} 版`, `version ${one.file.version}`) : say("网页上传", "uploaded");
    const saved = one.file && [one.file.name === one.name ? "" : one.file.name, version, clockTime(one.file.saved_at)].filter(Boolean).join(" · ");
    const state = one.state === "there" ? saved : one.required ? one.state_name : say("未交（选交）", "none (optional)");
    return el("li", { "data-state": one.is_missing ? "missing" : one.state === "there" ? "there" : "open" }, el("span.name", one.name), el("span", state));
  });
  const missing = wanted.filter((one) => one.is_missing).length;
  return el("div.work-wanted",
    el("p", missing ? say(`作品文件还缺 ${missing} 个：`, `${missing} work files are missing:`) : say("作品文件都已保存到服务器：", "All work files are on the server:")),
    el("ul", rows),
    work.facts.agent.is_lost && el("p.notice.bad", agentText(work.facts)));
}

/** After the end: whether the last state of the folder has come. */
export function settledText(facts) {
  if (facts.settled_at) return say(`作品文件已全部收齐（${clockTime(facts.settled_at)}）。`, `All work files have come (${clockTime(facts.settled_at)}).`);
  if (facts.is_awaited) return say(`正在收取作品文件的最后状态，请勿关机（最迟 ${clockTime(facts.until, false)}）。`, `The last state of your work files is being fetched, leave the PC on (until ${clockTime(facts.until, false)} at the latest).`);
  return say("没有收到作品文件的最后状态，请举手告诉监考员；不要动作品文件夹。", "The last state of the work files did not come. Raise your hand, and leave the work folder alone.");
}

/** All files, each with its versions; one taken back becomes the newest. */
export function filesDialog(work, path = "") {
  const notice = noticeLine();
  const done = el("p.notice.good", { role: "status", hidden: true });
  const list = el("div.work-files");
  const close = el("button", { type: "button", onclick: () => dialog.close() }, say("关闭", "Close"));
  const dialog = el("dialog.wide", { onclose: () => dialog.remove() },
    el("h2", say("作品文件和历史版本", "Work files and their versions")),
    el("p.notice", say("恢复前，请先在软件里关闭这个文件。恢复的版本成为最新版，并放回作品文件夹；如果文件仍被软件打开，会放在旁边，文件名带“（第几版）”。现在的版本不会丢失。",
      "Close the file in its program first. A version taken back becomes the newest and is put into the folder; while a program holds the file open it is put beside, with its version in the name. Nothing is lost.")),
    notice.line, done, list, el("div.buttons", close));
  document.body.append(dialog);
  dialog.showModal();
  close.focus();
  draw();

  function draw() {
    list.replaceChildren(...work.files.map(fileEntry));
  }

  function fileEntry(file) {
    const head = file.is_removed ? say("已从文件夹删除", "removed from the folder") : say(`第 ${file.version ?? "—"} 版`, `version ${file.version ?? "—"}`);
    const entry = el("details", el("summary", el("span.path", file.path), el("span.fine", `${head} · ${clockTime(file.saved_at)}`)), el("ol.versions", file.versions.map((one) => version(file, one))));
    entry.open = file.path === path || work.files.length === 1;
    return entry;
  }

  function version(file, one) {
    const take = el("button", { type: "button", onclick: () => acting(take, notice, () => takeBack(file, one)) }, say("恢复此版", "Take back"));
    const parts = [say(`第 ${one.version} 版`, `version ${one.version}`), clockTime(one.saved_at), one.is_removed ? "" : fileSize(one.size), one.cause_name].filter(Boolean);
    return el("li", el("span", parts.join(" · ")), one.is_current ? el("span.fine", say("当前", "current")) : !one.is_removed && !one.is_late && take);
  }

  async function takeBack(file, one) {
    await tell(`/api/work_files/${work.attemptId}/take_back`, { file: file.path, version: one.version });
    work.stamp = -1;
    await work.refresh();
    path = file.path;
    draw();
    done.hidden = false;
    setText(done, say(`已恢复第 ${one.version} 版，几秒后会放回作品文件夹。`, `Version ${one.version} is taken back and will be in the folder in some seconds.`));
  }

  return dialog;
}
