/** Whether and when to connect again: decisions only, no clock and no socket (protocol.md, 1.4). */

const BASE_SECONDS = 0.5;
/** An outage of any length costs the server at most one attempt in 15 s a page, on average. */
const CAP_SECONDS = 30;

/** Codes after which connecting again cannot help, or would repeat what the server just refused. */
const FINAL = new Map([
  [1000, "The server has ended the connection."],
  [1002, "The server found a fault in the connection and ended it."],
  [1003, "The server does not accept what this page sent."],
  [1007, "The server could not read what this page sent."],
  [1008, "The server has refused this connection."],
  [1009, "The message was larger than the server accepts."],
  [4401, "Your sign-in has expired."],
]);

const PASSING = new Map([
  [1001, "The server is going away."],
  [1011, "The server met a fault."],
  [1012, "The server is restarting."],
  [1013, "The server cannot take this connection now."],
  [4413, "This page was not reading fast enough and was disconnected. Nothing is lost."],
]);

/** A server goes on counting a connection that was lost until its own ping went unanswered. */
const COUNTED_SECONDS = 60;
const COUNTED = "The server still counts the connection that was lost.";
const COUNTED_PAUSE_SECONDS = 3;

/**
 * What follows a closed connection.
 *
 * @param {number} code the close code; 1006 where the connection was lost without one
 * @param {{message: string, retryable: boolean, retry_after_seconds: number | null} | null} error the last error frame
 *   that can have been about the connection
 * @param {{message: string, reconnect_after_seconds: number} | null} draining
 * @param {number} lostSeconds since a connection of this page was lost without a close
 * @returns {{reconnect: boolean, why: string, afterSeconds: number | null}} `afterSeconds` is what the server asked for
 */
export function afterClose(code, error, draining, lostSeconds = Infinity) {
  if (error?.error_code === "CONNECTION_LIMIT" && lostSeconds < COUNTED_SECONDS)
    return { reconnect: true, why: COUNTED, afterSeconds: COUNTED_PAUSE_SECONDS };
  const known = FINAL.get(code) ?? PASSING.get(code) ?? "The connection was lost.";
  const told = error ?? draining;
  const why = told ? `${told.message}.` : known;
  const reconnect = !FINAL.has(code) && (code !== 1011 || error === null || error.retryable);
  return { reconnect, why, afterSeconds: error?.retry_after_seconds ?? draining?.reconnect_after_seconds ?? null };
}

/**
 * Seconds to wait before the next attempt: full jitter, never sooner than the server asked for.
 *
 * @param {number} failures attempts that failed since the last success, 0 for none
 * @param {number | null} afterSeconds what the server asked for
 * @param {() => number} random uniform in [0, 1)
 */
export function delaySeconds(failures, afterSeconds, random = Math.random) {
  const jittered = random() * Math.min(CAP_SECONDS, BASE_SECONDS * 2 ** Math.min(failures, 16));
  return Math.max(afterSeconds ?? 0, jittered);
}
