/** What is said to those who listen instead of look: turning points only, never each part of an answer. */

import { spaced } from "./format.js";

const HEARD_CHARACTERS = 400;
/** A start is reported by its label at most this often; its end always. */
const PROGRESS_PAUSE_MS = 8_000;

export class Announcer {
  /** @param {HTMLElement} node a polite live region */
  constructor(node) {
    this.node = node;
    this.lastSituation = "";
    this.progressAt = 0;
  }

  /** @param {object} status of the Connection @param {import("./startup.js").Startup} startup */
  situation(status, startup) {
    const words = status.name === "open" ? this.#server(startup) : CONNECTION[status.name]?.(status);
    if (words && words !== this.lastSituation) this.say(words);
    this.lastSituation = words ?? this.lastSituation;
  }

  #server(startup) {
    if (startup.state === "ready") return "Ready. You can ask.";
    if (startup.state === "draining") return "The server is going away. The page connects again by itself.";
    if (startup.progress === null || performance.now() - this.progressAt < PROGRESS_PAUSE_MS) return null;
    this.progressAt = performance.now();
    const doing = startup.state === "recovering" ? "Recovering" : "Starting";
    const label = startup.frame?.label;
    return `${doing}, ${startup.progress} percent${label ? `: ${label}` : ""}.`;
  }

  /** @param {object} turn whose run has ended @param {string} text of its answer as it is shown, without marks */
  ended(turn, text) {
    this.say(ENDINGS[turn.state](turn, text));
  }

  say(words) {
    this.node.textContent = words;
  }
}

const CONNECTION = {
  waiting: (status) => `Not connected. ${status.why} The page tries again by itself.`,
  stopped: (status) => (status.why ? `Not connected. ${status.why}` : null),
};

const ENDINGS = {
  completed: ({ agent, answer }, text) => {
    const opening = answer.answered
      ? `${agent} has answered`
      : `${agent} can\u2019t answer this (${spaced(answer.reason ?? "")})`;
    return `${opening}: ${text.slice(0, HEARD_CHARACTERS)}`;
  },
  failed: ({ agent, error }) => `${agent} has failed: ${error.message}.`,
  cancelled: ({ agent }) => `${agent} was cancelled.`,
};
