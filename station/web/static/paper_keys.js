/** Keys of the paper: options by letter or number, items by Alt+N and Alt+P or Ctrl+arrows, a flag by Alt+M. */
export function pressed(event, paper) {
  if (document.querySelector("dialog[open]")) return;
  if (event.target.matches("img.zoomable") && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    event.target.click();
    return;
  }
  const act = actOf(event);
  if (act) {
    event.preventDefault();
    act(paper);
    return;
  }
  if (event.altKey || event.ctrlKey || event.metaKey || event.isComposing || isTyping(event.target)) return;
  const index = optionOf(event.key);
  const card = paper.current;
  if (index === null || !card || !card.element.contains(event.target) || !card.fields.choose) return;
  if (card.fields.choose(index)) event.preventDefault();
}

function actOf(event) {
  const isAlt = event.altKey && !event.ctrlKey && !event.metaKey;
  const isCtrl = event.ctrlKey && !event.altKey && !event.metaKey && !isTyping(event.target);
  if ((isAlt && event.code === "KeyN") || (isCtrl && event.key === "ArrowDown")) return (paper) => paper.step(1);
  if ((isAlt && event.code === "KeyP") || (isCtrl && event.key === "ArrowUp")) return (paper) => paper.step(-1);
  if (isAlt && event.code === "KeyM") return (paper) => paper.toggleFlag();
  return null;
}

function optionOf(key) {
  if (/^[1-9]$/.test(key)) return Number(key) - 1;
  if (/^[a-z]$/i.test(key)) return key.toUpperCase().charCodeAt(0) - 65;
  return null;
}

function isTyping(target) {
  return target.matches("textarea, select, input:not([type=radio]):not([type=checkbox])");
}
