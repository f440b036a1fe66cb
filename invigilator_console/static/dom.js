// Small ways to make and change elements; text always goes in as text, never as HTML.

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = value;
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setClass(element, name) {
  if (element.className !== name) element.className = name;
}

// Bring a parent's children into line with a list: each keeps its element by key, so that focus, selection
// and scroll survive, and nothing that is unchanged is touched.
export function keyed(parent, things, keyOf, create, update) {
  const known = new Map();
  for (const child of parent.children) known.set(child.dataset.key, child);
  let place = parent.firstElementChild;
  for (const thing of things) {
    const key = String(keyOf(thing));
    let element = known.get(key);
    if (element) {
      known.delete(key);
    } else {
      element = create(thing);
      element.dataset.key = key;
    }
    update(element, thing);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const gone of known.values()) gone.remove();
}

export function notice(text, kind = "good") {
  const box = make("div", { class: `toast ${kind}`, text });
  document.getElementById("notices").append(box);
  setTimeout(() => box.remove(), kind === "bad" ? 9000 : 4000);
}
