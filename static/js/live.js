// Refreshes the page by itself. htmx asks the page's own address and swaps the blocks of the answer
// (monitoring/web/blocks.py), so filters, sort and page in the address keep. This script decides when:
// at the chosen interval, not in a hidden tab, less often while the server is slow or fails, and no
// longer when the user is signed out. It also keeps what a person opened, typed or selected.

import * as ages from "./ages.js";
import * as charts from "./charts.js";
import { language, say, store, zone } from "./common.js";
import * as tips from "./tips.js";
import { Idiomorph } from "../vendor/idiomorph-0.8.0/idiomorph.esm.js";
import "../vendor/idiomorph-0.8.0/idiomorph-htmx.js"; // htmx's swap style "morph"

const LONGEST = 300_000; // ms between two tries when nothing answers
const STALE = 60_000; // ms after which figures are old (monitoring/collector/snapshot.py: STALE_AFTER)
const SHARE = 4; // a server that needs 3 s is asked every 12 s at most

const box = document.getElementById("live");
const touched = new WeakSet(); // details that the user opened or closed
const dirty = new WeakSet(); // controls that the user changed and has not sent yet
let seconds, on, timer, failures = 0, lastContact = Date.now(), slowness = 0, stopped = false;
let request = null; // the refresh that waits for its answer
let asked = false; // whether the user asked for the answer that is swapped now
let swaps = 0; // answers that the user asked for: an older refresh must not undo them
let skipped = false; // whether a swap left selected text as it was

/** Start, on pages that have live blocks. */
export function start() {
  window.Idiomorph = Idiomorph; // where the extension looks for it
  if (!box) return;
  seconds = Number(box.dataset.seconds);
  on = box.dataset.on === "1";
  ages.setClocks(Date.parse(box.dataset.clock), Number(box.dataset.skew));
  setInterval(showState, 1000);
  showState();
  schedule();
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : wake()));
  addEventListener("online", wake);
  addEventListener("pageshow", (event) => event.persisted && wake());
  document.querySelector("[data-refresh-now]").addEventListener("click", refresh);
  document.querySelector("[data-live-switch]").addEventListener("change", (event) => {
    on = event.target.checked;
    keep({ auto_refresh: on });
    if (on) refresh();
  });
  for (const radio of document.querySelectorAll("[data-live-seconds]")) {
    radio.addEventListener("change", () => {
      seconds = Number(radio.value);
      keep({ refresh_seconds: seconds });
    });
  }
  document.addEventListener("click", (event) => {
    const summary = event.target instanceof Element && event.target.closest("summary");
    if (summary) touched.add(summary.parentElement);
  });
  for (const kind of ["input", "change"]) document.addEventListener(kind, (event) => dirty.add(event.target));
  document.addEventListener("htmx:beforeSwap", beforeSwap);
  document.addEventListener("htmx:afterRequest", afterRequest);
}

async function keep(choice) {
  document.querySelector("[data-live-interval]").textContent = on ? `${seconds} s` : say("off");
  schedule();
  if (!(await store(box.dataset.url, choice))) note(say("not_saved"));
}

// When

function wake() {
  if (!stopped && on && !document.hidden) refresh();
}

function schedule() {
  clearTimeout(timer);
  if (!on || stopped || document.hidden) return;
  timer = setTimeout(refresh, wait());
}

/** ms until the next try: the chosen interval, longer while the server is slow or does not answer. */
export function wait() {
  const usual = Math.max(seconds * 1000, slowness * SHARE);
  const backed = failures ? Math.min(LONGEST, usual * 2 ** failures) : usual;
  return failures ? backed * (0.9 + Math.random() * 0.2) : backed;
}

/** Ask once, now. */
export function refresh() {
  if (request || stopped) return;
  clearTimeout(timer);
  request = { address: address(), swaps, begun: performance.now() };
  box.setAttribute("data-busy", "");
  const options = { source: box, target: box, swap: "none", headers: { "X-Live": box.dataset.liveVersion } };
  htmx.ajax("GET", request.address, options).catch(() => {}); // afterRequest handles it
}

function address() {
  return location.href.split("#")[0];
}

// What an answer means

function beforeSwap(event) {
  const { xhr, requestConfig } = event.detail;
  asked = requestConfig.elt !== box;
  skipped = false;
  const blocks = xhr.status === 200 && xhr.responseText.startsWith("<live-block");
  if (asked) {
    swaps += 1;
    if (xhr.status === 200 && !blocks) location.reload(); // the sign-in page: show it whole
  } else {
    event.detail.shouldSwap = blocks && request.swaps === swaps && request.address === address();
    request.swapped = event.detail.shouldSwap;
  }
  if (!blocks) event.detail.shouldSwap = false;
  Idiomorph.defaults.ignoreActiveValue = !asked; // typed text gives way to what the user asked for
}

function afterRequest(event) {
  const { xhr, requestConfig } = event.detail;
  const swapped = xhr.status === 200;
  if (swapped) {
    ages.tick();
    charts.draw();
    tips.refreshed();
  }
  if (requestConfig.elt === box) finish(xhr);
  else if (xhr.status === 0 || xhr.status >= 500) lose();
  else if (xhr.status >= 400) location.reload();
  if (swapped && skipped) box.dataset.liveVersion = ""; // the text is asked for again
}

function finish(xhr) {
  slowness = performance.now() - request.begun;
  if (xhr.status === 401) stop(say("signed_out"), true);
  else if (xhr.status === 403 || xhr.status === 404) stop(say("forbidden"), false);
  else if (xhr.status !== 200 && xhr.status !== 204) lose();
  else if (xhr.status === 200 && !xhr.getResponseHeader("X-Live")) stop(say("signed_out"), true);
  else {
    failures = 0;
    lastContact = Date.now();
    note("");
    clocks(xhr);
    if (request.swapped) box.dataset.liveVersion = xhr.getResponseHeader("X-Live");
  }
  request = null;
  box.removeAttribute("data-busy");
  showState();
  schedule();
}

function clocks(xhr) {
  const header = (name) => xhr.getResponseHeader(name);
  ages.setClocks(Date.parse(header("X-Clock")), Number(header("X-Clock-Skew")));
  const ticked = header("X-Ticked-At");
  if (!ticked) return;
  let time = box.querySelector(".live__age time");
  if (!time) {
    time = document.createElement("time");
    time.dataset.age = "portal";
    box.querySelector(".live__age").lastElementChild.replaceWith(time);
  }
  // While a database does not answer the figures are older than the tick.
  time.dateTime = header("X-Figures-At") ?? ticked;
  // Whatever else says how old the figures are: unchanged blocks are as new as the sample.
  for (const other of document.querySelectorAll("time[data-ticked]")) {
    other.dateTime = ticked;
    other.title = `${ticked.slice(0, 19).replace("T", " ")} UTC`;
  }
}

function lose() {
  failures += 1;
  const since = new Intl.DateTimeFormat(language, { timeZone: zone, timeStyle: "medium" }).format(lastContact);
  note(say("lost", { time: since }));
}

function stop(text, signIn) {
  stopped = true;
  clearTimeout(timer);
  note(text);
  if (!signIn) return;
  const link = document.createElement("a");
  link.href = location.href;
  link.textContent = say("sign_in");
  box.querySelector(".live__lost").append(" ", link);
}

function note(text) {
  const place = box.querySelector(".live__lost");
  if (place.textContent !== text) place.textContent = text;
}

function showState() {
  const time = box.querySelector(".live__age time");
  const old = !time || ages.now("portal") - Date.parse(time.dateTime) > STALE;
  box.dataset.state = stopped ? "out" : failures ? "lost" : old ? "stale" : on ? "fresh" : "paused";
}

// What a swap leaves alone

Idiomorph.defaults.callbacks.beforeNodeMorphed = (before, after) => {
  if (before.nodeType === Node.TEXT_NODE) {
    if (before.nodeValue === after.nodeValue || !isSelected(before)) return true;
    skipped = true;
    return false;
  }
  if (!(before instanceof Element) || !(after instanceof Element)) return true;
  if (before.hasAttribute("data-keep")) return false;
  if (before.tagName === "TIME" && isTicking(before) && before.dateTime === after.dateTime) return false;
  if (before.tagName === "DETAILS" && touched.has(before)) after.open = before.open;
  if (asked) return true;
  // Rows that are read on demand: a refresh has a place for them only.
  if (before.dataset.rows && before.dataset.rows === after.dataset.rows) return false;
  return !dirty.has(before);
};

Idiomorph.defaults.callbacks.afterNodeMorphed = (before) => {
  if (asked) dirty.delete(before);
};

function isSelected(node) {
  const selection = getSelection();
  return selection && !selection.isCollapsed && selection.containsNode(node, true);
}

function isTicking(element) {
  return "age" in element.dataset || "elapsed" in element.dataset;
}
