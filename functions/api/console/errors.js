// Why a message failed, in plain words, and what can be done about it: pure functions.

/** By error code of Meta, Twilio, Kommo and of ours: the key of the words that people understand. */
export const REASONS = {
  131047: "window_shut",
  63016: "window_shut",
  window_shut: "window_shut",
  window_closed: "window_shut",
  131026: "unreachable",
  63024: "bad_number",
  21211: "bad_number",
  21614: "unreachable",
  63003: "unreachable",
  63032: "unreachable",
  21612: "unreachable",
  131049: "enough_marketing",
  63049: "enough_marketing",
  130472: "experiment",
  131064: "not_now",
  134101: "not_now",
  131056: "pair_rate",
  63018: "rate",
  63017: "rate",
  130429: "rate",
  80007: "rate",
  4: "rate",
  20429: "rate",
  21611: "rate",
  30001: "rate",
  429: "rate",
  throttled: "rate",
  pair_throttled: "pair_rate",
  131050: "opted_out",
  21610: "opted_out",
  opted_out: "opted_out",
  63033: "blocked",
  63014: "blocked",
  131048: "spam",
  63026: "spam",
  131051: "unsupported",
  131052: "media",
  131053: "media",
  63019: "media",
  63034: "media_too_large",
  21620: "media",
  21617: "too_long",
  132000: "template_parameters",
  63028: "template_parameters",
  21656: "template_parameters",
  132012: "template_parameters",
  132018: "template_parameters",
  132001: "template_missing",
  21654: "template_missing",
  63027: "template_missing",
  132015: "template_paused",
  63041: "template_paused",
  132016: "template_disabled",
  63042: "template_disabled",
  63040: "template_disabled",
  132007: "policy",
  63013: "policy",
  131008: "content",
  131009: "content",
  100: "content",
  63005: "content",
  63021: "content",
  content_refused: "content",
  190: "our_account",
  0: "our_account",
  401: "our_account",
  403: "our_account",
  20003: "our_account",
  131031: "our_account",
  368: "our_account",
  131042: "our_payment",
  402: "our_payment",
  133010: "our_account",
  misconfigured: "our_account",
  131030: "test_number",
  21608: "test_number",
  63015: "test_number",
  131021: "to_itself",
  63031: "to_itself",
  404: "talk_gone",
  422: "talk_closed",
  131000: "provider_down",
  131016: "provider_down",
  63009: "provider_down",
  63010: "provider_down",
  63012: "provider_down",
  20500: "provider_down",
  20503: "provider_down",
  unreachable: "provider_down",
};

/** Codes of refusals by the API that have words of their own. */
export const REFUSALS = new Set([
  "window_closed", "opted_out", "read_only", "network", "unsupported_by_provider", "limit_exceeded", "idempotency_conflict",
  "storage_unavailable", "not_found", "invalid_request", "in_flight", "too_late", "uncertain", "not_failed", "not_uncertain",
  "not_configured", "internal", "not_stored",
]);

/** The key of the reason, or null where only the code and the provider's text are known. */
export function reasonOf(code) {
  return (code !== null && code !== undefined && REASONS[code]) || null;
}

/** What can be done with a message of ours, in order: template, retry, settle, cancel; nothing for who may only read. */
export function remedies(bubble, { mayWrite, windowOpen }) {
  if (!mayWrite || bubble.local || bubble.role === "user") return [];
  if (bubble.status === "uncertain") return ["settle"];
  if (["accepted", "queued", "held"].includes(bubble.status)) return ["cancel"];
  if (!["failed", "expired"].includes(bubble.status) || bubble.replaced_by) return [];
  const shut = reasonOf(bubble.error_code) === "window_shut" || (bubble.status === "expired" && !windowOpen);
  if (!windowOpen && bubble.content_type !== "template") return shut || bubble.retryable ? ["template"] : [];
  return bubble.retryable ? ["retry"] : [];
}
