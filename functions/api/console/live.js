// Asks every second what has changed, and hands it to the list and the open conversation.
import { get, query } from "./api.js";
import { state, tell, watch } from "./state.js";

const WATCHED = 1000;
const IDLE = 5000;
const HIDDEN = 15_000;
const IDLE_AFTER = 15 * 60_000;
const LONGEST = 15_000;
let timer = null;
let running = false;
let listening = false;
let again = false;
let failures = 0;
let touched = Date.now();

/** Begin; the first question only learns where changes begin. */
export function start() {
  if (!listening) listen();
  return ask();
}

function listen() {
  listening = true;
  document.addEventListener("visibilitychange", () => document.hidden || soon());
  addEventListener("online", soon);
  for (const event of ["pointerdown", "keydown", "wheel"]) {
    addEventListener(
      event,
      () => {
        const wasIdle = Date.now() - touched > IDLE_AFTER;
        touched = Date.now();
        if (wasIdle) soon();
      },
      { passive: true },
    );
  }
  watch(["online"], returned);
}

/** The gateway can be reached again: what could not be read is read now. */
function returned() {
  if (!state.online) return;
  if (state.list?.status === "error") state.list.load();
  if (state.thread?.status === "error" && state.thread.problem.status === 0) state.thread.load();
}

/** Ask at once, for example after something was done. */
export function soon() {
  ask();
}

function pause() {
  if (failures) return Math.min(LONGEST, WATCHED * 2 ** failures);
  if (document.hidden) return HIDDEN;
  return Date.now() - touched > IDLE_AFTER ? IDLE : WATCHED;
}

async function ask() {
  clearTimeout(timer);
  if (!state.signedIn) return;
  again = running;
  if (running) return;
  running = true;
  try {
    const thread = state.thread;
    const known = { since: state.cursor, conversation_id: state.cursor && thread?.id };
    const changes = await get(query("/v1/changes", known));
    failures = 0;
    const asked = state.cursor;
    state.cursor = changes.cursor;
    if (asked) apply(changes, thread);
  } catch (problem) {
    failures = Math.min(failures + 1, 5);
    if (state.cursor && (problem.status === 400 || problem.status === 422)) reload();
  }
  running = false;
  if (state.signedIn) timer = setTimeout(ask, again ? 0 : pause());
}

function apply(changes, thread) {
  if (changes.reload) return reload();
  const gone = changes.gone || [];
  state.list?.take(changes.conversations || [], gone);
  if (thread && thread === state.thread) {
    thread.take(changes.messages || [], changes.history || [], changes.conversations || []);
    if (gone.includes(thread.id)) thread.leave();
  }
}

/** Read everything anew: too much has changed to be told, or the clock was moved. */
export function reload() {
  state.cursor = null;
  again = true;
  state.list?.load();
  state.thread?.load();
  tell("overview");
}
