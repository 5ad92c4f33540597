/** A question before something that can't be undone. */

export class Confirmation {
  /** @param {HTMLDialogElement} dialog with a `.question`, a `.detail` and the buttons `.yes` and `.no` */
  constructor(dialog) {
    this.dialog = dialog;
    dialog.querySelector(".yes").addEventListener("click", () => dialog.close("yes"));
    dialog.querySelector(".no").addEventListener("click", () => dialog.close("no"));
    dialog.addEventListener("keydown", (event) => event.stopPropagation()); // Esc is for the dialog alone
  }

  /** @param {string} question @param {string} detail @param {string} yes what the button does @returns {Promise<boolean>} */
  ask(question, detail, yes) {
    const { dialog } = this;
    dialog.querySelector(".question").textContent = question;
    dialog.querySelector(".detail").textContent = detail;
    dialog.querySelector(".yes").textContent = yes;
    dialog.returnValue = "no";
    dialog.showModal();
    return new Promise((resolve) =>
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }),
    );
  }
}
