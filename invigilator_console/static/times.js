// Moments as the room's clock shows them. The station's time is kept as an offset to this PC's clock.

import { language, say } from "./api.js";

const zone = document.body.dataset.zone;
const options = { timeZone: zone, hour12: false, hour: "2-digit", minute: "2-digit" };
const short = new Intl.DateTimeFormat("en-GB", options);
const long = new Intl.DateTimeFormat("en-GB", { ...options, second: "2-digit" });
const day = new Intl.DateTimeFormat(language === "en" ? "en-GB" : "zh-CN", {
  timeZone: zone, month: "long", day: "numeric", weekday: "short",
});

let offsetMs = 0;

export function heardNow(moment) {
  offsetMs = Date.parse(moment) - Date.now();
}

export function stationNow() {
  return Date.now() + offsetMs;
}

export function clock(moment) {
  return moment ? short.format(new Date(moment)) : "—";
}

export function clockSeconds(moment) {
  return moment ? long.format(new Date(moment)) : "—";
}

export function date(moment) {
  return moment ? day.format(new Date(moment)) : "—";
}

export function ageSeconds(moment) {
  return Math.max(0, Math.round((stationNow() - Date.parse(moment)) / 1000));
}

export function leftSeconds(moment) {
  return Math.round((Date.parse(moment) - stationNow()) / 1000);
}

export function age(seconds) {
  if (seconds < 60) return say(`${seconds} 秒`, `${seconds} s`);
  if (seconds < 3600) return say(`${Math.floor(seconds / 60)} 分`, `${Math.floor(seconds / 60)} min`);
  return say(`${Math.floor(seconds / 3600)} 小时`, `${Math.floor(seconds / 3600)} h`);
}

export function countdown(seconds) {
  const rest = Math.max(0, seconds);
  const parts = [Math.floor(rest / 3600), Math.floor((rest % 3600) / 60), rest % 60];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

const full = new Intl.DateTimeFormat("sv-SE", { ...options, second: "2-digit", year: "numeric", month: "2-digit", day: "2-digit" });

// Date and time of the room's zone as a person can read and type it: 2026-11-21 10:31:07.
export function zoned(milliseconds) {
  return full.format(new Date(milliseconds));
}
