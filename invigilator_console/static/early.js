// A button pressed before the page's scripts have arrived is pressed again once they have. Without this it would do
// nothing, or send a form by itself: the log-in form would put the password into the address.
// A plain script, not a module: it has to be there before the first button.

(() => {
  const pressed = new Set();

  function keep(event) {
    const button = event.target.closest("button");
    if (!button) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    pressed.add(button);
  }

  document.addEventListener("click", keep, true);
  // Modules have run by then.
  document.addEventListener("DOMContentLoaded", () => {
    document.removeEventListener("click", keep, true);
    for (const button of pressed) button.click();
  });
})();
