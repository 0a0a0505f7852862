// Makes ages and elapsed times tick. The server sends absolute times only, so that an unchanged
// block is an unchanged text; what is relative to now is added here.
//
// Two clocks, neither the browser's: the portal's, and the warehouse's (which dates runs and rows).

import { language, say } from "./common.js";

const SLACK = 2; // s
const DAY = 86400, HOUR = 3600, MINUTE = 60;
const NBSP = "\u00a0";
const plain = new Intl.NumberFormat(language);
const offsets = { portal: 0, warehouse: 0 };
const shown = new WeakMap();
let selection = null; // from the first one on: to ask whether there is one lays out the page
document.addEventListener("selectionchange", () => {
  selection = getSelection();
});

/** Set the clocks: the portal's time now (ms since 1970) and the warehouse's seconds ahead of it. */
export function setClocks(portalNow, skewSeconds) {
  if (!Number.isFinite(portalNow)) return;
  offsets.portal = portalNow - Date.now();
  if (Number.isFinite(skewSeconds)) offsets.skew = skewSeconds * 1000;
  offsets.warehouse = offsets.portal + (offsets.skew ?? 0);
}

/** Return now, in ms since 1970, by one of the two clocks. */
export function now(clock = "warehouse") {
  return Date.now() + (offsets[clock] ?? offsets.portal);
}

/** Return an age in its largest unit, two days and more in days: "12 s ago", "27 h ago", "há 3 min". */
export function ageText(seconds) {
  const size = Math.abs(seconds);
  const [unit, name] =
    size < MINUTE ? [1, "s"] : size < HOUR ? [MINUTE, "min"] : size < 2 * DAY ? [HOUR, "h"] : [DAY, "d"];
  const count = seconds < 0 && size < SLACK ? 0 : Math.trunc(size / unit);
  const time = `${plain.format(count)}${NBSP}${name}`;
  // Whole seconds are stored and clocks differ a little: two seconds ahead is still now.
  return say(seconds <= -SLACK ? "ahead" : "ago", { time });
}

/** Return a duration as monitoring/web/formats.py writes it: "12 min 03 s". */
export function durationText(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const two = (number) => String(number).padStart(2, "0");
  if (whole < MINUTE) return `${whole}${NBSP}s`;
  if (whole < HOUR) return `${Math.trunc(whole / MINUTE)}${NBSP}min${NBSP}${two(whole % MINUTE)}${NBSP}s`;
  if (whole < DAY) return `${Math.trunc(whole / HOUR)}${NBSP}h${NBSP}${two(Math.trunc((whole % HOUR) / MINUTE))}${NBSP}min`;
  return `${plain.format(Math.trunc(whole / DAY))}${NBSP}d${NBSP}${Math.trunc((whole % DAY) / HOUR)}${NBSP}h`;
}

/** Write every age, elapsed time and time-driven bar of the page as it is now. */
export function tick() {
  const selecting = selection && !selection.isCollapsed;
  for (const element of document.querySelectorAll("time[data-age], time[data-elapsed]")) {
    if (selecting && selection.containsNode(element, true)) continue;
    const since = (now(element.dataset.age ?? element.dataset.elapsed) - Date.parse(element.dateTime)) / 1000;
    write(element, "age" in element.dataset ? ageText(since) : durationText(since));
  }
  for (const bar of document.querySelectorAll("svg[data-progress-since]")) grow(bar);
}

function write(element, text) {
  if (element.textContent === text && shown.get(element) === text) return;
  if (shown.get(element) !== element.textContent) {
    // The server's own text: the absolute time in the reader's zone. It stays at hand, on hover.
    const utc = element.title.split(" · ").at(-1);
    element.title = `${element.textContent.trim()} · ${utc}`;
  }
  element.textContent = text;
  shown.set(element, text);
}

function grow(svg) {
  const scale = Number(svg.dataset.progressScale);
  const elapsed = (now() - Date.parse(svg.dataset.progressSince)) / 1000;
  const share = Math.min(100, Math.max(0, (elapsed / scale) * 100));
  svg.querySelector(".progress__bar")?.setAttribute("width", `${share.toFixed(1)}%`);
  svg.setAttribute("aria-valuenow", Math.round(share));
  svg.classList.toggle("progress--over", share >= 100);
}

let timer;

/** Tick each second, while anybody can see it. */
export function start() {
  const run = () => {
    clearInterval(timer);
    if (document.hidden) return;
    tick();
    timer = setInterval(tick, 1000);
  };
  document.addEventListener("visibilitychange", run);
  run();
}
