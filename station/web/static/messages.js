import { el, setText } from "./dom.js";
import { clockTime, say } from "./say.js";

/** Somebody logs in elsewhere under this ticket number and waits for release: told to both sides (R-ROST-2). */
export function triedLine() {
  const line = el("p.tried", { role: "alert", hidden: true });
  return {
    line,
    show(seat) {
      line.hidden = seat === null;
      if (seat === null) return;
      const where = seat ? say(`考位 ${seat}`, `seat ${seat}`) : say("另一台电脑", "another PC");
      setText(line, say(`有人正在${where}用您的准考证号登录，尚未放行。您可以继续作答；如非本人操作，请举手。`, `Somebody is logging in at ${where} with your ticket number and waits for release. Go on; raise your hand if that is not you.`));
    },
  };
}

/** Messages of the invigilator: each stays on the screen until it is read, the oldest first. */
export function messageBanner({ readUpTo = 0, onRead = () => {} } = {}) {
  let read = readUpTo;
  let unread = [];
  const text = el("p");
  const button = el("button", { type: "button", onclick: () => markRead() });
  const line = el("div.message", { role: "alert", hidden: true }, text, button);

  function markRead() {
    read = unread[0].id;
    onRead(read);
    draw(unread.slice(1));
  }

  function draw(messages) {
    unread = messages;
    line.hidden = !unread.length;
    if (!unread.length) return;
    const [first] = unread;
    setText(text, `${say("监考员", "Invigilator")} ${clockTime(first.sent_at, false)}：${first.text}`);
    const more = unread.length > 1 ? say(`（还有 ${unread.length - 1} 条）`, ` (${unread.length - 1} more)`) : "";
    setText(button, say("知道了", "I have read it") + more);
  }

  return { line, show: (messages) => draw(messages.filter((message) => message.id > read)) };
}
