// Replaces blocks by newer ones without disturbing anybody: only what differs is touched, and what a
// person opened, typed, selected or focused stays as it is.

import * as ages from "./ages.js";
import * as charts from "./charts.js";
import { Idiomorph } from "../vendor/idiomorph-0.8.0/idiomorph.esm.js";
import * as tips from "./tips.js";

const touched = new WeakSet(); // details that the reader opened or closed
const dirty = new WeakSet(); // controls that the reader changed and has not sent yet

document.addEventListener("click", (event) => {
  const summary = event.target instanceof Element && event.target.closest("summary");
  if (summary) touched.add(summary.parentElement);
});
document.addEventListener("input", (event) => dirty.add(event.target));
document.addEventListener("change", (event) => dirty.add(event.target));

/** Return what the page has: "name=etag,name=etag". */
export function etags() {
  return [...document.querySelectorAll("live-block")]
    .map((block) => `${block.getAttribute("name")}=${block.getAttribute("etag")}`)
    .join(",");
}

/** Put the blocks of an answer in place. `asked`: the reader asked for it, so typed text gives way.
 *  Returns how many blocks of the page were replaced. */
export function apply(root, { asked = false } = {}) {
  const blocks = [...root.querySelectorAll("live-block")];
  let replaced = 0;
  for (const block of blocks) {
    const name = block.getAttribute("name");
    const old = document.querySelector(`live-block[name="${CSS.escape(name)}"]`);
    if (!old) continue;
    replace(old, block, asked);
    replaced += 1;
  }
  if (replaced) {
    ages.tick();
    charts.draw();
    tips.refreshed();
  }
  return replaced;
}

function replace(old, fresh, asked) {
  const selection = getSelection();
  const selecting = selection && !selection.isCollapsed && selection.containsNode(old, true);
  let etag = fresh.getAttribute("etag");
  Idiomorph.morph(old, [...fresh.childNodes], {
    morphStyle: "innerHTML",
    ignoreActiveValue: !asked,
    callbacks: {
      beforeNodeMorphed(before, after) {
        if (before.nodeType === Node.TEXT_NODE) {
          if (selecting && before.nodeValue !== after.nodeValue && selection.containsNode(before, true)) {
            etag = ""; // left alone now, asked for again next time
            return false;
          }
          return true;
        }
        if (!(before instanceof Element) || !(after instanceof Element)) return true;
        if (before.hasAttribute("data-keep")) return false;
        if (before.tagName === "TIME" && isTicking(before) && before.dateTime === after.dateTime) return false;
        if (before.tagName === "DETAILS" && touched.has(before)) after.open = before.open;
        if (!asked && dirty.has(before)) return false;
        return true;
      },
      afterNodeMorphed(before) {
        if (asked) dirty.delete(before);
      },
    },
  });
  old.setAttribute("etag", etag);
  window.htmx?.process(old);
}

function isTicking(element) {
  return "age" in element.dataset || "elapsed" in element.dataset;
}
