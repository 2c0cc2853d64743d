// The open conversation: its head, its messages in a scroller that keeps its place, and the answer box.
import { Bubble, isOpen, replyTo } from "./bubbles.js";
import { Composer } from "./composer.js";
import { ConversationHead } from "./conversation_head.js";
import { Happened } from "./events.js";
import { dayName, language, t } from "./i18n.js";
import { Icon } from "./icons.js";
import { Blank, Failed, Spinner } from "./parts.js";
import { say, state } from "./state.js";
import { timeline } from "./timeline.js";
import { Component, Watcher, createRef, html } from "./view.js";

export class Conversation extends Watcher {
  topics() {
    return ["thread", "texts", "online"];
  }

  render() {
    const { thread } = state;
    if (!thread) return html`<${Blank} icon="inbox" title=${t("thread.none")} text=${t("thread.none_text")}
      test="thread-none" />`;
    if (thread.status === "error") {
      return html`<div class="thread-failed"><a class="icon-button back" href="#/" aria-label=${t("thread.back")}>
        <${Icon} name="back" /></a>
        <${Failed} problem=${thread.problem} retry=${() => thread.load()} /></div>`;
    }
    return html`<section class="thread" aria-label=${t("thread.title")} data-test="conversation" data-id=${thread.id}
      data-state=${thread.status} key=${thread.id}>
      <${ConversationHead} thread=${thread} conversation=${thread.conversation} />
      ${thread.status === "loading" ? html`<${Skeleton} />` : html`<${Scroller} thread=${thread} words=${language}
        windowOpen=${isOpen(thread.conversation)} />`}
      ${thread.conversation && html`<${Composer} thread=${thread} conversation=${thread.conversation} />`}
    </section>`;
  }
}

function Skeleton() {
  return html`<div class="scroller" aria-busy="true"><p class="unseen">${t("state.loading")}</p><div class="messages">
    ${["theirs", "ours", "theirs", "theirs", "ours"].map((side, index) => html`<div
      class=${`bubble bubble-${side} bubble-first`} key=${index} aria-hidden="true">
        <div class=${`bubble-body bone-bubble bone-${index}`} /></div>`)}
  </div></div>`;
}

/** The messages. At the bottom it follows new ones; elsewhere it says that there are some, and stays. */
class Scroller extends Component {
  box = createRef();
  inner = createRef();
  atBottom = true;
  state = { unseen: 0, marked: null };

  componentDidMount() {
    const box = this.box.current;
    box.scrollTop = box.scrollHeight;
    this.last = this.newest();
    if (matchMedia("(max-width: 719px)").matches) box.focus({ preventScroll: true });
    if (this.props.thread.wanted) this.jump(this.props.thread.wanted);
    this.resized = new ResizeObserver(() => this.atBottom && this.toBottom());
    this.resized.observe(box);
    this.resized.observe(this.inner.current);
    this.olderInSight();
  }

  componentWillUnmount() {
    this.resized.disconnect();
    clearTimeout(this.fading);
  }

  getSnapshotBeforeUpdate() {
    const box = this.box.current;
    return { height: box.scrollHeight, top: box.scrollTop, oldest: this.oldestDrawn };
  }

  componentDidUpdate(_, __, before) {
    const box = this.box.current;
    if (before.oldest !== this.oldestNow && !this.atBottom) box.scrollTop = before.top + box.scrollHeight - before.height;
    this.oldestDrawn = this.oldestNow;
    const newest = this.newest();
    if (newest?.id === this.last?.id) return;
    const mine = newest?.bubble?.local;
    this.last = newest;
    if (this.atBottom || mine) this.toBottom();
    else if (newest?.kind === "bubble") this.setState({ unseen: this.state.unseen + 1 });
  }

  newest() {
    return this.entries.at(-1);
  }

  toBottom = () => {
    const box = this.box.current;
    box.scrollTop = box.scrollHeight;
    this.atBottom = true;
    if (this.state.unseen) this.setState({ unseen: 0 });
  };

  scrolled = () => {
    const box = this.box.current;
    this.atBottom = box.scrollHeight - box.scrollTop - box.clientHeight < 48;
    if (this.atBottom && this.state.unseen) this.setState({ unseen: 0 });
    this.olderInSight();
  };

  olderInSight() {
    if (this.box.current.scrollTop < 400) this.props.thread.older();
  }

  /** Show a message that another one refers to; older pages are read until it is there. */
  jump = async (id) => {
    const { thread } = this.props;
    thread.wanted = null;
    for (let pages = 0; !thread.bubbles.has(id) && thread.cursor && pages < 10; pages += 1) await thread.older();
    if (!thread.bubbles.has(id)) return say(t("thread.not_here"));
    this.atBottom = false;
    this.setState({ marked: id }, () => {
      const node = this.box.current?.querySelector(`[data-id="${CSS.escape(id)}"]`);
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      node?.scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
      node?.focus({ preventScroll: true });
    });
    clearTimeout(this.fading);
    this.fading = setTimeout(() => this.setState({ marked: null }), 2500);
  };

  render({ thread, words, windowOpen }, { unseen, marked }) {
    const bubbles = [...thread.bubbles.values(), ...thread.sending];
    this.entries = timeline(bubbles, thread.history, !thread.cursor);
    this.oldestNow = this.entries.find((each) => each.kind === "bubble")?.id;
    return html`<div class="scroller-frame">
      <div class="scroller" ref=${this.box} onScroll=${this.scrolled} tabindex="0" role="region"
        aria-label=${t("thread.messages")} data-test="messages">
        <div class="messages" ref=${this.inner}>
          <div class="older">${thread.cursor ? html`<${Spinner} />` : html`<p>${t("thread.beginning")}</p>`}</div>
          ${this.entries.map((entry) => this.entry(entry, words, windowOpen, marked))}
        </div>
      </div>
      ${unseen > 0 && html`<button class="pill" data-test="new-messages" onClick=${this.toBottom}>
      <${Icon} name="down" size=${16} />${t("thread.unseen", { n: unseen })}</button>`}
    </div>`;
  }

  entry(entry, words, windowOpen, marked) {
    if (entry.kind === "day") return html`<h3 class="day" key=${entry.id}><span>${dayName(entry.at)}</span></h3>`;
    if (entry.kind === "event") return html`<${Happened} entry=${entry.entry} key=${entry.id} words=${words} />`;
    const { bubble } = entry;
    const key = bubble.local ? bubble.sent_as || bubble.id : bubble.id;
    return html`<${Bubble} key=${key} entry=${entry} words=${words} windowOpen=${windowOpen}
      marked=${marked === bubble.id} onJump=${this.jump} />`;
  }
}

/** For the keyboard: to the answer box, or to the templates in its place. */
export function focusComposer() {
  const box = document.getElementById("composer") || document.querySelector(".templates :is(button, input)");
  box?.focus();
}

export { replyTo };
