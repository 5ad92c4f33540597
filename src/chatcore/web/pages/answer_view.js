/** A completed answer beside its text: what it could not answer, insights, recommendations, actions, evidence. */

import { el, factList } from "./dom.js";
import { evidenceView } from "./evidence_view.js";
import { quantity } from "./format.js";
import { renderLines } from "./render.js";
import { BASIS, REASONS } from "./words.js";

/** @param {object} answer @param {(question: string) => void} ask @returns {HTMLElement[]} */
export function answerParts(answer, ask) {
  const parts = [
    answer.answered ? null : refusal(answer, ask),
    list("Insights", answer.insights),
    recommendations(answer.recommendations ?? []),
    list("Action items", answer.action_items),
    section("Evidence", (answer.evidence ?? []).map(evidenceView)),
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

function alternatives(questions, ask) {
  if (questions.length === 0) return null;
  const buttons = questions.map((text) =>
    el("li", {}, el("button", { type: "button", class: "button wide", onclick: () => ask(text) }, text)),
  );
  return el("div", {}, el("p", { class: "meta" }, "This would work:"), el("ul", { class: "alternatives" }, ...buttons));
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
