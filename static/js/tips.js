// One tooltip for the whole page, outside every block: a refresh never closes what is being read.
// It opens on hover and on focus, can be hovered itself, and closes with Escape.

const tip = document.getElementById("tip");
let owner = null;
let closing;

function open(element) {
  clearTimeout(closing);
  if (owner === element) return;
  owner = element;
  tip.textContent = element.dataset.tip;
  if (!tip.matches(":popover-open")) tip.showPopover();
  place();
}

function place() {
  const around = owner.getBoundingClientRect();
  const own = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, around.left + around.width / 2 - own.width / 2), innerWidth - own.width - 8);
  const above = around.top - own.height - 6;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${above > 8 ? above : around.bottom + 6}px`;
}

function close() {
  clearTimeout(closing);
  owner = null;
  if (tip.matches(":popover-open")) tip.hidePopover();
}

function closeSoon() {
  clearTimeout(closing);
  closing = setTimeout(() => {
    if (!owner || owner.matches(":hover, :focus-visible") || tip.matches(":hover")) return;
    close();
  }, 160);
}

/** Watch the page for elements with data-tip. */
export function start() {
  if (!tip?.showPopover) return;
  const ownerOf = (event) => event.target instanceof Element && event.target.closest("[data-tip]");
  document.addEventListener("pointerover", (event) => {
    const element = ownerOf(event);
    if (element) open(element);
    else if (owner && !tip.contains(event.target)) closeSoon();
  });
  document.addEventListener("focusin", (event) => {
    const element = ownerOf(event);
    if (element?.matches(":focus-visible")) open(element);
    else closeSoon();
  });
  document.addEventListener("focusout", closeSoon);
  document.addEventListener("click", (event) => {
    const element = ownerOf(event);
    if (element?.matches(".help")) open(element);
    else if (!tip.contains(event.target)) close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && owner) {
      close();
      event.stopPropagation();
    }
  }, true);
  addEventListener("scroll", () => owner && (owner.isConnected ? place() : close()), { passive: true, capture: true });
}

/** After a refresh: follow the element, or close when it is gone. */
export function refreshed() {
  if (!owner) return;
  if (!owner.isConnected) return close();
  tip.textContent = owner.dataset.tip ?? "";
  place();
}
