// One conversation in the list: who, what was said last and how far it came, how long they wait, what is left.
import { plain } from "./hostile.js";
import { known, t } from "./i18n.js";
import { Icon, ProviderMark, Tick } from "./icons.js";
import { Ago, Name, WindowLeft, When, initials, providerName, whoOf } from "./parts.js";
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
      data-test="inbox-row" data-id=${row.id} data-provider=${row.provider} data-unread=${row.unread || 0} aria-current=${current ? "true" : undefined}>
      <span class="avatar" aria-hidden="true">${initials(who)}<${ProviderMark} provider=${row.provider} name=${providerName(row.provider)} /></span>
      <span class="row-who"><${Name} text=${who} /><${Unseen} text=${providerName(row.provider)} />${row.status !== "active" && html`<span class=${`badge badge-${row.status}`}>${t(`status.${row.status}`)}</span>`}</span>
      <span class="row-when">${row.last_message_at && html`<${When} at=${row.last_message_at} />`}</span>
      <span class="row-last">
        ${last && last.role !== "user" && !row.found && html`<${Tick} status=${last.status} label=${t(`delivery.${last.status}`)} />`}
        ${row.found && html`<${Icon} name="search" size=${14} />`}
        <bdi class="row-text">${last ? previewOf({ content_type: "text", ...last }) : t("inbox.no_message")}</bdi>
      </span>
      <span class="row-count">${row.unread ? html`<span class="count" aria-hidden="true">${row.unread > 99 ? "99+" : row.unread}</span><${Unseen} text=${t("row.unread", { n: row.unread })} />` : null}</span>
      <span class="row-state">
        <${Unseen} text=${t("filter.window")} /><${WindowLeft} conversation=${row} />
        ${row.waiting_since && html`<span class="waiting" data-test="waiting" title=${t("row.waiting")}><${Icon} name="hourglass" size=${12} /><${Unseen} text=${t("row.waiting")} /><${Ago} since=${row.waiting_since} /></span>`}
        ${row.assigned_to && html`<span class="row-owner">${plain(row.assigned_to, 24)}</span>`}
      </span>
    </a>`;
  }
}

/** What only a screen reader says: separated from what stands beside it. */
function Unseen({ text }) {
  return html`<span class="unseen">${`, ${text}: `}</span>`;
}
