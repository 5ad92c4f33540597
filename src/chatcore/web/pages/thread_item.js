/** One thread in the sidebar: a link to it, and what can be done with it. */

import { linkTo } from "./address.js";
import { el, setText, show } from "./dom.js";
import { ago } from "./format.js";
import { icon } from "./icons.js";

const MOST_TITLE_CHARACTERS = 200;
export const UNTITLED = "Untitled";

/** @typedef {{open: Function, rename: Function, remove: Function}} Actions each is given the thread */

export class ThreadItem {
  /** @param {object} thread as the server lists it @param {Actions} actions */
  constructor(thread, actions) {
    this.actions = actions;
    this.title = el("span", { class: "thread-title" });
    this.time = el("time", {});
    this.doing = el("span", { class: "thread-doing" });
    const meta = el("span", { class: "thread-meta" }, this.time, this.doing);
    this.link = el("a", { href: linkTo(thread.thread_id), class: "thread-link" }, this.title, meta);
    this.renameButton = this.#tool("rename", () => this.#edit());
    this.removeButton = this.#tool("remove", () => actions.remove(this.thread));
    this.tools = el("div", { class: "thread-tools" }, this.renameButton, this.removeButton);
    this.node = el("li", { class: "thread" }, this.link, this.tools);
    this.link.addEventListener("click", () => actions.open(this.thread));
  }

  #tool(name, act) {
    return el("button", { type: "button", class: "button plain tool-button", onclick: act }, icon(name));
  }

  /** @param {object} thread @param {boolean} current whether it is shown @param {string} doing what goes on in it, if seen */
  update(thread, current, doing) {
    this.thread = thread;
    const title = thread.title || UNTITLED;
    const at = new Date(thread.updated_at * 1000);
    setText(this.title, title);
    setText(this.time, ago(thread.updated_at));
    setText(this.doing, doing);
    this.link.title = title;
    this.time.dateTime = at.toISOString();
    this.time.title = at.toLocaleString();
    this.renameButton.setAttribute("aria-label", `Rename \u201c${title}\u201d`);
    this.removeButton.setAttribute("aria-label", `Delete \u201c${title}\u201d`);
    if (current) this.link.setAttribute("aria-current", "page");
    else this.link.removeAttribute("aria-current");
  }

  /** In place: Enter or leaving the field keeps the title, Esc does not. */
  #edit() {
    const { title } = this.thread;
    const options = { class: "thread-field", value: title, maxlength: MOST_TITLE_CHARACTERS, "aria-label": "Title" };
    const field = el("input", { type: "text", autocomplete: "off", ...options });
    const finish = (kept) => {
      if (!field.isConnected) return;
      const focused = field === document.activeElement;
      field.onblur = null;
      field.remove();
      this.#showField(false);
      if (focused) this.renameButton.focus();
      const wanted = field.value.trim();
      if (kept && wanted !== "" && wanted !== title) this.actions.rename(this.thread, wanted);
    };
    field.onblur = () => finish(true);
    field.addEventListener("keydown", (event) => {
      if (!["Enter", "Escape"].includes(event.key) || event.isComposing) return;
      event.preventDefault();
      finish(event.key === "Enter");
    });
    this.node.prepend(field);
    this.#showField(true);
    field.select();
  }

  #showField(visible) {
    show(this.link, !visible);
    show(this.tools, !visible);
  }
}
