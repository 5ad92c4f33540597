/** The event that the page's address names: it is brought into view once the history is here, and marked. */

const ABSENT = "This conversation has no such event to show";

export class LinkedEvent {
  /** @param {import("./conversation_view.js").ConversationView} conversation @param {(words: string) => void} say */
  constructor(conversation, say) {
    Object.assign(this, { conversation, say, aim: null });
  }

  /** @param {{threadId: string | null, seq: number | null}} address */
  follow(address) {
    this.conversation.unmark();
    this.aim = address.threadId !== null && address.seq !== null ? address : null;
  }

  /** @param {import("./thread.js").Thread} thread that is shown */
  update(thread) {
    if (this.aim === null || thread.id !== this.aim.threadId || !thread.caughtUp) return;
    const { seq } = this.aim;
    this.aim = null;
    const turn = thread.turnOfEvent(seq);
    if (turn === null) this.say(ABSENT);
    else this.conversation.mark(turn, seq);
  }
}
