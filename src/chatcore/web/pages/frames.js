/** Text of the wire to objects, and objects to text. */

/** Integers beyond 2^53 (ids in evidence, for instance) would lose digits as a JavaScript number. */
const MAY_HOLD_LARGE_INTEGER = /\d{16}/;

/** @param {string} text one frame @returns {any} large integers as strings of their own digits */
export function parseFrame(text) {
  return MAY_HOLD_LARGE_INTEGER.test(text) ? JSON.parse(text, keepDigits) : JSON.parse(text);
}

function keepDigits(_key, value, context) {
  const exact = typeof value !== "number" || !Number.isInteger(value) || Number.isSafeInteger(value);
  return exact ? value : (context?.source ?? value);
}

/** @param {object} frame @returns {number} bytes of the frame on the wire */
export function frameBytes(frame) {
  return new TextEncoder().encode(JSON.stringify(frame)).length;
}

/** An id of our own; `crypto.randomUUID` exists on https and localhost only. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
