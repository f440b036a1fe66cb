import { ask, Away, tell } from "./api.js";
import { el, paperHtml, setText } from "./dom.js";
import { ItemCard } from "./items.js";
import { messageBanner, triedLine } from "./messages.js";
import { goOnText, heldTexts, leftHereText, outageLine, OutageTold } from "./outage.js";
import { Overview } from "./overview.js";
import { coverDialog, handInDialog, historyDialog, zoomDialog } from "./paper_dialogs.js";
import { FONT_SIZES, PaperHead } from "./paper_head.js";
import { pressed } from "./paper_keys.js";
import { Saving } from "./saving.js";
import { clockTime, say } from "./say.js";
import { stationNow } from "./station_clock.js";
import { WorkFolder } from "./work_files.js";

const LOCK_BEFORE_MS = 1000;
const LAST_FLUSH_MS = 4000;
const BLOCKED_FROM = 3; // refusals one after the other that trying again did not mend

/** The view in which a candidate answers. */
export function openPaper(shell, state) {
  const paper = new PaperPage(shell, state);
  paper.open();
  return paper;
}

class PaperPage {
  constructor(shell, state) {
    this.shell = shell;
    this.state = state;
    this.attemptId = state.attempt.id;
    this.linkTrouble = null; // of the shell's polls
    this.told = new OutageTold();
    this.cards = [];
    this.current = null;
    this.font = FONT_SIZES[0];
    this.readUpTo = 0;
    this.cover = null;
    this.coverKind = "";
    this.isLeaving = false;
    this.isReplaced = false;
    this.lastFlush = ""; // "running", then "over"
    this.isReady = false;
    this.keptNumber = 0; // of the newest save that the station is known to have had
    this.renewing = null;
    this.saving = new Saving(this.attemptId, shell.store, {
      owner: state.entry.key,
      getView: () => this.#view(),
      onChange: () => this.#drawSaved(),
      onReply: (reply) => this.#heard(reply),
      onRestored: () => this.#renew(),
    });
    this.work = new WorkFolder(this.attemptId, () => this.#drawWork());
    this.starting = el("p.starting", { role: "status" }, say("正在打开试卷……", "Opening the paper …"));
    shell.page.append(this.starting);
  }

  /** Open: earlier saves first, then a place, then the paper; while the station is away, try again. */
  async open() {
    try {
      await this.saving.begin();
      const [place, paper] = await Promise.all([tell("/api/places", { attempt_id: this.attemptId }), ask(`/api/papers/${this.attemptId}`, 60_000)]);
      if (this.isLeaving) return;
      await this.saving.settle(place);
      this.#build(paper, place);
    } catch (error) {
      if (this.isLeaving) return;
      setText(this.starting, error.sentence || String(error));
      setTimeout(() => this.open(), error instanceof Away ? 2000 : 5000);
    }
  }

  /** What the poll of the shell has brought. */
  update(state) {
    this.state = state;
    if (!this.isReady) return;
    this.#checkKept(state.attempt);
    this.head.showHelp(state.attempt.help_asked);
    this.banner.show(state.messages);
    this.tried.show(state.tried_at);
    this.work.update(state.work);
    this.#draw();
  }

  link(trouble) {
    this.linkTrouble = trouble;
    if (!this.isReady) return;
    if (trouble === null && this.saving.trouble?.kind === "away") this.saving.flush();
    this.#draw();
  }

  /** What is wrong now: polls find out first, but only a save finds that the station cannot write. */
  get trouble() {
    const { trouble, blocked, failures } = this.saving;
    if (this.linkTrouble || !trouble) return this.linkTrouble;
    return blocked && failures < BLOCKED_FROM ? null : trouble;
  }

  /** Another log-in took over, or staff gave another seat: read-only, and the queue still goes out. */
  loggedOut(error) {
    const isMoved = error.code === "moved_to_seat";
    if ((!isMoved && error.code !== "logged_in_elsewhere") || !this.isReady) return false;
    this.isReplaced = true;
    this.#lock(true);
    this.replaced = [error.sentence, say(`本页自 ${clockTime(stationNow())} 起停止作答。`, `This page stopped at ${clockTime(stationNow())}.`)];
    const title = isMoved ? say("已换考位", "Moved to another seat") : say("已在另一处登录", "Logged in elsewhere");
    this.#setCover("elsewhere", title, [...this.replaced, leftHereText(this.saving.unsent)], [say("返回登录页", "Back to log-in"), () => location.reload()]);
    return true;
  }

  /** Leave for the receipt only after a try to bring the last answers to the station. */
  mayLeave(state) {
    if (state.view !== "done" || !this.isReady || this.lastFlush === "over") return true;
    if (!this.lastFlush) {
      this.lastFlush = "running";
      this.#lock(true);
      this.#setCover("collecting", say("正在收卷", "Collecting"), [say("最后的答案正在送往服务器，请稍候。", "The last answers are on their way to the server.")]);
      const over = () => {
        this.lastFlush = "over";
        this.shell.refresh();
      };
      Promise.race([this.saving.flush(), new Promise((resolve) => setTimeout(resolve, LAST_FLUSH_MS))]).then(over, over);
    }
    return false;
  }

  close() {
    this.isLeaving = true;
    clearInterval(this.timer);
    for (const card of this.cards) card.stop();
    this.saving.commit();
    this.saving.stop();
    this.listening?.abort();
    this.resizing?.disconnect();
    this.#removeCover();
    for (const dialog of document.querySelectorAll("dialog")) dialog.remove();
    delete document.documentElement.dataset.font;
    document.body.classList.remove("answering");
  }

  #build(paper, place) {
    const answers = this.saving.overlay(place);
    const view = place.view || {};
    this.font = FONT_SIZES.includes(view.font) ? view.font : FONT_SIZES[0];
    this.readUpTo = view.read || 0;
    const flags = new Set(view.flags || []);
    this.head = new PaperHead(this.state, { onFont: (size) => this.#setFont(size), onHelp: () => this.#raiseHand(), onHandIn: () => handInDialog(this) });
    this.banner = messageBanner({ readUpTo: this.readUpTo, onRead: (id) => this.#read(id) });
    this.tried = triedLine();
    this.away = outageLine();
    this.reminder = el("p.reminder", { role: "status", hidden: true });
    const sections = paper.sections.map((section) => ({ ...section, cards: section.items.map((item) => this.#card(item, answers[item.id], { flags, uploads: place.uploads })) }));
    this.overview = new Overview(sections, { onJump: (card) => card.focus() });
    this.body = el(
      "main.paper",
      el("h1", paper.title),
      sections.map((section) => [
        el("header.section", el("h2", section.title), paperHtml(el("div.instructions"), section.instructions || "", this.attemptId)),
        section.cards.map((card) => card.element),
      ]),
      el("p.end", say("—— 试卷结束 ——", "— end of the paper —"), el("button", { type: "button", onclick: () => handInDialog(this) }, say("检查并交卷", "Check and hand in"))),
    );
    this.starting.remove();
    const top = el("div.paper-top", this.head.element, this.away.line, this.tried.line, this.reminder, this.banner.line);
    this.shell.page.append(top, el("div.paper-columns", this.body, this.overview.element));
    this.resizing = new ResizeObserver(() => document.documentElement.style.setProperty("--top", `${top.offsetHeight}px`));
    this.resizing.observe(top);
    document.body.classList.add("answering");
    this.#listen();
    this.isReady = true;
    this.head.showFont(this.font);
    this.timer = setInterval(() => this.#draw(), 250);
    this.update(this.state);
    this.link(this.shell.trouble);
    const card = this.cards.find((one) => one.item.id === view.item);
    if (card) card.focus();
    else window.scrollTo(0, 0);
  }

  /** A chain that has become shorter is that of a station restored from a backup. */
  #checkKept({ revisions, place }) {
    const isShorter = revisions < this.keptNumber;
    // What was told or acknowledged before the next question is asked; after a restore it counts anew.
    this.keptNumber = isShorter ? revisions : Math.max(revisions, this.saving.number);
    if (isShorter && place <= this.saving.place && !this.isReplaced) this.#renew().catch(() => {});
  }

  /** Take a new place from a station that lacks what it had, and send it all of that again. */
  #renew() {
    this.renewing ??= tell("/api/places", { attempt_id: this.attemptId })
      .then((place) => this.saving.settle(place))
      .finally(() => {
        this.renewing = null;
      });
    return this.renewing;
  }

  #card(item, answer, { flags, uploads }) {
    const card = new ItemCard(item, this.cards.length + 1, {
      attemptId: this.attemptId,
      answer,
      uploads,
      work: this.work,
      isFlagged: flags.has(item.id),
      saving: this.saving,
      onAnswer: () => this.overview.draw(),
      onFlag: (one) => this.#flag(one),
      onHistory: (one) => historyDialog(this, one),
    });
    this.cards.push(card);
    return card;
  }

  #drawWork() {
    if (!this.isReady) return;
    for (const card of this.cards) card.drawWork();
    this.overview.draw();
  }

  #listen() {
    this.listening = new AbortController();
    const { signal } = this.listening;
    this.body.addEventListener("focusin", (event) => this.#look(event.target), { signal });
    this.body.addEventListener("click", (event) => this.#clicked(event.target), { signal });
    document.addEventListener("keydown", (event) => pressed(event, this), { signal });
    document.addEventListener("contextmenu", (event) => event.preventDefault(), { signal });
    document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && this.saving.flushOnLeaving(), { signal });
    // What is frozen may be thrown away without another word, as may be what is kept for the way back.
    document.addEventListener("freeze", () => this.saving.flushOnLeaving({ isLast: true }), { signal });
    window.addEventListener("pagehide", () => this.saving.flushOnLeaving({ isLast: true }), { signal });
  }

  #look(target) {
    const element = target.closest(".item");
    const card = this.cards.find((one) => one.element === element);
    if (!card || card === this.current) return;
    this.current = card;
    this.overview.showCurrent(card);
    this.saving.viewChanged();
  }

  #clicked(target) {
    if (target.matches("img.zoomable")) zoomDialog(target);
    else this.#look(target);
  }

  /** Go to the next (1) or the previous (-1) item. */
  step(by) {
    const index = this.current ? this.cards.indexOf(this.current) + by : 0;
    if (this.cards[index]) this.cards[index].focus();
  }

  toggleFlag() {
    if (this.current) this.#flag(this.current);
  }

  #flag(card) {
    card.setFlag(!card.isFlagged);
    this.overview.draw();
    this.saving.viewChanged();
  }

  #read(id) {
    this.readUpTo = id;
    this.saving.viewChanged();
  }

  #setFont(size) {
    this.font = size;
    this.head.showFont(size);
    this.saving.viewChanged();
  }

  async #raiseHand() {
    this.head.showHelp(true);
    try {
      await tell("/api/help", { entry_id: this.state.entry.id });
    } catch {
      this.head.showHelp(false); // the banner tells that the station is away
    }
  }

  #view() {
    if (!this.isReady) return null;
    const flags = this.cards.filter((card) => card.isFlagged).map((card) => card.item.id);
    return { item: this.current ? this.current.item.id : null, flags, font: this.font, read: this.readUpTo };
  }

  /** A save's reply is as fresh as a poll's. */
  #heard(reply) {
    if (!this.isReady) return;
    const { deadline_at, state, place } = reply;
    this.state = { ...this.state, attempt: { ...this.state.attempt, deadline_at, state, place } };
    if (["handed_in", "collected", "cancelled"].includes(state)) this.shell.refresh();
    this.#draw();
  }

  #drawSaved() {
    if (!this.isReady) return;
    for (const card of this.cards) card.tellRefusal(this.saving.refused.get(card.item.id));
    this.head.showSaved({
      trouble: this.trouble,
      unsent: this.saving.unsent,
      savedAt: this.saving.savedAt || this.state.attempt.last_saved_at,
      isDurable: this.shell.store.isDurable,
      refused: this.cards.filter((card) => card.isRefused).map((card) => card.number),
      isBlocked: Boolean(this.saving.blocked) && this.saving.failures >= BLOCKED_FROM,
    });
  }

  /** Time, covers and lock follow from the state; away from the station nobody is locked out (design §13.12). */
  #draw() {
    const { attempt, sitting } = this.state;
    const isHeld = attempt.state === "suspended";
    const remaining = isHeld ? attempt.remaining_s * 1000 : Date.parse(attempt.deadline_at) - stationNow();
    const remindMs = sitting.remind_min * 60_000;
    const isOver = !isHeld && remaining <= LOCK_BEFORE_MS;
    const isClose = remaining <= remindMs;
    this.head.showTime(remaining, { isClose, isHeld, isOver: isOver && remaining <= 0 });
    this.#remind(isClose && !isHeld && !isOver, sitting.remind_min);
    this.#drawSaved();
    const isSuperseded = attempt.place > this.saving.place;
    const isCollecting = isOver && this.trouble === null;
    this.#drawOutage(attempt, { isHeld, remaining });
    this.#lock(isHeld || isSuperseded || isCollecting || this.isReplaced || this.lastFlush === "running");
    const { unsent } = this.saving;
    if (this.isReplaced) this.cover?.tell([...this.replaced, leftHereText(unsent)]);
    if (this.lastFlush || this.isReplaced) return;
    if (isSuperseded) this.#setCover("superseded", say("已在另一页面继续", "Continued on another page"), [say("同一考生只能在一个页面作答。", "Only one page can be used at a time."), leftHereText(unsent)], [say("在本页继续", "Go on here"), () => location.reload()]);
    else if (isHeld) this.#setCover("held", say("考试暂停", "The test is suspended"), heldTexts(attempt.held, { unsent, isDurable: this.shell.store.isDurable, isAway: this.trouble !== null, remainingMs: remaining }));
    else if (isCollecting) this.#setCover("over", say("考试时间到", "Time is up"), [say("正在收卷，请稍候。", "Your answers are being collected.")]);
    else this.#removeCover();
  }

  /** Say what is wrong and since when; once it is over, what came of it; and when this PC keeps nothing by itself. */
  #drawOutage(attempt, { isHeld, remaining }) {
    const { trouble } = this;
    const { unsent } = this.saving;
    const { isDurable } = this.shell.store;
    const since = trouble?.since ?? (isHeld ? heldSince(attempt) : null);
    const told = this.told.follow({ since, deadline: attempt.deadline_at, unsent });
    if (trouble) this.away.show(trouble, goOnText({ unsent, isDurable, isPastEnd: !isHeld && remaining <= 0 }));
    else if (told) this.away.show(null, told, "good");
    else if (!isDurable) this.away.show(null, say("本机不能暂存答案：答案照常保存到服务器，请勿关闭或刷新本页。", "This PC cannot keep answers by itself: they are stored on the server as usual; do not close or reload this page."), "note");
    else this.away.show(null, "");
  }

  #remind(isDue, minutes) {
    if (this.reminder.hidden !== isDue) return;
    this.reminder.hidden = !isDue;
    const until = clockTime(this.state.attempt.deadline_at, false);
    setText(this.reminder, isDue ? say(`距考试结束不足 ${minutes} 分钟（${until} 结束），请检查未答的题目。`, `Less than ${minutes} minutes left (ends at ${until}). Please check what is still open.`) : "");
  }

  #lock(isLocked) {
    if (this.body.inert === isLocked) return;
    // A word that an input method is still composing ends here, and not after the last answers are on their way.
    if (isLocked && this.body.contains(document.activeElement)) document.activeElement.blur();
    this.body.inert = isLocked;
    if (isLocked) this.saving.flush();
  }

  #setCover(kind, title, lines, button = null) {
    if (this.coverKind === kind) {
      this.cover.tell(lines);
      return;
    }
    this.#removeCover();
    this.coverKind = kind;
    this.cover = coverDialog(title, lines, button);
  }

  #removeCover() {
    this.coverKind = "";
    this.cover?.remove();
    this.cover = null;
  }
}

function heldSince({ held }) {
  return held ? Date.parse(held.since) : stationNow();
}
