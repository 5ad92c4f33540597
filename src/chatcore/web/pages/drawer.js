/** The sidebar on a narrow page: it comes over the conversation, and nothing behind it can be reached meanwhile. */

import { icon } from "./icons.js";

const NARROW = window.matchMedia("(max-width: 959px)");

export class Drawer {
  /** @param {HTMLElement} rail @param {HTMLButtonElement} opener @param {HTMLElement} scrim @param {HTMLElement[]} behind */
  constructor(rail, opener, scrim, behind) {
    Object.assign(this, { rail, opener, scrim, behind });
    opener.append(icon("menu"));
    opener.addEventListener("click", () => this.open());
    scrim.addEventListener("click", () => this.close());
    rail.querySelector(".rail-close").addEventListener("click", () => this.close());
    rail.addEventListener("keydown", (event) => this.#onKey(event));
    NARROW.addEventListener("change", () => this.close());
  }

  get isOpen() {
    return this.rail.classList.contains("open");
  }

  open() {
    this.#show(true);
    this.rail.querySelector(".rail-close").focus();
  }

  /** @param {boolean} back whether the focus goes back to where it came from */
  close(back = true) {
    if (!this.isOpen) return;
    this.#show(false);
    if (back && NARROW.matches) this.opener.focus();
  }

  #onKey(event) {
    if (event.key !== "Escape" || event.defaultPrevented || !this.isOpen) return;
    event.preventDefault();
    this.close();
  }

  #show(open) {
    this.rail.classList.toggle("open", open);
    this.scrim.hidden = !open;
    this.opener.setAttribute("aria-expanded", String(open));
    for (const node of this.behind) node.inert = open;
  }
}
