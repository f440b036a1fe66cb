// Everything about one candidate in this sitting: for comparing documents (R-DAY-3) and for looking back.

import { get, say } from "./api.js";
import { make, notice } from "./dom.js";
import { clock, clockSeconds } from "./times.js";

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
  const events = entry.events.map((event) => make("li", {}, make("time", { text: clockSeconds(event.at) }), ` ${event.sentence}`));
  const close = make("button", { type: "button", class: "primary", text: say("关闭", "Close") });
  const dialog = make("dialog", { class: "details" },
    make("h2", { text: `${entry.seat} ${entry.name}` }),
    make("div", { class: "person" },
      entry.photo ? make("img", { src: entry.photo, alt: say(`${entry.name} 的照片`, `Photo of ${entry.name}`), width: 118, height: 165 }) : make("div", { class: "no-photo", text: say("无照片", "no photo") }),
      make("table", {}, make("tbody", {}, ...rows.map(([name, value]) => make("tr", {}, make("th", { scope: "row", text: name }), make("td", { text: value })))))),
    make("h3", { text: say("记录", "Record") }), make("ol", { class: "events" }, ...events),
    make("div", { class: "acts" }, close));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  close.focus();
}
