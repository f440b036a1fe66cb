// All result packages of the station.

import { get } from "./api.js";
import { setText } from "./dom.js";
import { showPackages } from "./package_list.js";

const away = document.getElementById("away");

async function refresh() {
  try {
    showPackages(document.getElementById("packages"), await get("/api/packages"), refresh);
    away.hidden = true;
  } catch (refusal) {
    setText(away, refusal.message);
    away.hidden = false;
  }
}

refresh();
setInterval(refresh, 3000);
