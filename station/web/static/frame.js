import { el, setText } from "./dom.js";
import { outageLine } from "./outage.js";
import { clockTime, language, say, switchLanguage } from "./say.js";
import { stationNow } from "./station_clock.js";

/** The frame around every view but the paper: site, seat, clock, language, and whether the station is heard. */
export function frame(shell, ...content) {
  const { seat, site } = document.documentElement.dataset;
  const time = el("span.clock", { "aria-label": say("服务器时间", "Server time") });
  const away = outageLine();
  shell.page.append(
    el(
      "header.frame-head",
      el("span.site", site),
      seat ? el("span.seat", `${say("考位", "Seat")} ${seat}`) : el("span.seat.unknown", say("本机未登记考位", "No seat")),
      el("span.spring"),
      time,
      languageButton(),
    ),
    away.line,
    el("main.frame-main", content),
  );
  const tick = () => setText(time, clockTime(stationNow()));
  tick();
  const timer = setInterval(tick, 500);
  return {
    link: (trouble) => away.show(trouble, trouble && say("请在座位上等候，恢复后会自动继续。", "Please wait; it goes on by itself.")),
    close: () => clearInterval(timer),
  };
}

export function languageButton() {
  const text = language === "en" ? "中文" : "English";
  return el("button.plain", { type: "button", onclick: switchLanguage, lang: language === "en" ? "zh-CN" : "en" }, text);
}

/** A line for what went wrong, read out by screen readers. */
export function noticeLine() {
  const line = el("p.notice.bad", { role: "alert", hidden: true });
  return {
    line,
    tell(text) {
      line.hidden = !text;
      setText(line, text || "");
    },
  };
}

/** Run an act of a button: no second click meanwhile, a refusal goes to the notice. */
export async function acting(button, notice, act) {
  button.disabled = true;
  notice.tell("");
  try {
    await act();
  } catch (error) {
    notice.tell(error.sentence || String(error));
  } finally {
    button.disabled = false;
  }
}
