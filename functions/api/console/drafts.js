// What is written and not sent yet, by conversation, and the key of each attempt to send it.

const DRAFTS = "ventana.drafts";
const drafts = new Map(Object.entries(read()));
const attempts = new Map();

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(DRAFTS) || "{}");
  } catch {
    return {};
  }
}

/** The text that was being written to a conversation. */
export function kept(id) {
  return drafts.get(id) || "";
}

export function keep(id, text) {
  if (text) drafts.set(id, text);
  else drafts.delete(id);
  try {
    sessionStorage.setItem(DRAFTS, JSON.stringify(Object.fromEntries([...drafts].slice(-50))));
  } catch {
    // a full store keeps the older drafts; this one stays in memory
  }
}

/** The Idempotency-Key of an attempt: the same while the same is sent again, for it may have arrived. */
export function keyOf(id, body) {
  const content = JSON.stringify(body);
  const last = attempts.get(id);
  if (last?.content === content) return last.key;
  const key = `console-${crypto.randomUUID()}`;
  attempts.set(id, { content, key });
  return key;
}

/** It arrived: the same text is another message from now on. */
export function forget(id) {
  attempts.delete(id);
}
