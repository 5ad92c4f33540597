/** One question and its answer on the page. */

import { ActivityView } from "./activity_view.js";
import { linkTo } from "./address.js";
import { answerParts, dropListed } from "./answer_view.js";
import { costLine } from "./chart_view.js";
import { el, retryButton, setText, show } from "./dom.js";
import { provenanceView } from "./evidence_view.js";
import { icon } from "./icons.js";
import { MarkdownText } from "./render.js";
import { ENDED } from "./thread.js";
import { TURN_NOTES, WITHDRAWN, WORKING } from "./words.js";

const WORDS_UNKNOWN = "The words of this question could not be loaded.";

/** @typedef {{ask: Function, retry: Function, edit: Function, cancel: Function, copy: Function}} Actions what the buttons do */

export class TurnView {
  /** @param {object} turn of a Thread @param {Actions} actions */
  constructor(turn, actions) {
    this.turn = turn;
    this.actions = actions;
    this.words = el("p", { class: "words" });
    this.note = el("p", { class: "note" });
    this.problem = el("div", { class: "problem", hidden: true });
    this.who = el("h3", { class: "who" });
    this.cancelButton = el(
      "button",
      { type: "button", class: "button", onclick: () => actions.cancel(turn) },
      "Cancel",
    );
    this.activity = new ActivityView();
    this.text = el("div", { class: "prose" });
    this.markdown = new MarkdownText(this.text, () => this.#dropAlternatives());
    this.progress = el("p", { class: "note" });
    this.working = el("div", { class: "working" }, this.progress, this.cancelButton);
    this.parts = el("div", { class: "parts" });
    this.reply = this.#replyNode();
    this.withdrawButton = el(
      "button",
      { type: "button", class: "button", onclick: () => actions.cancel(turn), hidden: true },
      "Cancel",
    );
    this.waiting = el("div", { class: "waiting" }, this.note, this.withdrawButton);
    this.node = el("article", { class: "turn", tabindex: -1 }, this.#saidNode(), this.reply);
  }

  #saidNode() {
    const { turn, actions } = this;
    this.link = el("a", { class: "button plain tool-button turn-link", hidden: true }, icon("link"));
    this.link.setAttribute("aria-label", "Copy link");
    this.link.addEventListener("click", (event) => actions.copy(turn, event));
    const body = el("div", { class: "body" }, this.words, this.waiting);
    return el("section", { class: "said" }, el("h3", { class: "who" }, "You"), body, this.link);
  }

  #replyNode() {
    const body = [this.activity.node, this.text, this.working, this.parts, this.problem];
    return el("section", { class: "reply" }, this.who, el("div", { class: "body" }, ...body));
  }

  /**
   * @param {boolean} live whether the page is connected, so that what happens is seen
   * @param {import("./thread.js").Thread} thread
   */
  update(live, thread) {
    const { turn } = this;
    setText(this.words, turn.content ?? (thread.fetching ? "\u2026" : WORDS_UNKNOWN));
    this.words.classList.toggle("meta", turn.content === null);
    this.#updateWaiting(live, thread.waiting.indexOf(turn) + 1);
    this.#updateLink(thread);
    this.#updateReply(live);
    this.#updateProblem();
    if (turn.answer !== null && this.shownAnswer !== turn.answer) this.#showAnswer();
  }

  #updateWaiting(live, place) {
    const { state, cancelling, runId } = this.turn;
    const waits = state === "held" || state === "queued";
    setText(this.note, waits && cancelling ? WITHDRAWN : (TURN_NOTES[state]?.(place) ?? ""));
    this.note.className = `note ${state}`;
    show(this.waiting, this.note.textContent !== "");
    show(this.withdrawButton, waits && !cancelling && runId !== null);
    this.withdrawButton.disabled = !live;
  }

  #updateLink(thread) {
    const { firstSeq } = this.turn;
    show(this.link, thread.id !== null && firstSeq > 0);
    if (!this.link.hidden) this.link.href = linkTo(thread.id, firstSeq);
  }

  /** @param {number} seq of an event of this turn @returns {HTMLElement} what shows it: a step, or else all of the turn */
  nodeOf(seq) {
    const step = this.turn.activity.find((one) => seq === one.seq || seq === one.endSeq);
    return step ? this.activity.unfold(step) : this.node;
  }

  #updateReply(live) {
    const { turn } = this;
    const running = turn.state === "running";
    show(this.reply, running || ENDED.includes(turn.state) || turn.state === "refused");
    this.reply.setAttribute("aria-busy", String(running));
    setText(this.who, turn.state === "refused" ? "Not accepted" : (turn.agent ?? "Agent"));
    this.activity.update(turn);
    this.markdown.show((turn.base > 0 ? "\u2026 " : "") + turn.text, !running);
    show(this.text, turn.text !== "");
    show(this.working, running);
    this.working.classList.toggle("live", live);
    setText(this.progress, live ? WORKING.live : WORKING.lost);
    this.cancelButton.disabled = turn.cancelling || !live;
    setText(this.cancelButton, turn.cancelling ? "Cancelling" : "Cancel");
  }

  /** In words: why there is no answer, and what can be done. */
  #updateProblem() {
    const { state, error, reason, repeated } = this.turn;
    const look = JSON.stringify([state, error, reason, repeated]);
    if (look === this.problemLook) return;
    this.problemLook = look;
    this.problem.replaceChildren(...(PROBLEMS[state]?.(this.turn, this.actions) ?? []));
    show(this.problem, this.problem.hasChildNodes());
    this.problem.classList.toggle("failure", state === "failed" || state === "refused");
  }

  /** The buttons below have them. */
  #dropAlternatives() {
    const { answer } = this.turn;
    if (answer && !answer.answered) dropListed(this.text, answer.alternatives ?? []);
  }

  #showAnswer() {
    const { answer, agent, provenance, seconds, runId } = this.turn;
    this.shownAnswer = answer;
    this.parts.replaceChildren(...answerParts(answer, runId, (question) => this.actions.ask(question, agent)));
    this.parts.append(...[costLine(answer)].filter(Boolean));
    this.#dropAlternatives();
    if (provenance !== null) this.parts.append(provenanceView(provenance, seconds));
  }
}

const PROBLEMS = {
  failed: (turn, actions) => {
    const { message, code, retryable } = turn.error ?? { message: "This run failed", code: null, retryable: true };
    const retry = retryable && !turn.repeated && retryButton("Ask again", null, () => actions.retry(turn));
    return sentence(`${message}.`, code, retry, turn.repeated && "Asked again below.");
  },
  refused: (turn, actions) => {
    const { message, code, retryable, notBefore } = turn.error;
    const retry = retryable && retryButton("Send again", notBefore, () => actions.retry(turn));
    const edit = el("button", { type: "button", class: "button", onclick: () => actions.edit(turn) }, "Edit");
    return sentence(`${message}.`, code, retry, edit);
  },
  cancelled: (turn, actions) => {
    const retry = !turn.repeated && retryButton("Ask again", null, () => actions.retry(turn));
    return sentence(`Cancelled${turn.reason ? `: ${turn.reason}` : ""}.`, null, retry);
  },
};

function sentence(text, code, ...rest) {
  const words = el("p", {}, text, code && " ", code && el("code", { class: "code" }, code));
  return [words, ...rest.filter(Boolean)];
}
