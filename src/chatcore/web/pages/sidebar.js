/** The sidebar: the user's threads, a search among them, and what can be done with each. */

import { setText, show } from "./dom.js";
import { count } from "./format.js";
import { ThreadItem, UNTITLED } from "./thread_item.js";

/** A pause in typing that is long enough to ask the server. */
const TYPING_MS = 250;
const TIMES_MS = 30_000;

const DELETION = "Its questions and answers are deleted for good. An answer under way is cancelled.";

export class Sidebar {
  /**
   * @param {HTMLElement} rail
   * @param {import("./thread_list.js").ThreadList} list
   * @param {import("./session.js").Session} session
   * @param {import("./confirmation.js").Confirmation} confirmation
   * @param {{opened: Function, renamed: Function, deleted: Function, failed: Function}} tell the first without
   *   anything, the others with a thread's id, and `failed` with words
   */
  constructor(rail, list, session, confirmation, tell) {
    Object.assign(this, { list, session, confirmation, tell });
    this.rows = rail.querySelector(".threads");
    this.note = rail.querySelector(".threads-note");
    this.more = rail.querySelector(".threads-more");
    this.field = rail.querySelector("input[type=search]");
    /** @type {Map<string, ThreadItem>} */
    this.items = new Map();
    this.field.addEventListener("input", () => this.#onTyping());
    this.field.addEventListener("keydown", (event) => this.#onKey(event));
    this.more.addEventListener("click", () => list.more());
    list.addEventListener("change", () => this.update());
    setInterval(() => this.update(), TIMES_MS);
    this.update();
  }

  update() {
    const { items, state, query, next } = this.list;
    const listed = new Set(items.map((thread) => thread.thread_id));
    for (const [id, item] of this.items) if (!listed.has(id)) this.#drop(id, item);
    items.forEach((thread, index) => this.#place(thread, index));
    show(this.more, next !== null);
    setText(this.note, NOTES[state](items.length, query, next !== null));
  }

  #place(thread, index) {
    const { thread_id: id } = thread;
    if (!this.items.has(id)) this.items.set(id, new ThreadItem(thread, this.#actions));
    const item = this.items.get(id);
    item.update(thread, id === this.session.current.id, this.#doing(id));
    const standing = this.rows.children[index];
    if (standing !== item.node) this.rows.insertBefore(item.node, standing ?? null);
  }

  #drop(id, item) {
    item.node.remove();
    this.items.delete(id);
  }

  #doing(id) {
    const thread = this.session.threads.get(id);
    if (!thread?.active) return "";
    return thread.running ? " \u00b7 answering" : " \u00b7 waiting";
  }

  #actions = {
    open: () => this.tell.opened(),
    rename: (thread, title) => this.#rename(thread, title),
    remove: (thread) => this.#remove(thread),
  };

  async #rename({ thread_id: id }, title) {
    try {
      await this.list.rename(id, title);
      this.tell.renamed(id);
    } catch {
      this.tell.failed("The conversation could not be renamed");
    }
  }

  async #remove({ thread_id: id, title }) {
    const question = `Delete \u201c${title || UNTITLED}\u201d?`;
    if (!(await this.confirmation.ask(question, DELETION, "Delete"))) return;
    try {
      await this.list.remove(id);
    } catch {
      return this.tell.failed("The conversation could not be deleted");
    }
    this.session.forget(id);
    this.tell.deleted(id);
  }

  #onTyping() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.list.search(this.field.value.trim()), TYPING_MS);
  }

  #onKey(event) {
    if (event.key === "Enter") this.rows.querySelector("a")?.focus();
    if (event.key !== "Escape" || this.field.value === "") return;
    event.preventDefault(); // it empties the field, and closes nothing
    this.field.value = "";
    this.list.search("");
  }
}

const NOTES = {
  loading: (_number, query) => (query === "" ? "" : "Searching"),
  failed: () => "The list could not be loaded. It is asked for again when the connection is back.",
  shown: (number, query, more) => {
    if (query === "") return number === 0 ? "No conversations yet." : "";
    return number === 0 ? `Nothing holds \u201c${query}\u201d.` : `${count(number, "conversation")}${more ? " and more" : ""}`;
  },
};
