// Sign-in at an OpenID Connect issuer: the authorization code flow with PKCE, as a public client.
import { keep, recalled, remember } from "./session.js";

const PENDING = "ventana.oidc";
const redirect = () => `${location.origin}/console/`;

async function discovered(issuer) {
  const answer = await fetch(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
  if (!answer.ok) throw new Error("discovery");
  return answer.json();
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
}

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

/** Leave for the issuer's page; the way back is finished by `complete`. */
export async function begin({ issuer, client_id, scope, audience }) {
  const { authorization_endpoint } = await discovered(issuer);
  const [verifier, given, nonce] = [random(), random(), random()];
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  remember();
  sessionStorage.setItem(PENDING, JSON.stringify({ verifier, state: given, nonce }));
  const wanted = new URL(authorization_endpoint);
  const parameters = {
    response_type: "code",
    client_id,
    redirect_uri: redirect(),
    scope,
    state: given,
    nonce,
    code_challenge: base64url(new Uint8Array(digest)),
    code_challenge_method: "S256",
    ...(audience ? { audience } : {}),
  };
  for (const [name, value] of Object.entries(parameters)) wanted.searchParams.set(name, value);
  location.assign(wanted);
}

/** Whether this address is the issuer's answer. */
export function isReturn() {
  const query = new URLSearchParams(location.search);
  return query.has("state") && (query.has("code") || query.has("error"));
}

/** Exchange the code in the address for a token, and go back to the place. Throws where anything does not fit. */
export async function complete(settings) {
  const query = new URLSearchParams(location.search);
  const pending = JSON.parse(sessionStorage.getItem(PENDING) || "{}");
  sessionStorage.removeItem(PENDING);
  history.replaceState(null, "", `${location.pathname}${recalled() || "#/"}`);
  if (query.has("error")) throw new Error(query.get("error"));
  if (!pending.state || query.get("state") !== pending.state) throw new Error("state");
  const issuer = query.get("iss");
  if (issuer && issuer.replace(/\/$/, "") !== settings.issuer.replace(/\/$/, "")) throw new Error("issuer");
  await tokens(
    settings,
    {
      grant_type: "authorization_code",
      code: query.get("code"),
      redirect_uri: redirect(),
      client_id: settings.client_id,
      code_verifier: pending.verifier,
    },
    pending.nonce,
  );
}

/** The issuer gives no token any more: another try would end the same way. */
export class Refused extends Error {}

/** Get a new token by the one for renewal; true where that worked. */
export async function renewed(settings, refresh) {
  await tokens(
    settings,
    { grant_type: "refresh_token", refresh_token: refresh, client_id: settings.client_id },
    null,
    refresh,
  );
  return true;
}

async function tokens(settings, form, nonce, formerly = null) {
  const { token_endpoint } = await discovered(settings.issuer);
  const answer = await fetch(token_endpoint, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams(form),
  });
  const given = await answer.json().catch(() => ({}));
  if (answer.status >= 500) throw new Error("issuer");
  if (!answer.ok) throw new Refused(given.error || "token");
  if (nonce && (!given.id_token || claims(given.id_token).nonce !== nonce)) throw new Error("nonce");
  keep(isJwt(given.access_token) ? given.access_token : given.id_token, given.refresh_token || formerly);
}

const isJwt = (value) => typeof value === "string" && value.split(".").length === 3;

function claims(jwt) {
  const body = atob(jwt.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(body, (each) => each.charCodeAt(0))));
}
