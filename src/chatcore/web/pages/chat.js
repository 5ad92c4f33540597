/** The chat page: makes its parts, and shows in them what the session knows. */

import { Announcer } from "./announcer.js";
import { forUser, socketUrl, userId } from "./api.js";
import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { ConversationView, welcome } from "./conversation_view.js";
import { el, setText, show } from "./dom.js";
import { Outbox } from "./outbox.js";
import { Session } from "./session.js";
import { SituationView } from "./situation_view.js";
import { Startup } from "./startup.js";

const byId = (id) => document.getElementById(id);

const connection = new Connection(socketUrl());
const startup = new Startup();
const session = new Session(connection, startup, new Outbox(tabStorage(), `chatcore.outbox.${userId ?? ""}`));

const composer = new Composer(byId("composer"), (content, agent) => session.ask(content, agent));
const situation = new SituationView(byId("situation"), connection, startup);
const announcer = new Announcer(byId("announcer"));
const conversation = new ConversationView(byId("log"), byId("latest"), {
  ask: (question, agent) => session.ask(question, agent),
  retry: (turn) => {
    session.retry(turn);
    byId("log").focus({ preventScroll: true }); // the button that had the focus is gone
  },
  edit: (turn) => composer.edit(session.withdraw(turn)),
  cancel: (turn) => session.cancel(turn),
});

function tabStorage() {
  try {
    return sessionStorage;
  } catch {
    return null; // forbidden by the browser: unsent messages last as long as the page
  }
}

// --- what is shown ---------------------------------------------------------------------------------------------------

const PILL = {
  unknown: () => "Connected",
  initializing: () => `Starting ${startup.progress} %`,
  recovering: () => (startup.progress === null ? "Recovering" : `Recovering ${startup.progress} %`),
  draining: () => "Going away",
  ready: () => "Ready",
};

function updatePill() {
  const { name } = connection.status;
  const state = name === "open" ? startup.state : name;
  byId("state").dataset.state = state;
  const words = name === "open" ? PILL[state]() : name === "connecting" ? "Connecting" : "Not connected";
  setText(byId("state"), words);
  document.title = state === "ready" ? "chatcore" : `${words} \u00b7 chatcore`;
}

function updateFacts() {
  const { generation, instanceId } = startup;
  const agents = startup.agents.map((agent) => agent.name).join(", ");
  const facts = {
    "fact-agents": agents,
    "fact-generation": generation,
    "fact-instance": instanceId,
    "fact-user": userId,
  };
  for (const [id, value] of Object.entries(facts))
    setText(byId(id), value === null || value === "" ? "\u2013" : String(value));
}

function updateEmpty(thread) {
  const empty = thread.turns.length === 0;
  document.body.classList.toggle("empty", empty);
  show(byId("missing"), thread.missing);
  show(byId("welcome"), empty && !thread.missing && thread.id === null && startup.state === "ready");
  if (welcomed !== startup.agents) byId("welcome").replaceChildren(...welcome(startup));
  welcomed = startup.agents;
}

let welcomed = null;

function update() {
  scheduled = false;
  updatePill();
  updateFacts();
  updateEmpty(session.current);
  situation.update();
  composer.offer(startup.agents);
  conversation.update(session.current, connection.isOpen);
  announcer.situation(connection.status, startup);
}

let scheduled = false;

function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(update);
}

// --- what happens ----------------------------------------------------------------------------------------------------

const threadInAddress = () => new URLSearchParams(location.hash.slice(1)).get("thread");

function rememberThread() {
  const { id } = session.current;
  if (id === threadInAddress()) return;
  history.replaceState(
    null,
    "",
    id === null ? location.pathname + location.search : `#${new URLSearchParams({ thread: id })}`,
  );
}

function notice(words) {
  const close = el(
    "button",
    { type: "button", class: "button", onclick: () => byId("notice").replaceChildren() },
    "Dismiss",
  );
  byId("notice").replaceChildren(el("p", {}, `${words}.`), close);
}

async function announceEnd(turn) {
  conversation.update(session.current, connection.isOpen);
  announcer.ended(turn, await conversation.textOf(turn));
}

function newConversation() {
  if (threadInAddress() !== null) history.pushState(null, "", location.pathname + location.search);
  session.open(null);
  byId("message").focus();
}

function cancelOnEscape(event) {
  const { running } = session.current;
  if (event.key === "Escape" && running && !event.isComposing && event.target.tagName !== "SELECT")
    session.cancel(running);
}

session.addEventListener("change", schedule);
session.addEventListener("thread", rememberThread);
session.addEventListener("ended", (event) => announceEnd(event.detail));
session.addEventListener("notice", (event) => notice(event.detail));
window.addEventListener("hashchange", () => session.open(threadInAddress()));
document.addEventListener("keydown", cancelOnEscape);
for (const button of document.querySelectorAll(".new-conversation")) button.addEventListener("click", newConversation);
byId("status-link").href = forUser("/status");
setInterval(() => situation.update(), 250);

if (threadInAddress() !== null) session.open(threadInAddress());
connection.connect();
byId("message").focus();
