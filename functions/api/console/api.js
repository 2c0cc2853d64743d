// Calls of the gateway's API: the token, problems as errors, repeats where they are safe, and whether it can be reached.
import { learn } from "./clock.js";
import { expired, token } from "./session.js";
import { state, tell } from "./state.js";

/** A refusal in the API's words (`code`, `detail`, what else it tells); status 0 where no answer came. */
export class Problem extends Error {
  constructor(status, told) {
    super(told.detail || told.title || told.code);
    this.status = status;
    this.code = told.code;
    this.detail = told.detail || told.title || "";
    this.told = told;
  }
}

const PAUSES = [300, 900];
const LONGEST = 30_000;
const after = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Ask; a question is repeated when the server stumbles, a change never by itself. Raises Problem. */
export async function get(path, { signal } = {}) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await call("GET", path, { signal });
    } catch (problem) {
      const passing = [502, 503, 504].includes(problem.status);
      if (!passing || attempt === PAUSES.length) throw problem;
      await after(PAUSES[attempt]);
    }
  }
}

export function post(path, body = {}, headers = {}) {
  return call("POST", path, { body, headers });
}

export function put(path, body = {}) {
  return call("PUT", path, { body });
}

export function remove(path) {
  return call("DELETE", path, {});
}

async function call(method, path, { body, headers = {}, signal }, again = true) {
  const used = token();
  const answer = await reached(path, {
    method,
    signal,
    cache: "no-store",
    headers: {
      accept: "application/json",
      ...(used ? { authorization: `Bearer ${used}` } : {}),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  learn(answer.headers.get("date"));
  const told = await answer.json().catch(() => null);
  if (answer.ok) return told;
  if (answer.status === 401 && again && (await renewed(used)))
    return call(method, path, { body, headers, signal }, false);
  throw new Problem(answer.status, told && told.code ? told : { code: `http_${answer.status}`, title: told?.message });
}

async function renewed(used) {
  try {
    return await expired(used);
  } catch {
    throw new Problem(0, { code: "network" });
  }
}

async function reached(path, request) {
  try {
    const late = AbortSignal.timeout(LONGEST);
    const answer = await fetch(path, {
      ...request,
      signal: request.signal ? AbortSignal.any([request.signal, late]) : late,
    });
    online(true);
    return answer;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    online(false);
    throw new Problem(0, { code: "network" });
  }
}

/** Note whether the gateway can be reached; who watches is told when that changes. */
export function online(is) {
  if (state.online === is) return;
  state.online = is;
  tell("online");
}

/** A path with what is not empty as its query. */
export function query(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}
