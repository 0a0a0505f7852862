// The frame of every page: zone, theme, tooltips, ticking ages, live blocks, charts.

import * as ages from "./ages.js";
import * as charts from "./charts.js";
import { remember, store } from "./common.js";
import { tellZone, THEME } from "./browser.js";
import * as live from "./live.js";
import * as tips from "./tips.js";

const root = document.documentElement;

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Keep the theme where the pages before sign-in and Django's admin look for it. */
function keepTheme() {
  remember(THEME, root.dataset.theme ?? "");
  localStorage.setItem("theme", root.dataset.theme ?? "auto");
}

function startTheme() {
  keepTheme();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", charts.recolour);
  const button = document.querySelector("[data-theme-switch]");
  button?.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    keepTheme();
    charts.recolour();
    store(button.dataset.url, { theme: root.dataset.theme });
  });
}

tellZone();
startTheme();
live.start();
ages.start();
tips.start();
charts.start();
