// What a customer of the playground has on their phone: the conversation that belongs to their number, read again and again.
import { get, query } from "./api.js";

const EVERY = 1500;

export class PhoneTalk {
  bubbles = [];
  conversation = null;

  constructor(changed) {
    this.changed = changed;
    this.timer = setInterval(() => document.hidden || this.look(), EVERY);
  }

  stop() {
    clearInterval(this.timer);
    this.provider = null;
  }

  /** Show another customer's phone. */
  follow(provider, from) {
    if (this.provider === provider && this.from === from) return;
    Object.assign(this, { provider, from, bubbles: [], conversation: null });
    this.look();
  }

  async look() {
    const { provider, from } = this;
    if (!provider || this.looking) return;
    this.looking = true;
    try {
      const conversation = this.conversation || (await this.find(provider, from));
      if (conversation) {
        const { messages } = await get(query(`/v1/conversations/${conversation.id}/messages`, { limit: 30 }));
        if (this.provider === provider && this.from === from) {
          this.conversation = conversation;
          this.bubbles = messages.reverse();
          this.changed();
        }
      }
    } catch {
      this.conversation = null;
    }
    this.looking = false;
  }

  async find(provider, from) {
    const { conversations } = await get(
      query("/v1/conversations", { provider, q: from.replace(/\D/g, ""), limit: 10 }),
    );
    const digits = from.replace(/\D/g, "");
    return (
      conversations.find((each) => (each.phone || each.provider_user_id || "").replace(/\D/g, "") === digits) || null
    );
  }
}
