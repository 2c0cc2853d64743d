// The keyboard: j and k move, Enter opens, r answers, / searches, Escape goes back, ? shows all of it.
import { shownList } from "./inbox.js";
import { keysWanted } from "./preferences.js";
import { state, tell } from "./state.js";

const WRITING = "input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]";

let listening = false;

export function listen() {
  if (listening) return;
  listening = true;
  addEventListener("keydown", (event) => {
    if (
      event.defaultPrevented ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      !state.signedIn ||
      document.querySelector("dialog[open]")
    )
      return;
    const writing = event.target.closest?.(WRITING);
    if (event.key === "Escape") back(writing);
    else if (!writing && keysWanted() && KEYS[event.key]) {
      event.preventDefault();
      KEYS[event.key]();
    }
  });
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  o: () => document.activeElement?.dataset?.test === "inbox-row" && document.activeElement.click(),
  r: answer,
  "/": () => {
    toInbox();
    requestAnimationFrame(() => document.getElementById("search")?.focus());
  },
  "?": () => tell("help"),
};

function toInbox() {
  const phone = matchMedia("(max-width: 719px)").matches;
  if (state.route.view !== "inbox" || (phone && state.route.id)) location.hash = "#/";
}

function move(by) {
  if (state.route.view !== "inbox") return toInbox();
  return shownList()?.move(by);
}

/** Answer: the message that is focused is quoted. */
async function answer() {
  if (!state.thread) return;
  const { focusComposer, replyTo } = await import("./conversation.js");
  const focused = document.activeElement?.closest?.("[data-test=bubble]")?.dataset.id;
  const bubble = focused && state.thread.bubbles.get(focused);
  if (bubble) replyTo(bubble);
  focusComposer();
}

/** Escape: out of a field first, then out of the conversation, back to its row. */
function back(writing) {
  if (writing) {
    writing.blur();
    if (state.thread && writing.id !== "search") document.querySelector("[data-test=messages]")?.focus();
    return;
  }
  const { id } = state.route;
  if (state.route.view === "inbox" && !id) return;
  location.hash = "#/";
  if (id) requestAnimationFrame(() => setTimeout(() => shownList()?.focus(id)));
}
