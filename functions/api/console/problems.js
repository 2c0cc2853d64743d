// A refusal of the API in plain words.
import { REFUSALS } from "./errors.js";
import { t } from "./i18n.js";

export function explained(problem) {
  if (!problem.code) return t("refused.internal", {});
  if (REFUSALS.has(problem.code)) {
    const { limit, field, errors } = problem.told || {};
    const where = field || errors?.map((each) => each.field).join(", ") || "";
    return t(`refused.${problem.code}`, { limit, field: where });
  }
  if (problem.status === 403) return t("refused.read_only");
  return t("refused.other", { code: problem.code, detail: problem.detail || "" });
}
