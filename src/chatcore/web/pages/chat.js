/** The chat page: makes its parts, and shows in them what the session knows. */

import { inAddress, linkTo, pageItself } from "./address.js";
import { Announcer } from "./announcer.js";
import { forUser, socketUrl, userId } from "./api.js";
import { Composer } from "./composer.js";
import { Confirmation } from "./confirmation.js";
import { Connection } from "./connection.js";
import { ConversationView } from "./conversation_view.js";
import { el, setText, show } from "./dom.js";
import { Drawer } from "./drawer.js";
import { LinkedEvent } from "./linked_event.js";
import { Outbox } from "./outbox.js";
import { Session } from "./session.js";
import { Sidebar } from "./sidebar.js";
import { SituationView } from "./situation_view.js";
import { Startup } from "./startup.js";
import { Tabs } from "./tabs.js";
import { ThreadList } from "./thread_list.js";
import { onWaking } from "./waking.js";
import { welcome } from "./welcome.js";

const byId = (id) => document.getElementById(id);

const connection = new Connection(socketUrl);
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
  copy: (turn, event) => copyLink(event),
});
const linked = new LinkedEvent(conversation, (words) => notice(words));
const drawer = new Drawer(byId("rail"), byId("rail-open"), byId("scrim"), [byId("top"), byId("column")]);
const tabs = new Tabs(userId ?? "");
const list = new ThreadList();
const sidebar = new Sidebar(byId("rail"), list, session, new Confirmation(byId("confirmation")), {
  opened: () => drawer.close(false),
  renamed: (threadId) => tabs.tell("renamed", threadId),
  deleted: (threadId) => tabs.tell("deleted", threadId),
  failed: (words) => notice(words),
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
    "fact-user": startup.userId,
  };
  for (const [id, value] of Object.entries(facts))
    setText(byId(id), value === null || value === "" ? "\u2013" : String(value));
}

function updateEmpty(thread) {
  const empty = thread.turns.length === 0;
  document.body.classList.toggle("empty", empty);
  show(byId("missing"), thread.missing);
  show(byId("restored"), thread.restored);
  show(byId("welcome"), empty && !thread.missing && thread.id === null && startup.state === "ready");
  if (welcomed === startup.agents || startup.state !== "ready") return;
  byId("welcome").replaceChildren(...welcome(startup.agents, begin));
  welcomed = startup.agents;
}

let welcomed = null;

/** Ask what the page offers, and let the keyboard go on where the next question is written. */
function begin(question, agent) {
  session.ask(question, agent);
  byId("message").focus();
}

function update() {
  scheduled = false;
  updatePill();
  updateFacts();
  updateEmpty(session.current);
  situation.update();
  composer.offer(startup.agents);
  conversation.update(session.current, connection.isOpen);
  linked.update(session.current);
  sidebar.update();
  announcer.situation(connection.status, startup);
}

let scheduled = false;

function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(update);
}

// --- what happens ----------------------------------------------------------------------------------------------------

function rememberThread() {
  const { id } = session.current;
  if (id === inAddress().threadId) return;
  history.replaceState(null, "", id === null ? pageItself() : linkTo(id));
}

function followAddress() {
  const address = inAddress();
  session.open(address.threadId);
  linked.follow(address);
  schedule();
}

/** Where the browser lets nothing be copied, the link is followed instead, and stands in the address to be copied. */
async function copyLink(event) {
  if (!navigator.clipboard) return;
  event.preventDefault();
  const link = event.currentTarget;
  try {
    await navigator.clipboard.writeText(link.href);
    announcer.say("The link is copied.");
    link.classList.add("done");
    setTimeout(() => link.classList.remove("done"), 2_000);
  } catch {
    location.hash = link.hash;
  }
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
  if (inAddress().threadId !== null) history.pushState(null, "", pageItself());
  session.open(null);
  drawer.close(false);
  byId("message").focus();
}

function cancelOnEscape(event) {
  const { foremost } = session.current;
  const own = event.defaultPrevented || event.isComposing || event.target.closest("select, .rail");
  if (event.key === "Escape" && foremost && !own) session.cancel(foremost);
}

session.addEventListener("change", schedule);
session.addEventListener("thread", rememberThread);
session.addEventListener("ended", (event) => announceEnd(event.detail));
session.addEventListener("notice", (event) => notice(event.detail));
session.addEventListener("asked", (event) => tabs.tell("asked", event.detail));
for (const type of ["asked", "answered"]) session.addEventListener(type, () => list.refreshSoon());
for (const type of ["asked", "renamed", "deleted"]) tabs.addEventListener(type, () => list.refreshSoon());
tabs.addEventListener("asked", (event) => session.lookAgain(event.detail));
tabs.addEventListener("deleted", (event) => session.lose(event.detail));
connection.addEventListener("open", () => list.refreshSoon());
window.addEventListener("hashchange", followAddress);
onWaking(() => {
  connection.wake();
  list.refreshSoon();
});
document.addEventListener("keydown", cancelOnEscape);
for (const button of document.querySelectorAll(".new-conversation")) button.addEventListener("click", newConversation);
byId("status-link").href = forUser("/status");
setInterval(() => situation.update(), 250);

if (inAddress().threadId !== null) followAddress();
connection.connect();
byId("message").focus();
