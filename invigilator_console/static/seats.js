// Seat links for the technician, and which PCs have opened theirs.

import { get, say } from "./api.js";
import { keyed, make, setText } from "./dom.js";
import { clockSeconds, date } from "./times.js";

const root = document.getElementById("seats");
const base = document.getElementById("base");
const isLocal = ["127.0.0.1", "localhost", "[::1]"].includes(location.hostname);
base.value = localStorage.getItem("seats.base") || (isLocal ? "" : `http://${location.hostname}:${root.dataset.port}`);
base.addEventListener("input", () => {
  localStorage.setItem("seats.base", base.value);
  refresh();
});

async function refresh() {
  const away = document.getElementById("away");
  try {
    show(await get("/api/seats"));
    away.hidden = true;
  } catch (refusal) {
    setText(away, refusal.message);
    away.hidden = false;
  }
}

function show(seats) {
  const opened = seats.filter((seat) => seat.address).length;
  setText(document.getElementById("summary"), say(`${seats.length} 个考位，已打开 ${opened} 个，未打开 ${seats.length - opened} 个。`,
    `${seats.length} seats, ${opened} opened, ${seats.length - opened} not.`));
  const address = base.value.trim().replace(/\/+$/, "") || `http://${say("服务器地址", "SERVER")}:${root.dataset.port}`;
  keyed(document.getElementById("seat-rows"), seats, (seat) => seat.seat_id, () => make("tr", {}, make("td"), make("td"), make("td"), make("td", { class: "mono" })), (row, seat) => {
    setText(row.children[0], seat.room);
    setText(row.children[1], seat.seat + (seat.is_spare ? say("（备用）", " (spare)") : ""));
    setText(row.children[2], seat.address ? `✓ ${seat.address} · ${date(seat.opened_at)} ${clockSeconds(seat.opened_at)}` : say("未打开", "not opened"));
    row.className = seat.address ? "is-open" : "";
    setText(row.children[3], address + seat.path);
  });
}

refresh();
setInterval(refresh, 3000);
