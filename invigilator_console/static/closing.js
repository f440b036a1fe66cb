// End a sitting: what is not in order, the closing, then package and receipt.

import { get, may, post, say } from "./api.js";
import { titleOf } from "./course.js";
import { ask } from "./dialog.js";
import { keyed, make, notice, setText } from "./dom.js";
import { showPackages } from "./package_list.js";

const root = document.getElementById("closing");
const sittingId = Number(root.dataset.sitting);
const away = document.getElementById("away");
// Not before the first answer of the station: what would be closed is not known yet.
const close = make("button", { type: "button", class: "primary large", disabled: true, text: say("结束场次", "Close the sitting"), onclick: closeSitting });
let sitting = null;
if (may("close_sitting")) document.getElementById("closing-acts").append(close);

async function refresh() {
  try {
    const [sittings, list, packages, times] = await Promise.all([
      get("/api/sittings"), get(`/api/sittings/${sittingId}/closing_list`), get(`/api/sittings/${sittingId}/packages`),
      get(`/api/sittings/${sittingId}/times`)]);
    sitting = sittings.find((one) => one.id === sittingId);
    away.hidden = true;
    show(list, packages);
    showTimes(times);
  } catch (refusal) {
    setText(away, refusal.message);
    away.hidden = false;
  }
}

function show(list, packages) {
  setText(document.getElementById("closing-title"), `${say("结束场次", "Close the sitting")} · ${titleOf(sitting)}`);
  const isClosed = ["closed", "delivered"].includes(sitting.state);
  showSteps(isClosed, packages);
  document.getElementById("points-card").hidden = isClosed;
  document.getElementById("packages-card").hidden = !isClosed;
  const points = together(list.points).map((point, index) => ({ ...point, key: `${point.code}-${point.entry_id}-${index}` }));
  const rows = points.length ? points : [{ key: "fine", code: "fine", text: say("全部就绪，可以结束场次。", "All is in order; the sitting can be closed."), blocking: false, fine: true }];
  keyed(document.getElementById("points"), rows, (point) => point.key, newPoint, showPoint);
  close.disabled = !list.may_close || sitting.state !== "running";
  setText(close, list.may_close ? say("结束场次", "Close the sitting") : say(`还有 ${points.filter((one) => one.blocking).length} 项必须先处理`, `${points.filter((one) => one.blocking).length} points to settle first`));
  if (isClosed) showPackages(document.getElementById("packages"), packages, refresh);
}

// Whether everybody had the time they should, before it is too late to ask why.
function showTimes(times) {
  const line = document.getElementById("times-line");
  line.hidden = !times.rows.length;
  const isFine = !times.short && !times.unsound;
  line.className = `point ${isFine ? "good" : "alarm"}`;
  setText(line.children[0], isFine ? "✓" : "!");
  setText(line.children[1], isFine ? say("全部考生的作答时间都不少于应有。", "All candidates had the time they should.")
    : say(`${times.short} 名考生的作答时间少于应有${times.unsound ? `，${times.unsound} 人的截止时间须核对` : ""}。`,
      `${times.short} candidates had less time than they should${times.unsound ? `; ${times.unsound} deadlines are to be checked` : ""}.`));
}

// Who is still answering is one line, however many they are; all else is looked at one by one.
function together(points) {
  const gathered = gather(points, "still_answering", (count) => say(`还有 ${count} 名考生在作答，请等待到时自动收卷，或在考场监控中收取答卷`,
    `${count} candidates are still answering: wait for the deadline, or collect on the board`));
  const missing = gather(gathered, "work_missing", (count) => say(`${count} 名考生缺少应交的作品文件，可在考场监控的考位详情中查看`,
    `${count} candidates lack wanted work files: see the seats' details on the board`));
  return gather(missing, "work_awaited", (count) => say(`还有 ${count} 台考试机的作品文件在收取，请勿关机（最多等到收卷后 10 分钟）`,
    `Work files of ${count} PCs are still coming: leave them on (until 10 min after the end at the latest)`));
}

function gather(points, code, textOf) {
  const same = points.filter((point) => point.code === code);
  if (same.length <= 3) return points;
  return [{ ...same[0], entry_id: null, text: textOf(same.length) }, ...points.filter((point) => point.code !== code)];
}

function showSteps(isClosed, packages) {
  const all = (holds) => packages.length > 0 && packages.every(holds); // supplements, too
  const states = [
    [say("核对", "Check"), isClosed], [say("结束场次", "Close"), isClosed], [say("评分与打包", "Mark and pack"), all((one) => one.sha256)],
    [say("上传", "Upload"), all((one) => ["arrived", "confirmed"].includes(one.state))], [say("上级确认收到", "Confirmed by the centre"), all((one) => one.state === "confirmed")]];
  const now = states.findIndex(([, isDone]) => !isDone);
  keyed(document.getElementById("steps"), states.map(([text, isDone], index) => ({ text, isDone, index })), (one) => one.index, () => make("li"), (item, one) => {
    setText(item, `${one.isDone ? "✓ " : ""}${one.text}`);
    item.className = one.isDone ? "done" : one.index === now ? "now" : "";
  });
}

function newPoint() {
  return make("div", { class: "point" }, make("span", { class: "mark", "aria-hidden": "true" }), make("span", { class: "text" }), make("span", { class: "acts" }));
}

function showPoint(row, point) {
  row.className = `point ${point.fine ? "good" : point.blocking ? "alarm" : "note"}`;
  setText(row.children[0], point.fine ? "✓" : point.blocking ? "!" : "i");
  setText(row.children[1], point.text + (point.fine || point.blocking ? "" : say("（可以结束，但请核实）", " (does not prevent closing)")));
  if (!row.children[2].children.length && point.code === "absence_open" && may("record_attendance")) {
    row.children[2].append(make("button", { type: "button", class: "small", text: say("记为缺考", "Record absent"), onclick: () => settle(point) }));
  }
}

function settle(point) {
  return ask({
    title: say("记为缺考", "Record as absent"), effects: [point.text], confirm: say("记为缺考", "Record absent"),
    act: async () => {
      await post("/api/entries/absent", { entry_ids: [point.entry_id] });
      await refresh();
    },
  });
}

function closeSitting() {
  return ask({
    title: say("结束场次", "Close the sitting"),
    effects: [titleOf(sitting), say("结束后不能再作答、延时或更换考位；随后自动评分、生成加密成果包并上传。", "Nobody can answer any more. Marking, packing and sending follow by themselves."),
      say(`应考 ${sitting.counts.expected} 人，缺考 ${sitting.counts.absent} 人。`, `${sitting.counts.expected} expected, ${sitting.counts.absent} absent.`)],
    confirm: say("结束场次", "Close the sitting"), danger: true,
    act: async () => {
      await post(`/api/sittings/${sittingId}/close`);
      notice(say("场次已结束。", "The sitting is closed."));
      await refresh();
    },
  });
}

refresh();
setInterval(refresh, 2000);
