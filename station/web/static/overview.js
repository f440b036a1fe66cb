import { el, setText, sign } from "./dom.js";
import { say } from "./say.js";

/** All items at a glance: answered, open, flagged; a click goes there. */
export class Overview {
  constructor(sections, { onJump }) {
    this.buttons = new Map();
    this.cards = sections.flatMap((section) => section.cards);
    this.counts = el("dl.counts");
    const keys = [
      ["answered", say("已答", "answered")],
      ["part", say("未答完", "partly")],
      ["open", say("未答", "open")],
    ];
    this.element = el(
      "aside.overview",
      { "aria-label": say("答题概览", "Overview") },
      el("h2", say("答题概览", "Overview")),
      this.counts,
      el(
        "div.places",
        sections.map((section) => [
          el("h3", section.title),
          el("div.numbers", section.cards.map((card) => this.#button(card, onJump))),
        ]),
      ),
      el("p.legend", keys.map(([state, text]) => el("span", el("i.swatch", { "data-state": state }), text)), el("span", sign("flag"), say("标记", "flagged"))),
      shortcuts(),
    );
    this.draw();
  }

  draw() {
    const count = { answered: 0, part: 0, open: 0, flagged: 0 };
    for (const card of this.cards) {
      count[card.answerState] += 1;
      count.flagged += card.isFlagged ? 1 : 0;
      this.#drawButton(card);
    }
    const rows = [
      [say("已答", "Answered"), `${count.answered} / ${this.cards.length}`],
      [say("未答", "Open"), String(count.open + count.part)],
      [say("标记", "Flagged"), String(count.flagged)],
    ];
    if (this.counts.childElementCount !== rows.length) this.counts.replaceChildren(...rows.map(([term]) => el("div", el("dt", term), el("dd"))));
    rows.forEach(([, value], index) => setText(this.counts.children[index].lastChild, value));
  }

  /** Mark the item that is being looked at. */
  showCurrent(card) {
    for (const [other, button] of this.buttons) {
      if (other === card) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    const button = this.buttons.get(card);
    const box = button.closest(".places");
    const [top, bottom] = [button.offsetTop - box.offsetTop, button.offsetTop - box.offsetTop + button.offsetHeight];
    if (top < box.scrollTop) box.scrollTop = top - 8;
    else if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight + 8;
  }

  #button(card, onJump) {
    const button = el("button.place", { type: "button", onclick: () => onJump(card) }, String(card.number));
    this.buttons.set(card, button);
    return button;
  }

  #drawButton(card) {
    const button = this.buttons.get(card);
    const state = card.answerState;
    if (button.dataset.state === state && button.dataset.flagged === (card.isFlagged ? "yes" : "")) return;
    button.dataset.state = state;
    button.dataset.flagged = card.isFlagged ? "yes" : "";
    const words = { answered: say("已答", "answered"), part: say("未答完", "partly answered"), open: say("未答", "open") };
    const flag = card.isFlagged ? say("，已标记", ", flagged") : "";
    button.setAttribute("aria-label", `${say("第", "Item ")}${card.number}${say("题", "")} ${words[state]}${flag}`);
  }
}

function shortcuts() {
  const keys = [
    ["A–Z / 1–9", say("选择选项", "choose an option")],
    ["Alt+N / Alt+P", say("下一题 / 上一题", "next / previous item")],
    ["Alt+M", say("标记本题", "flag the item")],
    ["↑ ↓ ← →", say("表格内移动", "move in a table")],
  ];
  return el("details.shortcuts", el("summary", say("键盘操作", "Keyboard")), el("dl", keys.map(([key, text]) => el("div", el("dt", el("kbd", key)), el("dd", text)))));
}
