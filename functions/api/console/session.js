// Who is signed in: the token, in the memory of this tab only, and how it is renewed.
import { state, tell } from "./state.js";

const TOKEN = "ventana.token";
const RENEWAL = "ventana.renewal";
const PLACE = "ventana.place";
let renewing = null;

export function token() {
  return sessionStorage.getItem(TOKEN);
}

/** Keep a token, and what renews it where the issuer gave that. */
export function keep(value, renewal = null) {
  sessionStorage.setItem(TOKEN, value);
  if (renewal) sessionStorage.setItem(RENEWAL, renewal);
  else sessionStorage.removeItem(RENEWAL);
}

/** Take a token out of the address (`#token=…`), which forgets it. */
export function takeFromAddress() {
  const found = /^#token=(.+)$/.exec(location.hash);
  if (!found) return;
  keep(decodeURIComponent(found[1]));
  history.replaceState(null, "", location.pathname + (recalled() || "#/"));
}

/** Remember where the viewer was, and recall it once. */
export function remember() {
  sessionStorage.setItem(PLACE, location.hash || "#/");
}

export function recalled() {
  const place = sessionStorage.getItem(PLACE);
  sessionStorage.removeItem(PLACE);
  return place && place.startsWith("#/") ? place : null;
}

/**
 * A 401 came: try once to renew the token; true where there is a new one, else the viewer signs in again. Raises where
 * nobody could be asked, as in a page that is being left: that is no reason to forget who was signed in.
 */
export async function expired(refused) {
  if (token() && token() !== refused) return true;
  renewing ??= renew().finally(() => (renewing = null));
  if (await renewing) return true;
  signOut();
  return false;
}

async function renew() {
  const renewal = sessionStorage.getItem(RENEWAL);
  if (!renewal) return false;
  const { sign_in: way } = await state.configuring;
  if (way.kind !== "oidc") return false;
  const { Refused, renewed } = await import("./oidc.js");
  try {
    return await renewed(way, renewal);
  } catch (problem) {
    if (problem instanceof Refused) return false;
    throw problem;
  }
}

/** Forget the token, keep the place, show sign-in. */
export function signOut() {
  if (location.hash.startsWith("#/")) remember();
  sessionStorage.removeItem(TOKEN);
  sessionStorage.removeItem(RENEWAL);
  state.signedIn = false;
  tell("session");
}
