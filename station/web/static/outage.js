import { el, setText, sign } from "./dom.js";
import { clockTime, duration, say } from "./say.js";
import { stationNow } from "./station_clock.js";

const TOLD_FOR_MS = 90_000;

/** What is wrong, for the candidate. `trouble`: { kind: "away" | "unwritten" | "blocked", since } or null. */
export function troubleText(trouble) {
  const what = {
    away: say("连不上考试服务器", "The exam server cannot be reached"),
    unwritten: say("考试服务器暂时存不了答案", "The exam server cannot store answers at the moment"),
    blocked: say("有答案送不到考试服务器，请举手", "Some answers do not get through: please raise your hand"),
  }[trouble.kind];
  const minutes = Math.floor((stationNow() - trouble.since) / 60_000);
  const since = clockTime(trouble.since);
  return minutes > 0
    ? say(`${what}（${since} 起，已 ${minutes} 分钟）。`, `${what} (since ${since}, ${minutes} min). `)
    : say(`${what}（${since} 起）。`, `${what} (since ${since}). `);
}

/** A line that says what is wrong and since when; only that is read out, the rest changes with each answer. */
export function outageLine() {
  const head = el("span", { role: "status" });
  const rest = el("span.rest");
  const line = el("p.away", { hidden: true }, sign("away"), sign("check"), el("span", head, rest));
  return {
    line,
    /** `trouble` as above or null; `comfort` is what to do meanwhile. */
    show(trouble, comfort, state = "away") {
      line.hidden = !trouble && !comfort;
      line.dataset.state = state;
      setText(head, trouble ? troubleText(trouble) : "");
      setText(rest, comfort || "");
    },
  };
}

/** Where what has been answered is, in one sentence: on the station, on this PC's disk, or in this page only. */
export function safeText(unsent, isDurable) {
  if (!unsent) return say("您的答案都已保存在服务器。", "All your answers are stored on the server. ");
  if (isDurable) return say(`答案都已存在本机，${unsent} 项待发送。`, `Your answers are safe on this PC, ${unsent} wait to be sent. `);
  return say(`${unsent} 项答案暂存在本页，请勿关闭或刷新。`, `${unsent} answers are kept in this page only: do not close or reload it. `);
}

/** What somebody who goes on answering reads while the station is away or cannot write. */
export function goOnText({ unsent, isDurable, isPastEnd }) {
  const end = isPastEnd ? say("时间显示已到，恢复之前仍可作答。", "The time shown is over, but you may go on until the server is back. ") : "";
  return `${say("请继续作答。", "Please go on answering. ")}${safeText(unsent, isDurable)}${end}${say("恢复后自动发送，耽误的时间按规定补回。", "They are sent by themselves; lost time is given back by the rules.")}`;
}

/**
 * Follows one outage or suspension from its begin to the moment when all is delivered, and then says what came of it;
 * and says when the end of the test is another than before: time is also given back while somebody answers.
 */
export class OutageTold {
  constructor() {
    this.since = null;
    this.deadline = null;
    this.until = null;
    this.past = null; // the stretch that the text tells of
    this.seen = null; // the deadline when all was well
    this.text = "";
    this.toldUntil = 0;
  }

  /** `since` null: nothing is wrong (any more). Gives the sentence to show, or "". */
  follow({ since, deadline, unsent }) {
    if (since !== null) {
      this.deadline ??= deadline;
      this.since ??= since;
      this.until = null;
      this.toldUntil = 0;
      return "";
    }
    if (this.since !== null) {
      this.until ??= stationNow();
      if (unsent) return say(`已恢复，正在发送 ${unsent} 项答案……`, `The server is back; sending ${unsent} answers …`);
      this.past = { since: this.since, until: this.until, deadline: this.deadline };
      this.#tell(deadline);
      this.since = this.deadline = null;
    } else if (this.seen !== null && Math.abs(Date.parse(deadline) - Date.parse(this.seen)) >= 1000) {
      if (performance.now() >= this.toldUntil) this.past = null;
      this.#tell(deadline);
    }
    this.seen = deadline;
    return performance.now() < this.toldUntil ? this.text : "";
  }

  #tell(deadline) {
    this.text = this.past ? this.#sentence(deadline) : movedText(this.seen, deadline);
    this.toldUntil = performance.now() + TOLD_FOR_MS;
  }

  #sentence(deadline) {
    const stretch = `${clockTime(this.past.since)}–${clockTime(this.past.until)}`;
    const gained = Date.parse(deadline) - Date.parse(this.past.deadline);
    const end = clockTime(deadline);
    const safe = say(`已恢复（中断 ${stretch}），答案都已送达。`, `Back again (${stretch}); all answers have arrived. `);
    if (gained >= 1000) return safe + say(`已补回 ${duration(gained)}，结束时间改为 ${end}。`, `${duration(gained)} have been given back: the test ends at ${end}.`);
    return safe + say(`结束时间 ${end}；如耽误了作答，请举手说明。`, `The test ends at ${end}; if you lost time, raise your hand.`);
  }
}

function movedText(before, deadline) {
  const gained = Date.parse(deadline) - Date.parse(before);
  const more = gained > 0 ? say(`已延长 ${duration(gained)}，`, `You have ${duration(gained)} more: `) : "";
  return more + say(`结束时间改为 ${clockTime(deadline)}。`, `the test ends at ${clockTime(deadline)}.`);
}

/** What stands on the cover while the time stands still. `held`: { by: "outage" | "sitting" | "candidate", since }. */
export function heldTexts(held, { unsent, isDurable, isAway, remainingMs }) {
  const since = held ? clockTime(held.since) : "";
  const why = held && {
    outage: say(`考试服务器自 ${since} 中断，正在等监考员宣布继续。`, `The server was down from ${since}; the invigilator will say when the test goes on.`),
    sitting: say(`监考员自 ${since} 暂停了全场考试。`, `The invigilator has suspended the test for everybody since ${since}.`),
    candidate: say(`监考员自 ${since} 暂停了您的作答。`, `The invigilator has suspended your test since ${since}.`),
  }[held.by];
  return [
    why || "", // a save's reply tells of the suspension before the next poll says why
    say("请坐在座位上等候，恢复后本页自动继续。", "Please stay at your seat; this page goes on by itself."),
    unsent ? safeText(unsent, isDurable) : say("您的答案都已保存。", "All your answers are stored."),
    say(`剩余时间停在 ${duration(remainingMs)}，不会减少。`, `Your time stands still at ${duration(remainingMs)} and is not lost.`),
    isAway ? say("目前连不上考试服务器，正在自动重连。", "The server cannot be reached at the moment; trying again.") : "",
  ];
}

/** What the page of a PC that was replaced (or of an older tab) says of the answers it still holds. */
export function leftHereText(unsent) {
  if (!unsent) return say("您在这里作答的答案都已送达服务器。", "Everything you answered here has reached the server.");
  return say(`还有 ${unsent} 项答案正在从这里送往服务器，请勿关机。`, `Answers still on their way from here: ${unsent}. Do not switch this PC off.`);
}
