/** One conversation, made from the frames of the server alone: no DOM, no clock, no socket (protocol.md, 1.3). */

/** How each event of a run changes its turn. */
const APPLY = {
  agent_started(turn, event) {
    Object.assign(turn, { state: "running", agent: event.agent, firstSeq: event.seq });
    turn.messageId ??= event.message_id;
  },
  agent_thinking(turn, event) {
    turn.activity.push({ kind: "thinking", text: event.text, seq: event.seq });
  },
  tool_executing(turn, event) {
    const { tool_call_id: id, tool, arguments: given } = event;
    const { seq } = event;
    turn.activity.push({ kind: "tool", id, tool, given, status: "running", summary: "", seconds: null, seq, endSeq: seq });
  },
  tool_completed(turn, event) {
    const step = turn.activity.find((item) => item.id === event.tool_call_id);
    const { status, summary, duration_seconds: seconds, seq: endSeq } = event;
    if (step) Object.assign(step, { status, summary, seconds, endSeq });
  },
  agent_delta(turn, event) {
    writeText(turn, event.offset, event.text);
  },
  agent_restarted(turn, event) {
    Object.assign(turn, { text: "", base: 0, length: 0 });
    for (const step of turn.activity) if (step.status === "running") step.status = "interrupted";
    turn.activity.push({ kind: "restarted", attempt: event.attempt, seq: event.seq });
  },
  agent_completed(turn, event) {
    const { answer, provenance, duration_seconds: seconds } = event;
    Object.assign(turn, { state: "completed", answer, provenance, seconds, text: answer.text, base: 0 });
  },
  agent_failed(turn, event) {
    const { error_code: code, message, retryable } = event;
    Object.assign(turn, { state: "failed", error: { code, message, retryable, notBefore: null } });
  },
  agent_cancelled(turn, event) {
    Object.assign(turn, { state: "cancelled", reason: event.reason });
  },
};

export const RUN_EVENTS = new Set(Object.keys(APPLY));

/** The states of `message_accepted`, as a turn has them; a run that began or ended says so by its own events. */
const ACCEPTED = { waiting_for_services: "held", queued: "queued", running: "queued", ended: "queued" };
/** Where a list of messages names the state otherwise. */
const LISTED = { waiting: "queued" };

const NOT_ACCEPTED = ["unsent", "sending", "refused"];
const WAITING = ["held", "queued"];
const ACTIVE = [...WAITING, "running"];
export const ENDED = ["completed", "failed", "cancelled"];

/**
 * A question and what became of it.
 *
 * `state`: `unsent` and `sending` before the server has it, `refused` if it did not take it, then `held`, `queued`,
 * `running`, and at last `completed`, `failed` or `cancelled`; `listed` where the server has begun it and its events are
 * on their way. `text` is the answer so far from character `base` on,
 * `length` its characters (code points, as the wire counts them). `firstSeq` is null until the run has begun.
 */
function newTurn(fields) {
  const asked = { messageId: null, runId: null, content: null, agent: null, state: "unsent", firstSeq: null };
  const answered = { text: "", base: 0, length: 0, activity: [], answer: null, provenance: null, seconds: null };
  return { ...asked, ...answered, error: null, reason: null, repeated: false, cancelling: false, ...fields };
}

/** Runs in the order they began; what has not begun stands last, as it was asked. */
function inOrder(turn, other) {
  if (turn.firstSeq === null || other.firstSeq === null) return (turn.firstSeq === null) - (other.firstSeq === null);
  return turn.firstSeq - other.firstSeq;
}

/** Put `text` at `offset`: twice the same changes nothing, an earlier offset voids what stood behind it. */
function writeText(turn, offset, text) {
  const place = offset - turn.base;
  if (place < 0 || place > turn.length) Object.assign(turn, { text: "", base: offset, length: 0 });
  else if (place < turn.length) cutText(turn, place);
  turn.text += text;
  turn.length += codePoints(text);
}

function cutText(turn, length) {
  turn.text = Array.from(turn.text).slice(0, length).join("");
  turn.length = length;
}

function codePoints(text) {
  let number = 0;
  for (const _ of text) number += 1;
  return number;
}

export class Thread {
  /** @param {string | null} id null for a conversation that the server does not know yet */
  constructor(id = null) {
    this.id = id;
    this.epoch = null;
    this.lastSeq = 0;
    /** What the running replay reaches to; inside it the server may leave numbers out that a crash has lost. */
    this.replayedTo = 0;
    this.missing = false;
    /** Whether a snapshot stands for events that could not be replayed. */
    this.restored = false;
    this.resuming = false;
    this.turns = [];
  }

  /** Whether everything is here that the server had when it was last asked. */
  get caughtUp() {
    return this.epoch !== null && !this.resuming && this.lastSeq >= this.replayedTo;
  }

  /** Those that wait for their turn, in their order; who was cancelled stands in nobody's way. */
  get waiting() {
    return this.turns.filter((turn) => WAITING.includes(turn.state) && !turn.cancelling);
  }

  /** The turn of the run that an event belongs to; a snapshot has no events, so nothing is found in what it shows. */
  turnOfEvent(seq) {
    if (seq > this.lastSeq) return null;
    return this.turns.findLast((turn) => turn.firstSeq !== null && turn.firstSeq <= seq && turn.firstSeq > 0) ?? null;
  }

  get running() {
    return this.turns.findLast((turn) => turn.state === "running") ?? null;
  }

  get active() {
    return this.turns.some((turn) => ACTIVE.includes(turn.state));
  }

  /** What is answered now, or would be next. */
  get foremost() {
    return this.running ?? this.waiting.find((turn) => turn.runId !== null) ?? null;
  }

  turnOfMessage(messageId) {
    return messageId ? (this.turns.find((turn) => turn.messageId === messageId) ?? null) : null;
  }

  turnOfRun(runId) {
    return runId ? (this.turns.find((turn) => turn.runId === runId) ?? null) : null;
  }

  /** A question of this page that the server does not have yet. */
  ask({ messageId, content, agent }) {
    const turn = newTurn({ messageId, content, agent });
    this.turns.push(turn);
    return turn;
  }

  accepted(frame) {
    const turn = this.#turnOf(frame.message_id, frame.run_id);
    turn.runId = frame.run_id;
    if (NOT_ACCEPTED.includes(turn.state)) Object.assign(turn, { state: ACCEPTED[frame.state], error: null });
  }

  /** The services are up: what was held is in the queue now. */
  release() {
    for (const turn of this.turns) if (turn.state === "held") turn.state = "queued";
  }

  /** @returns {"applied" | "duplicate" | "gap"} on a gap the thread must be resumed; the event was not applied. */
  receive(event) {
    if (this.epoch !== null && event.epoch !== this.epoch) return "gap";
    if (event.seq <= this.lastSeq) return "duplicate";
    if ((event.first_seq ?? event.seq) > Math.max(this.lastSeq, this.replayedTo) + 1) return "gap";
    this.epoch = event.epoch;
    this.lastSeq = event.seq;
    const turn = this.#turnOf(event.message_id ?? null, event.run_id);
    turn.runId = event.run_id;
    APPLY[event.type](turn, event);
    if (event.type === "agent_started") this.turns.sort(inOrder);
    return "applied";
  }

  #turnOf(messageId, runId) {
    const known = this.turnOfMessage(messageId) ?? this.turnOfRun(runId);
    return known ?? this.ask({ messageId, content: null, agent: null });
  }

  /** @returns {boolean} whether a replay follows; if not, a snapshot does. */
  resumed(frame) {
    if (!frame.complete) return false;
    this.epoch = frame.epoch;
    this.replayedTo = frame.to_seq;
    return true;
  }

  /** Replace everything shown, except what the server does not have yet. */
  restore(snapshot) {
    const unsent = this.turns.filter((turn) => NOT_ACCEPTED.includes(turn.state));
    Object.assign(this, { epoch: snapshot.epoch, lastSeq: snapshot.seq, replayedTo: snapshot.seq, turns: [] });
    this.restored = true;
    for (const message of snapshot.messages) if (message.role === "user") this.#listed(message);
    for (const message of snapshot.messages) if (message.role === "agent") this.#conclude(message);
    for (const turn of this.turns) if (turn.state !== "queued") turn.firstSeq = 0;
    const known = new Set(this.turns.map((turn) => turn.messageId));
    this.turns.push(...unsent.filter((turn) => !known.has(turn.messageId)));
  }

  /** Fill in the words of questions from a list of messages; those not known yet are added at the end. */
  describe(messages) {
    for (const message of messages) {
      if (message.role !== "user") continue;
      const status = message.status === "waiting" ? "waiting" : "listed";
      const known = this.turnOfMessage(message.message_id) ?? this.turnOfRun(message.run_id);
      const turn = known ?? this.#listed({ ...message, status });
      turn.content ??= message.content;
      turn.runId ??= message.run_id;
    }
  }

  #listed(message) {
    const { message_id: messageId, run_id: runId, content } = message;
    const turn = newTurn({ messageId, runId, content, state: LISTED[message.status] ?? message.status });
    this.turns.push(turn);
    return turn;
  }

  /** What a snapshot says of a run: its text, and its answer where it has ended. */
  #conclude(message) {
    const turn = this.turnOfRun(message.run_id) ?? this.#listed({ ...message, message_id: null, content: "" });
    const { status: state, content: text, answer = null } = message;
    Object.assign(turn, { state: LISTED[state] ?? state, text, length: codePoints(text), answer });
  }
}
