/** The rows that prove an answer, each query as a table that opens. */

import { canSignInAgain, csvAddress, evidenceCsv } from "./api.js";
import { el, factList } from "./dom.js";
import { count, duration, spaced } from "./format.js";

/**
 * @param {object} item of `answer.evidence`
 * @param {string} runId
 * @returns {HTMLElement} its table is built when it is first opened
 */
export function evidenceView(item, runId) {
  const rows = count(item.row_count, "row");
  const shown = item.rows.length < item.row_count ? `${item.rows.length} of ${rows}` : rows;
  const title = el("span", { class: "evidence-title" }, el("b", {}, item.id), " ", el("code", {}, item.tool));
  const details = el("details", { class: "evidence" }, el("summary", {}, title, el("span", { class: "meta" }, shown)));
  details.addEventListener("toggle", () => details.append(body(item, shown, runId)), { once: true });
  return details;
}

function body(item, shown, runId) {
  const region = { class: "scroll", tabindex: 0, role: "region", "aria-label": `Query of ${item.id}` };
  return el(
    "div",
    { class: "evidence-body" },
    item.columns.length ? table(item, `Rows of ${item.id}, ${shown}`) : el("p", { class: "meta" }, "The query returned no columns."),
    downloadLink(item, runId),
    el("div", {}, el("h5", {}, "Query"), el("div", region, el("pre", {}, el("code", {}, item.query)))),
    facts(item),
  );
}

/** @param {object} item @param {string} runId @returns {HTMLElement} saves its rows as a file */
export function downloadLink(item, runId) {
  const attributes = { href: csvAddress(runId, item.id), download: "", "aria-label": `Download CSV of ${item.id}` };
  const link = el("a", { class: "download", ...attributes }, "Download CSV");
  if (canSignInAgain()) link.addEventListener("click", (event) => saveWithToken(event, item, runId));
  return el("p", {}, link);
}

/** A link sends no token, so the file is fetched and then given to the browser. */
async function saveWithToken(event, item, runId) {
  event.preventDefault();
  const blob = await evidenceCsv(runId, item.id).catch(() => null);
  if (blob === null) return;
  const address = URL.createObjectURL(blob);
  el("a", { href: address, download: `${runId}-${item.id}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/**
 * @param {object} item
 * @param {string} label
 * @param {string[]} columns those that are shown
 * @param {(value: any) => Node | string} cellText
 * @returns {HTMLElement}
 */
export function table(item, label, columns = item.columns, cellText = exactly) {
  const places = columns.map((name) => item.columns.indexOf(name));
  const numeric = places.map((place) => item.rows.some((row) => typeof row[place] === "number"));
  const cell = (value, column) => el("td", { class: numeric[column] ? "number" : null }, cellText(value));
  const title = (name, column) => el("th", { scope: "col", class: numeric[column] ? "number" : null }, cellText === exactly ? name : spaced(name));
  const rows = item.rows.map((row) => el("tr", {}, ...places.map((place, column) => cell(row[place], column))));
  return el(
    "div",
    { class: "scroll rows", tabindex: 0, role: "region", "aria-label": label },
    el(
      "table",
      {},
      el("caption", { class: "unseen" }, label),
      el("thead", {}, el("tr", {}, ...columns.map(title))),
      el("tbody", {}, ...rows),
    ),
  );
}

/** A value as it came: nothing is rounded here, and null is not an empty string. */
export function exactly(value) {
  if (value === null || value === undefined) return el("span", { class: "null" }, "null");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function facts(item) {
  const parameters = Object.entries(item.parameters ?? {}).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  const pairs = [
    ["Parameters", parameters.join(", ") || "none"],
    ["Rows", count(item.row_count, "row")],
    ["Data version", item.data_version],
    ["SHA-256", item.sha256],
  ];
  return factList(pairs);
}

/** @param {object} provenance @param {number | null} seconds @returns {HTMLElement} who answered, and by what means */
export function provenanceView(provenance, seconds) {
  const { agent, engine, model, generation, tool_calls: calls } = provenance;
  const parts = [agent, `engine ${engine}`, model === null ? "no model" : `model ${model}`, `generation ${generation}`];
  parts.push(count(calls.length, "tool call"));
  if (seconds !== null) parts.push(duration(seconds));
  return el("p", { class: "provenance", title: calls.join(", ") || null }, "Answered by ", parts.join(" · "));
}
