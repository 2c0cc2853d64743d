// One conversation in the list: who, what was said last and how far it came, how long they wait, what is left.
import { plain } from "./hostile.js";
import { brief, known, t } from "./i18n.js";
import { Icon, ProviderMark, Tick } from "./icons.js";
import { Ago, ago, Name, WindowLeft, When, initials, leftText, providerName, whoOf } from "./parts.js";
import { Component, classes, html } from "./view.js";

/** What a message says in one line, in words where it has none. */
export function previewOf(message) {
  const text = plain(message.content, 160);
  const kind = message.content_type;
  if (text && (kind === "text" || kind === "interactive")) return text;
  const word = known(`kind.${kind}`) ? t(`kind.${kind}`) : kind;
  return text ? `${word} · ${text}` : word;
}

export class InboxRow extends Component {
  shouldComponentUpdate(next) {
    return next.row !== this.props.row || next.current !== this.props.current || next.words !== this.props.words;
  }

  render({ row, current }) {
    const last = row.found || row.last_message;
    const who = whoOf(row);
    return html`<a class=${classes("row", current && "row-current", row.unread && "row-unread")} href=${`#/c/${row.id}`}
      data-test="inbox-row" data-id=${row.id} data-provider=${row.provider} data-unread=${row.unread || 0} aria-current=${current ? "true" : undefined} aria-label=${labelOf(row, who, last)}>
      <span class="avatar" aria-hidden="true">${initials(who)}<${ProviderMark} provider=${row.provider} name=${providerName(row.provider)} /></span>
      <span class="row-who"><${Name} text=${who} />${row.status !== "active" && html`<span class=${`badge badge-${row.status}`}>${t(`status.${row.status}`)}</span>`}</span>
      <span class="row-when">${row.last_message_at && html`<${When} at=${row.last_message_at} />`}</span>
      <span class="row-last">
        ${last && last.role !== "user" && !row.found && html`<${Tick} status=${last.status} label=${t(`delivery.${last.status}`)} />`}
        ${row.found && html`<${Icon} name="search" size=${14} />`}
        <bdi class="row-text">${last ? previewOf({ content_type: "text", ...last }) : t("inbox.no_message")}</bdi>
      </span>
      <span class="row-count">${row.unread ? html`<span class="count">${row.unread > 99 ? "99+" : row.unread}</span>` : null}</span>
      <span class="row-state">
        <${WindowLeft} conversation=${row} />
        ${row.waiting_since && html`<span class="waiting" data-test="waiting"><${Icon} name="hourglass" size=${12} /><${Ago} since=${row.waiting_since} /></span>`}
        ${row.assigned_to && html`<span class="row-owner">${plain(row.assigned_to, 24)}</span>`}
      </span>
    </a>`;
  }
}

function labelOf(row, who, last) {
  const said = [t("row.label", { who: plain(who, 80), provider: providerName(row.provider) })];
  if (row.unread) said.push(t("row.unread", { n: row.unread }));
  if (row.status !== "active") said.push(t(`status.${row.status}`));
  if (row.waiting_since) said.push(t("row.waiting", { time: ago(row.waiting_since) }));
  said.push(t("row.window", { left: leftText(row) }));
  if (last) said.push(previewOf({ content_type: "text", ...last }));
  if (row.last_message_at) said.push(brief(row.last_message_at));
  return said.join(", ");
}
