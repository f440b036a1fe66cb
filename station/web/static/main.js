import { ask, Away, onHeard, Refusal } from "./api.js";
import { el } from "./dom.js";
import { confirmView, doneView, noneView, releaseView } from "./identity_views.js";
import { loginView } from "./login_view.js";
import { openPaper } from "./paper_page.js";
import { openQueueStore } from "./queue_store.js";
import { sendLeftovers } from "./saving.js";
import { say } from "./say.js";
import { setTimeScale, stationHeard, stationNow } from "./station_clock.js";
import { waitingView } from "./waiting_view.js";
import { onWake } from "./wakes.js";

const POLL_MS = 2000;
const POLL_TIMEOUT_MS = 4000;
const NOBODY = [401, 403]; // nobody is logged in here; any other refusal must not take the paper away
const VIEWS = {
  release: releaseView,
  confirm: confirmView,
  waiting: waitingView,
  paper: openPaper,
  done: doneView,
  none: noneView,
};

/** The shell: asks the station each two seconds which view to show, and tells the view what is new. */
class Shell {
  constructor(page) {
    this.page = page;
    this.store = null;
    this.shown = null; // { key, update(state), link(trouble), close() }
    this.trouble = null; // { kind, since }
    this.chosenId = null; // entry that the candidate chose (R-DAY-18)
    this.timer = null;
    this.asking = false;
    this.again = false;
    this.isTidied = false;
  }

  async start() {
    onHeard(stationHeard);
    onWake(() => this.refresh());
    this.store = await openQueueStore();
    sendLeftovers(this.store).catch(() => {});
    await this.refresh();
  }

  /** Ask now, and again in two seconds. */
  async refresh() {
    if (this.asking) {
      this.again = true;
      return;
    }
    clearTimeout(this.timer);
    this.asking = true;
    try {
      const state = await ask(this.chosenId ? `/api/me?entry_id=${this.chosenId}` : "/api/me", POLL_TIMEOUT_MS);
      setTimeScale(state.time_scale);
      showTrial(state.is_trial);
      this.#linked();
      this.#show(state);
    } catch (error) {
      if (error instanceof Away) this.#lost(error.kind);
      else if (!(error instanceof Refusal)) reportError(error); // a fault of the page: what it shows, stays
      else if (NOBODY.includes(error.status)) this.#strange(error);
      else this.#lost("unwritten");
    } finally {
      this.asking = false;
    }
    if (this.again) {
      this.again = false;
      await this.refresh();
      return;
    }
    this.timer = setTimeout(() => this.refresh(), POLL_MS);
  }

  choose(entryId) {
    this.chosenId = entryId;
    return this.refresh();
  }

  #linked() {
    this.trouble = null;
    if (this.shown) this.shown.link(null);
  }

  #lost(kind) {
    this.trouble = { kind, since: this.trouble ? this.trouble.since : stationNow() };
    if (this.shown) this.shown.link(this.trouble);
    else {
      const text = say("正在连接考试服务器，请稍候……", "Connecting to the exam server …");
      this.page.replaceChildren(el("p.starting", text));
    }
  }

  /** Nobody is logged in here (any more). */
  #strange(error) {
    this.#linked();
    showTrial(false);
    if (this.shown && this.shown.loggedOut && this.shown.loggedOut(error)) return;
    this.chosenId = null;
    this.#swap("login", () => loginView(this, { notice: error.code === "not_logged_in" ? "" : error.sentence }));
  }

  #show(state) {
    this.#tidy(state.entry);
    const key = [state.view, state.login_id, state.entry && state.entry.id, state.attempt && state.attempt.id].join(":");
    if (this.shown && this.shown.key === key) {
      this.shown.update(state);
      return;
    }
    if (this.shown && this.shown.mayLeave && !this.shown.mayLeave(state)) return;
    this.#swap(key, () => VIEWS[state.view](this, state));
  }

  /** Once somebody is here who answers: on this PC may lie what a restored station lacks, so not before, and not theirs. */
  #tidy(entry) {
    if (this.isTidied || !entry) return;
    this.isTidied = true;
    this.store.forgetOld(stationNow(), entry.key);
  }

  #swap(key, make) {
    if (this.shown && this.shown.key === key) return;
    if (this.shown) this.shown.close();
    this.page.replaceChildren();
    window.scrollTo(0, 0);
    const view = make();
    view.key = key;
    view.update ??= () => {};
    this.shown = view;
    view.link(this.trouble);
  }
}

/** Say in red, on every view, that this is no real test. */
function showTrial(isTrial) {
  const line = document.querySelector(".ribbon.trial");
  if (Boolean(line) === Boolean(isTrial)) return;
  if (line) line.remove();
  else document.body.prepend(el("p.ribbon.trial", { role: "note" }, say("试考 · 不是正式考试，不计分", "TRIAL · not a real test, nothing is scored")));
}

new Shell(document.getElementById("page")).start();
