import { el, setText } from "./dom.js";
import { clockTime, say } from "./say.js";

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
