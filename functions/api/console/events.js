// What was done with a conversation, in a line between its messages.
import { clock, known, rich, t } from "./i18n.js";
import { Icon } from "./icons.js";
import { Name, When, Words } from "./parts.js";
import { plain } from "./text.js";
import { html } from "./view.js";

const ICONS = { noted: "note", escalated: "alarm", tagged: "tag", assigned: "person", resolved: "check" };

export function Happened({ entry }) {
  const { change, changed_by: by, detail = {} } = entry;
  if (change === "noted") {
    return html`<aside class="noted" data-test="note" aria-label=${t("history.note")}><header>
      <${Icon} name="note" size=${14} /><${Name} text=${by} /><${When} at=${entry.at} text=${clock(entry.at)} />
      </header>
      <${Words} text=${String(detail.body || "")} /></aside>`;
  }
  return html`<p class="happened" data-test="happened" data-change=${change}>
    <${Icon} name=${ICONS[change] || "refresh"} size=${14} />
    <span>${sentence(change, by, detail)}</span> <${When} at=${entry.at} text=${clock(entry.at)} /></p>`;
}

function sentence(change, by, detail) {
  const who = html`<${Name} text=${by === "customer" ? t("bubble.customer") : by} />`;
  const isolated = (text) => html`<bdi>${plain(String(text), 300)}</bdi>`;
  const values = { by: who };
  if (change === "tagged") {
    const tags = [...(detail.add || []).map((each) => `+${each}`), ...(detail.remove || []).map((each) => `−${each}`)];
    values.tags = isolated(tags.join(", "));
  }
  if (change === "assigned") {
    return rich(detail.assignee ? "history.assigned" : "history.unassigned", { ...values, to: isolated(detail.assignee || "") });
  }
  if (change === "escalated") values.reason = isolated(detail.reason || "–");
  if (!known(`history.${change}`)) return rich("history.other", { by: who, change });
  return rich(`history.${change}`, values);
}
