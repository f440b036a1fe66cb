// More time: propose, then chief examiner and inspector confirm one after the other at this screen (R-DAY-8).

import { post, say } from "./api.js";
import { ask, secondOf, secondPerson } from "./dialog.js";
import { notice } from "./dom.js";
import { whom } from "./seat_acts.js";

const SIDES = {
  site: { roles: ["chief_examiner", "deputy_chief_examiner"], zh: "主考", en: "chief examiner" },
  body: { roles: ["inspector", "technical_support"], zh: "巡考员（或机构技术支持）", en: "inspector (or technical support)" },
};

export function mySide() {
  const role = document.body.dataset.role;
  return Object.keys(SIDES).find((side) => SIDES[side].roles.includes(role)) || "";
}

export async function extendTime(board, seats) {
  const sitting = board.state.sitting;
  const proposed = await ask({
    title: say("延长时间（第 1 步：申请）", "Extend the time (step 1: propose)"),
    effects: [
      whom(seats),
      say(`按因故障损失的时间延长。${sitting.extension_limit_min} 分钟以内由主考与巡考员共同决定，超过须认证机构批准。`,
        `For as long as was lost. Up to ${sitting.extension_limit_min} minutes chief examiner and inspector decide; above, the certificate body.`),
    ],
    fields: [
      { name: "minutes", label: say("延长分钟数", "Minutes"), kind: "number", min: 1, max: 240, value: 5, quick: [3, 5, 10, 15] },
      { name: "reason_kind", label: say("原因", "Reason"), kind: "select", options: board.words.reasons },
      { name: "reason", label: say("说明", "Details"), placeholder: say("例：10:05 至 10:10 黑屏重启", "e.g. screen black from 10:05 to 10:10") },
      { name: "asked_by_candidate", label: say("由考生提出", "asked for by the candidate"), kind: "check" },
    ],
    confirm: say("提出延时申请", "Propose"),
    act: (values) => post("/api/extensions", { ...values, entry_ids: seats.map((seat) => seat.entry_id) }),
  });
  if (!proposed) return;
  await board.refresh();
  await decide(board, proposed.extension_ids);
}

// Goes through the sides that are still open; leaving a step keeps the request in the list of those to confirm.
export async function decide(board, extensionIds) {
  for (;;) {
    const waiting = board.state.pending_extensions.filter((one) => extensionIds.includes(one.id));
    if (!waiting.length) return;
    const mine = mySide();
    const open = ["site", "body"].filter((side) => waiting.some((one) => !one[`${side}_decided`]));
    const side = open.includes(mine) ? mine : open[0];
    const ids = waiting.filter((one) => !one[`${side}_decided`]).map((one) => one.id);
    const answer = await confirmSide(board, waiting.filter((one) => ids.includes(one.id)), side, side === mine);
    if (!answer) return;
    await board.refresh();
  }
}

export function refuse(board, waiting) {
  return ask({
    title: say("不批准延时", "Refuse the extension"),
    effects: [...linesOf(waiting), say("不批准后申请结束，会记入记录。", "The request ends and is recorded.")],
    fields: mySide() ? [] : secondPerson(say("主考或巡考员", "chief examiner or inspector")),
    confirm: say("不批准", "Refuse"),
    danger: true,
    act: async (values) => {
      await post("/api/extensions/decide", { extension_ids: waiting.map((one) => one.id), granted: false, second: secondOf(values) });
      notice(say("已记为不批准。", "Refused."));
      await board.refresh();
    },
  });
}

function confirmSide(board, waiting, side, isMine) {
  const needsBody = waiting.some((one) => one.needs_body);
  const both = waiting.every((one) => one[side === "site" ? "body_decided" : "site_decided"]);
  const limit = board.state.sitting.extension_limit_min;
  return ask({
    title: say(`${SIDES[side].zh}确认延时`, `The ${SIDES[side].en} confirms`),
    effects: [
      ...linesOf(waiting),
      both ? say("这是第二人确认，确认后立即生效，考生页面几秒内显示新的截止时间。", "The second confirmation: it takes effect at once.")
        : say("还需另一方确认后才生效。", "It takes effect once the other side has confirmed, too."),
      ...(needsBody ? [say(`累计超过 ${limit} 分钟：须先取得认证机构批准。`, `Above ${limit} minutes: the certificate body must have agreed.`)] : []),
    ],
    fields: [
      ...(needsBody ? [{ name: "body_reference", label: say("认证机构批准人或文号", "Who agreed at the certificate body, or its reference") }] : []),
      ...(isMine ? [] : secondPerson(say(SIDES[side].zh, SIDES[side].en))),
    ],
    confirm: say("确认延时", "Confirm"),
    act: async (values) => {
      const answer = await post("/api/extensions/decide", {
        extension_ids: waiting.map((one) => one.id), granted: true, body_reference: values.body_reference || "", second: secondOf(values),
      });
      notice(answer.effective ? say(`${answer.effective} 人的延时已生效。`, `In effect for ${answer.effective}.`)
        : say(`${answer.decided_by} 已确认，等待另一方。`, `${answer.decided_by} confirmed; the other side is awaited.`));
      return answer;
    },
  });
}

function linesOf(waiting) {
  return waiting.slice(0, 8).map((one) => say(
    `考位 ${one.seat} ${one.name}：延长 ${one.length}${one.granted_before_min ? `（此前已延 ${one.granted_before}）` : ""}，${one.reason}`,
    `Seat ${one.seat} ${one.name}: ${one.length} more${one.granted_before_min ? ` (${one.granted_before} given before)` : ""}, ${one.reason}`,
  )).concat(waiting.length > 8 ? [say(`……共 ${waiting.length} 人`, `… ${waiting.length} in all`)] : []);
}
