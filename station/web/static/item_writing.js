import { el, setText } from "./dom.js";
import { recordOf, recordResponse, stringOf, stringResponse } from "./responses.js";
import { say } from "./say.js";

/** A text field that grows with its text and counts characters. */
export function writingFields({ item, change }) {
  const { lines = 6, max_length: longest = 20000 } = item.interaction;
  const count = el("p.count", { "aria-live": "off" });
  const area = el("textarea", {
    rows: lines,
    maxLength: longest,
    spellcheck: false,
    "aria-labelledby": `title-${item.id}`,
    oninput() {
      draw();
      change(stringResponse(area.value));
    },
  });

  function draw() {
    const length = [...area.value].length;
    setText(count, say(`${length} / ${longest} 字`, `${length} / ${longest} characters`));
    count.classList.toggle("near", length > longest * 0.9);
    area.style.height = "auto";
    if (area.scrollHeight > area.clientHeight) area.style.height = `${area.scrollHeight + 4}px`;
  }

  return {
    element: el("div.writing", area, count),
    show(response) {
      area.value = stringOf(response);
      draw();
    },
  };
}

/** Blanks inside the stem; those that the stem does not place stand below it. */
export function blankFields({ item, body, change }) {
  const inputs = new Map();
  const below = el("div.blanks");
  item.interaction.blanks.forEach((blank, index) => {
    const input = el("input.blank", {
      type: "text",
      autocomplete: "off",
      spellcheck: false,
      maxLength: 2000,
      "aria-label": say(`第 ${index + 1} 空`, `Blank ${index + 1}`),
      oninput: () => change(response()),
    });
    input.style.width = `${Math.min(Math.max(blank.width || 12, 4), 60) + 2}ch`;
    inputs.set(blank.id, input);
    const place = body.querySelector(`[data-blank="${CSS.escape(blank.id)}"]`);
    if (place) place.replaceChildren(input);
    else below.append(el("label", el("span", say(`第 ${index + 1} 空`, `Blank ${index + 1}`)), input));
  });

  function response() {
    return recordResponse([...inputs].map(([name, input]) => [name, input.value]));
  }

  return {
    element: below,
    show(answer) {
      const values = recordOf(answer);
      for (const [name, input] of inputs) input.value = values.get(name) || "";
    },
  };
}
