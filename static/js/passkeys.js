// Passkeys and security keys: the browser's own dialog between a form and its server.
//
// <form data-passkey="sign-in|use|add" data-options="id of the JSON">: on submit the key is asked, its answer goes
// into the form's field `credential`, and the form is sent.

const bytes = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));

const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");

const withIds = (list = []) => list.map((each) => ({ ...each, id: bytes(each.id) }));

async function options(form) {
  if (form.dataset.options) return JSON.parse(document.getElementById(form.dataset.options).textContent);
  const response = await fetch(form.action, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(String(response.status));
  return (await response.json()).request_options;
}

async function use(form) {
  const { publicKey } = await options(form);
  const key = await navigator.credentials.get({
    publicKey: {
      ...publicKey,
      challenge: bytes(publicKey.challenge),
      allowCredentials: withIds(publicKey.allowCredentials),
    },
  });
  const { authenticatorData, clientDataJSON, signature, userHandle } = key.response;
  return {
    ...common(key),
    response: {
      authenticatorData: text(authenticatorData),
      clientDataJSON: text(clientDataJSON),
      signature: text(signature),
      userHandle: userHandle ? text(userHandle) : null,
    },
  };
}

async function add(form) {
  const { publicKey } = await options(form);
  const passkey = form.elements.passwordless?.checked ?? false;
  const key = await navigator.credentials.create({
    publicKey: {
      ...publicKey,
      challenge: bytes(publicKey.challenge),
      user: { ...publicKey.user, id: bytes(publicKey.user.id) },
      excludeCredentials: withIds(publicKey.excludeCredentials),
      authenticatorSelection: {
        ...publicKey.authenticatorSelection,
        residentKey: passkey ? "required" : "discouraged",
        requireResidentKey: passkey,
        userVerification: passkey ? "required" : "preferred",
      },
    },
  });
  const { attestationObject, clientDataJSON } = key.response;
  return {
    ...common(key),
    response: {
      attestationObject: text(attestationObject),
      clientDataJSON: text(clientDataJSON),
      transports: key.response.getTransports?.() ?? [],
    },
  };
}

const common = (key) => ({
  id: key.id,
  rawId: text(key.rawId),
  type: key.type,
  authenticatorAttachment: key.authenticatorAttachment,
  clientExtensionResults: key.getClientExtensionResults(),
});

const problem = document.getElementById("passkey-problem");

function tell(kind) {
  if (!problem) return;
  problem.textContent = problem.dataset[kind];
  problem.hidden = false;
}

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-passkey]");
  if (!form) return;
  event.preventDefault();
  if (!window.PublicKeyCredential) return tell("impossible");
  try {
    const answer = form.dataset.passkey === "add" ? await add(form) : await use(form);
    form.elements.credential.value = JSON.stringify(answer);
    form.submit();
  } catch {
    tell("failed");
  }
});

// Where the browser has none, a form that only offers another way stays away.
if (window.PublicKeyCredential) {
  for (const form of document.querySelectorAll("[data-passkey][hidden]")) form.hidden = false;
}
