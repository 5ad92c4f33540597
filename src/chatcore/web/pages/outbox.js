/**
 * Messages that the server has not acknowledged. They survive a lost connection and a reload of the page, and are sent
 * again under the same `message_id`, so that none is lost and none runs twice.
 */

export class Outbox {
  /** @param {Storage | null} storage @param {string} key where in it */
  constructor(storage, key) {
    this.storage = storage;
    this.key = key;
    /** @type {{messageId: string, threadId: string | null, draft: string, content: string, agent: string | null}[]} */
    this.items = this.#load();
    /** Which connection each was sent on, and which were refused; neither outlives the page. */
    this.sentOn = new Map();
    this.refused = new Set();
  }

  add(item) {
    this.items.push(item);
    this.#save();
  }

  get(messageId) {
    return this.items.find((item) => item.messageId === messageId) ?? null;
  }

  remove(messageId) {
    this.items = this.items.filter((item) => item.messageId !== messageId);
    this.refused.delete(messageId);
    this.#save();
  }

  /** The draft has become a thread: what waited for that goes there. */
  settle(draft, threadId) {
    for (const item of this.items) if (item.draft === draft) item.threadId ??= threadId;
    this.#save();
  }

  refuse(messageId) {
    this.refused.add(messageId);
  }

  /** Send it again on this connection, as the user asked for. */
  again(messageId) {
    this.refused.delete(messageId);
    this.sentOn.delete(messageId);
  }

  /** @param {number} connection its serial number @returns {object[]} what may be sent on it now, oldest first */
  due(connection) {
    return this.items.filter((item) => !this.#settledOn(item, connection) && !this.#waitsForThread(item));
  }

  /** The oldest message sent on this connection that has no answer yet. */
  oldestPending(connection) {
    return this.items.find(
      (item) => this.sentOn.get(item.messageId) === connection && !this.refused.has(item.messageId),
    );
  }

  sent(messageId, connection) {
    this.sentOn.set(messageId, connection);
  }

  #settledOn(item, connection) {
    return this.refused.has(item.messageId) || this.sentOn.get(item.messageId) === connection;
  }

  /** The second message of a new conversation needs the thread that the first one opens. */
  #waitsForThread(item) {
    if (item.threadId !== null) return false;
    const first = this.items.find((other) => other.draft === item.draft && !this.refused.has(other.messageId));
    return first !== item;
  }

  #load() {
    try {
      return JSON.parse(this.storage?.getItem(this.key) ?? "[]");
    } catch {
      return [];
    }
  }

  #save() {
    try {
      this.storage?.setItem(this.key, JSON.stringify(this.items));
    } catch {
      // A full or forbidden storage costs only the survival of a reload.
    }
  }
}
