// While the whole sitting stands still: since when, what is left until the certificate body must be asked, what it
// does to the room's later sittings; and the server's time when it cannot be believed.

import { may, post, say } from "./api.js";
import { ask } from "./dialog.js";
import { make, notice, setText } from "./dom.js";
import { clock, clockSeconds, countdown, stationNow, zoned } from "./times.js";

export function renderHalt(board) {
  const box = document.getElementById("halt");
  const { halt, clock_doubt: doubt } = board.state;
  box.hidden = !halt && !doubt;
  if (box.hidden) {
    box.replaceChildren();
    return;
  }
  if (!box.children.length) build(box, board);
  const [time, length, limit, later] = box.children;
  time.hidden = !doubt;
  for (const line of [length, limit, later]) line.hidden = !halt || Boolean(doubt);
  if (doubt) {
    setText(time.firstElementChild, say(
      `服务器时间 ${zoned(stationNow())} · 中断前最后记录 ${zoned(Date.parse(doubt.last_at))} · 监考机时间 ${zoned(Date.now())}`,
      `Server's time ${zoned(stationNow())} · last record before ${zoned(Date.parse(doubt.last_at))} · this PC ${zoned(Date.now())}`));
  } else {
    renderLength(length, limit, later, board.state);
  }
}

/** Say whether the halt has lasted so long that the certificate body has to be asked (R-DAY-9). */
export function mustAskBody(board) {
  const { halt } = board.state;
  return Boolean(halt) && stationNow() > Date.parse(halt.ask_at);
}

function build(box, board) {
  const settle = make("button", { type: "button", class: "small", text: say("确认时间…", "Confirm the time…"), onclick: () => confirmTime(board) });
  settle.hidden = !may("resume_attempts");
  box.append(make("p", {}, make("span"), settle), make("p"), make("p"), make("p", { class: "soft" }));
}

function renderLength(length, limit, later, { halt, sitting }) {
  const elapsedMs = stationNow() - Date.parse(halt.began_at);
  const gone = countdown(Math.floor(elapsedMs / 1000));
  const since = clockSeconds(halt.began_at);
  setText(length, halt.kind === "outage"
    ? say(`考站自 ${since} 中断，至今 ${gone}。答案都在，停止的时间会全部补回；考生就座、考生机开机后点“继续考试”。`,
      `The station was down from ${since}, ${gone} so far. No answer is lost and all the time is given back. When candidates are seated and their PCs are on, press “Go on”.`)
    : say(`全场自 ${since} 暂停，至今 ${gone}。停止的时间会全部补回。`, `Suspended since ${since}, ${gone} so far. All the time is given back.`));
  const leftS = Math.ceil((Date.parse(halt.ask_at) - stationNow()) / 1000);
  limit.className = leftS <= 0 ? "over" : "";
  setText(limit, leftS > 0
    ? say(`距须请示认证机构（${halt.ask_min} 分钟，${clock(halt.ask_at)}）还有 ${countdown(leftS)}；请判断能否在此之前恢复。`,
      `${countdown(leftS)} left until the certificate body must be asked (${halt.ask_min} min, at ${clock(halt.ask_at)}): judge whether the test can go on before.`)
    : say(`中断已超过 ${halt.ask_min} 分钟：须先请示认证机构，按其答复继续或另行安排，并在“继续考试”时填写答复。`,
      `Longer than ${halt.ask_min} minutes: ask the certificate body first, and enter its answer when you press “Go on”.`));
  setText(later, laterText(halt, sitting, elapsedMs));
}

function laterText(halt, sitting, elapsedMs) {
  const endMs = Date.parse(sitting.ends_at) + elapsedMs;
  const end = clock(new Date(endMs).toISOString());
  const first = say(`若现在继续，本场约 ${end} 结束。`, `If it goes on now, this sitting ends at about ${end}. `);
  const parts = halt.later.map((one) => {
    const overMin = Math.ceil((endMs - Date.parse(one.starts_at)) / 60_000);
    return overMin > 0
      ? say(`后续“${one.subject}”原定 ${clock(one.starts_at)} 开考，将晚 ${overMin} 分钟。`, `“${one.subject}”, planned for ${clock(one.starts_at)}, would start ${overMin} min late. `)
      : say(`后续“${one.subject}”（${clock(one.starts_at)}）不受影响。`, `“${one.subject}” (${clock(one.starts_at)}) is not affected. `);
  });
  return first + parts.join("");
}

function confirmTime(board) {
  return ask({
    title: say("确认考站时间", "Confirm the station's time"),
    effects: [
      say("考站以后按这个时间计时；停止的时间据此补回。", "The station goes by this time from now on; the time given back is worked out from it."),
      say("请对照手表或电话，勿猜。", "Compare a watch or the telephone; do not guess."),
    ],
    fields: [
      { name: "source", label: say("以何为准", "Go by"), kind: "select", value: "pc", options: {
        pc: say(`监考机时间 ${zoned(Date.now())}`, `this PC: ${zoned(Date.now())}`),
        server: say(`服务器时间 ${zoned(stationNow())}`, `the server: ${zoned(stationNow())}`),
        typed: say("手工输入", "typed in"),
      } },
      { name: "typed", label: say("现在的时间", "The time now"), value: zoned(Date.now()), when: (values) => values.source === "typed" },
    ],
    confirm: say("按此时间", "Go by this time"),
    act: async ({ source, typed }) => {
      const now = { pc: Date.now(), server: stationNow() }[source];
      await post("/api/clock/settle", { at: source === "typed" ? typed : new Date(now).toISOString() });
      notice(say("考站时间已确认。", "The station's time is confirmed."));
      await board.refresh();
    },
  });
}
