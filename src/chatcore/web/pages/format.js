/** Quantities in words, the same on every page. */

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 0.95) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const [days, hours, minutes] = [
    Math.floor(whole / 86400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
  ];
  if (days) return `${days} d ${hours} h`;
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${whole % 60} s`;
}

/** A clock that runs: whole seconds, so that it does not flicker. @param {number} seconds */
export function elapsed(seconds) {
  return seconds < 60 ? `${Math.floor(seconds)} s` : duration(Math.floor(seconds));
}

/** @param {number | null} seconds the server's estimate, null where it has none */
export function timeLeft(seconds) {
  if (seconds === null || seconds === undefined) return "unknown";
  return seconds < 1 ? "under 1 s" : `about ${elapsed(Math.ceil(seconds))}`;
}

/** @param {number} value */
export function quantity(value) {
  if (Number.isInteger(value)) return new Intl.NumberFormat("en-US").format(value);
  const cents = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  return new Intl.NumberFormat("en-US", Math.abs(value) >= 1 ? cents : { maximumSignificantDigits: 4 }).format(value);
}

/** @param {number} number @param {string} noun */
export function count(number, noun) {
  return `${new Intl.NumberFormat("en-US").format(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** @param {number} unixSeconds */
export function clockTime(unixSeconds) {
  return new Date(unixSeconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/** @param {string} identifier `what_if` becomes `what if` */
export function spaced(identifier) {
  return identifier.replaceAll("_", " ");
}

const DAY = 86_400;

/** How long ago, as a person says it; a clock that is ahead of ours says "just now". @param {number} unixSeconds */
export function ago(unixSeconds, now = Date.now() / 1000) {
  const seconds = now - unixSeconds;
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < DAY) return `${Math.floor(seconds / 3600)} h ago`;
  if (seconds < 7 * DAY) return `${Math.floor(seconds / DAY)} d ago`;
  return new Date(unixSeconds * 1000).toLocaleDateString([], { year: "numeric", month: "short", day: "numeric" });
}

/** @param {number} number @returns {string} `1st`, `2nd`, `11th` */
export function ordinal(number) {
  const teens = number % 100 > 10 && number % 100 < 14;
  return `${number}${teens ? "th" : (["th", "st", "nd", "rd"][number % 10] ?? "th")}`;
}
