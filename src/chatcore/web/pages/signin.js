/**
 * Signing in where the operator has configured no module of their own (setting `signin`): a token, pasted. Such a module
 * exports the same function; with `auth = "none"` the server sends one that exports null.
 */

import { el } from "/static/dom.js";

/**
 * @param {string | null} why the last token was not accepted, null where there was none
 * @returns {Promise<string>} a token
 */
export function signIn(why) {
  const field = el("input", { type: "password", id: "token", autocomplete: "off", required: true });
  const form = el(
    "form",
    {},
    el("h2", { class: "question", id: "signin-title" }, "Sign in"),
    el("p", { class: "detail", role: "alert" }, why ?? "This server wants to know who you are."),
    el("label", { for: "token" }, "Token"),
    field,
    el("div", { class: "confirmation-buttons" }, el("button", { type: "submit", class: "button primary" }, "Sign in")),
  );
  const dialog = el("dialog", { class: "confirmation", "aria-labelledby": "signin-title" }, form);
  dialog.addEventListener("cancel", (event) => event.preventDefault()); // nothing can be done without
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) =>
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      dialog.remove();
      resolve(field.value.trim());
    }),
  );
}
