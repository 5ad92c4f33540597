/** Moments at which a connection may have died unnoticed: a laptop that slept, a network that went and came. */

const TICK_MS = 2_000;
/** A timer that is this late was not merely busy: the machine or the page was asleep. */
const ASLEEP_MS = 10_000;

/** @param {() => void} woke called at each such moment; more often than needed is harmless */
export function onWaking(woke) {
  window.addEventListener("online", woke);
  window.addEventListener("offline", woke);
  window.addEventListener("pageshow", (event) => event.persisted && woke());
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && woke());
  let before = Date.now();
  setInterval(() => {
    const late = Date.now() - before - TICK_MS;
    before = Date.now();
    if (late > ASLEEP_MS) woke();
  }, TICK_MS);
}
