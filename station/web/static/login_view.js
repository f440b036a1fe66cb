import { ask, tell } from "./api.js";
import { el, setText } from "./dom.js";
import { acting, frame, noticeLine } from "./frame.js";
import { say } from "./say.js";
import { sendLeftovers } from "./saving.js";

const LEFTOVERS_MS = 10_000;
const TRIAL_MS = 4000;

/** Log-in with ticket number and its last 6 digits (R-DAY-2). */
export function loginView(shell, { notice: told }) {
  const notice = noticeLine();
  const ticket = el("input.ticket", {
    id: "ticket",
    name: "ticket",
    autocomplete: "off",
    inputMode: "numeric",
    maxLength: 40,
    spellcheck: false,
    oninput: () => setText(grouped, grouping(ticket.value)),
  });
  const grouped = el("output.grouped", { htmlFor: "ticket", "aria-hidden": "true" });
  const password = el("input.password", {
    id: "password",
    name: "password",
    type: "password",
    autocomplete: "off",
    inputMode: "numeric",
    maxLength: 20,
  });
  const button = el("button.primary.large", { type: "submit" }, say("登录", "Log in"));
  const trial = el("div.trial-ticket", { hidden: true });
  const form = el(
    "form.card.narrow",
    { onsubmit: (event) => submit(event), noValidate: true },
    el("h1", say("考生登录", "Candidate log-in")),
    trial,
    el("label", { htmlFor: "ticket" }, say("准考证号", "Admission ticket number")),
    ticket,
    grouped,
    el("label", { htmlFor: "password" }, say("口令（准考证号后 6 位）", "Password (last 6 digits of the ticket number)")),
    password,
    notice.line,
    button,
    el("p.fine", say("请对照准考证输入。有问题请举手，监考员会来帮助您。", "Type it from your admission ticket. Raise your hand if you need help.")),
  );
  const around = frame(shell, form);
  notice.tell(told);
  ticket.focus();
  const leftovers = setInterval(() => sendLeftovers(shell.store).catch(() => {}), LEFTOVERS_MS);

  const fillIn = (number) => {
    ticket.value = number;
    password.value = number.slice(-6);
    setText(grouped, "");
    button.focus();
  };
  // The time above is the station's; refused polls, all there are before somebody logs in, do not tell it.
  const look = () => Promise.all([ask("/api/clock"), showTrialTicket(trial, fillIn)]).catch(() => {});
  look();
  const looking = setInterval(look, TRIAL_MS);

  async function submit(event) {
    event.preventDefault();
    if (!ticket.value.trim()) {
      notice.tell(say("请输入准考证号。", "Please type your ticket number."));
      ticket.focus();
      return;
    }
    await acting(button, notice, async () => {
      try {
        await tell("/api/login", { ticket_number: ticket.value, password: password.value });
      } catch (error) {
        password.value = "";
        password.focus();
        throw error;
      }
      await shell.refresh();
    });
  }

  return {
    link: around.link,
    close() {
      clearInterval(leftovers);
      clearInterval(looking);
      around.close();
    },
  };
}

/** While a trial is held at this seat, show its practice number and fill it in by a click. */
async function showTrialTicket(box, use) {
  const { ticket_number: number } = await ask("/api/trial");
  box.hidden = !number;
  if (!number || box.dataset.number === number) return;
  box.dataset.number = number;
  box.replaceChildren(
    el("p", el("strong", say("本机正在试考", "A trial is held here")), say("（不是正式考试，不计分）", " (no real test, nothing is scored)")),
    el("p", say("试考号：", "Practice number: "), el("b.digits", number)),
    el("button", { type: "button", onclick: () => use(number) }, say("填入试考号", "Fill it in")),
  );
}

/** Show a long number in groups of four, so that it can be compared with the ticket. */
function grouping(text) {
  return text.normalize("NFKC").replace(/\s+/g, "").replace(/(.{4})(?=.)/g, "$1 ");
}
