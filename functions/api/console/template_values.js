// Templates and the values of their parameters: pure functions.

const PLACE = /\{\{\s*([^{}\s]+)\s*\}\}/g;
const WHOLE = /^\{\{\s*([^{}\s]+)\s*\}\}$/;

/** What POST /v1/messages takes, with each "{{key}}" replaced by its value. */
export function fill(send, values) {
  if (typeof send === "string") return send.replace(PLACE, (whole, key) => values[key] ?? whole);
  if (Array.isArray(send)) return send.map((each) => fill(each, values));
  if (send && typeof send === "object")
    return Object.fromEntries(Object.entries(send).map(([name, value]) => [name, fill(value, values)]));
  return send;
}

/** The text with what is filled in so far; what is not keeps its place. */
export function filledText(text, values) {
  return (text || "").replace(PLACE, (whole, key) => values[key]?.trim() || whole);
}

/** The other way round: which values a template was sent with, by its `send` and what went. */
export function valuesOf(send, sent) {
  if (typeof send === "string") {
    const place = WHOLE.exec(send);
    return place && typeof sent === "string" ? { [place[1]]: sent } : {};
  }
  if (!send || typeof send !== "object" || !sent || typeof sent !== "object") return {};
  return Object.assign({}, ...Object.entries(send).map(([name, value]) => valuesOf(value, sent[name])));
}

/** The template that went, among those that there are. */
export function sentTemplate(templates, sent) {
  return templates.find(({ send }) =>
    send.content_sid
      ? send.content_sid === sent.content_sid
      : send.name === sent.name && send.language === sent.language,
  );
}
