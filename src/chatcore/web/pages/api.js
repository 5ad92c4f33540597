/** The server over HTTP, as far as this page needs it beside its WebSocket. */

import { signIn } from "/signin.js";

const TIMEOUT_MS = 8_000;
const STORED_TOKEN = "chatcore.token";
const STORED_SUBJECT = "chatcore.subject";

/** The user of this page; with `auth = "none"` it is named in the page's own address. */
export const userId = new URLSearchParams(location.search).get("user_id");

/** @param {string} path @param {Object<string, string>} query @returns {string} the path for the user of this page */
export function forUser(path, query = {}) {
  const parameters = new URLSearchParams(userId === null ? query : { user_id: userId, ...query });
  return parameters.size ? `${path}?${parameters}` : path;
}

/** @returns {Promise<string>} for one WebSocket: a browser sends no header with it, so a ticket says who opens it */
export async function socketUrl() {
  const opened = signIn === null ? forUser("/ws") : `/ws?ticket=${encodeURIComponent(await newTicket())}`;
  const url = new URL(opened, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/**
 * @param {string[]} texts Markdown
 * @param {boolean} inline whether they become parts of a line
 * @returns {Promise<string[]>} HTML that the server has made safe
 */
export async function renderMarkdown(texts, inline = false) {
  const body = JSON.stringify({ texts, inline });
  const headers = { "Content-Type": "application/json" };
  const response = await request(forUser("/render"), { method: "POST", headers, body });
  return (await response.json()).html;
}

const MOST_ITEMS = 500;

/** @param {string} threadId @returns {Promise<object[]>} its messages, oldest first */
export async function threadMessages(threadId) {
  const path = `${threadPath(threadId)}/messages`;
  const all = [];
  let next = null;
  do {
    const query = next === null ? { limit: MOST_ITEMS } : { limit: MOST_ITEMS, cursor: next };
    const page = await (await request(forUser(path, query))).json();
    all.push(...page.messages);
    next = page.next;
  } while (next !== null);
  return all;
}

/**
 * @returns {Promise<{state: string | null, afterSeconds: number | null}>} how the server says it is (protocol.md,
 *   section 2), "unknown" where something answers that says nothing of it, null where nothing answers
 */
export async function serverStands() {
  try {
    const response = await fetch("/health/ready", { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
    const seconds = Number.parseFloat(response.headers.get("Retry-After") ?? "");
    const { state } = await response.json().catch(() => ({ state: "unknown" }));
    return { state, afterSeconds: Number.isFinite(seconds) ? seconds : null };
  } catch {
    return { state: null, afterSeconds: null };
  }
}

/**
 * @param {{limit: number, cursor?: string, query?: string}} page
 * @returns {Promise<{threads: object[], next: string | null}>} the most recently active first
 */
export async function listThreads(page) {
  return (await request(forUser("/api/threads", { order: "active", ...page }))).json();
}

/** @param {string} threadId @param {string} title */
export async function renameThread(threadId, title) {
  const body = JSON.stringify({ title });
  await request(forUser(threadPath(threadId)), { method: "PATCH", headers: JSON_BODY, body });
}

/** @param {string} threadId one that is gone already is deleted, too */
export async function deleteThread(threadId) {
  await request(forUser(threadPath(threadId)), { method: "DELETE" }).catch((error) => {
    if (error.status !== 404) throw error;
  });
}

/** @param {string} agent @returns {Promise<string[]>} what it can be asked, to begin with */
export async function openingQuestions(agent) {
  return (await (await request(forUser(`/api/agents/${encodeURIComponent(agent)}/questions`))).json()).questions;
}

/** @param {string} runId @returns {Promise<object>} its evidence, and what of it can be looked at */
export async function evidenceCharts(runId) {
  return (await request(forUser(evidencePath(runId)))).json();
}

/** @param {string} runId @param {string} id of the evidence @param {number} width @returns {Promise<string>} SVG */
export async function evidenceSvg(runId, id, width) {
  return (await request(forUser(evidencePath(runId, id, "svg"), { width }))).text();
}

/** @returns {string} where the rows are, for whoever the server knows without a token */
export function csvAddress(runId, id) {
  return forUser(evidencePath(runId, id, "csv"));
}

/** @returns {Promise<Blob>} the rows, with the token */
export async function evidenceCsv(runId, id) {
  return (await request(csvAddress(runId, id))).blob();
}

function evidencePath(runId, id = null, kind = "") {
  const all = `/api/runs/${encodeURIComponent(runId)}/evidence`;
  return id === null ? all : `${all}/${encodeURIComponent(id)}.${kind}`;
}

const JSON_BODY = { "Content-Type": "application/json" };

function threadPath(threadId) {
  return `/api/threads/${encodeURIComponent(threadId)}`;
}

async function newTicket() {
  return (await (await request("/api/tickets", { method: "POST" })).json()).ticket;
}

async function request(path, options = {}) {
  let response = await send(path, options);
  while (response.status === 401 && signIn !== null) {
    const { detail } = await response.json().catch(() => ({}));
    await newToken(detail ?? null);
    response = await send(path, options);
  }
  if (!response.ok) throw Object.assign(new Error(`${path}: ${response.status}`), { status: response.status });
  return response;
}

function send(path, options) {
  const token = sessionStorage.getItem(STORED_TOKEN);
  const headers = { ...options.headers, ...(token === null ? {} : { Authorization: `Bearer ${token}` }) };
  return fetch(path, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS), ...options, headers });
}

let signingIn = null;

/** Sign in, once however many requests want it. @param {string | null} why the last token was not accepted */
function newToken(why) {
  const first = sessionStorage.getItem(STORED_TOKEN) === null;
  signingIn ??= Promise.resolve(signIn(first ? null : why))
    .then(keepToken)
    .finally(() => (signingIn = null));
  return signingIn;
}

/** What the user before had not sent yet is not sent as another one. */
function keepToken(token) {
  const [before, now] = [sessionStorage.getItem(STORED_SUBJECT), subjectOf(token)];
  const another = before !== null && now !== null && before !== now;
  if (another) sessionStorage.clear();
  sessionStorage.setItem(STORED_TOKEN, token);
  if (now !== null) sessionStorage.setItem(STORED_SUBJECT, now);
  if (another) location.reload();
}

/** @returns {string | null} whose token it says it is; whether that is so is for the server to judge */
function subjectOf(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).sub ?? null;
  } catch {
    return null;
  }
}

/** @returns {boolean} whether the page can have another token than the one that has expired */
export function canSignInAgain() {
  return signIn !== null;
}
