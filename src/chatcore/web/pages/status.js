/** The status page: asks for the state every second while it is seen, and shows it. */

import { forUser } from "./api.js";
import { el, setText, show } from "./dom.js";
import { duration, elapsed, spaced, timeLeft } from "./format.js";
import { drawTimeline } from "./timeline.js";
import { SERVER_STATES, SERVICE_WORDS } from "./words.js";

const EVERY_MS = 1_000;
const TIMEOUT_MS = 4_000;
/** How often a bar that grows is drawn anew between two answers. */
const REDRAW_MS = 250;
const NONE = "\u2013";

const byId = (id) => document.getElementById(id);
let status = null;
let heardAt = 0;
let heardTime = null;

async function poll() {
  if (!document.hidden) {
    try {
      const response = await fetch("/status.json", { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (!response.ok) throw new Error(String(response.status));
      receive(await response.json());
    } catch {
      unreachable();
    }
  }
  setTimeout(poll, EVERY_MS);
}

function receive(answer) {
  announce(answer.state);
  Object.assign(document.body.dataset, { stale: "no" });
  [status, heardAt, heardTime] = [answer, performance.now(), new Date()];
  show(byId("unreachable"), false);
  show(byId("known"), true);
  showNow();
  showTable();
  showHistory();
  draw();
}

function unreachable() {
  const since = heardTime === null ? "" : ` What is shown is from ${heardTime.toLocaleTimeString()}.`;
  setText(byId("unreachable"), `The server cannot be reached.${since} Asking again every second.`);
  show(byId("unreachable"), true);
  document.body.dataset.stale = "yes";
  byId("state").dataset.state = "waiting";
  setText(byId("state"), "Not reachable");
}

function announce(state) {
  if (status?.state !== state) byId("announcer").textContent = title(state);
}

function title(state) {
  return SERVER_STATES[state]?.[0] ?? state;
}

function showNow() {
  const { state, progress } = status;
  byId("state").dataset.state = state;
  setText(byId("state"), title(state));
  setText(byId("now-title"), title(state));
  setText(byId("sentence"), reasonWords() ?? SERVER_STATES[state]?.[1] ?? "");
  setText(byId("percent"), `${progress} %`);
  byId("bar").setAttribute("aria-valuenow", String(progress));
  byId("fill").style.setProperty("width", `${progress}%`);
  byId("facts").replaceChildren(
    ...facts().map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
}

/** What is wrong, where the server says so, with the label of the service that it is wrong with. */
function reasonWords() {
  const { reason, services } = status;
  if (!reason) return undefined;
  const label = services.find(({ name }) => name === reason.service)?.label ?? reason.service;
  return label === null ? `${reason.message}.` : `${label}: ${reason.message}.`;
}

function facts() {
  const {
    attempt,
    generation,
    instance_id: instance,
    uptime_seconds: uptime,
    eta_seconds: eta,
    connections,
    runs,
  } = status;
  return [
    ["Attempt", attempt || NONE],
    ["Generation", generation || NONE],
    ...(status.state === "initializing" || status.state === "recovering" ? [["Time left", timeLeft(eta)]] : []),
    ["Uptime", elapsed(uptime)],
    ["Instance", instance],
    ...Object.entries(connections).map(([state, number]) => [`Connections, ${spaced(state)}`, number]),
    ...Object.entries(runs).map(([state, number]) => [`Runs, ${spaced(state)}`, number]),
  ];
}

function showTable() {
  byId("services").replaceChildren(...status.services.map(serviceRow));
}

function serviceRow(service) {
  const { label, name, phase, state, started_seconds: start, ended_seconds: end, duration_seconds: took } = service;
  const times = [start, end].map((seconds) =>
    el("td", { class: "number" }, seconds === null ? NONE : seconds.toFixed(2)),
  );
  return el(
    "tr",
    { class: `service-${state}` },
    el("th", { scope: "row", title: name }, label),
    el("td", {}, spaced(phase)),
    el("td", { class: "word" }, SERVICE_WORDS[state] ?? state),
    ...times,
    el("td", { class: "number" }, took === null ? NONE : duration(took)),
  );
}

function showHistory() {
  const { history } = status;
  show(byId("no-history"), history.length === 0);
  show(byId("history").closest(".scroll"), history.length > 0);
  byId("history").replaceChildren(...history.map(attemptRow).reverse());
}

function attemptRow({ attempt, outcome, started_at: began, duration_seconds: took, generation }) {
  return el(
    "tr",
    {},
    el("td", { class: "number" }, attempt),
    el("td", {}, spaced(outcome)),
    el("td", {}, new Date(typeof began === "number" ? began * 1000 : began).toLocaleString()),
    el("td", { class: "number" }, took === null ? NONE : duration(took)),
    el("td", { class: "number" }, generation || NONE),
  );
}

/** Seconds since the attempt began; they go on between two answers while a service is starting. */
function now() {
  const since = growing() ? (performance.now() - heardAt) / 1000 : 0;
  return (status.attempt_elapsed_seconds ?? 0) + since;
}

function growing() {
  return document.body.dataset.stale === "no" && status.services.some((service) => service.state === "starting");
}

function draw() {
  if (status === null || document.hidden) return;
  const width = Math.floor(byId("timeline").clientWidth);
  if (width > 0) byId("timeline").replaceChildren(drawTimeline(status.services, now(), width));
}

new ResizeObserver(draw).observe(byId("timeline"));
setInterval(() => status !== null && growing() && draw(), REDRAW_MS);
byId("chat-link").href = forUser("/");
poll();
