// The list of conversations: search, filters, and rows of which only those in sight are in the page.
import { Filters, change } from "./filters.js";
import { known, language, t } from "./i18n.js";
import { Icon, ProviderMark, Tick } from "./icons.js";
import { show, NO_FILTERS } from "./inbox_list.js";
import { Ago, Blank, Failed, Name, WindowLeft, When, initials, providerName, whoOf } from "./parts.js";
import { state } from "./state.js";
import { plain } from "./text.js";
import { Component, Watcher, classes, createRef, html } from "./view.js";

/** As high as a row is in styles.css; rows are placed by it. */
export const ROW = 84;
const BEYOND = 6;
/** A template may be known by a number of the provider's only, which tells people nothing. */
const NUMBER = /^HX[0-9a-f]{32}$/i;
let list = null;

export class Inbox extends Watcher {
  topics() {
    return ["list", "texts", "filters"];
  }

  render({ filtersOpen, onFilters }) {
    const { list: conversations } = state;
    const chosen = Object.entries(conversations.filters).filter(([name, value]) => value && name !== "q").length;
    return html`<section class="inbox" aria-label=${t("inbox.title")}>
      <header class="inbox-head">
        <${Search} value=${conversations.filters.q} />
        <button class="icon-button filters-button" aria-expanded=${String(filtersOpen)} data-test="filters-button"
          onClick=${onFilters}
          aria-label=${t("filter.title")}><${Icon} name="filter" />${chosen ? html`<span class="count">${chosen}
            </span>` : null}</button>
      </header>
      ${filtersOpen && html`<div class="filters-sheet"><${Filters} onDone=${onFilters} /></div>`}
      ${this.body(conversations)}
    </section>`;
  }

  body(conversations) {
    if (conversations.status === "error") return html`<${Failed} problem=${conversations.problem}
      retry=${() => conversations.load()} />`;
    if (conversations.status === "loading") return html`<${Skeleton} />`;
    if (!conversations.rows.length && !conversations.cursor) return html`<${Empty}
      filtered=${conversations.isFiltered} />`;
    return html`<${Rows} conversations=${conversations} count=${conversations.rows.length} current=${state.route.id}
      words=${language} />`;
  }
}

function Empty({ filtered }) {
  if (filtered) {
    return html`<${Blank} icon="search" title=${t("inbox.none_found")} text=${t("inbox.none_found_text")}
      test="inbox-none-found">
      <button class="button" onClick=${() => show({ ...NO_FILTERS })}>${t("filter.clear")}</button><//>`;
  }
  return html`<${Blank} icon="inbox" title=${t("inbox.empty")} text=${t("inbox.empty_text")} test="inbox-empty">
    ${state.config.local && html`<a class="button button-main" href="#/playground">
    <${Icon} name="playground" size=${16} />${t("inbox.to_playground")}</a>`}<//>`;
}

function Skeleton() {
  return html`<div class="rows" aria-busy="true" data-test="inbox-loading"><p class="unseen">${t("state.loading")}</p>
    ${Array.from({ length: 12 }, (_, index) => html`<${Bones} key=${index} />`)}</div>`;
}

/** A row before it is there: in the list at first (`bone`), and at its end while more can be had (`ghost`). */
function Bones({ kind = "bone" }) {
  return html`<div class="row row-skeleton" aria-hidden="true"><span class="avatar" />
    ${["a", "b", "c"].map((part) => html`<span class=${`${kind} bone-${part}`} />`)}</div>`;
}

class Search extends Component {
  input = createRef();

  componentDidUpdate(before) {
    const { value } = this.props;
    if (before.value !== value && this.input.current.value.trim() !== value) this.input.current.value = value;
  }

  componentWillUnmount() {
    clearTimeout(this.timer);
  }

  type(q) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => state.list && q !== state.list.filters.q && change({ q }), 250);
  }

  render({ value }) {
    return html`<label class="search"><${Icon} name="search" size=${16} /><span class="unseen">${t("inbox.search")}
      </span>
      <input ref=${this.input} type="search" data-test="search" id="search" placeholder=${t("inbox.search")}
        defaultValue=${value} autocomplete="off" spellcheck=${false}
        onInput=${(event) => this.type(event.target.value.trim())} /></label>`;
  }
}

class Rows extends Component {
  scroller = createRef();
  state = { top: 0, height: 900 };

  componentDidMount() {
    list = this;
    const node = this.scroller.current;
    this.resized = new ResizeObserver(() => this.setState({ height: node.clientHeight }));
    this.resized.observe(node);
  }

  componentWillUnmount() {
    list = null;
    this.resized.disconnect();
  }

  componentDidUpdate() {
    const { conversations } = this.props;
    this.reach(conversations);
    if (this.wanted === undefined) return;
    this.row(this.wanted)?.focus({ preventScroll: true });
    this.wanted = undefined;
  }


  reach(conversations) {
    const { top, height } = this.state;
    if (top + 2.5 * height > conversations.rows.length * ROW) conversations.more();
  }

  scrolled = () => {
    const { scrollTop } = this.scroller.current;
    const rows = this.props.conversations.rows;
    this.anchor = scrollTop > ROW ? rows[Math.floor(scrollTop / ROW)]?.id : null;
    this.offset = scrollTop % ROW;
    if (Math.floor(scrollTop / ROW) !== Math.floor(this.state.top / ROW)) this.setState({ top: scrollTop });
  };

  row(id) {
    return this.scroller.current?.querySelector(`[data-id="${CSS.escape(id)}"]`);
  }

  /** Where the viewport is now, and what is in it after rows came in above. */
  keptTop(rows) {
    const { top } = this.state;
    if (!this.anchor || rows[Math.floor(top / ROW)]?.id === this.anchor) return top;
    const row = this.props.conversations.byId.get(this.anchor);
    const at = row ? rows.indexOf(row) : -1;
    if (at < 0 || Math.abs(at - top / ROW) > 60) return top;
    const kept = at * ROW + this.offset;
    queueMicrotask(() => {
      if (this.scroller.current) this.scroller.current.scrollTop = kept;
    });
    return kept;
  }

  /** Move the focus by so many rows, from the focused or the open one. */
  move(by) {
    const { rows } = this.props.conversations;
    const at = rows.findIndex((row) => row.id === (document.activeElement?.dataset?.id || this.last || state.route.id));
    const next = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + by))];
    if (next) this.focus(next.id);
  }

  focus(id) {
    const at = this.props.conversations.rows.findIndex((row) => row.id === id);
    if (at < 0) return;
    this.last = id;
    const node = this.scroller.current;
    if (at * ROW < node.scrollTop) node.scrollTop = at * ROW;
    else if ((at + 1) * ROW > node.scrollTop + node.clientHeight) node.scrollTop = (at + 1) * ROW - node.clientHeight;
    this.wanted = id;
    this.setState({ top: node.scrollTop });
  }

  render({ conversations, current, words }, { height }) {
    const { rows } = conversations;
    const top = this.keptTop(rows);
    const first = Math.max(0, Math.floor(top / ROW) - BEYOND);
    const last = Math.min(rows.length, Math.ceil((top + height) / ROW) + BEYOND);
    const total = conversations.cursor ? -1 : rows.length;
    const room = rows.length * ROW + (conversations.cursor ? ROW : 0);
    return html`<div class="rows" ref=${this.scroller} onScroll=${this.scrolled} data-test="inbox-list"
      data-loaded=${rows.length}>
      <div class="rows-room" style=${{ height: `${room}px` }}>
        <ul class=${classes("rows-shown")} style=${{ transform: `translateY(${first * ROW}px)` }}
          aria-label=${t("inbox.title")}>
          ${rows.slice(first, last).map((row, index) => html`<li key=${row.id} aria-setsize=${total}
            aria-posinset=${first + index + 1}>
            <${InboxRow} row=${row} current=${row.id === current} words=${words} /></li>`)}
        </ul>
        ${conversations.cursor && html`<div class="rows-end"
          style=${{ transform: `translateY(${rows.length * ROW}px)` }} aria-hidden="true"><${Bones} kind="ghost" />
            </div>`}
      </div>
    </div>`;
  }
}

/** For the keyboard: the list that is shown, where one is. */
export function shownList() {
  return list;
}

/** What a message says in one line, in words where it has none. */
function previewOf(message) {
  const kind = message.content_type;
  const text = kind === "template" && NUMBER.test(message.content) ? "" : plain(message.content, 160);
  if (text && (kind === "text" || kind === "interactive")) return text;
  const word = known(`kind.${kind}`) ? t(`kind.${kind}`) : kind;
  return text ? `${word} · ${text}` : word;
}

class InboxRow extends Component {
  shouldComponentUpdate(next) {
    return next.row !== this.props.row || next.current !== this.props.current || next.words !== this.props.words;
  }

  render({ row, current }) {
    const last = row.found || row.last_message;
    const who = whoOf(row);
    return html`<a class=${classes("row", current && "row-current", row.unread && "row-unread")} href=${`#/c/${row.id}`}
      data-test="inbox-row" data-id=${row.id} data-provider=${row.provider} data-unread=${row.unread || 0}
        aria-current=${current ? "true" : undefined}>
      <span class="avatar" aria-hidden="true">${initials(who)}
      <${ProviderMark} provider=${row.provider} name=${providerName(row.provider)} /></span>
      <span class="row-who"><${Name} text=${who} /><${Unseen} text=${providerName(row.provider)} />
      ${row.status !== "active" && html`<span class=${`badge badge-${row.status}`}>${t(`status.${row.status}`)}</span>`}
      </span>
      <span class="row-when">${row.last_message_at && html`<${When} at=${row.last_message_at} />`}</span>
      <span class="row-last">
        ${last && last.role !== "user" && !row.found && html`<${Tick} status=${last.status}
          label=${t(`delivery.${last.status}`)} />`}
        ${row.found && html`<${Icon} name="search" size=${14} />`}
        <bdi class="row-text">${last ? previewOf({ content_type: "text", ...last }) : t("inbox.no_message")}</bdi>
      </span>
      <span class="row-count">${row.unread ? html`<span class="count" aria-hidden="true">
      ${row.unread > 99 ? "99+" : row.unread}</span><${Unseen} text=${t("row.unread", { n: row.unread })} />` : null}
      </span>
      <span class="row-state">
        <${Unseen} text=${t("filter.window")} /><${WindowLeft} conversation=${row} />
        ${row.waiting_since && html`<span class="waiting" data-test="waiting" title=${t("row.waiting")}>
        <${Icon} name="hourglass" size=${12} /><${Unseen} text=${t("row.waiting")} />
        <${Ago} since=${row.waiting_since} /></span>`}
        ${row.assigned_to && html`<span class="row-owner">${plain(row.assigned_to, 24)}</span>`}
      </span>
    </a>`;
  }
}

/** What only a screen reader says: separated from what stands beside it. */
function Unseen({ text }) {
  return html`<span class="unseen">${`, ${text}: `}</span>`;
}
