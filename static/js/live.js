// Refreshes the page by itself. It asks the page's own address which blocks changed since the version
// that it has (views/blocks.py), so filters, sort and page in the address keep.
//
// It waits in a hidden tab, asks less often while the server is slow or fails, says since when there is
// no contact, and stops when the reader is signed out.

import { now, setClocks } from "./ages.js";
import { csrfToken, language, say, store, zone } from "./common.js";
import { apply, etags } from "./morph.js";

const PATIENCE = 20_000; // ms that one request may take
const LONGEST = 300_000; // ms between two tries when nothing answers
const STALE = 60_000; // ms after which figures are old (selectors/snapshot.py: STALE_AFTER)
const SHARE = 4; // a server that needs 3 s is asked every 12 s at most

const box = document.getElementById("live");
let version, seconds, on, timer, asking = null, failures = 0, lastContact = Date.now(), slowness = 0, stopped = false;
let swaps = 0; // blocks that the reader asked for meanwhile: an older answer must not undo them

/** Start, on pages that have live blocks. */
export function start() {
  if (!box) return;
  version = box.dataset.liveVersion;
  seconds = Number(box.dataset.seconds);
  on = box.dataset.on === "1";
  setClocks(Date.parse(box.dataset.clock), Number(box.dataset.skew));
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
}

async function keep(choice) {
  document.querySelector("[data-live-interval]").textContent = on ? `${seconds} s` : say("off");
  schedule();
  if (!(await store(box.dataset.url, choice))) note(say("not_saved"));
}

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
export async function refresh() {
  if (asking || stopped) return;
  clearTimeout(timer);
  const address = location.href.split("#")[0];
  const before = swaps;
  const begun = performance.now();
  asking = new AbortController();
  const limit = setTimeout(() => asking.abort(), PATIENCE);
  box.setAttribute("data-busy", "");
  try {
    const response = await fetch(address, {
      headers: { "X-Live": version, "X-Live-Etags": etags() },
      cache: "no-store",
      redirect: "manual",
      signal: asking.signal,
    });
    await take(response, () => before === swaps && address === location.href.split("#")[0]);
    slowness = performance.now() - begun;
  } catch {
    lose();
  } finally {
    clearTimeout(limit);
    asking = null;
    box.removeAttribute("data-busy");
    showState();
    schedule();
  }
}

async function take(response, current) {
  if (response.type === "opaqueredirect" || response.status === 401) return stop(say("signed_out"), true);
  if (response.status === 403 || response.status === 404) return stop(say("forbidden"), false);
  if (!response.ok) return lose();
  const html = response.status === 204 ? "" : await response.text();
  const fresh = response.headers.get("X-Live");
  if (fresh === null) return stop(say("signed_out"), true); // some page, not an answer of ours
  failures = 0;
  lastContact = Date.now();
  note("");
  clocks(response);
  if (!current()) return;
  if (html) apply(new DOMParser().parseFromString(html, "text/html"));
  // Without a version: the server renders for somebody else just now. What we have is of the version that we have.
  version = fresh || version;
}

function clocks(response) {
  setClocks(Date.parse(response.headers.get("X-Clock")), Number(response.headers.get("X-Clock-Skew")));
  const ticked = response.headers.get("X-Ticked-At");
  if (!ticked) return;
  let time = box.querySelector(".live__age time");
  if (!time) {
    time = document.createElement("time");
    time.dataset.age = "portal";
    box.querySelector(".live__age").lastElementChild.replaceWith(time);
  }
  // While a database does not answer the figures are older than the tick.
  time.dateTime = response.headers.get("X-Figures-At") ?? ticked;
  // Whatever else says how old the figures are: blocks that did not change are as new as the sample.
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
  const old = !time || now("portal") - Date.parse(time.dateTime) > STALE;
  box.dataset.state = stopped ? "out" : failures ? "lost" : old ? "stale" : on ? "fresh" : "paused";
}

/** Filters, sorting and pages of a table: htmx asks, and the answer is put in place the same way. */
export function registerSwap() {
  const htmx = window.htmx;
  if (!box || !htmx) return;
  htmx.defineExtension("blocks", {
    isInlineSwap: (style) => style === "block",
    handleSwap(style, target, fragment) {
      if (style !== "block") return false;
      swaps += 1;
      if (!apply(fragment, { asked: true })) location.reload(); // the sign-in page, an error: show it whole
      return [];
    },
  });
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.verb !== "get") event.detail.headers["X-CSRFToken"] = csrfToken();
  });
  document.addEventListener("htmx:sendError", lose);
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status >= 500) lose();
    else location.reload();
  });
}
