// Asks this device for its passkey when a form wants one, and sends what it says with the form.
"use strict";

const octets = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const base64url = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function decoded(options) {
  const known = (list) => (list || []).map((one) => ({ ...one, id: octets(one.id) }));
  const given = { ...options, challenge: octets(options.challenge) };
  if (options.user) given.user = { ...options.user, id: octets(options.user.id) };
  if (options.excludeCredentials) given.excludeCredentials = known(options.excludeCredentials);
  if (options.allowCredentials) given.allowCredentials = known(options.allowCredentials);
  return given;
}

function encoded(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = base64url(credential.response[name]);
  }
  return JSON.stringify({ id: credential.id, rawId: base64url(credential.rawId), type: credential.type, response });
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const problem = form.querySelector("[role=alert]");
  form.hidden = !window.PublicKeyCredential && form.dataset.passkey === "get";
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    if (form.dataset.asking) return;
    form.dataset.asking = "yes";
    problem.hidden = true;
    try {
      const publicKey = decoded(JSON.parse(form.dataset.options));
      const credential = await navigator.credentials[form.dataset.passkey]({ publicKey });
      form.elements.answer.value = encoded(credential);
      form.submit();
    } catch {
      problem.hidden = false;
      delete form.dataset.asking;
    }
  });
}
