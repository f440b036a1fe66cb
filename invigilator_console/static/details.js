// Everything about one candidate in this sitting: for comparing documents (R-DAY-3) and for looking back.

import { get, may, post, say } from "./api.js";
import { ask } from "./dialog.js";
import { make, notice } from "./dom.js";
import { clock, clockSeconds } from "./times.js";
import { workPart } from "./work_files.js";

export async function showDetails(seat) {
  let entry;
  try {
    entry = await get(`/api/entries/${seat.entry_id}`);
  } catch (refusal) {
    notice(refusal.message, "bad");
    return;
  }
  const rows = [
    [say("考位", "Seat"), entry.seat],
    [say("姓名", "Name"), `${entry.name}${entry.pinyin ? `（${entry.pinyin}）` : ""}`],
    [say("准考证号", "Ticket number"), entry.ticket_number],
    [say("证件号码", "ID number"), entry.id_number || "—"],
    [say("所属院校", "Institution"), entry.institution || "—"],
    [say("考勤", "Attendance"), entry.attendance_name],
    [say("开卷", "Paper opened"), entry.opened_at ? clockSeconds(entry.opened_at) : "—"],
    [say("截止", "Deadline"), entry.deadline_at ? clock(entry.deadline_at) : "—"],
    [say("已保存", "Saved"), entry.revisions === null ? "—" : say(`${entry.revisions} 次，最近 ${clockSeconds(entry.last_saved_at)}`, `${entry.revisions} times, last ${clockSeconds(entry.last_saved_at)}`)],
    [say("回执", "Receipt"), entry.receipt || "—"],
  ];
  if (entry.aids.length) rows.push([say("无障碍", "Accessibility"), entry.aids.map((aid) => entry.aid_names[aid]).join("、")]);
  const events = entry.events.map((event) => make("li", {}, make("time", { text: clockSeconds(event.at) }), ` ${event.sentence}`));
  const close = make("button", { type: "button", class: "primary", text: say("关闭", "Close") });
  const dialog = make("dialog", { class: "details" },
    make("h2", { text: `${entry.seat} ${entry.name}` }),
    make("div", { class: "person" },
      entry.photo ? make("img", { src: entry.photo, alt: say(`${entry.name} 的照片`, `Photo of ${entry.name}`), width: 118, height: 165 }) : make("div", { class: "no-photo", text: say("无照片", "no photo") }),
      make("table", {}, make("tbody", {}, ...rows.map(([name, value]) => make("tr", {}, make("th", { scope: "row", text: name }), make("td", { text: value })))))),
    ...workPart(entry.work), make("h3", { text: say("记录", "Record") }), make("ol", { class: "events" }, ...events),
    make("div", { class: "acts" },
      may("set_accessibility") ? make("button", { type: "button", text: say("无障碍设置", "Accessibility"), onclick: () => { dialog.close(); setAids(entry); } }) : null, close));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  close.focus();
}

// What the PC allows this candidate; it follows to another seat.
function setAids(entry) {
  return ask({
    title: say("无障碍设置", "Accessibility"),
    effects: [`${entry.seat} ${entry.name}`, say("考生机锁定时仍可使用所选功能，换考位后继续有效。延长时间请用“延长时间”。", "What is chosen works on the locked PC and follows to another seat. More time is granted as an extension.")],
    fields: [...Object.entries(entry.aid_names).map(([aid, text]) => ({ name: aid, label: text, kind: "check", value: "on", checked: entry.aids.includes(aid) })),
      { name: "reason", label: say("依据", "Reason"), placeholder: say("例：机构批准的合理便利", "e.g. granted by the body") }],
    confirm: say("保存设置", "Save"),
    act: async (values) => {
      await post("/api/entries/accessibility", { entry_id: entry.entry_id, aids: Object.keys(entry.aid_names).filter((aid) => values[aid]), reason: values.reason });
      notice(say("已设置。", "Set."));
    },
  });
}
