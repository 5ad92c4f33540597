/** The conversation of this page with the server: its threads, its unsent messages, and what each frame does. */

import { threadMessages } from "./api.js";
import { frameBytes, newId } from "./frames.js";
import { ENDED, RUN_EVENTS, Thread } from "./thread.js";

/** Errors that can be about a message although they do not name it; the server answers in order. */
const ABOUT_A_MESSAGE = new Set(["INVALID_MESSAGE", "TOO_MANY_PENDING", "RATE_LIMITED", "STORAGE_UNAVAILABLE"]);
/** Errors after which the server closes; the connection tells of them. */
const ABOUT_THE_CONNECTION = new Set([
  "SERVICE_INIT_FAILED",
  "SERVICE_INIT_TIMEOUT",
  "SERVICES_UNAVAILABLE",
  "TOO_MANY_WAITING",
  "CONNECTION_LIMIT",
  "TOKEN_EXPIRED",
]);
const TOO_LARGE = 1009;

/**
 * Dispatches `change` after anything happened, `thread` when another thread is shown or the shown one got its id,
 * `asked` and `answered` (detail: the thread's id) when a message was accepted and a run has ended, `ended` (detail: the
 * turn) when that was on the shown thread, and `notice` (detail: words) for an error that belongs to no message.
 */
export class Session extends EventTarget {
  constructor(connection, startup, outbox) {
    super();
    Object.assign(this, { connection, startup, outbox });
    /** @type {Map<string, Thread>} by thread id, and by draft until it has one */
    this.threads = new Map();
    this.current = this.#newDraft();
    /** Threads whose resume has no answer yet, in the order of asking, which is that of the answers. */
    this.resumes = [];
    connection.addEventListener("open", () => this.#onOpen());
    connection.addEventListener("frame", (event) => this.#onFrame(event.detail));
    connection.addEventListener("change", () => this.#onConnection());
    for (const item of outbox.items) this.#restoreUnsent(item);
  }

  // --- what the user does ------------------------------------------------------------------------------------------

  /** @param {string | null} threadId null for a new conversation */
  open(threadId) {
    if (threadId !== null && threadId === this.current.id) return;
    this.current = threadId === null ? this.#newDraft() : this.#thread(threadId);
    if (threadId !== null) this.#resume(this.current);
    this.#tell("thread");
    this.#tell("change");
  }

  /** @returns {boolean} whether it was taken; false where the server would not accept its size. */
  ask(content, agent) {
    if (this.current.missing) this.open(null);
    const thread = this.current;
    const item = { messageId: newId(), threadId: thread.id, draft: thread.draft, content, agent };
    const limit = this.startup.limits?.max_message_bytes ?? Infinity;
    if (frameBytes(asFrame(item)) > limit) return false;
    thread.ask(item);
    this.outbox.add(item);
    this.#flush();
    return true;
  }

  /** Ask again: under the same id if the server never had it, else as a new message. */
  retry(turn) {
    if (turn.state === "refused") {
      turn.state = "unsent";
      turn.error = null;
      this.outbox.again(turn.messageId);
      this.#flush();
    } else {
      turn.repeated = true;
      this.ask(turn.content, turn.agent);
    }
  }

  /** Take a refused message back. @returns {string} its words, to be changed */
  withdraw(turn) {
    this.outbox.remove(turn.messageId);
    this.current.turns = this.current.turns.filter((other) => other !== turn);
    this.#tell("change");
    return turn.content;
  }

  cancel(turn) {
    turn.cancelling = this.#sendCancel(turn);
    this.#tell("change");
  }

  /** Another tab has asked something on this thread. */
  lookAgain(threadId) {
    const thread = this.threads.get(threadId);
    if (thread) this.#askForWords(thread);
  }

  /** The thread is deleted; what was not sent to it goes with it. */
  forget(threadId) {
    const thread = this.threads.get(threadId);
    for (const item of this.outbox.items) if (item.threadId === threadId) this.outbox.remove(item.messageId);
    this.threads.delete(threadId);
    if (thread && thread === this.current) this.open(null);
  }

  /** Another tab has deleted the thread. */
  lose(threadId) {
    const thread = this.threads.get(threadId);
    if (thread) Object.assign(thread, { missing: true, turns: [] });
    this.#tell("change");
  }

  #sendCancel(turn) {
    return this.connection.send({ type: "cancel_run", run_id: turn.runId });
  }

  // --- sending -----------------------------------------------------------------------------------------------------

  #onOpen() {
    this.startup.connected();
    for (const thread of this.resumes) thread.resuming = false;
    this.resumes = [];
    this.#flush();
  }

  #flush() {
    for (const item of this.outbox.due(this.connection.serial)) {
      if (!this.connection.send(asFrame(item))) break;
      this.outbox.sent(item.messageId, this.connection.serial);
      this.#turnOf(item.messageId).state = "sending";
    }
    this.#tell("change");
  }

  /** Replay what this page has not seen of a thread, then go on live. Only a ready connection replays. */
  #resume(thread) {
    if (thread.id === null || thread.resuming || thread.missing || this.startup.state !== "ready") return;
    const frame = { type: "resume", thread_id: thread.id, after_seq: thread.lastSeq };
    if (thread.epoch !== null) frame.epoch = thread.epoch;
    thread.resuming = this.connection.send(frame);
    if (thread.resuming) this.resumes.push(thread);
  }

  #resumed(thread) {
    thread.resuming = false;
    this.resumes = this.resumes.filter((other) => other !== thread);
  }

  #onConnection() {
    const { name, code } = this.connection.status;
    if (name === "stopped" && code === TOO_LARGE) this.#refusePending();
    for (const item of this.outbox.items) {
      const turn = this.#turnOf(item.messageId);
      if (turn.state === "sending" && name !== "open") turn.state = "unsent";
    }
    this.#tell("change");
  }

  #refusePending() {
    const item = this.outbox.oldestPending(this.connection.serial);
    const message = "The message is larger than the server accepts";
    if (item) this.#refuse(item, { error_code: "MESSAGE_TOO_LARGE", message, retryable: false });
  }

  // --- receiving ---------------------------------------------------------------------------------------------------

  #onFrame(frame) {
    if (RUN_EVENTS.has(frame.type)) this.#onRunEvent(frame);
    else this.#handlers[frame.type]?.(frame);
    this.#tell("change");
  }

  #handlers = {
    system_message: (frame) => {
      this.startup.receive(frame, performance.now());
      if (frame.event === "ready") this.#onReady();
    },
    message_accepted: (frame) => this.#onAccepted(frame),
    resumed: (frame) => this.#onResumed(frame),
    thread_snapshot: (frame) => this.#onSnapshot(frame),
    error: (frame) => this.#onError(frame),
  };

  #onReady() {
    for (const thread of this.threads.values()) {
      thread.release();
      if (thread === this.current || thread.active) this.#resume(thread);
      for (const turn of thread.turns) if (turn.cancelling && !ENDED.includes(turn.state)) this.#sendCancel(turn);
    }
  }

  #onAccepted(frame) {
    const item = this.outbox.get(frame.message_id);
    const thread = item === null || item.threadId ? this.#thread(frame.thread_id) : this.#settle(item, frame.thread_id);
    thread.accepted(frame);
    this.outbox.remove(frame.message_id);
    if (frame.duplicate) this.#resume(thread);
    this.#tell("asked", frame.thread_id);
    this.#flush();
  }

  #onRunEvent(event) {
    const thread = this.threads.get(event.thread_id);
    if (!thread) return;
    const outcome = thread.receive(event);
    if (outcome === "gap") this.#resume(thread);
    if (outcome !== "applied") return;
    const turn = thread.turnOfRun(event.run_id);
    if (event.type === "agent_started" && turn.content === null) this.#askForWords(thread);
    const ended = ["agent_completed", "agent_failed", "agent_cancelled"].includes(event.type);
    if (!ended || event.seq <= thread.replayedTo) return;
    this.#tell("answered", thread.id);
    if (thread === this.current) this.#tell("ended", turn);
  }

  #onResumed(frame) {
    const thread = this.threads.get(frame.thread_id);
    if (!thread?.resumed(frame)) return;
    this.#resumed(thread);
    if (!thread.described) this.#askForWords(thread);
  }

  #onSnapshot(frame) {
    const thread = this.threads.get(frame.thread_id);
    if (!thread) return;
    thread.restore(frame);
    this.#resumed(thread);
  }

  #onError(frame) {
    const known = this.outbox.get(frame.message_id);
    const item = known ?? (frame.message_id === null && ABOUT_A_MESSAGE.has(frame.error_code) && this.#oldestPending());
    if (item) this.#refuse(item, frame);
    else if (frame.error_code === "THREAD_NOT_FOUND")
      this.#missing(); // the oldest resume that has no answer
    else if (!ABOUT_THE_CONNECTION.has(frame.error_code)) this.#tell("notice", frame.message);
    if (frame.error_code === "RUN_NOT_FOUND") for (const turn of this.current.turns) turn.cancelling = false;
  }

  #oldestPending() {
    return this.outbox.oldestPending(this.connection.serial);
  }

  #refuse(item, frame) {
    const seconds = frame.retry_after_seconds ?? null;
    const notBefore = seconds === null ? null : performance.now() + seconds * 1000;
    const { error_code: code, message, retryable } = frame;
    this.outbox.refuse(item.messageId);
    Object.assign(this.#turnOf(item.messageId), { state: "refused", error: { code, message, retryable, notBefore } });
    this.#flush();
  }

  #missing() {
    const thread = this.resumes.shift();
    if (thread) Object.assign(thread, { missing: true, resuming: false });
  }

  /** Events name a question by its id only; its words come over HTTP when this page did not ask it itself. */
  async #askForWords(thread) {
    Object.assign(thread, { described: true, wanting: true });
    if (thread.fetching) return;
    thread.fetching = true;
    while (thread.wanting) {
      thread.wanting = false;
      thread.describe(await threadMessages(thread.id).catch(() => []));
      this.#tell("change");
    }
    thread.fetching = false;
  }

  // --- threads -----------------------------------------------------------------------------------------------------

  #newDraft() {
    const thread = new Thread();
    thread.draft = newId();
    this.threads.set(thread.draft, thread);
    return thread;
  }

  #thread(id) {
    if (!this.threads.has(id)) this.threads.set(id, new Thread(id));
    return this.threads.get(id);
  }

  /** The server has given the draft of this message a thread. */
  #settle(item, threadId) {
    const thread = this.threads.get(item.draft);
    this.threads.delete(item.draft);
    this.threads.set(threadId, thread);
    thread.id = threadId;
    this.outbox.settle(item.draft, threadId);
    if (thread === this.current) this.#tell("thread");
    return thread;
  }

  /** After a reload of the page: show and send what had not been acknowledged. */
  #restoreUnsent(item) {
    const key = item.threadId ?? item.draft;
    if (item.threadId === null && !this.threads.has(key)) this.#adoptDraft(key);
    this.#thread(key).ask(item);
  }

  #adoptDraft(draft) {
    const thread = new Thread();
    thread.draft = draft;
    this.threads.set(draft, thread);
    if (this.current.turns.length === 0) this.current = thread;
  }

  #turnOf(messageId) {
    for (const thread of this.threads.values()) {
      const turn = thread.turnOfMessage(messageId);
      if (turn) return turn;
    }
    return {};
  }

  #tell(type, detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function asFrame({ messageId, threadId, content, agent }) {
  const frame = { type: "user_message", message_id: messageId, content };
  if (threadId !== null) frame.thread_id = threadId;
  if (agent !== null) frame.agent = agent;
  return frame;
}
