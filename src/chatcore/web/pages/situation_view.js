/** Why there is no conversation yet, or none now: the start and its progress, recovery, leaving, a lost connection. */

import { el, setText, show } from "./dom.js";
import { duration, elapsed, spaced, timeLeft } from "./format.js";
import { SERVICE_WORDS } from "./words.js";

/** Title, words and the button of each situation; null while there is nothing to say. */
function situation(connection, startup) {
  const { status } = connection;
  if (status.name === "connecting")
    return { title: "Connecting", words: "Waiting for the server to take the connection." };
  if (status.name === "waiting") return lost(status);
  if (status.name === "stopped") return { title: "Not connected", words: status.why, button: "Connect again" };
  return SITUATIONS[startup.state](startup);
}

function lost({ why, until, asked }) {
  const seconds = Math.max(0, Math.ceil((until - performance.now()) / 1000));
  const words = `${why} Trying again in ${seconds} s${asked ? ", as the server asked" : ""}.`;
  return { title: "Not connected", words, button: asked ? null : "Connect now" };
}

const SITUATIONS = {
  unknown: () => ({ title: "Connected", words: "Waiting for the first word of the server." }),
  initializing: (startup) => ({ title: "Starting", words: startup.message, progress: true }),
  recovering: (startup) => ({ title: "Recovering", words: startup.message, progress: true }),
  draining: (startup) => ({ title: "Going away", words: `${startup.message}. The page connects again by itself.` }),
  ready: () => null,
};

export class SituationView {
  /** @param {HTMLElement} node @param {import("./connection.js").Connection} connection @param {object} startup */
  constructor(node, connection, startup) {
    Object.assign(this, { node, connection, startup });
    this.title = el("h2", { id: "situation-title" });
    this.percent = el("span", { class: "percent" });
    this.fill = el("div", { class: "fill" });
    const limits = {
      role: "progressbar",
      "aria-valuemin": 0,
      "aria-valuemax": 100,
      "aria-labelledby": "situation-title",
    };
    this.bar = el("div", { class: "bar", ...limits }, this.fill);
    this.words = el("p", { class: "situation-words" });
    this.facts = el("dl", { class: "facts-row" });
    this.notices = el("ul", { class: "notices" });
    this.services = el("ul", { class: "services" });
    this.seen = el(
      "details",
      { open: matchMedia("(min-height: 700px) and (min-width: 600px)").matches },
      el("summary", {}, "Services"),
      this.services,
    );
    this.button = el("button", { type: "button", class: "button", onclick: () => connection.connect() });
    const head = el("div", { class: "situation-head" }, this.title, this.percent);
    node.append(head, this.bar, this.words, this.facts, this.notices, this.seen, this.button);
  }

  update() {
    const now = situation(this.connection, this.startup);
    show(this.node, now !== null);
    if (now === null) return;
    setText(this.title, now.title);
    setText(this.words, now.words);
    show(this.button, Boolean(now.button));
    setText(this.button, now.button ?? "");
    const parts = [this.bar, this.percent, this.facts, this.notices, this.seen];
    for (const part of parts) show(part, Boolean(now.progress));
    if (now.progress) this.#showProgress();
  }

  #showProgress() {
    const { progress, slow, services } = this.startup;
    const known = progress !== null;
    setText(this.percent, known ? `${progress} %` : "");
    this.fill.style.setProperty("width", `${progress ?? 0}%`);
    this.bar.classList.toggle("unknown", !known);
    if (known) this.bar.setAttribute("aria-valuenow", String(progress));
    else this.bar.removeAttribute("aria-valuenow");
    this.#showFacts();
    fillList(this.notices, slow, (notice) => `${notice.message} (after ${elapsed(notice.seconds)})`);
    show(this.notices, slow.length > 0);
    this.#showServices([...services.values()]);
  }

  #showFacts() {
    const { frame } = this.startup;
    const now = performance.now();
    show(this.facts, frame !== null);
    if (frame === null) return;
    const pairs = [
      ["Service", frame.label ?? frame.service ?? "\u2013"],
      ["Phase", frame.phase === null ? "\u2013" : spaced(frame.phase)],
      ["Elapsed", elapsed(this.startup.elapsed(now))],
      ["Time left", timeLeft(this.startup.left(now))],
      ["Attempt", String(frame.attempt)],
    ];
    fillPairs(this.facts, pairs);
  }

  #showServices(services) {
    show(this.seen, services.length > 0);
    services.forEach((service, index) => {
      const row = this.services.children[index] ?? this.services.appendChild(serviceRow());
      row.className = `service ${service.state}`;
      const took = service.seconds === null || service.seconds === undefined ? "" : duration(service.seconds);
      const texts = [service.label, service.phase ? spaced(service.phase) : "", SERVICE_WORDS[service.state], took];
      texts.forEach((text, place) => setText(row.children[place], text));
    });
    while (this.services.children.length > services.length) this.services.lastChild.remove();
  }
}

function serviceRow() {
  const parts = ["label", "meta phase", "word", "meta took"].map((name) => el("span", { class: name }));
  return el("li", {}, ...parts);
}

function fillList(list, items, words) {
  items.forEach((item, index) => setText(list.children[index] ?? list.appendChild(el("li")), words(item)));
  while (list.children.length > items.length) list.lastChild.remove();
}

function fillPairs(list, pairs) {
  pairs.forEach(([name, value], index) => {
    const pair = list.children[index] ?? list.appendChild(el("div", {}, el("dt"), el("dd")));
    setText(pair.children[0], name);
    setText(pair.children[1], value);
  });
}
