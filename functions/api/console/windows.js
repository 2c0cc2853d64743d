// The arithmetic of the 24-hour window: pure functions of a conversation and a moment.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
/** The gateway takes no free text in the last minute, for the time that sending takes. */
export const MARGIN = MINUTE;
export const CLOSING = HOUR;

/**
 * The window at a moment: `kind` is open, closing, shut or endless (the channel has none), `left` are milliseconds,
 * `share` is left of 24 hours, `why` of a shut one: never (the customer has not written), provider, time.
 */
export function windowAt(conversation, at) {
  const { open, closes_at, last_user_message_at } = conversation.window;
  if (open && !closes_at) return { kind: "endless", left: null, share: 1, since: null, why: null };
  const closes = closes_at ? Date.parse(closes_at) : null;
  if (open && closes - MARGIN > at) {
    const left = closes - MARGIN - at;
    return { kind: left <= CLOSING ? "closing" : "open", left, share: Math.min(1, left / DAY), since: null, why: null };
  }
  if (!last_user_message_at) return { kind: "shut", left: 0, share: 0, since: null, why: "never" };
  const early = closes - 2 * MARGIN > at;
  return { kind: "shut", left: 0, share: 0, since: early ? null : closes, why: early ? "provider" : "time" };
}

/** Whether a conversation belongs into a list with these filters; words cannot be judged here. */
export function matches(conversation, filters, at) {
  const { kind } = windowAt(conversation, at);
  return (
    (!filters.provider || conversation.provider === filters.provider) &&
    (!filters.status || conversation.status === filters.status) &&
    (!filters.window || windowMatches(kind, filters.window)) &&
    (!filters.waiting || Boolean(conversation.waiting_since)) &&
    (!filters.assigned_to || conversation.assigned_to === filters.assigned_to)
  );
}

function windowMatches(kind, wanted) {
  if (wanted === "open") return kind !== "shut";
  return kind === wanted;
}

/** Newest first: by last_message_at, those without one last, then by id. */
export function newestFirst(one, other) {
  const [a, b] = [one.last_message_at || "", other.last_message_at || ""];
  const [at, bt] = [a ? Date.parse(a) : -1, b ? Date.parse(b) : -1];
  return bt - at || (a === b ? 0 : b > a ? 1 : -1) || (one.id < other.id ? -1 : one.id > other.id ? 1 : 0);
}
