// The answer box: free text while the window is open, templates when it is shut, notes for colleagues at any time.
import { post } from "./api.js";
import { everySecond, now } from "./clock.js";
import { forget, keyOf, kept, keep } from "./drafts.js";
import { moment, t } from "./i18n.js";
import { Icon } from "./icons.js";
import { soon } from "./live.js";
import { Spinner } from "./parts.js";
import { explained } from "./problems.js";
import { say, state, watch } from "./state.js";
import { plain } from "./text.js";
import { Component, classes, createRef, html } from "./view.js";
import { windowAt } from "./windows.js";

export class Composer extends Component {
  box = createRef();

  constructor(props) {
    super(props);
    this.state = { mode: "reply", note: "", text: kept(props.thread.id), kind: windowAt(props.conversation, now()).kind };
  }

  componentDidMount() {
    this.ends = [
      watch(["template"], () => this.setState({ mode: "template" })),
      watch(["reply"], () => {
        const { mode } = this.state;
        this.setState({ mode: mode === "note" ? "reply" : mode }, () => this.box.current?.focus());
      }),
      watch(["online"], () => {
        this.loading = false;
        this.setState({});
      }),
      everySecond(() => {
        const { kind } = windowAt(this.props.conversation, now());
        if (kind !== this.state.kind) this.setState({ kind });
      }),
    ];
    this.grow();
    if (this.templates()) this.loadTemplates();
  }

  componentDidUpdate() {
    this.grow();
    if (this.templates()) this.loadTemplates();
  }

  componentWillUnmount() {
    this.ends.forEach((end) => end());
  }

  grow() {
    const node = this.box.current;
    if (!node || CSS.supports("field-sizing", "content")) return;
    node.style.height = "auto";
    node.style.height = `${Math.min(node.scrollHeight + 2, 240)}px`;
  }

  isShut() {
    return windowAt(this.props.conversation, now()).kind === "shut";
  }

  /** Whether the template picker is what is shown. */
  templates() {
    return this.state.mode === "template" || (this.state.mode === "reply" && this.isShut());
  }

  async loadTemplates() {
    if (this.state.Templates || this.loading) return;
    this.loading = true;
    try {
      const { Templates } = await import("./templates.js");
      this.setState({ Templates });
    } catch {
      this.setState({ problem: { status: 0, code: "network" } }); // tried again when the gateway is back
    }
  }

  write = (event) => {
    const text = event.target.value;
    keep(this.props.thread.id, text);
    this.setState({ text });
  };

  key = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.send();
  };

  async send() {
    const { thread } = this.props;
    const text = this.state.text;
    if (!text.trim()) return;
    const reply = thread.reply;
    const body = { type: "text", text: { body: text }, ...(reply ? { reply_to: reply.id } : {}) };
    const shown = {
      role: "assistant", content: text, content_type: "text", details: {}, media: [], reactions: [], author: state.me.name,
      reply_to: reply ? { id: reply.id, content: reply.content, role: reply.role } : null,
    };
    const key = keyOf(thread.id, body);
    keep(thread.id, "");
    thread.reply = null;
    this.setState({ text: "", problem: null });
    try {
      await thread.send(body, shown, key);
      forget(thread.id);
    } catch (problem) {
      if (problem.status >= 400 && problem.status < 500) forget(thread.id);
      const since = kept(thread.id);
      const back = since ? `${text}\n${since}` : text;
      keep(thread.id, back);
      thread.reply ??= reply;
      if (problem.code === "window_closed") thread.refresh().catch(() => {});
      this.setState({ text: back, problem });
      say(explained(problem));
      this.box.current?.focus();
    }
  }

  note = async (event) => {
    event.preventDefault();
    const body = this.state.note.trim();
    if (!body) return;
    try {
      await post(`/v1/conversations/${this.props.thread.id}/notes`, { body });
      this.setState({ note: "", problem: null });
      say(t("state.done"));
      soon();
    } catch (problem) {
      this.setState({ problem });
    }
  };

  render({ thread, conversation }, { mode, problem }) {
    if (!state.me.known) return html`<div class="composer" aria-busy="true" />`;
    if (!state.me.may_write) return html`<div class="composer"><p class="composer-why" data-test="read-only">
      <${Icon} name="person" size=${16} />${t("composer.read_only")}</p></div>`;
    const shut = this.isShut();
    const tab = (name, icon) =>
      html`<button role="tab"
        aria-selected=${String(mode === name || (name === "template" && this.templates() && mode !== "note") || false)}
          class="tab" data-test=${`tab-${name}`}
        onClick=${() => this.setState({ mode: name, problem: null })}><${Icon} name=${icon} size=${16} />
          ${t(`composer.${name}`)}</button>`;
    return html`<div class=${classes("composer", mode === "note" && "composer-note")}>
      <div class="tabs" role="tablist" aria-label=${t("composer.title")}>${!shut && tab("reply", "reply")}
      ${tab("template", "template")}${tab("note", "note")}</div>
      ${shut && mode !== "note" && html`<p class="composer-why" data-test="window-why" role="status">
      <${Icon} name="hourglass" size=${16} /><span>${whyShut(conversation)}</span></p>`}
      ${conversation.opted_out_at && mode !== "note" && html`<p class="composer-why">${t("composer.opted_out")}</p>`}
      ${problem && html`<p class="refusal" role="alert" data-test="refusal">${explained(problem)}</p>`}
      ${mode === "note" ? this.noteBox() : this.templates() ? this.picker(thread, conversation, shut) : this.replyBox(thread)}
    </div>`;
  }

  picker(thread, conversation, shut) {
    const { Templates, text } = this.state;
    return html`${shut && text.trim() && html`<p class="composer-kept" data-test="kept-text">${t("composer.kept")} <bdi>
      ${plain(text, 120)}</bdi></p>`}
      ${Templates ? html`<${Templates} thread=${thread} conversation=${conversation}
        onSent=${() => this.setState({ mode: "reply" })} />` : html`<div class="templates-wait"><${Spinner} /></div>`}`;
  }

  replyBox(thread) {
    const { text } = this.state;
    return html`${thread.reply && html`<div class="replying" data-test="replying"><${Icon} name="reply" size=${16} />
      <bdi>${plain(thread.reply.content || "", 120) || t("bubble.quoted_unknown")}</bdi>
        <button class="icon-button icon-button-small" aria-label=${t("composer.no_quote")}
          onClick=${() => this.unquote()}><${Icon} name="close" size=${14} /></button></div>`}
      <div class="composer-line">
        <textarea ref=${this.box} id="composer" class="composer-text" data-test="composer" rows="1" value=${text}
          onInput=${this.write} onKeyDown=${this.key}
          placeholder=${t("composer.placeholder")} aria-label=${t("composer.answer")} dir="auto" />
        <button class="button button-main send" data-test="send" disabled=${!text.trim()} onClick=${() => this.send()}
          aria-label=${t("composer.send")}><${Icon} name="send" /></button>
      </div>`;
  }

  unquote() {
    this.props.thread.reply = null;
    this.setState({});
    this.box.current?.focus();
  }

  noteBox() {
    return html`<form class="composer-line" onSubmit=${this.note}>
      <textarea class="composer-text" data-test="note-input" rows="2" maxlength="10000" value=${this.state.note}
        onInput=${(event) => this.setState({ note: event.target.value })}
        onKeyDown=${(event) => event.key === "Enter" && !event.shiftKey && !event.isComposing && this.note(event)}
          placeholder=${t("composer.note_placeholder")} aria-label=${t("composer.note")} dir="auto" />
      <button class="button button-main send" data-test="note-send" disabled=${!this.state.note.trim()}
        aria-label=${t("composer.note_send")}><${Icon} name="check" /></button></form>`;
  }
}

/** Since when free text does not go, and why. */
export function whyShut(conversation) {
  const { why, since } = windowAt(conversation, now());
  if (why === "never") return t("shut.never");
  const last = moment(conversation.window.last_user_message_at);
  return why === "provider" ? t("shut.provider", { time: last }) : t("shut.time", { time: moment(since), last });
}
