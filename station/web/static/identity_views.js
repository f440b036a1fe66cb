import { tell } from "./api.js";
import { el, setText, sign } from "./dom.js";
import { acting, frame, noticeLine } from "./frame.js";
import { clockTime, say } from "./say.js";
import { emptyQueue } from "./saving.js";
import { settledText } from "./work_files.js";

/** At another seat than the roster's: nothing of the person is shown until an invigilator has released it. */
export function releaseView(shell, state) {
  const { seat, own_seat: own } = state.release;
  const notice = noticeLine();
  const back = el("button", { type: "button", onclick: () => acting(back, notice, () => logOut(shell)) });
  back.append(say("返回登录页", "Back to log-in"));
  return frame(
    shell,
    el(
      "section.card.narrow",
      el("h1", say("请核对考位", "Please check your seat")),
      el("p.lead", say(`您的考位是 ${own} 号，`, `Your seat is ${own}, `), seat ? say(`这里是 ${seat} 号。`, `this is seat ${seat}.`) : say("本机还没有登记考位。", "this PC has no seat yet.")),
      el("p", say(`请到 ${own} 号考位登录；如果监考员安排您坐在这里，请稍候，放行后本页会自动继续。`, `Log in at seat ${own}. If the invigilator placed you here, wait: this page goes on by itself.`)),
      notice.line,
      back,
    ),
  );
}

/** Own name, numbers and photo: right or wrong (R-DAY-2). */
export function confirmView(shell, state) {
  const { candidate, entry } = state;
  const notice = noticeLine();
  const wrongTold = el("p.notice", { hidden: true, role: "status" }, say("已通知监考员，请坐在座位上等候。核对更正后，再点「信息无误」。", "The invigilator has been told. Please wait at your seat; confirm once it is put right."));
  const right = el("button.primary.large", { type: "button", onclick: () => answer(true, right) }, say("信息无误", "All correct"));
  const wrong = el("button.large", { type: "button", onclick: () => answer(false, wrong) }, say("信息有误", "Something is wrong"));
  const around = frame(
    shell,
    el(
      "section.card",
      el("h1", say("请核对本人信息", "Please check that this is you")),
      el("div.identity", photoOf(candidate), identityList(candidate, entry)),
      notice.line,
      wrongTold,
      el("div.buttons", right, wrong),
    ),
  );
  right.focus();

  function answer(isRight, button) {
    return acting(button, notice, async () => {
      await tell("/api/confirm", { entry_id: entry.id, right: isRight });
      wrongTold.hidden = isRight;
      if (isRight) await shell.refresh();
    });
  }

  return around;
}

/** Handed in or collected: the receipt code, and what to do. */
export function doneView(shell, state) {
  const { candidate, entry, attempt } = state;
  const notice = noticeLine();
  const counts = el("p.lead");
  const late = el("p.notice", { role: "status", hidden: true });
  const unsent = el("p.notice.bad", { role: "status", hidden: true });
  const work = el("p.notice", { role: "status", hidden: true });
  const next = el("p.notice", { hidden: true });
  // Not before it is known that nothing lies here unsent: once logged out, this PC may not send it any more.
  const leave = el("button", { type: "button", disabled: true, onclick: () => dialog.showModal() }, say("退出登录", "Log out"));
  const really = el("button.primary", { type: "button", onclick: () => acting(really, notice, () => logOut(shell)) }, say("退出登录", "Log out"));
  const dialog = el(
    "dialog",
    el("h2", say("退出登录？", "Log out?")),
    el("p", say("请先记下回执码。退出后本机供下一位考生或下一科目使用。", "Note the receipt code first. This PC is then free for the next candidate or subject.")),
    notice.line,
    el("div.buttons", really, el("button", { type: "button", onclick: () => dialog.close() }, say("返回", "Back"))),
  );
  const around = frame(
    shell,
    el(
      "section.card.narrow.done",
      el("p.big-check", sign("check")),
      el("h1", TITLES[attempt.state] ? say(...TITLES[attempt.state]) : say("作答已结束", "Finished")),
      el("p", `${candidate.name} · ${entry.subject} · ${say("考位", "seat")} ${entry.seat}`),
      attempt.receipt_code && el("p.fine", say("回执码，请记下", "Receipt code: please note it")),
      attempt.receipt_code && el("p.receipt", { "aria-label": say("回执码", "Receipt code") }, attempt.receipt_code),
      counts,
      unsent,
      late,
      work,
      next,
      el("p", say("请在座位上等候，听从监考员安排，不要离开考场。", "Please stay at your seat until the invigilator tells you what to do.")),
      leave,
    ),
    dialog,
  );

  let emptying = false;
  async function empty(isInBackup) {
    if (emptying) return;
    emptying = true;
    const left = await emptyQueue(shell.store, attempt.id, { owner: entry.key, isInBackup }).catch(() => 0);
    unsent.hidden = !left;
    leave.disabled = left > 0;
    setText(unsent, say(`还有 ${left} 次保存正在补交，请勿关机。`, `${left} saves are still being sent: do not switch the PC off.`));
    emptying = false;
  }

  function update(now) {
    empty(now.attempt.is_in_backup);
    const { answered_count: answered, item_count: items, late_count: lateCount, ended_at: endedAt } = now.attempt;
    setText(counts, say(`已保存 ${answered} / ${items} 题的答案，${clockTime(endedAt)} 结束。`, `Answers to ${answered} of ${items} items are saved; ended at ${clockTime(endedAt)}.`));
    if (now.work) setText(counts, say(`网页作答已保存 ${answered} 题，作品文件见下；${clockTime(endedAt)} 结束。`, `Answers on the page: ${answered} items saved; work files: see below. Ended at ${clockTime(endedAt)}.`));
    late.hidden = !lateCount;
    setText(late, say(`有 ${lateCount} 次保存在结束后到达，已留存，由考务人员决定是否计入。`, `${lateCount} saves came after the end. They are kept; the staff decide whether they count.`));
    work.hidden = !now.work;
    if (now.work) {
      work.className = now.work.settled_at || now.work.is_awaited ? "notice" : "notice bad";
      setText(work, settledText(now.work));
    }
    const following = now.choices[0];
    next.hidden = !following;
    if (following) setText(next, say(`您的下一科目：${following.subject}（${clockTime(following.planned_start_at, false)}，考位 ${following.seat}）。请退出后重新登录。`, `Your next subject: ${following.subject} (${clockTime(following.planned_start_at, false)}, seat ${following.seat}). Log out and log in again.`));
  }

  update(state);
  return { ...around, update };
}

/** Logged in, but there is nothing to sit (any more). */
export function noneView(shell) {
  const notice = noticeLine();
  const leave = el("button.primary", { type: "button", onclick: () => acting(leave, notice, () => logOut(shell)) }, say("退出登录", "Log out"));
  return frame(
    shell,
    el(
      "section.card.narrow",
      el("h1", say("当前没有可参加的场次", "There is no sitting for you now")),
      el("p", say("场次可能已经结束。如有疑问请举手。", "It may have ended. Raise your hand if that is not right.")),
      notice.line,
      leave,
    ),
  );
}

const TITLES = {
  handed_in: ["已交卷", "Handed in"],
  collected: ["已收卷", "Collected"],
  cancelled: ["考试已终止", "Your test was ended"],
};

function photoOf(candidate) {
  return candidate.photo
    ? el("img.photo", { src: candidate.photo, alt: say("本人照片", "Your photo") })
    : el("div.photo.none", say("无照片", "No photo"));
}

function identityList(candidate, entry) {
  const rows = [
    [say("姓名", "Name"), el("strong.name", candidate.name), candidate.pinyin && el("span.pinyin", candidate.pinyin)],
    [say("准考证号", "Ticket number"), el("span.digits", candidate.ticket_number.replace(/(.{4})(?=.)/g, "$1 "))],
    [say("证件号码", "ID number"), el("span.digits", candidate.id_number)],
    [say("所属院校", "Institution"), candidate.institution],
    [say("证书", "Certificate"), `${entry.certificate}（${entry.level}）`],
    [say("科目", "Subject"), el("strong", entry.subject)],
    [say("考场 · 考位", "Room · seat"), `${entry.room} · ${entry.seat}`],
  ];
  return el("dl", rows.filter((row) => row[1]).map(([term, ...values]) => [el("dt", term), el("dd", values)]));
}

async function logOut(shell) {
  await tell("/api/logout", {});
  shell.chosenId = null;
  await shell.refresh();
}
