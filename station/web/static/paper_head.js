import { el, setText, sign } from "./dom.js";
import { languageButton } from "./frame.js";
import { clockTime, duration, say } from "./say.js";

const MANY = 9; // so many unsent answers are the queue of an outage
export const FONT_SIZES = ["normal", "large", "larger"];

/** The line that stays on top while answering: who, countdown, what is saved, and the few acts. */
export class PaperHead {
  constructor(state, { onFont, onHelp, onHandIn }) {
    const { candidate, entry } = state;
    this.countdown = el("strong.countdown");
    this.countdownBox = el("div.remaining", { role: "timer" }, el("span.fine", say("剩余时间", "Time left")), this.countdown);
    this.saved = el("p.saved", { role: "status" });
    this.help = el("button.plain", { type: "button", onclick: onHelp }, sign("hand"));
    this.helpText = el("span");
    this.help.append(this.helpText);
    this.handIn = el("button.primary", { type: "button", onclick: onHandIn }, say("交卷", "Hand in"));
    this.fonts = FONT_SIZES.map((size, index) =>
      el("button.font", { type: "button", className: `font font-${size}`, onclick: () => onFont(size), "aria-label": say(["小字", "中字", "大字"][index], ["small text", "medium text", "large text"][index]) }, say("字", "A")),
    );
    this.element = el(
      "header.paper-head",
      el("div.person", { title: candidate.name }, el("div.who", el("strong", candidate.name), el("span.seat-here", `${say("考位", "Seat")} ${entry.seat}`)), el("span.fine.digits", candidate.ticket_number)),
      el("div.subject", el("strong", entry.subject), el("span.fine", `${entry.certificate}（${entry.level}）`)),
      this.countdownBox,
      this.saved,
      el("span.spring"),
      el("div.fonts", { role: "group", "aria-label": say("字号", "Text size") }, this.fonts),
      languageButton(),
      this.help,
      this.handIn,
    );
  }

  /** `remaining` in ms; `isClose` colours the last minutes; `isHeld`: the time stands still. */
  showTime(remaining, { isClose, isHeld, isOver }) {
    const text = isOver ? say("时间到", "Time is up") : duration(remaining);
    setText(this.countdown, isHeld ? `${text} ${say("（暂停）", "(held)")}` : text);
    this.countdownBox.dataset.close = isClose ? "yes" : "";
  }

  /** `refused`: the numbers of the items whose newest answer was not taken. */
  showSaved({ trouble, unsent, savedAt, isDurable, isBlocked, refused }) {
    if (isBlocked && unsent) {
      this.#saved("away", "away", say(`${unsent} 项答案未能送达，请勿关闭本页并举手`, `${unsent} answers do not get through: keep this page open and raise your hand`));
    } else if (trouble && trouble.kind !== "blocked") {
      const what = trouble.kind === "unwritten" ? say("服务器存不了", "Server cannot store") : say("未连接", "Not connected");
      const kept = what + (isDurable ? say("，答案暂存本机", "; answers are kept on this PC") : say("，请勿关闭本页", ": do not close this page"));
      this.#saved("away", "away", unsent ? `${kept}${say(`（${unsent} 项待发送）`, ` (${unsent} to send)`)}` : kept);
    } else if (unsent) {
      this.#saved("busy", null, unsent > MANY ? say(`正在发送 ${unsent} 项……`, `Sending ${unsent} …`) : say("正在保存……", "Saving …"));
    } else if (refused.length) {
      this.#saved("away", "away", say(`第 ${refused.join("、")} 题没有保存成功，请查看`, `Item ${refused.join(", ")} was not saved: please look`));
    } else if (savedAt) {
      this.#saved("good", "check", `${say("已保存", "Saved")} ${clockTime(savedAt)}`);
    } else {
      this.#saved("good", null, say("答案会自动保存", "Answers are saved by themselves"));
    }
  }

  showHelp(isAsked) {
    this.help.disabled = isAsked;
    setText(this.helpText, isAsked ? say("已举手", "Hand raised") : say("举手", "Raise hand"));
  }

  showFont(size) {
    document.documentElement.dataset.font = size;
    this.fonts.forEach((button, index) => button.setAttribute("aria-pressed", String(FONT_SIZES[index] === size)));
  }

  #saved(state, signName, text) {
    if (this.saved.dataset.text === text) return;
    this.saved.dataset.text = text;
    this.saved.dataset.state = state;
    this.saved.replaceChildren(...(signName ? [sign(signName)] : []), el("span", text));
  }
}
