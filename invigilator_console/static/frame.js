// What every page has around its content: the language switch and the way out.

import { language, post } from "./api.js";
import { notice } from "./dom.js";

document.getElementById("language").addEventListener("click", () => {
  const other = language === "en" ? "zh" : "en";
  document.cookie = `language=${other};path=/;max-age=31536000;samesite=strict`;
  location.reload();
});

document.getElementById("log-out")?.addEventListener("click", async () => {
  try {
    await post("/api/logout");
    location.href = "/login";
  } catch (refusal) {
    notice(refusal.message, "bad");
  }
});

for (const link of document.querySelectorAll(".menu a")) {
  if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");
}
