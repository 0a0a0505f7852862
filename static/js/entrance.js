// The pages outside the shell: the zone, passkeys, and the demonstration's users at a click.

import { tellZone } from "./browser.js";
import "./passkeys.js";

tellZone();

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-demo-user]");
  if (!button) return;
  const form = document.querySelector("form");
  form.elements.login.value = button.dataset.demoUser;
  form.elements.password.value = button.dataset.demoPassword;
  form.requestSubmit();
});
