/** The rows that prove an answer, each query as a table that opens. */

import { el, factList } from "./dom.js";
import { count, duration } from "./format.js";

/** @param {object} item of `answer.evidence` @returns {HTMLElement} its table is built when it is first opened */
export function evidenceView(item) {
  const rows = count(item.row_count, "row");
  const shown = item.rows.length < item.row_count ? `${item.rows.length} of ${rows}` : rows;
  const title = el("span", { class: "evidence-title" }, el("b", {}, item.id), " ", el("code", {}, item.tool));
  const details = el("details", { class: "evidence" }, el("summary", {}, title, el("span", { class: "meta" }, shown)));
  details.addEventListener("toggle", () => details.append(body(item, shown)), { once: true });
  return details;
}

function body(item, shown) {
  const region = { class: "scroll", tabindex: 0, role: "region", "aria-label": `Query of ${item.id}` };
  return el(
    "div",
    { class: "evidence-body" },
    item.columns.length ? table(item, shown) : el("p", { class: "meta" }, "The query returned no columns."),
    el("div", {}, el("h5", {}, "Query"), el("div", region, el("pre", {}, el("code", {}, item.query)))),
    facts(item),
  );
}

function table(item, shown) {
  const numeric = item.columns.map((_, column) => item.rows.some((row) => typeof row[column] === "number"));
  const cell = (value, column) => el("td", { class: numeric[column] ? "number" : null }, cellText(value));
  const title = (name, column) => el("th", { scope: "col", class: numeric[column] ? "number" : null }, name);
  const rows = item.rows.map((row) => el("tr", {}, ...row.map(cell)));
  const label = `Rows of ${item.id}, ${shown}`;
  return el(
    "div",
    { class: "scroll rows", tabindex: 0, role: "region", "aria-label": label },
    el(
      "table",
      {},
      el("caption", { class: "unseen" }, label),
      el("thead", {}, el("tr", {}, ...item.columns.map(title))),
      el("tbody", {}, ...rows),
    ),
  );
}

/** A value as it came: nothing is rounded here, and null is not an empty string. */
function cellText(value) {
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
