/** Texts come in pairs, Chinese first; the shell's language decides. */

export const language = document.documentElement.dataset.language === "en" ? "en" : "zh";

export function say(zh, en) {
  return language === "en" ? en : zh;
}

/** Keep the choice in a cookie and load the page again: everything answered is safe, the place is remembered. */
export function switchLanguage() {
  const other = language === "en" ? "zh" : "en";
  document.cookie = `language=${other}; path=/; max-age=34560000; SameSite=Strict`;
  location.reload();
}

// The PC's own time zone may be wrong; the site's is not.
const { zone } = document.documentElement.dataset;
const locale = language === "en" ? "en-GB" : "zh-CN";

/** Say a moment as the wall clock shows it: 10:31:07. */
export function clockTime(moment, withSeconds = true) {
  const options = { hour: "2-digit", minute: "2-digit", hour12: false };
  if (zone) options.timeZone = zone;
  if (withSeconds) options.second = "2-digit";
  return new Date(moment).toLocaleTimeString(locale, options);
}

/** Say a length of time: 1:02:03 or 02:03. */
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return (hours ? `${hours}:` : "") + `${two(minutes)}:${two(seconds % 60)}`;
}

export function fileSize(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(bytes < 10240 ? 1 : 0)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
