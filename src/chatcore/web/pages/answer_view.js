/** A completed answer beside its text: what it could not answer, insights, recommendations, actions, evidence. */

import { chartView } from "./chart_view.js";
import { el, factList } from "./dom.js";
import { evidenceView } from "./evidence_view.js";
import { quantity } from "./format.js";
import { renderLines } from "./render.js";
import { BASIS, REASONS } from "./words.js";

/** An action that is a question to be asked next. */
const QUESTION = /^Ask: \u201c(.+)\u201d$/s;

/**
 * @param {object} answer
 * @param {string} runId
 * @param {(question: string) => void} ask
 * @returns {HTMLElement[]}
 */
export function answerParts(answer, runId, ask) {
  const actions = answer.action_items ?? [];
  const evidence = answer.evidence ?? [];
  const parts = [
    answer.answered ? null : refusal(answer, ask),
    answer.answered && evidence.length ? chartView(answer, runId) : null,
    list("Insights", answer.insights),
    recommendations(answer.recommendations ?? []),
    list("Action items", actions.filter((item) => !QUESTION.test(item))),
    questions("Ask next", actions.map((item) => QUESTION.exec(item)?.[1]).filter(Boolean), ask),
    section("Evidence", evidence.map((item) => evidenceView(item, runId))),
  ].filter((part) => part !== null);
  renderLines(parts.flatMap((part) => [...part.querySelectorAll(".line")]));
  return parts;
}

/** @param {string} text Markdown without blocks */
function line(text) {
  return el("span", { class: "line" }, text);
}

function section(title, children) {
  return children.length ? el("section", { class: "part" }, el("h4", {}, title), ...children) : null;
}

function list(title, items) {
  return items?.length ? section(title, [el("ul", {}, ...items.map((item) => el("li", {}, line(item))))]) : null;
}

function refusal(answer, ask) {
  const covered = answer.covered ? `${answer.covered.from ?? "?"} to ${answer.covered.to ?? "?"}` : null;
  const pairs = [
    ["Reason", REASONS[answer.reason] ?? answer.reason],
    ["Missing", answer.missing?.join(", ")],
    ["The data covers", covered],
  ].filter(([, value]) => value);
  return el(
    "section",
    { class: "refusal" },
    el("h4", {}, "Can\u2019t answer this"),
    factList(pairs),
    alternatives(answer.alternatives ?? [], ask),
  );
}

function alternatives(texts, ask) {
  if (texts.length === 0) return null;
  return el("div", {}, el("p", { class: "meta" }, "This would work:"), askButtons("alternatives", texts, ask));
}

/**
 * Take the questions that the buttons of a refusal ask out of its words, with the sentence that leads to them.
 * @param {HTMLElement} prose the rendered text @param {string[]} texts
 */
export function dropListed(prose, texts) {
  const asked = new Set(texts.map(spaced));
  for (const listed of prose.querySelectorAll(":scope > ul")) {
    if (![...listed.children].every((item) => asked.has(spaced(item.textContent)))) continue;
    const lead = listed.previousElementSibling;
    if (lead?.tagName === "P" && lead.textContent.trimEnd().endsWith(":")) lead.remove();
    listed.remove();
  }
}

/** @param {string} text @returns {string} as Markdown has it: any white space is one blank */
function spaced(text) {
  return text.trim().replace(/\s+/g, " ");
}

function questions(title, texts, ask) {
  return texts.length ? section(title, [askButtons("questions", texts, ask)]) : null;
}

/** @param {string} kind @param {string[]} texts @param {(question: string) => void} ask @returns {HTMLElement} */
export function askButtons(kind, texts, ask) {
  const wide = kind === "alternatives" ? "button wide" : "button";
  const buttons = texts.map((text) =>
    el("li", {}, el("button", { type: "button", class: wide, onclick: () => ask(text) }, text)),
  );
  return el("ul", { class: kind }, ...buttons);
}

function recommendations(items) {
  return section("Recommendations", items.map(recommendation));
}

function recommendation(item) {
  const pairs = [
    ["Baseline", item.baseline],
    ["Projected", item.projected],
    [item.basis === "ceiling" ? "Saving, at most" : "Saving", item.saving],
  ];
  const amounts = pairs.map(([name, value]) =>
    el("div", {}, el("dt", {}, name), el("dd", { title: String(value) }, `${quantity(value)} ${item.unit}`)),
  );
  return el(
    "div",
    { class: "recommendation" },
    el("p", {}, line(item.text), " ", el("span", { class: "tag" }, BASIS[item.basis] ?? item.basis)),
    el("dl", { class: "amounts" }, ...amounts),
    item.assumptions?.length ? el("p", { class: "meta" }, "Assumes: ", line(item.assumptions.join("; "))) : null,
  );
}
