// "Copy as JSON" on a row's page of the admin: a button that copies the text of the element it names.
// Without scripts there is no button; the link beside it leads to the same.

for (const button of document.querySelectorAll("button[data-copies]")) {
  const source = document.getElementById(button.dataset.copies);
  const status = document.getElementById(button.dataset.says);
  button.hidden = false;
  button.addEventListener("click", async () => {
    const done = await copy(source.textContent);
    status.textContent = done ? button.dataset.done : button.dataset.failed;
  });
}

/** Put a text on the clipboard. Resolves to whether that worked. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** The older way: for a page that came over plain HTTP, where the browser offers no clipboard. */
function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
