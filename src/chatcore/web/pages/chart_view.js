/** The chart that tells most of an answer, with its table beside it: drawn by the server, shown as an image. */

import { evidenceCharts, evidenceSvg } from "./api.js";
import { el, setText, show } from "./dom.js";
import { downloadLink, exactly, table } from "./evidence_view.js";
import { count, quantity } from "./format.js";

/** What is counted of a model's use, by its columns. */
const COUNTS = [
  ["turns", "turn"],
  ["prompt_tokens", "prompt token"],
  ["completion_tokens", "completion token"],
];

/** A change of width, in pixels, that is worth drawing again for. */
const REDRAW = 24;

/** @param {object} answer @param {string} runId @returns {HTMLElement} stays hidden where a table says it better */
export function chartView(answer, runId) {
  const node = el("section", { class: "part chart-part", hidden: true });
  fill(node, answer, runId).catch(() => node.remove()); // the table is there all the same
  return node;
}

async function fill(node, answer, runId) {
  const { evidence, foremost } = await evidenceCharts(runId);
  const chart = evidence.find(({ id }) => id === foremost)?.chart;
  const item = answer.evidence.find(({ id }) => id === foremost);
  if (!chart || !item) return;
  const picture = el("img", { class: "chart-picture", alt: `${chart.title}. ${chart.description}` });
  const place = el("div", { class: "chart-place" }, picture);
  const caption = el("figcaption", { class: "meta" }, chart.description);
  const rows = table(item, `${chart.title}, as a table`, chart.columns, rounded);
  const beside = el("div", { class: "chart-table" }, rows, downloadLink(item, runId));
  node.append(el("figure", { class: "chart" }, place, beside, caption));
  show(node, true);
  drawToFit(place, picture, (width) => evidenceSvg(runId, item.id, width));
}

/** A cell beside the chart: short, with all of the number at hand. */
function rounded(value) {
  return typeof value === "number" ? el("span", { title: String(value) }, quantity(value)) : exactly(value);
}

/** Draw it as wide as its place, so that its words are as large as the page's. */
function drawToFit(place, picture, draw) {
  let drawn = 0;
  const fit = async () => {
    const width = Math.floor(place.clientWidth);
    if (width === 0 || Math.abs(width - drawn) < REDRAW) return;
    drawn = width;
    const svg = await draw(width).catch(() => null);
    if (svg !== null && drawn === width) picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  };
  new ResizeObserver(fit).observe(place);
}

/** @param {object} answer @returns {HTMLElement | null} what asking a model took, where one was asked and it counts */
export function costLine(answer) {
  const usage = answer.evidence?.find((item) => item.tool === "model_usage" && item.rows.length > 0);
  if (!usage) return null;
  const node = el("p", { class: "cost-line" });
  const row = Object.fromEntries(usage.columns.map((name, column) => [name, usage.rows[0][column]]));
  const counts = COUNTS.map(([name, noun]) => count(row[name], noun));
  setText(node, `Model used: ${[row.model, ...counts, cost(row)].filter(Boolean).join(" \u00b7 ")}`);
  return node;
}

/** What it cost, where a price is known. */
function cost({ cost: amount, currency, price_of: listed }) {
  if (typeof amount !== "number") return null;
  return `${currency}${quantity(amount)} at ${listed ? `the list price of ${listed}` : "the price that is set"}`;
}
