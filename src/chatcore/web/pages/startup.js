/** What the server tells of itself on one connection: start, readiness, recovery, leaving. No DOM, no socket. */

const SERVICE_STATES = {
  started: "starting",
  completed: "ready",
  waiting: "starting",
  slow: "starting",
  retrying: "retrying",
};

/** How each event of a `system_message` changes what is known. */
const APPLY = {
  initializing(startup, frame) {
    Object.assign(startup, { state: "initializing", progress: frame.progress, instanceId: frame.instance_id });
  },
  initialization_progress(startup, frame, now) {
    if (frame.attempt !== startup.attempt) startup.beginAttempt();
    Object.assign(startup, { frame, frameAt: now, progress: frame.progress });
    if (frame.status === "slow") startup.slow.push({ message: frame.message, seconds: frame.elapsed_seconds });
    if (frame.service !== null) startup.note(frame);
  },
  ready(startup, frame) {
    const { agents, limits, generation, instance_id: instanceId, progress } = frame;
    for (const service of startup.services.values()) service.state = "ready";
    Object.assign(startup, { state: "ready", agents, limits, generation, instanceId, progress });
  },
  recovering(startup, frame) {
    const { phase = null } = startup.services.get(frame.service) ?? {};
    const lost = { label: frame.label, phase, state: "failed", seconds: null };
    const services = new Map([[frame.service, lost]]); // which others go with it shows when they start again
    Object.assign(startup, { state: "recovering", progress: null, frame: null, slow: [], services });
  },
  draining(startup) {
    startup.state = "draining";
  },
};

export class Startup {
  constructor() {
    /** Kept over connections: the agents and limits that were last announced. */
    this.agents = [];
    this.limits = null;
    /** Who the server says this is. */
    this.userId = null;
    this.connected();
  }

  /** A new connection: nothing is known of the server yet. */
  connected() {
    Object.assign(this, { state: "unknown", message: "", instanceId: null, generation: null });
    /** Percent, null while the server has not said. */
    this.progress = null;
    this.frame = null;
    this.frameAt = 0;
    this.slow = [];
    /** @type {Map<string, {label: string, phase: string | null, state: string, seconds: number | null}>} */
    this.services = new Map();
  }

  /** @param {object} frame a `system_message` @param {number} now milliseconds of a steady clock */
  receive(frame, now) {
    this.message = frame.message;
    this.userId = frame.user_id;
    APPLY[frame.event]?.(this, frame, now);
  }

  get attempt() {
    return this.frame?.attempt ?? null;
  }

  /** Seconds since the attempt began; the clock goes on between frames, the progress does not. */
  elapsed(now) {
    return this.frame ? this.frame.elapsed_seconds + (now - this.frameAt) / 1000 : null;
  }

  /** Seconds left as the server estimates them, null where it does not. */
  left(now) {
    const eta = this.frame?.eta_seconds ?? null;
    return eta === null ? null : Math.max(0, eta - (now - this.frameAt) / 1000);
  }

  beginAttempt() {
    this.slow = [];
    if (this.state !== "recovering") this.services = new Map();
  }

  note(frame) {
    const known = this.services.get(frame.service);
    if (known?.state === "ready" && ["waiting", "slow"].includes(frame.status)) return;
    const startedAt = frame.status === "started" ? frame.elapsed_seconds : (known?.startedAt ?? null);
    const seconds = frame.status === "completed" && startedAt !== null ? frame.elapsed_seconds - startedAt : null;
    const { label, phase } = frame;
    this.services.set(frame.service, { label, phase, state: SERVICE_STATES[frame.status], startedAt, seconds });
  }
}
