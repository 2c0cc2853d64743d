// The head of a conversation: who it is with, how long the window stays open, what is done with it.
import { post, put, remove } from "./api.js";
import { known, moment, t } from "./i18n.js";
import { Icon, ProviderMark } from "./icons.js";
import { soon } from "./live.js";
import { Name, WindowLeft, initials, providerName, whoOf } from "./parts.js";
import { explained } from "./problems.js";
import { say, state, tell } from "./state.js";
import { plain } from "./text.js";
import { Component, html } from "./view.js";

export class ConversationHead extends Component {
  path() {
    return `/v1/conversations/${this.props.thread.id}`;
  }

  /** Do something with the conversation, and show what came of it. */
  act = async (call) => {
    this.setState({ busy: true, problem: null });
    try {
      await call();
      say(t("state.done"));
      await this.props.thread.refresh();
      soon();
      return true;
    } catch (problem) {
      this.setState({ problem });
      return false;
    } finally {
      this.setState({ busy: false });
    }
  };

  dialog = async (which) => {
    try {
      const { ActionDialog } = await import("./action_dialogs.js");
      this.setState({ which, ActionDialog });
    } catch {
      this.setState({ problem: { status: 0, code: "network" } });
    }
  };

  render({ conversation, thread }, { busy, problem, which, ActionDialog }) {
    if (!conversation) return html`<header class="thread-head">
      <a class="icon-button back" href="#/" aria-label=${t("thread.back")}><${Icon} name="back" /></a>
      <span class="bone bone-a" /></header>`;
    const who = whoOf(conversation);
    const phone = conversation.phone && conversation.phone !== who ? conversation.phone : null;
    return html`<header class="thread-head">
      <div class="thread-top">
        <a class="icon-button back" href="#/" aria-label=${t("thread.back")}><${Icon} name="back" /></a>
        <span class="avatar" aria-hidden="true">${initials(who)}
        <${ProviderMark} provider=${conversation.provider} name=${providerName(conversation.provider)} /></span>
        <div class="thread-who">
          <h2><${Name} text=${who} /></h2>
          <p>${phone && html`<bdi>${plain(phone, 40)}</bdi> · `}${providerName(conversation.provider)}
          ${conversation.business_address && html` · <bdi>${plain(conversation.business_address, 40)}</bdi>`}</p>
        </div>
        <${WindowLeft} conversation=${conversation} wide onShut=${() => tell("thread")} />
      </div>
      <div class="thread-bar">
        <span class=${`badge badge-${conversation.status}`} data-test="status">
        ${known(`status.${conversation.status}`) ? t(`status.${conversation.status}`) : conversation.status}</span>
        ${conversation.opted_out_at && html`<span class="badge badge-opted" data-test="opted-out"
          title=${moment(conversation.opted_out_at)}>${t("conversation.opted_out")}</span>`}
        <${Owner} conversation=${conversation} />
        <${Tags} conversation=${conversation}
          onChange=${(change) => this.act(() => post(`${this.path()}/tags`, change))} />
        ${state.me.may_write ? this.actions(conversation, busy) : state.me.known && html`<span class="reading">
        ${t("conversation.reading")}</span>`}
      </div>
      ${conversation.status === "escalated" && conversation.escalation_reason && html`<p class="escalation">
      <${Icon} name="alarm" size=${16} /><bdi>${plain(conversation.escalation_reason, 300)}</bdi></p>`}
      ${problem && html`<p class="refusal" role="alert">${explained(problem)}</p>`}
      ${which && html`<${ActionDialog} which=${which} conversation=${conversation}
        onDone=${() => this.setState({ which: null })}
        onAct=${(path, body) => this.act(() => post(`${this.path()}/${path}`, body))} />`}
    </header>`;
  }

  actions(conversation, busy) {
    const { status, assigned_to: owner } = conversation;
    const me = state.me.name;
    const button = (name, press, test = name) =>
      html`<button class="button button-small" disabled=${busy} data-test=${test} onClick=${press}>${t(`do.${name}`)}
        </button>`;
    const change = (path, body = {}) => () => this.act(() => post(`${this.path()}/${path}`, body));
    const optOut = () => this.act(() => (conversation.opted_out_at ? remove : put)(`${this.path()}/opt-out`));
    return html`<div class="thread-actions" role="group" aria-label=${t("conversation.actions")}>
      <${Menu} label=${t("do.assign")} test="assign">
        ${owner !== me && html`<button data-test="assign-me" disabled=${busy}
          onClick=${change("assign", { assignee: me })}>${t("do.assign_me")}</button>`}
        <button data-test="assign-other" onClick=${() => this.dialog("assign")}>${t("do.assign_other")}</button>
        ${owner && html`<button data-test="assign-nobody" disabled=${busy}
          onClick=${change("assign", { assignee: null })}>${t("do.assign_nobody")}</button>`}
      <//>
      ${button("escalate", () => this.dialog("escalate"))}
      ${status !== "resolved" && status !== "closed" && button("resolve", change("resolve"))}
      ${(status === "resolved" || status === "closed") && button("reopen", change("reopen"))}
      <${Menu} label=${t("do.more")} icon="more" test="more">
        ${status === "escalated" && html`<button data-test="reopen" disabled=${busy} onClick=${change("reopen")}>
        ${t("do.calm")}</button>`}
        ${status !== "closed" && html`<button data-test="close" disabled=${busy} onClick=${change("close")}>
        ${t("do.close")}</button>`}
        <button data-test="opt-out" disabled=${busy} onClick=${optOut}>
        ${t(conversation.opted_out_at ? "do.opt_in" : "do.opt_out")}</button>
      <//>
    </div>`;
  }
}

function Owner({ conversation }) {
  const owner = conversation.assigned_to;
  return html`<span class="owner" data-test="owner"><${Icon} name="person" size=${14} />
    ${owner ? html`<${Name} text=${owner} />` : t("conversation.nobody")}</span>`;
}

/** A few things to do under one button; Escape and a click elsewhere shut it. */
export class Menu extends Component {
  shut = (event) => {
    if (event.type === "focusout" && event.currentTarget.contains(event.relatedTarget)) return;
    if (event.type === "keydown" && event.key !== "Escape") return;
    if (event.type === "keydown") {
      if (!event.currentTarget.open) return;
      event.stopPropagation();
      event.currentTarget.querySelector("summary").focus();
    }
    event.currentTarget.open = false;
  };

  render({ label, icon, test, children }) {
    return html`<details class="menu" onfocusout=${this.shut} onKeyDown=${this.shut}
      onClick=${(event) => event.target.closest(".menu-list button") && (event.currentTarget.open = false)}>
      <summary class=${icon ? "icon-button icon-button-small" : "button button-small"} data-test=${test}
        aria-label=${icon ? label : undefined}>${icon ? html`<${Icon} name=${icon} size=${16} />` : html`${label}
          <${Icon} name="down" size=${14} />`}</summary>
      <div class="menu-list">${children}</div></details>`;
  }
}

class Tags extends Component {
  add = async (event) => {
    event.preventDefault();
    const input = event.target.elements.tag;
    const tag = input.value.trim();
    if (tag && (await this.props.onChange({ add: [tag] }))) input.value = "";
  };

  render({ conversation }) {
    const may = state.me.may_write;
    return html`<ul class="tags" aria-label=${t("conversation.tags")}>
      ${(conversation.tags || []).map((tag) => html`<li class="tag" key=${tag} data-test="tag"><bdi>${plain(tag, 40)}
      </bdi>
        ${may && html`<button aria-label=${t("do.remove_tag", { tag: plain(tag, 40) })}
          onClick=${() => this.props.onChange({ remove: [tag] })}><${Icon} name="close" size=${12} /></button>`}</li>`)}
      ${may && html`<li><form onSubmit=${this.add}><input name="tag" class="tag-input" data-test="tag-input"
        maxlength="64" autocomplete="off" placeholder=${t("do.add_tag")} aria-label=${t("do.add_tag")} /></form></li>`}
    </ul>`;
  }
}
