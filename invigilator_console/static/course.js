// The course of the sitting: its title, times and countdown, and the acts on the whole sitting.

import { may, post, say } from "./api.js";
import { secondOf, secondUnlessMay, ask } from "./dialog.js";
import { make, notice, setClass, setText } from "./dom.js";
import { mustAskBody } from "./halt.js";
import { clock, countdown, date, leftSeconds } from "./times.js";

export function titleOf(sitting) {
  return `${sitting.certificate}（${sitting.level}）${sitting.subject} · ${sitting.room}`;
}

export function renderCourse(board) {
  const sitting = board.state.sitting;
  const title = document.getElementById("sitting-title");
  setText(title, titleOf(sitting));
  title.title = title.textContent;
  const pill = document.getElementById("sitting-state");
  setText(pill, sitting.state_name);
  setClass(pill, `pill ${sitting.state}`);
  setText(document.getElementById("times"), timesText(sitting));
  const allowed = actsFor(sitting);
  for (const button of document.getElementById("course-acts").children) {
    button.hidden = !allowed.includes(button.dataset.act);
  }
  const start = document.querySelector('[data-act="start"]');
  const left = leftSeconds(sitting.can_start_at);
  start.disabled = left > 0 || !sitting.paper;
  setText(start, left > 0 ? say(`开考（${countdown(left)} 后）`, `Start (in ${countdown(left)})`) : say("开始考试", "Start the test"));
}

export function courseActs(board) {
  const acts = [
    ["open_admission", "open_admission", say("开放登录", "Open log-in"), openAdmission, "primary"],
    ["start", "start_sitting", say("开始考试", "Start the test"), start, "primary"],
    ["postpone", "see_board", say("推迟开考", "Postpone start"), postpone, ""],
    ["suspend", "suspend_attempts", say("全场暂停", "Suspend all"), suspend, ""],
    ["resume", "resume_attempts", say("继续考试", "Go on"), resume, "primary"],
    ["incident", "record_incident", say("记录情况", "Record incident"), () => board.recordIncident(null), ""],
    ["close", "close_sitting", say("结束场次…", "Close sitting…"), toClosing, ""],
    ["times", "see_board", say("时间核对", "Working times"), toTimes, ""],
    ["packages", "see_board", say("成果包与回执", "Package and receipt"), toClosing, "primary"],
  ];
  const box = document.getElementById("course-acts");
  for (const [code, act, text, run, kind] of acts) {
    if (may(act)) {
      box.append(make("button", { type: "button", class: kind, text, "data-act": code, hidden: true, onclick: () => run(board) }));
    }
  }
  if (!document.querySelector('[data-act="start"]')) {
    box.append(make("button", { type: "button", "data-act": "start", disabled: true, hidden: true }));
  }
}

function actsFor(sitting) {
  const acts = {
    planned: ["open_admission", "postpone"],
    admitting: ["start", "postpone", "incident"],
    running: ["suspend", "incident", "times", "close"],
    suspended: ["resume", "incident", "times"],
    closed: ["times", "packages"],
    delivered: ["times", "packages"],
  }[sitting.state] || [];
  // A trial is ended on the page of trials: it has no closing, no packages and no times to report.
  return sitting.kind === "real" ? acts : acts.filter((act) => !["close", "times", "packages", "postpone"].includes(act));
}

function timesText(sitting) {
  const planned = say(
    `计划 ${date(sitting.planned_start_at)} ${clock(sitting.can_start_at)}`,
    `planned ${date(sitting.planned_start_at)} ${clock(sitting.can_start_at)}`,
  ) + (sitting.postponement_s ? say(`（推迟 ${sitting.postponement_s / 60} 分钟）`, ` (postponed ${sitting.postponement_s / 60} min)`) : "");
  if (!sitting.started_at) return `${planned} · ${say(`时长 ${sitting.duration_min} 分钟`, `${sitting.duration_min} minutes`)}`;
  const started = say(`${clock(sitting.started_at)} 开考`, `started ${clock(sitting.started_at)}`);
  if (["closed", "delivered"].includes(sitting.state)) {
    return say(`${started} · ${clock(sitting.closed_at)} 结束`, `${started} · closed ${clock(sitting.closed_at)}`);
  }
  const entry = leftSeconds(sitting.entry_closes_at);
  const entryText = entry > 0
    ? say(`入场截止还有 ${countdown(entry)}`, `entry closes in ${countdown(entry)}`)
    : say(`${clock(sitting.entry_closes_at)} 起禁止入场`, `no entry since ${clock(sitting.entry_closes_at)}`);
  if (sitting.state === "suspended") return `${started} · ${say("暂停中，计时停止", "suspended, time stands still")}`;
  const left = leftSeconds(sitting.ends_at);
  const end = left > 0
    ? say(`距最后截止 ${countdown(left)}（${clock(sitting.ends_at)}）`, `last deadline in ${countdown(left)} (${clock(sitting.ends_at)})`)
    : say("已到截止时间", "time is over");
  return `${started} · ${entryText} · ${end}`;
}

function openAdmission(board) {
  const sitting = board.state.sitting;
  return ask({
    title: say("开放考生登录", "Open the log-in"),
    effects: [
      titleOf(sitting),
      say(`${board.state.counts.expected} 名考生可以用准考证号登录。`, `${board.state.counts.expected} candidates can log in.`),
      ...(board.state.disk_to_confirm ? [board.state.disk_to_confirm] : []),
    ],
    confirm: say("开放登录", "Open log-in"),
    act: () => run(board, "open_admission", {}, say("已开放登录。", "Log-in is open.")),
  });
}

function start(board) {
  const { sitting, seats, counts, disk_to_confirm: disk } = board.state;
  const missing = seats.filter((seat) => ["expected", "waiting"].includes(seat.state));
  const names = missing.slice(0, 12).map((seat) => `${seat.seat} ${seat.name}`).join("、");
  const unconfirmed = seats.filter((seat) => seat.state === "logged_in").length;
  return ask({
    title: say("开始考试", "Start the test"),
    effects: [
      titleOf(sitting),
      say(`已登录 ${counts.logged_in}/${counts.expected} 人，开考后全部考生可以进入答题，计时开始。`,
        `${counts.logged_in} of ${counts.expected} are logged in. All may open the paper; the time begins to run.`),
      ...(missing.length ? [say(`未登录 ${missing.length} 人：${names}${missing.length > 12 ? "……" : ""}（开考后 ${sitting.entry_cutoff_min} 分钟内仍可入场）`,
        `${missing.length} not logged in: ${names} (may enter for ${sitting.entry_cutoff_min} minutes)`)] : []),
      ...(unconfirmed ? [say(`${unconfirmed} 人尚未确认身份信息`, `${unconfirmed} have not confirmed their identity`)] : []),
      ...(disk ? [disk, say("磁盘空间偏紧仍要开考，须主考确认。", "To start on a tight disk, the chief examiner has to confirm.")] : []),
    ],
    fields: disk ? secondUnlessMay("accept_tight_disk") : [],
    confirm: disk ? say("确认磁盘情况并开始考试", "Confirm and start the test") : say("开始考试", "Start the test"),
    act: async (values) => {
      if (disk) await post(`/api/sittings/${board.sittingId}/accept_tight_disk`, { second: secondOf(values) });
      await run(board, "start", {}, say("已开考。", "The test has started."));
    },
  });
}

function postpone(board) {
  return ask({
    title: say("推迟开考", "Postpone the start"),
    effects: [titleOf(board.state.sitting), say("其后的入场截止、结束时间随之顺延。须有认证机构的通知。", "All later times move too. It needs the certificate body's word.")],
    fields: [
      { name: "minutes", label: say("推迟分钟数", "Minutes"), kind: "number", min: 1, max: 600, value: 15 },
      { name: "reason", label: say("原因与通知来源", "Reason, and whose word"), kind: "text" },
      ...secondUnlessMay("postpone_sitting"),
    ],
    confirm: say("推迟开考", "Postpone the start"),
    act: (values) => run(board, "postpone", { minutes: values.minutes, reason: values.reason, second: secondOf(values) },
      say("已推迟。", "Postponed.")),
  });
}

function suspend(board) {
  return ask({
    title: say("全场暂停", "Suspend the whole sitting"),
    effects: [titleOf(board.state.sitting), say(`${board.state.counts.answering} 名考生立即停止作答，计时停止；继续后补回暂停的时间。`,
      `${board.state.counts.answering} candidates stop at once and the time stands still; it is given back.`)],
    fields: [{ name: "reason", label: say("原因", "Reason"), kind: "text" }],
    confirm: say("全场暂停", "Suspend all"),
    danger: true,
    act: (values) => run(board, "suspend", { reason: values.reason }, say("全场已暂停。", "The sitting is suspended.")),
  });
}

function resume(board) {
  const sitting = board.state.sitting;
  return ask({
    title: say("继续考试", "Go on with the test"),
    effects: [
      titleOf(sitting),
      say(`自 ${clock(sitting.suspended_at)} 起停止的时间全部补给考生。`, `All the time since ${clock(sitting.suspended_at)} is given back to the candidates.`),
      say("请先确认考生都已就座、考生机都已开机。", "First see that candidates are seated and their PCs are on."),
    ],
    fields: mustAskBody(board) ? [{
      name: "body_word", kind: "text",
      label: say("认证机构的答复（何人、何时、如何决定）", "The certificate body's answer (who, when, what)"),
    }] : [],
    confirm: say("继续考试", "Go on"),
    act: (values) => run(board, "resume", { body_word: values.body_word || "" }, say("已继续考试。", "The test goes on.")),
  });
}

function toTimes(board) {
  location.href = `/times/${board.sittingId}`;
}

function toClosing(board) {
  location.href = `/closing/${board.sittingId}`;
}

async function run(board, act, body, done) {
  await post(`/api/sittings/${board.sittingId}/${act}`, body);
  notice(done);
  await board.refresh();
}
