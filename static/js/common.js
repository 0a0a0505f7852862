// What the other modules share: the reader's language and zone, the words, a way to store a choice.

export const language = document.documentElement.lang || "en";
export const zone = document.body.dataset.zone || undefined;

const wordsElement = document.getElementById("words");
const words = wordsElement ? JSON.parse(wordsElement.textContent) : {};

/** Return a sentence of the server's, with {name} replaced. */
export function say(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** Return the token that Django wants with a POST: every page with the shell holds it in a form. */
export function csrfToken() {
  return document.querySelector("input[name=csrfmiddlewaretoken]")?.value ?? "";
}

/** Store choices in the reader's preferences. Resolves to whether that worked. */
export async function store(url, choices) {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "X-CSRFToken": csrfToken() },
      body: new URLSearchParams(choices),
      redirect: "manual",
    });
    return response.ok;
  } catch {
    return false;
  }
}

/** Remember something of this browser for a year, for this portal only. */
export function remember(name, value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${encodeURIComponent(value)}; Max-Age=31536000; Path=/; SameSite=Lax${secure}`;
}
