/** The WebSocket of the page: opens it, keeps it alive, and opens it again when it is lost. */

import { canSignInAgain, serverStands } from "./api.js";
import { afterClose, delaySeconds } from "./backoff.js";
import { parseFrame } from "./frames.js";
import { SERVER_STATES } from "./words.js";

const SUBPROTOCOL = "chatcore.v1";
/** While the services start, the server speaks every 2 s; once ready it may be silent, and is asked. */
const ASK_AFTER_SILENCE_MS = 20_000;
/** A server that is there answers a ping at once, whatever else it does; this allows for a bad network. */
const ANSWER_WITHIN_MS = 4_000;
const OPEN_WITHIN_MS = 10_000;
const WATCH_EVERY_MS = 500;
const LOST = 1006;
const TOKEN_EXPIRED = 4401;

/** @param {string | null} state of the server, null where it does not answer */
function whyRefused(state) {
  if (state === null) return navigator.onLine ? "The server cannot be reached." : "This device is offline.";
  const unready = state === "ready" ? null : SERVER_STATES[state]?.[1];
  return ["The server did not take this connection.", unready].filter(Boolean).join(" ");
}

/**
 * Dispatches `frame` (detail: the frame), `open`, and `change` when `status` is another one:
 * `{name: "connecting" | "open"}`, `{name: "waiting", why, until, asked}` with `until` on the clock of
 * `performance.now()` and `asked` true where the server named the time, or `{name: "stopped", why, code}`.
 */
export class Connection extends EventTarget {
  /** @param {() => Promise<string>} address gives the URL for one WebSocket, once the user has signed in */
  constructor(address) {
    super();
    this.address = address;
    this.status = { name: "stopped", why: "", code: null };
    /** Counts the connections, so that others can tell what was sent on which. */
    this.serial = 0;
    this.failures = 0;
    this.lostAt = -Infinity;
    setInterval(() => this.#watch(), WATCH_EVERY_MS);
  }

  /** The page may have slept, or its network have changed: find out now instead of being told late. */
  wake() {
    const { name, asked } = this.status;
    if (name === "open") this.#ask();
    else if (name === "waiting" && (!asked || Date.now() >= this.dueAt)) this.connect();
    else if (name === "connecting" && !this.socket) this.connect(); // it was asking the server why over HTTP
  }

  connect() {
    clearTimeout(this.timer);
    this.#abandon();
    this.serial += 1;
    Object.assign(this, { opened: false, ready: false, error: null, draining: null });
    this.#become({ name: "connecting" });
    this.#open(this.serial);
  }

  async #open(serial) {
    const url = await this.address().catch(() => null);
    if (serial !== this.serial) return;
    if (url === null) return this.#onClose(LOST);
    Object.assign(this, { heardAt: performance.now(), askedAt: null, begunAt: performance.now() });
    this.socket = new WebSocket(url, [SUBPROTOCOL]);
    this.socket.onopen = () => this.#onOpen();
    this.socket.onmessage = (event) => this.#onMessage(event.data);
    this.socket.onclose = (event) => this.#onClose(event.code);
  }

  get isOpen() {
    return this.status.name === "open" && this.draining === null;
  }

  /** @returns {boolean} whether it went out; a frame that did not is the caller's to keep. */
  send(frame) {
    if (!this.isOpen || this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  #onOpen() {
    this.opened = true;
    this.heardAt = performance.now();
    this.#become({ name: "open" });
    this.dispatchEvent(new Event("open"));
  }

  #onMessage(data) {
    this.heardAt = performance.now();
    this.askedAt = null;
    const frame = parseFrame(data);
    this.error = frame.type === "error" && frame.message_id === null ? frame : null;
    if (frame.type === "system_message") this.#onSystemMessage(frame);
    this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
  }

  #onSystemMessage(frame) {
    if (frame.event === "draining") this.draining = frame;
    if (frame.event === "ready") Object.assign(this, { ready: true, failures: 0 });
  }

  async #onClose(code) {
    const { serial, opened, error, draining } = this;
    this.#abandon();
    if (code === TOKEN_EXPIRED && canSignInAgain()) return this.connect();
    if (opened && code === LOST) this.lostAt = performance.now();
    const lostSeconds = (performance.now() - this.lostAt) / 1000;
    const next = opened ? afterClose(code, error, draining, lostSeconds) : await this.#afterRefusedHandshake();
    if (serial !== this.serial) return;
    if (next.reconnect) this.#wait(next.why, next.afterSeconds);
    else this.#become({ name: "stopped", why: next.why, code });
  }

  /** A browser does not say why a handshake failed; over HTTP, a server that is away differs from an unwilling one. */
  async #afterRefusedHandshake() {
    this.#become({ name: "connecting" });
    const { state, afterSeconds } = await serverStands();
    return { reconnect: true, why: whyRefused(state), afterSeconds };
  }

  #wait(why, afterSeconds) {
    const seconds = delaySeconds(this.failures, afterSeconds);
    this.failures += 1;
    this.timer = setTimeout(() => this.connect(), seconds * 1000);
    this.dueAt = Date.now() + seconds * 1000; // of a clock that goes on while the machine sleeps
    const until = performance.now() + seconds * 1000;
    this.#become({ name: "waiting", why, until, asked: afterSeconds !== null });
  }

  /** A peer that vanished says nothing: ask it, and take silence for its end. */
  #watch() {
    const now = performance.now();
    const { name } = this.status;
    if (name === "connecting" && this.socket && now - this.begunAt > OPEN_WITHIN_MS) this.#onClose(LOST);
    if (name !== "open") return;
    if (this.askedAt !== null && now - this.askedAt > ANSWER_WITHIN_MS) this.#onClose(LOST);
    else if (now - this.heardAt > ASK_AFTER_SILENCE_MS) this.#ask();
  }

  #ask() {
    if (this.askedAt !== null || this.draining !== null) return;
    this.askedAt = performance.now();
    this.send({ type: "ping", nonce: this.serial });
  }

  /** Let go of the socket without waiting for a closing handshake that may never come. */
  #abandon() {
    if (!this.socket) return;
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    this.socket = null;
  }

  #become(status) {
    this.status = status;
    this.dispatchEvent(new Event("change"));
  }
}
