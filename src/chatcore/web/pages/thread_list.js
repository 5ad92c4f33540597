/** The threads of the user as the server lists them, the most recently active first: no DOM. */

import { deleteThread, listThreads, renameThread } from "./api.js";

const PAGE_ITEMS = 30;
/** What one request may ask for (docs/reference/http.md). */
const MOST_ITEMS = 500;
/** Much may happen at once; the list is asked for once. */
const GATHER_MS = 300;

/** Dispatches `change` when `items`, `query` or `state` is another one. */
export class ThreadList extends EventTarget {
  constructor() {
    super();
    /** @type {{thread_id: string, title: string, updated_at: number}[]} */
    this.items = [];
    this.query = "";
    this.next = null;
    /** `loading` until the first answer, then `shown`, or `failed` while the server does not answer. */
    this.state = "loading";
    /** Counts the requests, so that a late answer to an old one is not shown. */
    this.asked = 0;
    this.timer = null;
  }

  /** Something has happened: look again, as far as was shown. */
  refreshSoon() {
    this.timer ??= setTimeout(() => this.refresh(), GATHER_MS);
  }

  refresh() {
    clearTimeout(this.timer);
    this.timer = null;
    const limit = Math.min(MOST_ITEMS, Math.max(PAGE_ITEMS, this.items.length));
    return this.#load({ limit }, (threads) => (this.items = threads));
  }

  /** The page after what is shown; a thread that has moved meanwhile is not shown twice. */
  more() {
    return this.#load({ limit: PAGE_ITEMS, cursor: this.next }, (threads) => {
      const known = new Set(this.items.map((item) => item.thread_id));
      this.items = [...this.items, ...threads.filter((item) => !known.has(item.thread_id))];
    });
  }

  /** @param {string} query occurs in the title or a message; empty for every thread */
  search(query) {
    if (query === this.query) return;
    Object.assign(this, { query, items: [], next: null, state: "loading" });
    this.refresh();
  }

  /** @throws where the server does not take it; the title is then as it was */
  async rename(threadId, title) {
    const before = this.get(threadId)?.title;
    this.#retitle(threadId, title);
    try {
      await renameThread(threadId, title);
    } catch (error) {
      this.#retitle(threadId, before);
      throw error;
    }
  }

  /** @throws where the server does not do it */
  async remove(threadId) {
    await deleteThread(threadId);
    this.asked += 1;
    this.items = this.items.filter((item) => item.thread_id !== threadId);
    this.#tell();
    this.refreshSoon();
  }

  get(threadId) {
    return this.items.find((item) => item.thread_id === threadId) ?? null;
  }

  #retitle(threadId, title) {
    this.asked += 1;
    this.items = this.items.map((item) => (item.thread_id === threadId ? { ...item, title } : item));
    this.#tell();
  }

  async #load(page, take) {
    this.asked += 1;
    const { asked, query } = this;
    const found = await listThreads(query === "" ? page : { ...page, query }).catch(() => null);
    if (asked !== this.asked) return;
    this.state = found === null ? "failed" : "shown";
    if (found !== null) {
      take(found.threads);
      this.next = found.next;
    }
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
