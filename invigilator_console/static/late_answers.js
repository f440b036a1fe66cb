// One screen for all answers that came late; they count only if the chief examiner says so.

import { get, post, say } from "./api.js";
import { board } from "./board_state.js";
import { ask, secondOf, secondUnlessMay } from "./dialog.js";
import { make, notice } from "./dom.js";
import { clockSeconds, countdown } from "./times.js";

export async function decideLate() {
  let late;
  try {
    late = await get(`/api/late_saves/${board.sittingId}`);
  } catch (refusal) {
    return notice(refusal.message, "bad");
  }
  if (!late.length) return notice(say("没有待裁定的迟到答案。", "No late answers to decide."));
  const ofChosen = late.filter((one) => board.chosen.has(one.entry_id));
  const meant = ofChosen.length ? ofChosen : late;
  return ask({
    title: say("采纳迟到答案", "Accept late answers"),
    effects: [ofChosen.length ? say(`所选的 ${meant.length} 名考生`, `Of those selected: ${meant.length}`) : say(`全部 ${meant.length} 名考生（只裁定部分考生时，请先在座位图上选中）`, `All ${meant.length} concerned (to decide for some, select them on the board first)`),
      say("采纳后这些答案计入成绩，并记录由谁采纳。不采纳则无需操作，答案仍随成果包上报。", "Accepted, they count, and who accepted them is recorded. Otherwise do nothing: they go with the package all the same.")],
    content: tableOf(meant),
    fields: secondUnlessMay("accept_late_saves"),
    confirm: say("采纳迟到答案", "Accept"),
    act: async (values) => {
      const answer = await post("/api/late_saves/accept", { attempt_ids: meant.map((one) => one.attempt_id), second: secondOf(values) });
      notice(say(`已采纳 ${answer.accepted} 条。`, `${answer.accepted} accepted.`));
      await board.refresh();
    },
  });
}

function tableOf(late) {
  const heads = [say("考位", "Seat"), say("姓名", "Name"), say("答案", "Answers"), say("作品文件", "Files"), say("截止", "Deadline"), say("最晚到达", "Last came"), say("迟", "Late by")];
  const rows = late.map((one) => [one.seat, one.name, one.count || "—", one.files ? say(`${one.files} 个版本`, `${one.files} versions`) : "—",
    clockSeconds(one.deadline_at), clockSeconds(one.last_at), one.late_s > 0 ? countdown(one.late_s) : "—"]);
  return make("div", { class: "rows", tabindex: "0" },
    make("table", { class: "wide" }, make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col", text })))),
      make("tbody", {}, ...rows.map((texts) => make("tr", {}, ...texts.map((text) => make("td", { text })))))));
}
