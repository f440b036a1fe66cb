import { el, paperHtml } from "./dom.js";
import { identifiersOf, NOTHING } from "./responses.js";
import { say } from "./say.js";

/** Options of a single or multiple choice; the letters follow the order shown. */
export function choiceFields({ item, attemptId, record }) {
  const isSingle = item.kind === "single";
  const options = item.interaction.shuffle ? shuffled(item.interaction.options, `${attemptId}/${item.id}`) : item.interaction.options;
  const inputs = new Map();
  const clear = clearButton(() => choose([]));
  const rows = options.map((option, index) => {
    const input = el("input", { type: isSingle ? "radio" : "checkbox", name: `choice-${item.id}`, onchange: () => chosen() });
    inputs.set(option.id, input);
    const text = paperHtml(el("span.option-text"), option.html, attemptId);
    return el("label.option", input, el("span.letter", letterOf(index)), text);
  });
  const hint = isSingle ? null : el("p.hint", say("可选择多项。", "More than one may be right."));
  const group = el("div.options", { role: isSingle ? "radiogroup" : "group", "aria-labelledby": `title-${item.id}` }, hint, rows);

  function chosen() {
    const ids = options.map((option) => option.id).filter((id) => inputs.get(id).checked);
    clear.hidden = !ids.length;
    if (!ids.length) record(NOTHING);
    else record(isSingle ? { base: { identifier: ids[0] } } : { list: { identifier: ids } });
  }

  function choose(ids) {
    for (const [id, input] of inputs) input.checked = ids.includes(id);
    chosen();
  }

  return {
    element: group,
    clear: isSingle ? clear : null,
    show(response) {
      const ids = identifiersOf(response);
      for (const [id, input] of inputs) input.checked = ids.includes(id);
      clear.hidden = !ids.length;
    },
    choose(index) {
      const option = options[index];
      if (!option) return false;
      inputs.get(option.id).focus();
      inputs.get(option.id).click();
      return true;
    },
  };
}

export function trueFalseFields({ item, record }) {
  const clear = clearButton(() => {
    for (const input of inputs) input.checked = false;
    clear.hidden = true;
    record(NOTHING);
  });
  const answers = [true, false];
  const inputs = answers.map((answer) =>
    el("input", {
      type: "radio",
      name: `choice-${item.id}`,
      onchange() {
        clear.hidden = false;
        record({ base: { boolean: answer } });
      },
    }),
  );
  const texts = [`✓ ${say("正确", "True")}`, `✗ ${say("错误", "False")}`];
  const rows = inputs.map((input, index) => el("label.option", input, el("span.letter", letterOf(index)), el("span.option-text", texts[index])));
  return {
    element: el("div.options", { role: "radiogroup", "aria-labelledby": `title-${item.id}` }, rows),
    clear,
    show(response) {
      const answer = response && response.base ? response.base.boolean : undefined;
      inputs.forEach((input, index) => {
        input.checked = answer === answers[index];
      });
      clear.hidden = answer === undefined;
    },
    choose(index) {
      if (!inputs[index]) return false;
      inputs[index].focus();
      inputs[index].click();
      return true;
    },
  };
}

function clearButton(onclick) {
  return el("button.plain", { type: "button", onclick, hidden: true }, say("清除选择", "Clear"));
}

function letterOf(index) {
  return String.fromCharCode(65 + index);
}

/** Shuffle in a way that is the same each time this attempt is opened. */
function shuffled(options, seedText) {
  let seed = 2166136261;
  for (const sign of seedText) seed = Math.imul(seed ^ sign.codePointAt(0), 16777619);
  const random = () => {
    seed = Math.imul(seed ^ (seed >>> 15), 2246822507);
    seed ^= seed >>> 13;
    return (seed >>> 0) / 4294967296;
  };
  const mixed = [...options];
  for (let last = mixed.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [mixed[last], mixed[other]] = [mixed[other], mixed[last]];
  }
  return mixed;
}
