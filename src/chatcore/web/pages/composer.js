/** Where the user writes: Enter sends, Shift+Enter makes a new line; more than one agent can be chosen from. */

import { el, setText, show } from "./dom.js";

const TOO_LARGE = "This is longer than the server accepts. Please shorten it.";

export class Composer {
  /** @param {HTMLFormElement} form @param {(content: string, agent: string | null) => boolean} send */
  constructor(form, send) {
    Object.assign(this, { form, send });
    this.input = form.querySelector("textarea");
    this.agents = form.querySelector("select");
    this.agentChoice = form.querySelector(".agent-choice");
    this.problem = form.querySelector("[role=alert]");
    this.look = null;
    form.addEventListener("submit", (event) => this.#onSubmit(event));
    this.input.addEventListener("keydown", (event) => this.#onKey(event));
    this.input.addEventListener("input", () => this.#onInput());
  }

  /** @param {{name: string, description: string}[]} agents those that can be asked now */
  offer(agents) {
    const look = JSON.stringify(agents);
    if (look === this.look) return;
    this.look = look;
    const chosen = this.agents.value;
    this.agents.replaceChildren(
      ...agents.map(({ name }) => el("option", { value: name, selected: name === chosen }, name)),
    );
    show(this.agentChoice, agents.length > 1);
  }

  /** @param {string} text to be changed and sent again */
  edit(text) {
    this.input.value = text;
    this.#onInput();
    this.input.focus();
  }

  get #agent() {
    return this.agents.options.length > 1 ? this.agents.value : null;
  }

  #onKey(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.form.requestSubmit();
  }

  #onSubmit(event) {
    event.preventDefault();
    const content = this.input.value.trim();
    if (content === "") return;
    if (this.send(content, this.#agent)) this.edit("");
    else this.#complain(TOO_LARGE);
  }

  #onInput() {
    this.#complain("");
    this.input.style.setProperty("height", "auto");
    this.input.style.setProperty("height", `${this.input.scrollHeight + 2}px`);
  }

  #complain(words) {
    setText(this.problem, words);
    show(this.problem, words !== "");
  }
}
