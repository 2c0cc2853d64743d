// One message as a bubble: what it answers, what it says, reactions, how far it came, and what to do where it did not.
import { post } from "./api.js";
import { Contents } from "./bubble_contents.js";
import { now } from "./clock.js";
import { reasonOf, remedies } from "./errors.js";
import { clock, known, moment, t } from "./i18n.js";
import { Icon, Tick } from "./icons.js";
import { soon } from "./live.js";
import { When } from "./parts.js";
import { explained } from "./problems.js";
import { say, state, tell } from "./state.js";
import { plain } from "./text.js";
import { Component, classes, html } from "./view.js";
import { windowAt } from "./windows.js";

const OUTCOMES = [["was_sent", "sent"], ["send_again", "untaken"], ["not_sent", "failed"]];
const TROUBLE = new Set(["failed", "uncertain", "held", "expired", "cancelled"]);

export class Bubble extends Component {
  shouldComponentUpdate(next, nextState) {
    const { entry, words, windowOpen, marked } = this.props;
    const told = next.words === words && next.windowOpen === windowOpen && next.marked === marked;
    const same = next.entry.bubble === entry.bubble && next.entry.first === entry.first && next.entry.last === entry.last;
    const settled = next.entry.bubble.status === this.drawn;
    return !same || !settled || !told || nextState !== this.state;
  }

  render({ entry, marked, onJump, windowOpen }) {
    const { bubble, first, last } = entry;
    const ours = bubble.role === "assistant";
    const side = bubble.role === "system" ? "system" : ours ? "ours" : "theirs";
    const run = classes(first && "bubble-first", last && "bubble-last");
    this.drawn = bubble.status;
    return html`<article
      class=${classes("bubble", `bubble-${side}`, run, marked && "bubble-marked", bubble.local && "bubble-local")}
      data-test="bubble" data-id=${bubble.id} data-status=${bubble.status} data-role=${bubble.role}
        data-type=${bubble.content_type} tabindex="-1" aria-label=${labelOf(bubble, ours)}>
      <div class=${classes("bubble-body", bubble.content_type === "sticker" && "bubble-bare")}>
        ${bubble.reply_to && html`<${Quote} quoted=${bubble.reply_to} onJump=${onJump} />`}
        <${Contents} bubble=${bubble} />
        <footer class="bubble-foot">
          ${bubble.edited_at && html`<span class="edited">${t("bubble.edited")}</span>`}
          <${When} at=${bubble.created_at} text=${clock(bubble.created_at)} />
          ${ours && html`<${Tick} status=${bubble.status} label=${t(`delivery.${bubble.status}`)} />`}
        </footer>
        <${Reactions} reactions=${bubble.reactions || []} />
      </div>
      ${side !== "system" && !bubble.local && state.me.may_write && !bubble.deleted_at && html`<button
        class="reply-button" aria-label=${t("bubble.reply")} title=${t("bubble.reply")}
          onClick=${() => replyTo(bubble)}><${Icon} name="reply" size=${16} /></button>`}
      ${ours && TROUBLE.has(bubble.status) && html`<${Trouble} bubble=${bubble} windowOpen=${windowOpen}
        onJump=${onJump} />`}
    </article>`;
  }
}

/** Let the next answer quote this message. */
export function replyTo(bubble) {
  state.thread.reply = bubble;
  tell("reply");
}

function labelOf(bubble, ours) {
  const who = ours ? t("bubble.from_us", { who: plain(bubble.author || "", 40) }) : t("bubble.from_customer");
  return `${who}, ${clock(bubble.created_at)}`;
}

function Quote({ quoted, onJump }) {
  const text = plain(quoted.content || "", 160) || t("bubble.quoted_unknown");
  const who = quoted.role === "assistant" ? t("bubble.us") : quoted.role === "user" ? t("bubble.customer") : "";
  return html`<button class="quote" disabled=${!quoted.id} onClick=${() => onJump(quoted.id)} data-test="quote">
    ${who && html`<span class="quote-who">${who}</span>`}<bdi class="quote-text">${text}</bdi></button>`;
}

function Reactions({ reactions }) {
  if (!reactions.length) return null;
  return html`<ul class="reactions" aria-label=${t("bubble.reactions")} data-test="reactions">
    ${reactions.slice(0, 8).map((each) => html`<li
    title=${t(each.role === "user" ? "bubble.customer" : "bubble.us")}>${plain(each.emoji, 12)}</li>`)}</ul>`;
}

/** Why a message did not go or may not have gone, in plain words, and what can be done. */
class Trouble extends Component {
  async act(path, body) {
    this.setState({ busy: true, problem: null });
    try {
      await post(`/v1/messages/${this.props.bubble.id}/${path}`, body);
      say(t("state.done"));
      soon();
    } catch (problem) {
      this.setState({ problem });
    }
    this.setState({ busy: false });
  }

  render({ bubble, windowOpen, onJump }, { busy, problem }) {
    const can = remedies(bubble, { mayWrite: state.me.may_write, windowOpen });
    const press = (name, path, body) =>
      html`<button class="button button-small" disabled=${busy} data-test=${`do-${name}`}
        onClick=${() => this.act(path, body)}>${t(`do.${name}`)}</button>`;
    return html`<div class=${`trouble trouble-${bubble.status}`} data-test="trouble">
      <p>${whyOf(bubble)}</p>
      ${problem && html`<p role="alert">${explained(problem)}</p>`}
      <div class="trouble-do">
        ${bubble.replaced_by && html`<button class="button button-small" onClick=${() => onJump(bubble.replaced_by)}>
        ${t("do.show_replacement")}</button>`}
        ${can.includes("template") && html`<button class="button button-small" data-test="do-template"
          onClick=${() => tell("template")}>${t("do.template")}</button>`}
        ${can.includes("retry") && press("retry", "retry")}
        ${can.includes("settle") && OUTCOMES.map(([name, outcome]) => press(name, "settle", { outcome }))}
        ${can.includes("cancel") && press("cancel", "cancel")}
      </div></div>`;
  }
}

/** The reason: in words of ours where the code is known, else the code and the provider's own. */
export function whyOf(bubble) {
  if (bubble.status === "uncertain") return t("why.uncertain");
  const until = bubble.expires_at;
  if (bubble.status === "held") return until ? t("why.held_until", { time: moment(until) }) : t("why.held");
  if (bubble.status === "cancelled") return t("why.cancelled");
  if (bubble.replaced_by) return t("why.replaced");
  const reason = reasonOf(bubble.error_code);
  if (reason && known(`why.${reason}`)) return `${t(`why.${reason}`)} ${codeOf(bubble)}`.trim();
  if (bubble.status === "expired") return t("why.expired");
  const text = plain(bubble.error_text || "", 200);
  return t(text ? "why.other" : "why.unknown", { text, code: bubble.error_code || "–" });
}

function codeOf({ error_code: code }) {
  return code && /^\d/.test(code) ? t("why.code", { code }) : "";
}

/** Whether free text goes now. */
export function isOpen(conversation) {
  return conversation ? windowAt(conversation, now()).kind !== "shut" : false;
}
