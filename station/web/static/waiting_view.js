import { tell } from "./api.js";
import { el, setText } from "./dom.js";
import { acting, frame, noticeLine } from "./frame.js";
import { messageBanner, triedLine } from "./messages.js";
import { clockTime, duration, say } from "./say.js";
import { stationNow } from "./station_clock.js";

/** Rules to read, the countdown to the start, and then the way into the paper by subject (R-DAY-15, R-DAY-18). */
export function waitingView(shell, state) {
  let current = state;
  const notice = noticeLine();
  const banner = messageBanner();
  const tried = triedLine();
  const countdown = el("p.countdown", { role: "timer" });
  const word = state.entry.word;
  const title = el("h1");
  const doors = el("div.doors");
  const help = el("button", { type: "button", onclick: () => acting(help, notice, raiseHand) });
  const around = frame(
    shell,
    tried.line,
    banner.line,
    el(
      "div.waiting",
      el(
        "section.card.start",
        el("p.eyebrow", `${state.entry.certificate}（${state.entry.level}）`),
        title,
        countdown,
        doors,
        notice.line,
        el("p.who", `${state.candidate.name} · ${say("考位", "seat")} ${state.entry.seat}`),
        help,
        el(
          "ul.what",
          [
            [`${word}时长 ${state.sitting.duration_min} 分钟，结束时自动收卷。`, `You have ${state.sitting.duration_min} minutes; at the end everything is collected by itself.`],
            ["答案自动保存，断网、断电都不会丢失。", "Answers are saved by themselves; no fault of network or power loses them."],
            ["遇到任何问题请举手，不要与他人交谈。", "Raise your hand whenever something is wrong; do not talk to others."],
          ].map((pair) => el("li", say(...pair))),
        ),
      ),
      el("section.card.rules", ruleList(say("考生守则", "Rules for candidates"), state.sitting.rules), ruleList(say("违纪舞弊处理规定", "On violations"), state.sitting.misconduct_rules)),
    ),
  );

  async function raiseHand() {
    await tell("/api/help", { entry_id: current.entry.id });
    await shell.refresh();
  }

  function enter(choice, button) {
    return acting(button, notice, async () => {
      if (choice.id !== current.entry.id) {
        await shell.choose(choice.id);
        return;
      }
      await tell("/api/enter", { entry_id: choice.id });
      await shell.refresh();
    });
  }

  function tick() {
    const { sitting } = current;
    const left = Date.parse(sitting.planned_start_at) - stationNow();
    if (sitting.state === "running") setText(countdown, say("现在可以进入", "You may enter now"));
    else if (sitting.state === "suspended") setText(countdown, say("考试暂停中，请等候", "Suspended: please wait"));
    else if (left > 0) setText(countdown, `${say("距开考", "Starts in")} ${duration(left)}`);
    else if (current.is_trial) setText(countdown, say("各机都登录后自动开考", "It starts by itself once everyone is in"));
    else setText(countdown, say("请等候监考员宣布开考", "Waiting for the invigilator to start"));
  }

  function update(now) {
    current = now;
    const { sitting, entry } = now;
    setText(title, `${entry.subject} · ${clockTime(sitting.started_at || sitting.planned_start_at, false)} ${say("开考", "start")}`);
    const open = now.choices.filter((choice) => choice.state === "running");
    const key = open.map((choice) => choice.id).join();
    if (doors.dataset.key !== key) {
      doors.dataset.key = key;
      doors.replaceChildren(...open.map((choice) => door(choice)));
      doors.querySelector("button")?.focus();
    }
    help.disabled = entry.help_asked;
    setText(help, entry.help_asked ? say("已举手，请等候", "Hand raised, please wait") : say("举手", "Raise your hand"));
    banner.show(now.messages);
    tried.show(now.tried_at);
    tick();
  }

  function door(choice) {
    const button = el("button.primary.large", { type: "button", onclick: () => enter(choice, button) });
    button.append(`${say(`进入${word}`, "Enter")}：${choice.subject}`);
    return button;
  }

  update(state);
  const timer = setInterval(tick, 250);
  return {
    link: around.link,
    update,
    close() {
      clearInterval(timer);
      around.close();
    },
  };
}

function ruleList(title, rules) {
  return rules.length ? [el("h2", title), el("ol", rules.map((rule) => el("li", rule)))] : null;
}
