// All result packages of the station.

import { get, say } from "./api.js";
import { setText } from "./dom.js";
import { showPackages } from "./package_list.js";

const away = document.getElementById("away");

async function refresh() {
  try {
    showPackages(document.getElementById("packages"), await get("/api/packages"), refresh,
      say("还没有成果包：场次结束后自动生成。", "No package yet: they are made once a sitting is closed."));
    away.hidden = true;
  } catch (refusal) {
    setText(away, refusal.message);
    away.hidden = false;
  }
}

refresh();
setInterval(refresh, 3000);
