// One dialog at a time: what will happen to whom, the fields it needs, one decision.

import { may, say } from "./api.js";
import { make } from "./dom.js";

// Shows the dialog and gives the fields' values once `act` has accepted them, or null when it was left.
// `content`: an element between effects and fields, for more than lines can say.
// A refusal of the station is shown inside and everything typed stays. `isFilledIn`: Enter confirms what is proposed.
export function ask({ title, effects = [], content = null, fields = [], confirm, danger = false, canLeave = true, isFilledIn = false, act }) {
  return new Promise((resolve) => {
    const fault = make("p", { class: "fault", role: "alert", hidden: true });
    const yes = make("button", { type: "submit", class: danger ? "danger" : "primary", text: confirm });
    const no = make("button", { type: "button", text: say("取消", "Cancel"), hidden: !canLeave });
    const inputs = fields.map(makeField);
    const form = make(
      "form",
      { method: "dialog" },
      make("h2", { text: title }),
      effects.length ? make("ul", { class: "effects" }, ...effects.map((text) => make("li", { text }))) : null,
      content,
      ...inputs.map((input) => input.element),
      fault,
      make("div", { class: "acts" }, no, yes),
    );
    const dialog = make("dialog", { class: content ? "details" : null }, form);
    const values = () => Object.fromEntries(inputs.map((input) => [input.name, input.value()]));
    const showFields = () => {
      const now = values();
      for (const input of inputs) input.element.hidden = input.when ? !input.when(now) : false;
    };
    form.addEventListener("input", showFields);
    showFields();
    no.addEventListener("click", () => dialog.close("left"));
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (dialog.returnValue !== "done") resolve(null);
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      yes.disabled = true;
      fault.hidden = true;
      try {
        const answer = await act(values());
        dialog.close("done");
        resolve(answer ?? {});
      } catch (refusal) {
        fault.textContent = refusal.message;
        fault.hidden = false;
      } finally {
        yes.disabled = false;
      }
    });
    document.body.append(dialog);
    dialog.showModal();
    ((!isFilledIn && form.querySelector("input, select, textarea")) || yes).focus();
  });
}

// The fields by which somebody else than the one logged in confirms an act at this console.
export function secondPerson(who, when) {
  return [
    { name: "second_username", label: say(`${who}账号`, `User name of the ${who}`), when, autocomplete: "off" },
    { name: "second_password", label: say(`${who}口令`, `Password of the ${who}`), kind: "password", when, autocomplete: "new-password" },
  ];
}

// The same fields, but only when the one who is logged in may not do the act.
export function secondUnlessMay(act, when) {
  return may(act) ? [] : secondPerson(say("主考", "chief examiner"), when);
}

export function secondOf(values) {
  if (!values.second_username) return undefined;
  return { username: values.second_username.trim(), password: values.second_password };
}

function makeField(field) {
  const input = inputFor(field);
  const label = make("label", { class: field.kind === "check" ? "check" : "" });
  if (field.kind === "check") label.append(input, field.label);
  else label.append(field.label, field.quick ? quickValues(input, field.quick) : "", input);
  if (field.hint) label.append(make("span", { class: "hint", text: field.hint }));
  return {
    name: field.name,
    when: field.when,
    element: label,
    value: () => (field.kind === "check" ? input.checked : field.kind === "number" ? Math.round(Number(input.value)) : input.value),
  };
}

function inputFor(field) {
  if (field.kind === "select") {
    const options = Object.entries(field.options).map(([value, text]) =>
      make("option", { value, text, selected: value === field.value }));
    return make("select", { name: field.name }, ...options);
  }
  if (field.kind === "text") {
    const area = make("textarea", { name: field.name, rows: 3, maxlength: 500, placeholder: field.placeholder });
    area.value = field.value || "";
    return area;
  }
  const types = { check: "checkbox", password: "password", number: "number" };
  return make("input", {
    name: field.name,
    type: types[field.kind] || "text",
    value: field.value,
    checked: field.checked,
    min: field.min,
    max: field.max,
    maxlength: field.kind === "number" ? undefined : 500,
    placeholder: field.placeholder,
    autocomplete: field.autocomplete || "off",
    spellcheck: "false",
  });
}

function quickValues(input, values) {
  const buttons = values.map((value) =>
    make("button", {
      type: "button",
      text: String(value),
      onclick: () => {
        input.value = value;
        input.dispatchEvent(new Event("input", { bubbles: true }));
      },
    }));
  return make("span", { class: "quick" }, ...buttons);
}
