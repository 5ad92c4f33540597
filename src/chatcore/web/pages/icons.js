/** Small pictures for buttons that have their words in `aria-label`. */

const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  menu: "M2 4h12M2 8h12M2 12h12",
  rename: "M3 13l.7-3L10.5 3.2a1.4 1.4 0 0 1 2 0l.3.3a1.4 1.4 0 0 1 0 2L6 12.3z",
  remove: "M2.5 4.5h11M6.5 4V2.5h3V4M4 4.5l.6 9h6.8l.6-9M6.8 7v4M9.2 7v4",
  link: "M6.5 9.5l3-3M7 4.5L8.5 3a3 3 0 0 1 4.5 4.5L11.5 9M9 11.5L7.5 13A3 3 0 0 1 3 8.5L4.5 7",
};

/** @param {keyof typeof PATHS} name @returns {SVGElement} in the colour of the text around it */
export function icon(name) {
  const image = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  image.setAttribute("viewBox", "0 0 16 16");
  image.setAttribute("class", "icon");
  image.setAttribute("aria-hidden", "true");
  image.append(path);
  return image;
}
