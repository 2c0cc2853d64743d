// Messages and what was done with the conversation, in one line by time: a pure function of both.

const TOGETHER = 5 * 60_000;

/**
 * Entries in order: {kind: "day", at}, {kind: "bubble", bubble, first, last} (first and last of a run by the same side)
 * and {kind: "event", entry}. Of the history only what is not older than the oldest message, unless all are here.
 */
export function timeline(bubbles, history, all) {
  const found = bubbles.map((bubble) => ({ kind: "bubble", at: Date.parse(bubble.created_at), bubble, id: bubble.id }));
  const oldest = all ? -Infinity : Math.min(...found.map((each) => each.at));
  for (const entry of history) {
    const at = Date.parse(entry.at);
    if (at >= oldest) found.push({ kind: "event", at, entry, id: `${entry.at} ${entry.change}` });
  }
  found.sort(
    (one, other) =>
      one.at - other.at ||
      (one.kind === other.kind ? 0 : one.kind === "event" ? 1 : -1) ||
      (one.id < other.id ? -1 : 1),
  );
  const entries = [];
  let day = null;
  for (const each of found) {
    const here = new Date(each.at).toDateString();
    if (here !== day) entries.push({ kind: "day", at: each.at, id: `day ${here}` });
    day = here;
    entries.push(each);
  }
  entries.forEach((each, index) => {
    if (each.kind !== "bubble") return;
    each.first = !joins(entries[index - 1], each);
    each.last = !joins(each, entries[index + 1]);
  });
  return entries;
}

function joins(one, other) {
  return (
    one?.kind === "bubble" &&
    other?.kind === "bubble" &&
    (one.bubble.role === "user") === (other.bubble.role === "user") &&
    one.bubble.role !== "system" &&
    other.bubble.role !== "system" &&
    other.at - one.at < TOGETHER
  );
}
