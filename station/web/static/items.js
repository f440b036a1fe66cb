import { choiceFields, trueFalseFields } from "./item_choice.js";
import { fileFields } from "./item_files.js";
import { tableFields } from "./item_table.js";
import { blankFields, writingFields } from "./item_writing.js";
import { assetAddress, el, paperHtml, setText, sign } from "./dom.js";
import { stateOf } from "./responses.js";
import { say } from "./say.js";
import { ProgramPanel } from "./work_programs.js";

/**
 * What each kind of item makes: `fields({ item, body, attemptId, change, record })` gives
 * `{ element, show(response), choose?(index), clear? }`; `clear` is a button for the card's head. `change` is for what may go on (typing), `record` for what is finished.
 */
const FIELDS = {
  single: choiceFields,
  multiple: choiceFields,
  true_false: trueFalseFields,
  fill_in: blankFields,
  short_answer: writingFields,
  long_answer: writingFields,
  table: tableFields,
  file: fileFields,
};

export const KIND_NAMES = {
  single: ["单选题", "Single choice"],
  multiple: ["多选题", "Multiple choice"],
  true_false: ["判断题", "True or false"],
  fill_in: ["填空题", "Fill in"],
  short_answer: ["简答题", "Short answer"],
  long_answer: ["论述题", "Long answer"],
  table: ["表格题", "Table"],
  file: ["操作题", "Practical task"],
};
const STATE_NAMES = { answered: ["已答", "answered"], part: ["未答完", "partly answered"], open: ["未答", "open"] };

/** One item on the page: its card, its answer, its flag. */
export class ItemCard {
  constructor(item, number, { attemptId, answer, uploads, work, isFlagged, saving, onAnswer, onFlag, onHistory }) {
    this.item = item;
    this.number = number;
    this.response = answer;
    this.isFlagged = isFlagged;
    this.isRefused = false;
    this.saving = saving;
    this.onAnswer = onAnswer;
    const body = paperHtml(el("div.body"), item.body, attemptId);
    this.fields = FIELDS[item.kind]({
      item,
      body,
      attemptId,
      uploads,
      work,
      change: (response) => this.#answered(response, false),
      record: (response) => this.#answered(response, true),
    });
    // Of an item that wants files its fields show the programs; any other may name some as well.
    this.programs = item.kind !== "file" && item.programs?.length ? new ProgramPanel(work, item.id) : null;
    this.flag = el("button.plain.flag", { type: "button", onclick: () => onFlag(this) }, sign("flag"));
    this.flagText = el("span");
    this.flag.append(this.flagText);
    this.refusal = el("p.notice.bad", { role: "alert", hidden: true });
    const history = ["fill_in", "short_answer", "long_answer", "table", "file"].includes(item.kind)
      ? el("button.plain", { type: "button", onclick: () => onHistory(this) }, sign("history"), say("历史版本", "Earlier versions"))
      : null;
    this.state = el("span.item-state");
    this.element = el(
      "section.item",
      { id: `item-${item.id}`, tabIndex: -1, "aria-labelledby": `title-${item.id}` },
      el(
        "header",
        el("h3", { id: `title-${item.id}` }, el("span.item-number", String(number)), el("span.kind", say(...KIND_NAMES[item.kind]))),
        el("span.points", say(`${shortPoints(item.points)} 分`, `${shortPoints(item.points)} points`)),
        this.state,
        el("span.spring"),
        this.fields.clear,
        history,
        this.flag,
      ),
      body,
      materialList(item, attemptId),
      this.programs?.element,
      this.fields.element,
      this.refusal,
    );
    this.element.addEventListener("focusout", () => saving.commit(item.id));
    this.fields.show(answer);
    this.draw();
  }

  get answerState() {
    return stateOf(this.item, this.response, this.fields.partsThere ? this.fields.partsThere() : []);
  }

  get isUploading() {
    return Boolean(this.fields.isUploading && this.fields.isUploading());
  }

  /** The page goes away: what goes on by itself ends. */
  stop() {
    if (this.fields.stop) this.fields.stop();
  }

  /** The work folder has changed. */
  drawWork() {
    this.programs?.draw();
    if (!this.fields.drawWork) return;
    this.fields.drawWork();
    this.draw();
  }

  setFlag(isFlagged) {
    this.isFlagged = isFlagged;
    this.draw();
  }

  /** Show another answer (an earlier version taken back) and save it. */
  takeBack(response) {
    this.fields.show(response);
    this.#answered(response, true);
  }

  /** Say why the newest answer was not taken; "" once one is. */
  tellRefusal(sentence) {
    this.isRefused = Boolean(sentence);
    this.refusal.hidden = !sentence;
    setText(this.refusal, sentence || "");
  }

  focus() {
    this.element.scrollIntoView({ block: "start" });
    this.element.focus({ preventScroll: true });
  }

  draw() {
    const state = this.answerState;
    this.element.dataset.state = state;
    this.element.dataset.flagged = this.isFlagged ? "yes" : "";
    setText(this.state, say(...STATE_NAMES[state]));
    this.flag.setAttribute("aria-pressed", String(this.isFlagged));
    setText(this.flagText, this.isFlagged ? say("取消标记", "Unflag") : say("标记", "Flag"));
  }

  #answered(response, isFinished) {
    this.response = response;
    if (isFinished) this.saving.record(this.item.id, response);
    else this.saving.change(this.item.id, response);
    this.draw();
    this.onAnswer(this);
  }
}

/** Write 1.00 as 1 and 2.50 as 2.5. */
export function shortPoints(points) {
  return String(Number(points));
}

function materialList(item, attemptId) {
  if (!item.materials || !item.materials.length) return null;
  return el(
    "div.materials",
    el("p", say("素材下载：", "Materials:")),
    item.materials.map((material) =>
      el("a.button", { href: assetAddress(attemptId, material.asset), download: material.name }, sign("file"), material.name),
    ),
  );
}
