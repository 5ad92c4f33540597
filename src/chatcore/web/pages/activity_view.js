/** What an agent does while it answers: thoughts and tools, line by line. */

import { el, setText } from "./dom.js";
import { count, duration } from "./format.js";
import { ENDED } from "./thread.js";

const TOOL_WORDS = { running: "running", ok: "ok", error: "error", interrupted: "interrupted" };

/** Open while the run goes on, folded once it has ended, and never against what the user chose. */
export class ActivityView {
  constructor() {
    this.summary = el("summary");
    this.list = el("ol", { class: "steps" });
    this.node = el("details", { class: "activity", open: true, hidden: true }, this.summary, this.list);
    this.summary.addEventListener("click", () => (this.chosen = true));
  }

  /** @param {object} turn */
  update(turn) {
    const { activity, state } = turn;
    this.steps = activity;
    this.node.hidden = activity.length === 0;
    activity.forEach((step, index) => this.#show(step, index));
    while (this.list.children.length > activity.length) this.list.lastChild.remove();
    setText(this.summary, state === "running" ? "Working" : summaryOf(activity));
    if (ENDED.includes(state) && !this.chosen) this.node.open = false;
  }

  /** @param {object} step @returns {HTMLElement} its line, brought out of what is folded */
  unfold(step) {
    this.node.open = this.chosen = true;
    return this.list.children[this.steps.indexOf(step)];
  }

  #show(step, index) {
    const known = this.list.children[index];
    const look = JSON.stringify(step);
    if (known?.look === look) return;
    const node = STEPS[step.kind](step);
    node.look = look;
    if (known) known.replaceWith(node);
    else this.list.append(node);
  }
}

const STEPS = {
  thinking: (step) => el("li", { class: "step thinking" }, step.text),
  restarted: (step) => el("li", { class: "step restarted" }, `Began again: attempt ${step.attempt}`),
  tool: (step) =>
    el(
      "li",
      { class: `step tool ${step.status}` },
      el("span", { class: "status" }, TOOL_WORDS[step.status] ?? step.status),
      el("span", { class: "call" }, el("code", {}, step.tool), " ", el("code", { class: "given" }, given(step.given))),
      el("span", { class: "meta took" }, step.seconds === null ? "" : duration(step.seconds)),
      step.summary ? el("span", { class: "summary" }, step.summary) : null,
    ),
};

function given(values) {
  return Object.entries(values ?? {})
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(" ");
}

function summaryOf(activity) {
  const tools = activity.filter((step) => step.kind === "tool");
  const failed = tools.filter((step) => step.status === "error").length;
  return count(activity.length, "step") + (failed ? `, ${count(failed, "tool error")}` : "");
}
