"use strict";
// The agent's own screen. It asks for the state once a second and says what it means; there is nothing to load anew.

const TITLES = {
  waiting: { zh: "正在连接考试服务器", en: "Waiting for the exam station" },
  seat: { zh: "登记考位", en: "Which seat is this?" },
  locked: { zh: "考试机已锁屏", en: "This screen is locked" },
  message: { zh: "通知", en: "Message" },
  status: { zh: "考试机状态", en: "This exam PC" },
};

let language = "zh";
let state = null;
let shownKind = "";
let drawn = "";
let wrong = null;

const part = (id) => document.getElementById(id);

function say(texts) {
  return texts ? texts[language] : "";
}

function hintFor(now) {
  if (now.kind === "waiting") {
    if (now.is_heard && !now.trouble) {
      return { zh: "已找到考试服务器，页面即将打开。", en: "The station was found; the page opens in a moment." };
    }
    return now.has_answers
      ? { zh: "请在座位上等待。已作答的内容都保留着，恢复连接后自动回到试卷。",
          en: "Please stay seated. What was answered is kept; your paper comes back by itself." }
      : { zh: "连接后页面会自动打开，不需要操作。", en: "The page opens by itself once it is reached." };
  }
  if (now.kind === "seat") {
    return { zh: "请技术人员输入桌贴上的考位号，也可以由监考台指定。",
             en: "The technician types the number on the seat's label; it can be given at the console, too." };
  }
  if (now.kind === "locked") {
    return { zh: "请看监考员，作答内容已保留，解除后从原处继续。",
             en: "Please look to the invigilator. Your answers are kept; you go on where you stopped." };
  }
  if (now.kind === "status") {
    return now.is_locked
      ? { zh: "本机处于考试锁定状态。", en: "This PC is locked for a test." }
      : { zh: "本机未锁定。", en: "This PC is not locked." };
  }
  return null;
}

function show(id, visible) {
  part(id).hidden = !visible;
}

function showSeat(now) {
  show("seat", now.seat !== "");
  part("seat").replaceChildren();
  if (now.seat !== "") {
    const number = document.createElement("b");
    number.textContent = now.seat;
    part("seat").append([now.room, say({ zh: "考位", en: "Seat" })].filter(Boolean).join("　"), number);
  }
}

// What the technician should know of this PC: it stands on the status page, and is gone when it is put right.
function showProblems(now) {
  const problems = now.kind === "status" ? now.problems || [] : [];
  show("problems", problems.length > 0);
  part("problems").replaceChildren(...problems.map((one) => {
    const line = document.createElement("li");
    line.textContent = say(one);
    return line;
  }));
}

function showConnection(now) {
  const dot = document.createElement("span");
  dot.className = now.is_heard ? "dot heard" : "dot";
  const text = now.is_heard
    ? say({ zh: "已连接考试服务器", en: "Station connected" })
    : say({ zh: "未连接考试服务器，自动重试中", en: "Station not connected; trying again" });
  const version = now.kind === "status" && now.version ? say({ zh: `程序版本 ${now.version}`, en: `Version ${now.version}` }) : "";
  part("connection").replaceChildren(dot, [text, now.station, version].filter(Boolean).join("　"));
}

function render() {
  const now = state;
  const seen = JSON.stringify([now, language]);
  if (!now || seen === drawn) return; // a screen reader says again what is written again
  drawn = seen;
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.body.classList.toggle("large", now.large_type);
  for (const element of document.querySelectorAll("[data-zh]")) {
    element.textContent = element.dataset[language];
  }
  part("language").textContent = language === "zh" ? "English" : "中文";
  part("site").textContent = now.site;
  showSeat(now);
  part("title").textContent = say(TITLES[now.kind] || TITLES.status);
  part("text").textContent = now.kind === "locked" || now.kind === "message" ? say({ zh: now.text, en: now.text_en }) : "";
  const trouble = now.kind === "waiting" || now.kind === "seat" || now.kind === "status" ? say(now.trouble) : "";
  part("hint").textContent = say(hintFor(now));
  part("trouble").textContent = trouble;
  showProblems(now);
  show("seat-form", now.kind === "seat");
  show("code-form", now.kind === "status" && now.is_locked);
  show("close", now.kind === "message" || now.kind === "status");
  part("close").textContent = now.kind === "message"
    ? say({ zh: "知道了", en: "I have read it" })
    : say({ zh: "返回", en: "Back" });
  part("close").className = now.kind === "message" ? "" : "quiet";
  show("leave", !now.is_locked && (now.kind === "waiting" || now.kind === "seat"));
  show("keys", now.kind !== "status");
  showConnection(now);
  const kind = `${now.kind} ${now.is_locked}`;
  if (kind !== shownKind) {
    shownKind = kind;
    fail(null);
    focusFirst();
  }
}

function focusFirst() {
  for (const id of ["seat-number", "code", "close"]) {
    const element = part(id);
    if (element.offsetParent !== null) {
      element.focus();
      return;
    }
  }
}

// What went wrong, in both languages: it is read again when the language is changed.
function fail(texts) {
  wrong = texts;
  part("error").textContent = say(wrong);
  show("error", wrong !== null);
}

async function act(name, body) {
  fail(null);
  const buttons = [...document.querySelectorAll("main button")];
  buttons.forEach((button) => { button.disabled = true; });
  try {
    const answer = await fetch(name, { method: "POST", body: JSON.stringify(body) });
    const told = await answer.json();
    if (!answer.ok) {
      fail(told.error || { zh: "没有成功，请重试。", en: "It failed; try again." });
      return false;
    }
    return true;
  } catch (_failure) {
    fail({ zh: "考试机程序没有应答，请稍候重试。", en: "The exam PC's program does not answer; try again soon." });
    return false;
  } finally {
    buttons.forEach((button) => { button.disabled = false; });
    await look();
  }
}

async function look() {
  try {
    const answer = await fetch("state");
    if (answer.ok) {
      state = await answer.json();
      render();
    }
  } catch (_failure) {
    // The program starts anew; it ends or takes over this window by itself.
  }
}

part("language").addEventListener("click", () => {
  language = language === "zh" ? "en" : "zh";
  render();
  fail(wrong);
});
part("seat-form").addEventListener("submit", (event) => {
  event.preventDefault();
  act("seat", { seat_number: part("seat-number").value, room: part("room").value });
});
part("code-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const code = part("code");
  if (await act("code", { code: code.value })) code.value = "";
  else code.select();
});
part("close").addEventListener("click", () => act("close", {}));
part("leave").addEventListener("click", () => act("leave", {}));

(async function watch() {
  for (;;) {
    await look();
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
  }
})();
