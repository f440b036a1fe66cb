import { ask, Away, tell } from "./api.js";
import { el, setText } from "./dom.js";
import { acting, noticeLine } from "./frame.js";
import { inWords } from "./responses.js";
import { clockTime, say } from "./say.js";
import { wantedList } from "./work_files.js";

/** Hand in: what is still open, that it cannot be undone, and why it may not be possible yet (R-DAY-4). */
export function handInDialog(paper) {
  const notice = noticeLine();
  const open = paper.cards.filter((card) => card.answerState !== "answered");
  const refused = paper.cards.filter((card) => card.isRefused);
  const flagged = paper.cards.filter((card) => card.isFlagged);
  const sure = el("button.primary", { type: "button", onclick: () => acting(sure, notice, handIn) }, say("确认交卷", "Hand in now"));
  const back = el("button", { type: "button", onclick: () => dialog.close() }, say("继续作答", "Go on answering"));
  const files = el("div");
  const showFiles = () => files.replaceChildren(...[wantedList(paper.work)].filter(Boolean));
  const dialog = el(
    "dialog",
    { onclose: () => dialog.remove(), "aria-label": say("交卷", "Hand in") },
    el("h2", say("确认交卷？", "Hand in?")),
    el("p.lead", say(`共 ${paper.cards.length} 题，已答 ${paper.cards.length - open.length} 题。`, `${paper.cards.length - open.length} of ${paper.cards.length} items are answered.`)),
    jumpList(say("以下各题最后的作答没有保存成功，请打开查看：", "The newest answer to these was not taken; please look:"), refused),
    jumpList(say("以下各题未答或未答完：", "Not or only partly answered:"), open),
    jumpList(say("以下各题有标记：", "Flagged:"), flagged),
    files,
    el("p.notice", say("交卷后不能再查看或修改答案。", "After handing in, answers can be neither seen nor changed.")),
    notice.line,
    el("div.buttons", sure, back),
  );
  document.body.append(dialog);
  dialog.showModal();
  back.focus();
  showFiles();
  if (paper.work.facts) paper.work.refresh().then(showFiles);

  function jumpList(title, cards) {
    if (!cards.length) return null;
    const jump = (card) => {
      dialog.close();
      card.focus();
    };
    return el("div.jumps", el("p", title), el("div.numbers", cards.map((card) => el("button.place", { type: "button", "data-state": card.answerState, onclick: () => jump(card) }, String(card.number)))));
  }

  async function handIn() {
    const uploading = paper.cards.find((card) => card.isUploading);
    if (uploading) {
      notice.tell(say(`第 ${uploading.number} 题的文件还在上传，请等待完成，或取消上传后再交卷。`, `A file of item ${uploading.number} is still on its way: wait for it, or cancel it, then hand in.`));
      return;
    }
    const reason = paper.work.reasonToWait();
    if (reason) {
      notice.tell(reason);
      return;
    }
    if (!(await paper.saving.flush())) {
      notice.tell(say("还有答案没有送到服务器，请稍候再交卷；答案已暂存本机。", "Some answers have not reached the server yet. Please try again in a moment; they are kept on this PC."));
      return;
    }
    await tell("/api/hand_in", { attempt_id: paper.attemptId });
    dialog.close();
    await paper.shell.refresh();
  }

  return dialog;
}

/** Earlier versions of an answer; one taken back becomes a new version. */
export async function historyDialog(paper, card) {
  const notice = noticeLine();
  const list = el("ol.versions");
  const dialog = el(
    "dialog",
    { onclose: () => dialog.remove() },
    el("h2", say(`第 ${card.number} 题的历史版本`, `Earlier versions of item ${card.number}`)),
    notice.line,
    list,
    el("div.buttons", el("button", { type: "button", onclick: () => dialog.close() }, say("关闭", "Close"))),
  );
  document.body.append(dialog);
  dialog.showModal();
  try {
    if (paper.trouble || !(await paper.saving.flush())) {
      await showLocal();
      return;
    }
    const revisions = await ask(`/api/revisions/${paper.attemptId}/${card.item.id}`);
    list.replaceChildren(...revisions.map(version));
    if (!revisions.length) list.append(el("li", say("还没有保存过。", "Nothing has been saved yet.")));
  } catch (error) {
    if (error instanceof Away) await showLocal();
    else notice.tell(error.sentence || String(error));
  }

  /** The station is away: what this PC holds of the answer, which is what was answered here. */
  async function showLocal() {
    const versions = await paper.saving.versions(card.item.id);
    notice.tell(say("目前未连接服务器，只能看到本机上的版本。", "Not connected: only the versions on this PC can be shown."));
    list.replaceChildren(...versions.map(version));
    if (!versions.length) list.append(el("li", say("本机上没有这道题的版本。", "This PC holds no version of this item.")));
  }

  function version(revision, index) {
    const take = () => {
      card.takeBack(revision.response);
      dialog.close();
    };
    return el(
      "li",
      el("span.fine", clockTime(revision.saved_at)),
      el("p.version", inWords(card.item, revision.response, say)),
      index ? el("button", { type: "button", onclick: take }, say("恢复此版", "Take back")) : el("span.fine", say("当前", "current")),
    );
  }
}

/** A picture of the paper, as large as the screen allows; any click or key closes it. */
export function zoomDialog(picture) {
  const dialog = el("dialog.zoom", { onclose: () => dialog.remove(), onclick: () => dialog.close(), onkeydown: () => dialog.close() });
  dialog.append(el("img", { src: picture.src, alt: picture.alt }), el("p.fine", say("点击任意处关闭", "Click anywhere to close")));
  document.body.append(dialog);
  dialog.showModal();
}

/** A calm cover over the paper. `button` [text, act] is optional; `tell(lines)` brings its text up to date. */
export function coverDialog(title, lines, button = null) {
  const body = el("div.lines");
  const dialog = el("dialog.cover", { oncancel: (event) => event.preventDefault() }, el("h2", title), body, button && el("button.primary", { type: "button", onclick: button[1] }, button[0]));
  dialog.tell = (texts) => {
    const wanted = texts.filter(Boolean);
    while (body.children.length > wanted.length) body.lastChild.remove();
    wanted.forEach((text, index) => setText(body.children[index] || body.appendChild(el("p")), text));
  };
  dialog.tell(lines);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
