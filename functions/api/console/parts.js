// Small pieces that several views show: hostile-proof text, times, the bar of a window, states of a whole pane.
import { everySecond, now } from "./clock.js";
import { brief, duration, exactly, known, relative, t } from "./i18n.js";
import { Icon } from "./icons.js";
import { beginning, isLong, linked, parts } from "./text.js";
import { Component, classes, createRef, html } from "./view.js";
import { windowAt } from "./windows.js";

function shown(text) {
  return parts(text).map((part) =>
    part.mark ? html`<span class="hidden-mark" title=${t("text.hidden_mark")}>${part.mark}
      ${part.times > 1 ? `×${part.times}` : ""}</span>` : part.text,
  );
}

/** A customer's or colleague's words: never HTML, turned in no direction but their own, links apart. */
export class Words extends Component {
  render({ text, links = true }, { all }) {
    const long = isLong(text);
    const visible = long && !all ? beginning(text) : text;
    const pieces = links ? linked(visible) : [{ text: visible }];
    return html`<div class="words">
      <bdi class="words-text" dir="auto">${pieces.map((piece) =>
        piece.url
          ? html`<a href=${piece.url} target="_blank" rel="noopener noreferrer">${shown(piece.text)}</a>`
          : shown(piece.text),
      )}${long && !all ? "…" : null}</bdi>
      ${long && html`<button class="quiet words-all" onClick=${() => this.setState({ all: !all })}>
        ${t(all ? "text.less" : "text.all", { n: text.length })}
      </button>`}
    </div>`;
  }
}

/** A name in a line of its own direction, with what is hidden in it made visible. */
export function Name({ text }) {
  return html`<bdi class="name">${shown((text || "").slice(0, 120))}</bdi>`;
}

/** Who a conversation is with, as well as we know. */
export function whoOf(conversation) {
  const { contact_name: name, phone, provider_user_id: user, kommo_chat_id: chat } = conversation;
  return name?.trim() || phone || user || chat || t("customer.unknown");
}

export function providerName(provider) {
  return known(`provider.${provider}`) ? t(`provider.${provider}`) : provider;
}

export function When({ at, text = brief(at), label }) {
  return html`<time dateTime=${at} title=${exactly(at)} aria-label=${label}>${text}</time>`;
}

/** Text that a timer keeps true without drawing anything else: `text()` gives it. */
class Running extends Component {
  node = createRef();

  componentDidMount() {
    this.paint();
    this.stop = everySecond(() => this.paint());
  }

  componentDidUpdate() {
    this.paint();
  }

  componentWillUnmount() {
    this.stop();
  }
}

/** How long since: "3m", or with `past` "3m ago"; below a minute "just now". */
export function ago(since, past = false) {
  const length = now() - Date.parse(since);
  if (length < 60_000) return t("time.now");
  return past ? relative(length) : duration(length, { two: false });
}

export class Ago extends Running {
  paint() {
    const text = ago(this.props.since, this.props.past);
    if (this.node.current.textContent !== text) this.node.current.textContent = text;
  }

  render() {
    return html`<span ref=${this.node} />`;
  }
}

/** What is left of a window, in words: "3 h 12 min left", "shut". */
export function leftText(conversation, at = now()) {
  const { kind, left } = windowAt(conversation, at);
  if (kind === "endless") return t("window.endless");
  if (kind === "shut") return t("window.shut");
  return t("window.left", { time: duration(left, { two: true, seconds: true }) });
}

/** The window as a bar that runs down by itself, and in words. */
export class WindowLeft extends Running {
  bar = createRef();

  paint() {
    const { conversation, onShut } = this.props;
    const { kind, share } = windowAt(conversation, now());
    const text = leftText(conversation);
    const node = this.node.current;
    const fill = this.bar.current;
    if (node.textContent !== text) node.textContent = text;
    const width = `scaleX(${share.toFixed(4)})`;
    if (fill.style.transform !== width) fill.style.transform = width;
    const root = fill.parentNode.parentNode;
    if (root.dataset.kind === kind) return;
    const ended = kind === "shut" && root.dataset.kind;
    root.dataset.kind = kind;
    if (ended) onShut?.();
  }

  render({ wide }) {
    return html`<span class=${classes("window", wide && "window-wide")}>
      <span class="window-bar" data-test="window-bar" aria-hidden="true"><span class="window-fill" ref=${this.bar} />
      </span>
      <span class="window-left" data-test="window-left" ref=${this.node} />
    </span>`;
  }
}

export function Spinner() {
  return html`<span class="spinner" role="status" aria-label=${t("state.loading")} />`;
}

/** A whole pane that has nothing else to show. */
export function Blank({ icon, title, text, children, test }) {
  return html`<div class="blank" data-test=${test}>
    <span class="blank-icon"><${Icon} name=${icon} size=${28} /></span>
    <h2>${title}</h2>
    ${text && html`<p>${text}</p>`}
    ${children}
  </div>`;
}

const FAILED = { 0: "network", 403: "forbidden", 404: "not_found" };

/** What went wrong in a pane, and the way to try it again. */
export function Failed({ problem, retry }) {
  const key = FAILED[problem.status] || "other";
  return html`<${Blank} icon=${key === "network" ? "unplugged" : "alarm"} title=${t(`failed.${key}.title`)}
    text=${t(`failed.${key}.text`, { code: problem.code || String(problem.status) })} test=${`failed-${key}`}>
    ${retry && key !== "not_found" && html`<button class="button" data-test="try-again" onClick=${retry}>
    <${Icon} name="refresh" size=${16} />${t("state.retry")}</button>`}
  <//>`;
}

export function initials(text) {
  const letters = (text || "").match(/\p{L}/gu);
  if (!letters) return "#";
  const words = text.split(/\s+/u).map((word) => word.match(/\p{L}/u)?.[0]).filter(Boolean);
  return (words.length > 1 ? words[0] + words.at(-1) : words[0]).toLocaleUpperCase();
}
