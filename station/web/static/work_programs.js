import { ask, Refusal, tell } from "./api.js";
import { el, setText, sign } from "./dom.js";
import { say } from "./say.js";

const ASK_MS = 700;
const ANSWER_WITHIN_MS = 30_000;
const FILES_SHOWN = 8;

/** The programs of an item on a PC whose desktop is locked away: open one, with a file or without. */
export class ProgramPanel {
  constructor(work, itemId) {
    this.work = work;
    this.itemId = itemId;
    this.opening = 0; // which wish the line below speaks of
    this.drawn = "";
    this.buttons = el("div.program-buttons");
    this.files = el("ul.program-files");
    this.told = el("p.program-told", { role: "status", hidden: true });
    this.where = el("p.program-where");
    this.element = el("section.programs", { hidden: true, "aria-label": say("本题软件", "Programs of this item") },
      el("h4", say("本题软件", "Programs")), this.buttons, this.files, this.told, this.where, switchHint());
  }

  /** The work folder has changed. */
  draw() {
    const programs = this.work.programs.find((one) => one.item_id === this.itemId);
    const agent = this.work.facts?.agent;
    this.element.hidden = !programs || !agent?.opens;
    if (this.element.hidden) return;
    setText(this.where, agent.folder ? say(`作品文件夹在本机：${agent.folder}`, `The work folder on this PC: ${agent.folder}`) : "");
    this.where.hidden = !agent.folder;
    const files = this.#files(programs);
    const seen = JSON.stringify([programs.programs, files]);
    if (seen === this.drawn) return; // a button that is being pressed stays
    this.drawn = seen;
    this.buttons.replaceChildren(...programs.programs.map((one) => el("button", { type: "button", onclick: () => this.#open(one, "") }, say(`打开 ${one.title}`, `Open ${one.title}`))));
    this.files.replaceChildren(...files.map((path) => this.#row(path, programs)));
    this.files.hidden = !files.length;
  }

  /** The candidate's own files first, then the materials: what is not there yet is made in the program. */
  #files(programs) {
    const own = this.work.files.filter((file) => !file.is_removed && (file.path.startsWith(`${programs.folder}/`) || this.work.programs.length === 1)).map((file) => file.path);
    return [...new Set([...own, ...programs.materials])].slice(0, FILES_SHOWN);
  }

  #row(path, { programs, folder }) {
    const name = path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : path;
    return el("li", el("span.path", name), el("span.buttons", programs.map((one) =>
      el("button.plain", { type: "button", "aria-label": say(`用 ${one.title} 打开作品文件夹中的 ${name}`, `Open ${name} of the work folder in ${one.title}`), onclick: () => this.#open(one, path) },
        say(`用 ${one.title} 打开`, `Open in ${one.title}`)))));
  }

  async #open(program, file) {
    const mine = ++this.opening;
    const { attemptId } = this.work;
    this.#tell("busy", say(`正在打开 ${program.title}，大型软件可能要等半分钟……`, `Opening ${program.title}; a large program may take half a minute …`));
    try {
      let answer = await tell(`/api/work_programs/${attemptId}`, { item_id: this.itemId, program: program.name, file });
      const until = performance.now() + ANSWER_WITHIN_MS;
      while (answer.state === "waiting" && performance.now() < until && mine === this.opening) {
        await new Promise((wake) => setTimeout(wake, ASK_MS));
        answer = await ask(`/api/work_programs/${attemptId}/${answer.command_id}`);
      }
      if (mine === this.opening) this.#came(answer);
    } catch (error) {
      if (mine === this.opening) this.#tell("bad", error instanceof Refusal ? error.sentence : say("暂时连不上服务器，请稍候再试。", "The server cannot be reached. Please try again in a moment."));
    }
  }

  #came({ state, text, title }) {
    if (state === "opened") this.#tell("fine", say(`${title} 已打开。`, `${title} is open.`));
    else if (state === "failed") this.#tell("bad", text || say(`${title} 没有打开，请举手。`, `${title} did not open: raise your hand.`));
    else this.#tell("bad", say(`本机没有回应，${title} 可能没有打开。请再试一次；仍不行请举手。`, `This PC did not answer and ${title} may not have opened. Try again; if that does not help, raise your hand.`));
  }

  #tell(state, text) {
    this.told.hidden = false;
    this.told.dataset.state = state;
    this.told.replaceChildren(...[state === "fine" && sign("check"), el("span", text)].filter(Boolean));
  }
}

function switchHint() {
  const key = (text) => el("kbd", text);
  return el("p.program-keys", say("切换：", "Switch: "), key("Ctrl+Alt+1"), say(" 回到考试页面，", " shows this page, "), key("Ctrl+Alt+2"), say(" 回到软件。", " the program."));
}
