/** Make elements: `el("button.primary", { onclick }, "text", child)`; text is always text, never HTML. */
export function el(name, ...parts) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const part of parts) add(element, part);
  return element;
}

/** Put sanitised HTML of a paper into an element; pictures are found under the attempt's address. */
export function paperHtml(element, html, attemptId) {
  const template = document.createElement("template");
  template.innerHTML = html;
  for (const picture of template.content.querySelectorAll("img")) {
    const source = picture.getAttribute("src") || "";
    if (!source.startsWith("asset:")) {
      picture.remove();
      continue;
    }
    picture.src = assetAddress(attemptId, source.slice(6));
    picture.tabIndex = 0;
    picture.classList.add("zoomable");
    picture.setAttribute("role", "button");
  }
  element.append(template.content);
  return element;
}

export function assetAddress(attemptId, name) {
  return `/api/assets/${attemptId}/${encodeURIComponent(name)}`;
}

/** Change text only where it differs, so that screen readers and selections are left in peace. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Draw one of the few signs that the pages use. */
export function sign(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "sign");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SIGNS[name]);
  svg.append(path);
  return svg;
}

const SIGNS = {
  flag: "M6 21V4h11l-2 4 2 4H8v9z",
  check: "M9.5 17.6 4 12l1.8-1.8 3.7 3.8 8.7-9L20 6.8z",
  hand: "M8 21c-2-2-4-5-5-8 1.5-1 3 0 4 2V5.5a1.25 1.25 0 0 1 2.5 0V11h.6V3.7a1.25 1.25 0 0 1 2.5 0V11h.6V4.7a1.25 1.25 0 0 1 2.5 0V12h.6V7.2a1.2 1.2 0 0 1 2.4 0V15c0 3-1.5 6-4 6z",
  history: "M12 5a7 7 0 1 1-6.7 9h2.2A5 5 0 1 0 8 8.5L10 10.5H4.5V5l2 2A7 7 0 0 1 12 5zm-.8 3.5h1.6v3.2l2.6 1.6-.8 1.3-3.4-2.1z",
  file: "M6 3h8l4 4v14H6zm7 1.5V8h3.5z",
  away: "M12 4 1.5 21h21zm-1 6h2v6h-2zm0 7h2v2h-2z",
};

function add(element, part) {
  if (part === null || part === undefined || part === false) return;
  if (Array.isArray(part)) {
    for (const one of part) add(element, one);
  } else if (part instanceof Node || typeof part !== "object") {
    element.append(part);
  } else {
    for (const [key, value] of Object.entries(part)) {
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (key in element && !key.startsWith("aria")) element[key] = value;
      else if (value !== null && value !== undefined) element.setAttribute(key, value);
    }
  }
}
