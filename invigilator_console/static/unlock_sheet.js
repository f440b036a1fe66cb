// The sealed sheet of unlock codes: made on request only, as each making is recorded.

import { post, say } from "./api.js";
import { make, setText } from "./dom.js";
import { clock, date } from "./times.js";

const root = document.getElementById("unlock-sheet");
const fault = document.getElementById("fault");

document.getElementById("make").addEventListener("click", async ({ currentTarget: button }) => {
  fault.hidden = true;
  button.disabled = true; // a second click would make, and record, a second sheet
  try {
    show(await post("/api/unlock_codes/sheet", { room_id: Number(root.dataset.room) }));
  } catch (refusal) {
    setText(fault, refusal.message);
    fault.hidden = false;
  } finally {
    button.disabled = false;
  }
});

function show(sheet) {
  setText(document.getElementById("printed"), say(`${date(sheet.at)} ${clock(sheet.at)} ${sheet.by} 打印，共 ${sheet.lines.length} 台`,
    `${date(sheet.at)} ${clock(sheet.at)}, printed by ${sheet.by}, ${sheet.lines.length} PCs`));
  document.getElementById("codes").replaceChildren(...sheet.lines.map((line) => make("li", {},
    make("b", { text: say(`考位 ${line.seat}`, `Seat ${line.seat}`) + (line.is_spare ? say("（备用）", " (spare)") : "") }),
    make("span", { class: "pc", text: `${line.device} · ${line.code_id}` }),
    make("span", { class: "code", text: `${line.code.slice(0, 4)} ${line.code.slice(4)}` }))));
  document.getElementById("paper").hidden = false;
  window.print();
}
