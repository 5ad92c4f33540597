/** The initialization timeline, to scale: a bar a service from its start to its end, grouped by phase. */

import { spaced } from "./format.js";
import { SERVICE_WORDS } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const ROW = 30;
const BAR = 14;
const PHASE_ROW = 30;
const AXIS = 26;
/** Below this width label and words stand above the bar instead of beside it. */
const NARROW = 520;
/** Room beside the bars: for labels before them, for words behind the longest. */
const WIDE_ROOM = { before: 190, behind: 124 };
const NARROW_ROOM = { before: 0, behind: 20 };
const TICKS = 6;
/** An axis is at least this long, so that it has round marks before anything has started. */
const LEAST_SECONDS = 1;

function svg(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  if (text !== undefined) node.textContent = text;
  return node;
}

/** A round step (1, 2 or 5 times a power of ten) that gives about `TICKS` of them. @param {number} seconds */
export function tickStep(seconds) {
  const rough = seconds / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
}

/** The last second that anything is drawn at; a service that is starting reaches to `now`. */
function extent(services, now) {
  const ends = services.map(({ started_seconds: start, ended_seconds: end }) => (start === null ? 0 : (end ?? now)));
  return Math.max(LEAST_SECONDS, now, ...ends);
}

/**
 * @param {object[]} services of `/status.json`
 * @param {number} now seconds since the attempt began
 * @param {number} width pixels that may be used
 * @returns {SVGElement}
 */
export function drawTimeline(services, now, width) {
  const narrow = width < NARROW;
  const { before: left, behind } = narrow ? NARROW_ROOM : WIDE_ROOM;
  const seconds = extent(services, now);
  const scale = { left, narrow, width, perSecond: (width - left - behind) / seconds };
  const rows = placed(services, narrow ? ROW + 12 : ROW);
  const height = (rows.at(-1)?.bottom ?? 0) + AXIS;
  const image = svg("svg", {
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": summary(services),
  });
  image.append(hatch(), ...axis(seconds, scale, height - AXIS));
  for (const row of rows) image.append(...(row.phase ? phaseRow(row, width) : serviceRow(row, now, scale)));
  return image;
}

/** Rows from the top: one for each phase that has services, then those services. */
function placed(services, rowHeight) {
  const rows = [];
  let bottom = 0;
  let phase = null;
  for (const service of services) {
    if (service.phase !== phase)
      rows.push({ phase: (phase = service.phase), top: bottom, bottom: (bottom += PHASE_ROW) });
    rows.push({ service, top: bottom, bottom: (bottom += rowHeight) });
  }
  return rows;
}

function axis(seconds, { left, perSecond }, bottom) {
  const step = tickStep(seconds);
  const marks = [];
  for (let index = 0; index * step <= seconds * 1.0001; index += 1) {
    const x = left + index * step * perSecond;
    const place = { x, y: bottom + 18, class: "tick-label", "text-anchor": index === 0 ? "start" : "middle" };
    const label = `${Number((index * step).toPrecision(6))} s`;
    marks.push(svg("line", { x1: x, x2: x, y1: 0, y2: bottom + 5, class: "tick" }), svg("text", place, label));
  }
  return marks;
}

function phaseRow({ phase, top }, width) {
  const line = svg("line", { x1: 0, x2: width, y1: top + 8, y2: top + 8, class: "phase-line" });
  return [line, svg("text", { x: 0, y: top + 24, class: "phase-label" }, spaced(phase))];
}

function serviceRow({ service, top, bottom }, now, scale) {
  const middle = scale.narrow ? bottom - BAR : (top + bottom) / 2;
  const label = { x: scale.narrow ? 0 : 10, y: scale.narrow ? top + 15 : middle + 5, class: "label" };
  const bar = barOf(service, now, middle, scale);
  const beside = { x: (bar?.end ?? scale.left) + 6, y: middle + 5 };
  const above = { x: scale.width, y: label.y, "text-anchor": "end" };
  const words = { ...(scale.narrow ? above : beside), class: `words ${service.state}` };
  const texts = [svg("text", label, shortened(service.label, scale.narrow)), svg("text", words, wordsOf(service, now))];
  return bar ? [bar.node, ...texts] : texts;
}

function barOf(service, now, middle, { left, perSecond }) {
  const { started_seconds: start, state } = service;
  if (start === null) return null;
  const x = left + start * perSecond;
  const width = Math.max(2, length(service, now) * perSecond);
  const fill = state === "failed" ? { fill: "url(#hatch)" } : {};
  return {
    end: x + width,
    node: svg("rect", { x, y: middle - BAR / 2, width, height: BAR, class: `bar-${state}`, ...fill }),
  };
}

/** Seconds from the start of a service to its end, or to now. */
function length({ started_seconds: start, ended_seconds: end }, now) {
  return Math.max(0, (end ?? now) - start);
}

function wordsOf(service, now) {
  const { started_seconds: start, state } = service;
  if (start === null) return SERVICE_WORDS[state] ?? state;
  const seconds = length(service, now);
  const took = `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  return state === "ready" ? took : `${SERVICE_WORDS[state] ?? state}, ${took}`;
}

/** A label longer than its column is cut; the table beside the picture has all of it. */
function shortened(label, narrow) {
  const most = narrow ? 26 : 24;
  return label.length > most ? `${label.slice(0, most - 1)}\u2026` : label;
}

/** Failure is a pattern, not only a colour. */
function hatch() {
  const pattern = svg("pattern", {
    id: "hatch",
    width: 6,
    height: 6,
    patternUnits: "userSpaceOnUse",
    patternTransform: "rotate(45)",
  });
  pattern.append(
    svg("rect", { width: 6, height: 6, class: "hatch-ground" }),
    svg("rect", { width: 3, height: 6, class: "hatch-line" }),
  );
  const definitions = svg("defs", {});
  definitions.append(pattern);
  return definitions;
}

function summary(services) {
  const of = (state) => services.filter((service) => service.state === state).length;
  const states = ["ready", "starting", "failed", "pending"]
    .filter(of)
    .map((state) => `${of(state)} ${SERVICE_WORDS[state]}`);
  return `Timeline of ${services.length} services: ${states.join(", ")}. The table has the same data.`;
}
