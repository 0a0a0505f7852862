// What the server wants to know of the browser before anybody signs in: its zone; and its theme.

import { remember } from "./common.js";

export const THEME = "etlportal_theme";
const ZONE = "etlportal_zone";

export function tellZone() {
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (name && !document.cookie.includes(`${ZONE}=${encodeURIComponent(name)}`)) remember(ZONE, name);
}
