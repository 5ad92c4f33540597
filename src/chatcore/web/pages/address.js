/** The address of what is shown. It stands behind the `#`: no server, proxy or log ever sees which thread it was. */

/** @returns {{threadId: string | null, seq: number | null}} what the page's address names: a thread, an event of it */
export function inAddress() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const seq = Number.parseInt(parameters.get("event") ?? "", 10);
  return { threadId: parameters.get("thread") || null, seq: seq >= 1 ? seq : null };
}

/** @param {string} threadId @param {number | null} seq of an event @returns {string} a link to it from this page */
export function linkTo(threadId, seq = null) {
  return `#${new URLSearchParams(seq === null ? { thread: threadId } : { thread: threadId, event: seq })}`;
}

/** The same page with nothing opened. */
export function pageItself() {
  return location.pathname + location.search;
}
