/** Elements made from data. Text always becomes a text node, so nothing a server or a user wrote can become markup. */

/**
 * @param {string} tag
 * @param {Object<string, string | number | boolean | null | undefined | EventListener>} attributes `on…` adds a
 *   listener; null, undefined and false leave the attribute out.
 * @param {...(Node | string | number | null | undefined | false)} children
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false).map(asNode));
  return node;
}

/** @param {[string, string][]} pairs names and their values */
export function factList(pairs) {
  return el(
    "dl",
    { class: "facts" },
    ...pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
}

function asNode(child) {
  return child instanceof Node ? child : String(child);
}

/** Write `text` into `node` only if it says something else now, so that nothing is announced or repainted twice. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function show(node, visible) {
  node.hidden = !visible;
}

/**
 * A button that repeats something; where the server said when, it counts down and cannot be pressed before.
 *
 * @param {string} label
 * @param {number | null} notBefore milliseconds of `performance.now()`
 * @param {() => void} action
 */
export function retryButton(label, notBefore, action) {
  const button = el("button", { type: "button", class: "button", onclick: action });
  const update = () => {
    const seconds = notBefore === null ? 0 : Math.ceil((notBefore - performance.now()) / 1000);
    button.disabled = seconds > 0;
    setText(button, seconds > 0 ? `${label} in ${seconds} s` : label);
    return seconds > 0;
  };
  if (update()) {
    const timer = setInterval(() => update() || clearInterval(timer), 250);
  }
  return button;
}
