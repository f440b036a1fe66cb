import { ask, Refusal } from "./api.js";
import { el, setText, sign } from "./dom.js";
import { NOTHING, recordOf, recordResponse } from "./responses.js";
import { clockTime, fileSize, say } from "./say.js";
import { filesDialog, WorkLines } from "./work_files.js";
import { ProgramPanel } from "./work_programs.js";

const RETRY_MS = 5000;
const FULL_RETRY_MS = 30000;

/** Files to hand in: one box each, with what is wanted said before, progress, and what the station has. */
export function fileFields({ item, attemptId, uploads, work, record }) {
  const files = new Map(); // part → { name, size, sha256, media_type }
  const boxes = item.interaction.files.map((wanted) => new FileBox(wanted, { attemptId, itemId: item.id, onFile }));

  function onFile(part, file) {
    if (file) files.set(part, file);
    else files.delete(part);
    record(files.size ? recordResponse(files, "file") : NOTHING);
  }

  const lines = new WorkLines(work);
  const programs = new ProgramPanel(work, item.id);
  return {
    element: el("div.files", lines.line, programs.element, boxes.map((box) => box.element), lines.foot),
    partsThere: () => work.partsOf(item.id),
    drawWork() {
      lines.draw();
      programs.draw();
      for (const box of boxes) box.showWork(work);
    },
    isUploading: () => boxes.some((box) => box.running),
    stop: () => boxes.forEach((box) => box.cancel()),
    show(response) {
      files.clear();
      for (const [part, file] of recordOf(response)) files.set(part, file);
      for (const box of boxes) {
        const file = files.get(box.wanted.id);
        box.show(file, file && uploads[file.sha256]);
      }
    },
  };
}

class FileBox {
  constructor(wanted, { attemptId, itemId, onFile }) {
    this.wanted = wanted;
    this.attemptId = attemptId;
    this.itemId = itemId;
    this.onFile = onFile;
    this.running = null;
    this.here = null; // what was uploaded here: { file, uploadedAt }
    this.answer = null; // what the station says of the work folder, null without one
    this.work = null;
    this.input = el("input.file-input", { type: "file", accept: wanted.extensions.join(","), onchange: () => this.#chosen(this.input.files[0]) });
    this.button = el("button", { type: "button", onclick: () => this.input.click() });
    this.remove = el("button.plain", { type: "button", hidden: true, onclick: () => this.#removed() }, say("移除", "Remove"));
    this.stop = el("button.plain", { type: "button", hidden: true, onclick: () => this.cancel() }, say("取消上传", "Cancel"));
    this.told = el("p.file-told", { role: "status" });
    this.wrong = el("p.notice.bad", { role: "alert", hidden: true });
    this.progress = el("progress", { max: 1, hidden: true });
    const limits = say(
      `格式：${wanted.extensions.join("、")}；不超过 ${fileSize(wanted.max_bytes)}`,
      `Kinds: ${wanted.extensions.join(", ")}; up to ${fileSize(wanted.max_bytes)}`,
    );
    const need = wanted.required === false ? say("选交", "optional") : say("必交", "required");
    this.element = el(
      "div.file-box",
      { ondragover: (event) => this.#dragged(event), ondragleave: () => this.#over(false), ondrop: (event) => this.#dropped(event) },
      el("p.file-label", el("strong", wanted.label), el("span.need", need), el("span.fine", limits)),
      this.told,
      this.progress,
      this.wrong,
      el("div.buttons", this.button, this.stop, this.remove, this.input),
    );
    this.input.tabIndex = -1;
    this.input.setAttribute("aria-hidden", "true");
    this.show(undefined);
  }

  show(file, uploadedAt = null) {
    this.here = file ? { file, uploadedAt } : null;
    this.#draw();
  }

  /** Tell what lies in the work folder for this file. */
  showWork(work) {
    this.work = work;
    this.answer = work.facts ? work.of(this.itemId, this.wanted.id) || null : null;
    if (!this.running) this.#draw();
  }

  /** End an upload that is on its way, or waits for another try. */
  cancel() {
    if (!this.running) return;
    if (this.running.request) {
      this.running.request.onload = this.running.request.onerror = null;
      this.running.request.abort();
    }
    clearTimeout(this.running.retry);
    this.#ended();
    this.#draw();
  }

  #draw() {
    const { file, uploadedAt } = this.here || {};
    const isWorked = this.#drawWork();
    this.remove.hidden = !file || isWorked;
    setText(this.button, this.answer ? say("直接上传", "Upload instead") : file ? say("重新选择文件", "Replace") : say("选择文件，或拖到这里", "Choose a file, or drop it here"));
    if (isWorked) return;
    this.element.dataset.state = file ? "here" : "";
    if (!file) {
      setText(this.told, say("尚未上传。", "Nothing uploaded yet."));
      return;
    }
    const when = uploadedAt ? `${clockTime(uploadedAt)} ` : "";
    const link = el("a", { href: `/api/files/${this.attemptId}/${file.sha256}`, download: file.name }, file.name);
    this.told.replaceChildren(sign("check"), el("span", when, say("已上传：", "uploaded: ")), link, el("span", `（${fileSize(file.size)}）`));
  }

  /** Show what the folder has, where that counts or nothing does; says whether it has shown something. */
  #drawWork() {
    const { answer } = this;
    if (!answer || (answer.file && !answer.file.version)) return false;
    const { file } = answer;
    if (!file && this.here) return false; // uploaded just now; the list comes with the next poll
    this.element.dataset.state = answer.state === "there" ? "here" : "";
    if (!file) {
      this.told.replaceChildren(el("span", say(`还没有。请在软件中保存为“${answer.name}”，放进作品文件夹的“${answer.folder}”。`, `Not there yet. Save it as "${answer.name}" in "${answer.folder}" of the work folder.`)));
      return true;
    }
    const versions = el("button.plain", { type: "button", onclick: () => filesDialog(this.work, file.path) }, say("历史版本", "Versions"));
    const when = say(`第 ${file.version} 版，${clockTime(file.saved_at)} 已保存`, `version ${file.version}, saved ${clockTime(file.saved_at)}`);
    const state = answer.state === "there" ? "" : say(`（${answer.state_name}，请检查）`, ` (${answer.state_name}: please check)`);
    this.told.replaceChildren(...[answer.state === "there" && sign("check"), el("span", when, say("：", ": "), el("strong", file.name), el("span.size", `（${fileSize(file.size)}）`), state), versions].filter(Boolean));
    return true;
  }

  #chosen(file) {
    this.input.value = "";
    if (!file) return;
    const { extensions, max_bytes: limit } = this.wanted;
    if (!extensions.some((extension) => file.name.toLowerCase().endsWith(extension))) {
      this.#refuse(say(`“${file.name}”的格式不符，只接收：${extensions.join("、")}。`, `${file.name} is not one of: ${extensions.join(", ")}.`));
    } else if (file.size > limit) {
      this.#refuse(say(`文件为 ${fileSize(file.size)}，超过 ${fileSize(limit)} 的限制，请缩小后重新选择。`, `The file has ${fileSize(file.size)}; the limit is ${fileSize(limit)}.`));
    } else if (!file.size) {
      this.#refuse(say("文件是空的，请检查后重新选择。", "The file is empty."));
    } else {
      this.#upload(file);
    }
  }

  /** Ask first: a large file that is sent in vain fills the server's disk for a while, and the network. */
  #upload(file) {
    this.cancel();
    this.#refuse("");
    const running = (this.running = { request: null, retry: null });
    this.stop.hidden = false;
    const goOn = (next) => this.running === running && next();
    ask(`/api/files/room?size=${file.size}`).then(
      (answer) => goOn(() => (answer.room ? this.#send(file) : this.#full(file))),
      (error) => goOn(() => (error instanceof Refusal ? this.#send(file) : this.#away(file))),
    );
  }

  #send(file) {
    const query = new URLSearchParams({ attempt_id: this.attemptId, item_id: this.itemId, part: this.wanted.id, name: file.name });
    const request = new XMLHttpRequest();
    this.running = { request, retry: null };
    request.open("POST", `/api/files?${query}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => this.#moved(event.loaded, file);
    request.onload = () => this.#answered(request, file);
    request.onerror = () => this.#away(file);
    this.#moved(0, file);
    this.progress.hidden = this.stop.hidden = false;
    request.send(file);
  }

  #moved(loaded, file) {
    this.progress.value = file.size ? loaded / file.size : 0;
    const percent = Math.floor(this.progress.value * 100);
    this.told.replaceChildren(say(`正在上传 ${file.name}：${percent}%`, `Uploading ${file.name}: ${percent} %`));
  }

  #answered(request, file) {
    const answer = parsed(request.responseText);
    if (request.status === 200 && answer.file) {
      this.#ended();
      const { uploaded_at: uploadedAt, ...known } = answer.file;
      this.onFile(this.wanted.id, known);
      this.show(known, uploadedAt);
    } else if (answer.error && request.status < 500) {
      this.#ended();
      this.#draw();
      this.#refuse(answer.error.sentence);
    } else if (answer.error?.code === "no_space_for_files") {
      this.#full(file);
    } else {
      this.#away(file);
    }
  }

  #full(file) {
    this.progress.hidden = true;
    this.#draw();
    this.#refuse(say("服务器磁盘空间不足，文件还没有上传；答案照常保存。请举手报告监考员，不要移动原文件，腾出空间后会自动上传。",
      "The server's disk is nearly full, so the file is not uploaded yet; answers are saved as before. Raise your hand and leave the file where it is: it goes out by itself once there is room."));
    this.running = { request: null, retry: setTimeout(() => this.#upload(file), FULL_RETRY_MS) };
  }

  #away(file) {
    this.#refuse(say("上传中断，连上服务器后会自动重试，请不要移动原文件。", "The upload broke off; it is tried again by itself. Leave the file where it is."));
    this.running = { request: null, retry: setTimeout(() => this.#upload(file), RETRY_MS) };
  }

  #removed() {
    this.show(undefined);
    this.onFile(this.wanted.id, null);
  }

  #ended() {
    this.running = null;
    this.progress.hidden = this.stop.hidden = true;
  }

  #refuse(text) {
    this.wrong.hidden = !text;
    setText(this.wrong, text);
  }

  #dragged(event) {
    event.preventDefault();
    this.#over(true);
  }

  #over(isOver) {
    this.element.classList.toggle("over", isOver);
  }

  #dropped(event) {
    event.preventDefault();
    this.#over(false);
    this.#chosen(event.dataTransfer.files[0]);
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
