/** Light, dark, or as the system says. Loaded before the page is drawn, so that no other colours flash up. */

(() => {
  const KEY = "chatcore.theme";
  const THEMES = ["auto", "light", "dark"];

  const stored = () => {
    try {
      return THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? "auto";
    } catch {
      return "auto";
    }
  };

  const apply = (theme) => {
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
  };

  const wire = () => {
    const button = document.getElementById("theme");
    const value = document.getElementById("theme-value");
    const label = () => {
      value.textContent = document.documentElement.dataset.theme;
      button.setAttribute("aria-label", `Theme: ${value.textContent}`);
    };
    button.addEventListener("click", () => {
      apply(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]);
      label();
    });
    label();
  };

  apply(stored());
  document.addEventListener("DOMContentLoaded", wire);
})();
