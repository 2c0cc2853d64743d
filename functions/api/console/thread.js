// The open conversation: its messages and history as far as they are loaded, and what is being sent.
import { get, post, put, query } from "./api.js";
import { now } from "./clock.js";
import { t } from "./i18n.js";
import { soon } from "./live.js";
import { say, state, tell } from "./state.js";
import { plain } from "./text.js";

/** Open a conversation, or none. */
export function open(id) {
  if (state.thread?.id === id) return state.thread;
  state.thread?.stop();
  state.thread = id ? new Thread(id) : null;
  tell("thread");
  state.thread?.load();
  return state.thread;
}

export class Thread {
  constructor(id) {
    this.id = id;
    this.conversation = state.list?.byId.get(id) || null;
    this.bubbles = new Map();
    this.sending = [];
    this.held = [];
    this.history = [];
    this.cursor = null;
    this.status = "loading";
    this.problem = null;
    this.busy = false;
    this.leaving = new AbortController();
    this.reply = null;
  }

  stop() {
    this.leaving.abort();
  }

  async load() {
    const { signal } = this.leaving;
    const path = `/v1/conversations/${encodeURIComponent(this.id)}`;
    if (this.status === "error") this.status = "loading";
    try {
      const asked = [get(query(`${path}/messages`, { limit: 50 }), { signal }), get(`${path}/history`, { signal })];
      asked.push(get(path, { signal }));
      const [page, history, conversation] = await Promise.all(asked);
      this.bubbles = new Map(page.messages.map((each) => [each.id, each]));
      this.cursor = page.next_cursor;
      this.history = history.history;
      this.conversation = listed(conversation);
      this.status = "ready";
      this.dropSent();
      this.seen();
    } catch (problem) {
      if (problem.name === "AbortError") return;
      this.problem = problem;
      if (this.status !== "ready") this.status = "error";
    }
    tell("thread");
  }

  /** Read the page before the oldest message. */
  async older() {
    if (this.busy || !this.cursor) return;
    this.busy = true;
    tell("thread");
    try {
      const path = `/v1/conversations/${this.id}/messages`;
      const page = await get(query(path, { limit: 50, cursor: this.cursor }), { signal: this.leaving.signal });
      for (const each of page.messages) if (!this.bubbles.has(each.id)) this.bubbles.set(each.id, each);
      this.cursor = page.next_cursor;
    } catch (problem) {
      if (problem.name === "AbortError") return;
    }
    this.busy = false;
    tell("thread");
  }

  /** Take in what has changed; the same may come several times. */
  take(messages, history, conversations) {
    let changed = false;
    for (const each of messages) {
      if (each.conversation_id !== this.id) continue;
      const before = this.bubbles.get(each.id);
      if (before && JSON.stringify(before) === JSON.stringify(each)) continue;
      if (!before && each.role !== "user" && this.isPosting) {
        this.held.push(each); // perhaps what is being posted: its answer tells
        continue;
      }
      this.bubbles.set(each.id, each);
      changed = true;
      if (!before && each.role === "user") say(t("thread.new_message", { text: plain(each.content, 120) }));
    }
    for (const each of history) {
      const same = (one) => one.at === each.at && one.change === each.change;
      if (this.history.some(same)) continue;
      this.history.unshift(each);
      changed = true;
    }
    const mine = conversations.find((each) => each.id === this.id);
    if (mine && JSON.stringify(mine) !== JSON.stringify(this.conversation)) {
      this.conversation = mine;
      changed = true;
    }
    if (!changed) return;
    this.dropSent();
    tell("thread");
    this.seen();
  }

  /** Learn the conversation anew, for example when a refusal told that it is not as we thought. */
  async refresh() {
    this.conversation = listed(await get(`/v1/conversations/${this.id}`));
    state.list?.take([this.conversation], []);
    tell("thread");
  }

  /** It was merged into another conversation: there is nothing to show any more. */
  leave() {
    this.problem = { status: 404, code: "not_found" };
    this.status = "error";
    tell("thread");
  }

  /** Say that somebody looks at it, where somebody does. */
  async seen() {
    if (!this.conversation?.unread || !state.me.may_write || document.hidden || this.telling) return;
    this.telling = true;
    try {
      await put(`/v1/conversations/${this.id}/seen`);
      if (this.conversation) this.conversation = { ...this.conversation, unread: 0 };
      state.list?.patch(this.id, { unread: 0 });
    } catch {
      // it is told again with the next message
    }
    this.telling = false;
  }

  /** Send; a bubble shows it at once. Raises Problem, and then there is no bubble. */
  async send(body, shown, key) {
    const local = {
      ...shown,
      id: `local-${key}`,
      local: true,
      status: "posting",
      created_at: new Date(now()).toISOString(),
    };
    this.sending = [...this.sending.filter((each) => each.id !== local.id), local];
    tell("sent");
    tell("thread");
    try {
      const accepted = await post("/v1/messages", { conversation_id: this.id, ...body }, { "idempotency-key": key });
      Object.assign(local, { status: accepted.status, sent_as: accepted.id });
      this.release();
      soon();
      return accepted;
    } catch (problem) {
      this.sending = this.sending.filter((each) => each !== local);
      this.release();
      throw problem;
    } finally {
      tell("thread");
    }
  }

  get isPosting() {
    return this.sending.some((each) => each.status === "posting");
  }

  /** Show what was held back while something was being posted. */
  release() {
    if (this.isPosting) return;
    for (const each of this.held.splice(0)) this.bubbles.set(each.id, each);
    this.dropSent();
  }

  /** What the server shows needs no bubble of ours any more. */
  dropSent() {
    this.sending = this.sending.filter((each) => !each.sent_as || !this.bubbles.has(each.sent_as));
  }
}

function listed({ messages, ...conversation }) {
  return conversation;
}

document.addEventListener("visibilitychange", () => state.thread?.seen());
