/** The conversation that is shown, kept at its end while new words arrive and the reader is there. */

import { show } from "./dom.js";
import { TurnView } from "./turn_view.js";

/** How near to the end counts as being there, in pixels. */
const NEAR_END = 80;
/** Left above what a link leads to, in pixels. */
const MARGIN = 72;
/** How long the view stays with a question that has just appeared, so that a fast answer or a replay can settle. */
const SETTLE_MS = 1_500;

export class ConversationView {
  /** @param {HTMLElement} log @param {HTMLElement} latest button that leads to the end @param {object} actions */
  constructor(log, latest, actions) {
    Object.assign(this, { log, latest, actions });
    /** @type {Map<object, TurnView>} */
    this.views = new Map();
    Object.assign(this, { atEnd: true, active: false, settlesAt: 0, marked: null, toggled: false });
    this.sizes = new ResizeObserver((entries) => this.#resized(entries));
    this.sizes.observe(log);
    log.addEventListener("scroll", () => this.#onScroll());
    for (const type of ["wheel", "touchmove", "click"])
      log.addEventListener(type, () => this.#letGo(), { passive: true });
    latest.addEventListener("click", () => this.#toEnd());
  }

  /** @param {import("./thread.js").Thread} thread @param {boolean} live whether the page is connected */
  update(thread, live) {
    const turns = new Set(thread.turns);
    for (const turn of [...this.views.keys()]) if (!turns.has(turn)) this.#remove(turn);
    thread.turns.forEach((turn, index) => this.#place(turn, index, live, thread));
    this.active = thread.active;
    this.#follow();
    this.#onScroll();
  }

  /** @param {object} turn that is shown @returns {Promise<string>} its answer as it reads, once all of it is there */
  async textOf(turn) {
    const { markdown } = this.views.get(turn);
    await markdown.settled;
    return markdown.node.innerText;
  }

  /** Bring what shows an event into view, and keep it there while what stands above it takes its size. */
  mark(turn, seq) {
    this.unmark();
    this.marked = this.views.get(turn).nodeOf(seq);
    this.marked.classList.add("linked");
    this.marked.tabIndex = -1;
    this.marked.focus({ preventScroll: true });
    this.settlesAt = performance.now() + SETTLE_MS;
    this.atEnd = false;
    this.#follow();
  }

  unmark() {
    this.marked?.classList.remove("linked");
    this.marked = null;
  }

  #place(turn, index, live, thread) {
    if (!this.views.has(turn)) this.#add(turn);
    const view = this.views.get(turn);
    view.update(live, thread);
    const standing = this.log.children[index];
    if (standing !== view.node) this.log.insertBefore(view.node, standing ?? null);
  }

  #add(turn) {
    const view = new TurnView(turn, this.actions);
    this.views.set(turn, view);
    this.sizes.observe(view.node);
    this.settlesAt = performance.now() + SETTLE_MS;
    this.atEnd = true;
  }

  #remove(turn) {
    const { node } = this.views.get(turn);
    this.sizes.unobserve(node);
    node.remove();
    this.views.delete(turn);
  }

  get #settling() {
    return performance.now() < this.settlesAt;
  }

  /** While an answer arrives the end is kept in view; one that is there already is shown from its question on. */
  #follow() {
    if (this.marked?.isConnected && this.#settling && !this.atEnd) this.#toMarked();
    else if (this.active && this.atEnd) this.#toEnd();
    else if (this.#settling && this.log.lastElementChild) this.log.scrollTop = this.log.lastElementChild.offsetTop;
  }

  #toMarked() {
    const above = this.marked.getBoundingClientRect().top - this.log.getBoundingClientRect().top;
    this.log.scrollTop += above - MARGIN;
  }

  #toEnd() {
    this.log.scrollTop = this.log.scrollHeight;
    this.#offerLatest(false);
  }

  #offerLatest(offered) {
    if (this.latest.hidden !== offered) return;
    show(this.latest, offered);
    this.toggled = true;
  }

  /** The button takes its row from the log; that alone must not move what is read or about to be clicked. */
  #resized(entries) {
    const own = this.toggled && entries.every(({ target }) => target === this.log);
    this.toggled = false;
    if (!own) this.#follow();
  }

  /** The reader has taken over: what is opened or scrolled to must not move away. */
  #letGo() {
    this.settlesAt = 0;
    this.atEnd = false;
    this.#onScroll();
  }

  #onScroll() {
    const left = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight;
    if (!this.#settling) this.atEnd = left < NEAR_END;
    this.#offerLatest(left >= NEAR_END);
  }
}
