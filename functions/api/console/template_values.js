// Templates and the values of their parameters: pure functions.

const PLACE = /\{\{\s*([^{}\s]+)\s*\}\}/g;

/** What POST /v1/messages takes, with each "{{key}}" replaced by its value. */
export function fill(send, values) {
  if (typeof send === "string") return send.replace(PLACE, (whole, key) => values[key] ?? whole);
  if (Array.isArray(send)) return send.map((each) => fill(each, values));
  if (send && typeof send === "object") return Object.fromEntries(Object.entries(send).map(([name, value]) => [name, fill(value, values)]));
  return send;
}

/** The text with what is filled in so far; what is not keeps its place. */
export function filledText(text, values) {
  return (text || "").replace(PLACE, (whole, key) => values[key]?.trim() || whole);
}
