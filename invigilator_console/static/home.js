// Today's sittings: what stands next, and the way to each board.

import { get, say } from "./api.js";
import { keyed, make, setClass, setText } from "./dom.js";
import { clock, date } from "./times.js";

const away = document.getElementById("away");

async function refresh() {
  try {
    const sittings = await get("/api/sittings");
    away.hidden = true;
    document.getElementById("empty").hidden = sittings.length > 0;
    keyed(document.getElementById("sittings"), sittings, (one) => one.id, newCard, showCard);
  } catch (refusal) {
    setText(away, refusal.message);
    away.hidden = false;
  }
}

function newCard() {
  return make("a", { class: "sitting" }, make("span", { class: "when" }, make("b"), make("span")),
    make("span", { class: "what" }, make("b"), make("span")), make("span", { class: "pill" }), make("span", { class: "numbers" }));
}

function showCard(card, one) {
  card.href = ["closed", "delivered"].includes(one.state) ? `/closing/${one.id}` : `/board/${one.id}`;
  const [when, what, state, numbers] = card.children;
  setText(when.children[0], clock(one.started_at || one.can_start_at));
  setText(when.children[1], date(one.planned_start_at));
  setText(what.children[0], `${one.certificate}（${one.level}）${one.subject}`);
  setText(what.children[1], say(`${one.room} · ${one.duration_min} 分钟`, `${one.room} · ${one.duration_min} min`) + (one.paper ? "" : say(" · 尚无试卷", " · no paper yet")));
  setText(state, one.state_name);
  setClass(state, `pill ${one.state}`);
  const counts = one.counts;
  const open = (counts.answering || 0) + (counts.suspended || 0);
  const ended = (counts.handed_in || 0) + (counts.collected || 0) + (counts.cancelled || 0);
  const expected = say(`应考 ${counts.expected}`, `${counts.expected} expected`);
  setText(numbers, ["planned", "admitting"].includes(one.state) ? expected : say(
    `${expected} · 作答 ${open} · 已交 ${ended} · 缺考 ${counts.absent || 0}`,
    `${expected} · ${open} answering · ${ended} ended · ${counts.absent || 0} absent`));
}

refresh();
setInterval(refresh, 3000);
