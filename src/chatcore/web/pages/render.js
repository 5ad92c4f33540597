/** What an agent says, on the page: Markdown that the server renders, plain text until it has. */

import { renderMarkdown } from "./api.js";
import { el } from "./dom.js";

/** At most four requests a second while an answer streams. */
const PAUSE_MS = 250;
const TRIES = 4;

export class MarkdownText {
  #settle;

  /** @param {HTMLElement} node holds the answer and nothing else @param {() => void} onRendered */
  constructor(node, onRendered) {
    Object.assign(this, { node, onRendered });
    this.wanted = "";
    this.complete = false;
    this.rendered = null;
    this.failures = 0;
    this.timer = null;
    this.busy = false;
    /** Fulfilled when the last of the answer is shown; plain where the server does not render it. */
    this.settled = new Promise((resolve) => (this.#settle = resolve));
  }

  /**
   * @param {string} text the whole answer so far
   * @param {boolean} complete whether it is the last of it
   */
  show(text, complete) {
    if (text !== this.wanted) this.#want(text);
    if (complete && !this.complete) this.#hurry();
    this.complete = complete;
    this.#settleIfShown();
  }

  #settleIfShown() {
    const shown = this.wanted === "" || this.rendered === this.wanted || this.failures >= TRIES;
    if (this.complete && shown) this.#settle();
  }

  #want(text) {
    if (!text.startsWith(this.wanted)) this.rendered = null;
    Object.assign(this, { wanted: text, failures: 0 });
    if (this.rendered === null) this.#showPlain();
    this.#schedule(PAUSE_MS);
  }

  /** The last of it is not kept waiting. */
  #hurry() {
    if (this.timer === null) return;
    clearTimeout(this.timer);
    this.timer = null;
    this.#schedule(0);
  }

  #showPlain() {
    this.node.classList.add("plain");
    this.node.textContent = this.wanted;
  }

  #schedule(delay) {
    if (this.timer !== null || this.busy || this.failures >= TRIES) return;
    this.timer = setTimeout(() => this.#render(), delay);
  }

  async #render() {
    const text = this.wanted;
    Object.assign(this, { timer: null, busy: true });
    const html = await renderMarkdown([text]).catch(() => null);
    this.busy = false;
    if (html === null) this.#failed();
    else if (this.wanted.startsWith(text)) this.#showHtml(text, html[0]);
    if (this.rendered !== this.wanted) this.#schedule(PAUSE_MS * 2 ** this.failures);
    this.#settleIfShown();
  }

  #failed() {
    this.failures += 1;
    this.rendered = null;
    this.#showPlain();
  }

  #showHtml(text, html) {
    this.rendered = text;
    this.failures = 0;
    this.node.classList.remove("plain");
    setHtml(this.node, html);
    for (const wide of this.node.querySelectorAll("table, pre")) makeScrollable(wide);
    this.onRendered();
  }
}

/** @param {HTMLElement[]} nodes that hold a line of Markdown each; as they are where the server does not render them */
export async function renderLines(nodes) {
  if (nodes.length === 0) return;
  const lines = nodes.map((node) => node.textContent);
  const html = await renderMarkdown(lines, true).catch(() => []);
  html.forEach((line, index) => setHtml(nodes[index], line));
}

/** The one place where text becomes elements: /render has let only harmless ones through. */
function setHtml(node, html) {
  node.innerHTML = html;
}

/** What may be wider than the page scrolls inside itself, by keyboard too. */
function makeScrollable(wide) {
  const label = wide.tagName === "PRE" ? "Code in the answer" : "Table in the answer";
  const frame = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label });
  wide.replaceWith(frame);
  frame.append(wide);
}
