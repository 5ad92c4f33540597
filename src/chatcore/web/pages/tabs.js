/** The other tabs of this browser that have the same user: they are told where to look again, never what is there. */

/** Dispatches what another tab has told: `asked`, `renamed` or `deleted` (detail: the thread's id). */
export class Tabs extends EventTarget {
  /** @param {string} user tabs of another user hear nothing */
  constructor(user) {
    super();
    this.channel = new BroadcastChannel(`chatcore.${user}`);
    this.channel.onmessage = ({ data }) => this.dispatchEvent(new CustomEvent(data.what, { detail: data.threadId }));
  }

  /** @param {"asked" | "renamed" | "deleted"} what has happened @param {string} threadId where */
  tell(what, threadId) {
    this.channel.postMessage({ what, threadId });
  }
}
