// What waits for an operator: items that were not understood, with replay, and dead letters, with redrive.
import { get, post } from "./api.js";
import { duration, moment, number, t } from "./i18n.js";
import { Icon, ProviderMark } from "./icons.js";
import { Failed, providerName } from "./parts.js";
import { explained } from "./problems.js";
import { say, state } from "./state.js";
import { plain } from "./text.js";
import { Component, html } from "./view.js";

export class Queues extends Component {
  state = { parked: null, queues: null, told: {} };

  componentDidMount() {
    this.load();
  }

  load = async () => {
    this.setState({ problem: null });
    try {
      const [{ parked }, { queues }] = await Promise.all([get("/v1/parked"), get("/v1/dead-letters")]);
      this.setState({ parked, queues });
    } catch (problem) {
      this.setState({ problem });
    }
  };

  /** Do something with an item, and write beside it what came of it. */
  async act(id, path, worded) {
    const note = (text) => this.setState({ told: { ...this.state.told, [id]: text } });
    note(t("state.loading"));
    try {
      const text = worded(await post(path));
      note(text);
      say(text);
      setTimeout(this.load, 600);
    } catch (problem) {
      note(explained(problem));
    }
  }

  replay(item) {
    return this.act(item.id, `/v1/parked/${item.id}/replay`, ({ replayed, outcomes }) =>
      replayed ? t("parked.replayed") : t("parked.still", { why: outcomes.join(", ") }),
    );
  }

  redrive(queue) {
    const said = ({ moved, left }) => t("dead.moved", { n: moved, left });
    return this.act(queue.queue, `/v1/dead-letters/${queue.queue}/redrive`, said);
  }

  show = async (item) => {
    if (this.state.open === item.id) return this.setState({ open: null });
    this.setState({ open: item.id, whole: null });
    try {
      this.setState({ whole: await get(`/v1/parked/${item.id}`) });
    } catch (problem) {
      this.setState({ whole: { body: explained(problem) } });
    }
    return undefined;
  };

  render(_, { parked, queues, problem, told, open, whole }) {
    if (problem) return html`<${Failed} problem=${problem} retry=${this.load} />`;
    if (!parked) return html`<div class="cards"><div class="figure bone-figure" /><div class="figure bone-figure" />
      </div>`;
    const may = state.me.may_write;
    return html`<div class="cards">
      <section class="figure" aria-label=${t("parked.title")}><h2>${t("parked.title")}</h2><p class="soft">
      ${t("parked.text")}</p>
        ${parked.length === 0 && html`<p class="nothing"><${Icon} name="check" size=${16} />${t("parked.none")}</p>`}
        <ul class="queue">${parked.map((item) => html`<li key=${item.id} data-test="parked-row" data-id=${item.id}>
        <div class="queue-line"><${ProviderMark} provider=${item.provider} name=${providerName(item.provider)} />
          <div class="queue-what"><bdi>${plain(item.reason, 200)}</bdi><small>${moment(item.received_at)}
          ${item.times > 1 ? ` · × ${number(item.times)}` : ""}</small></div>
          <button class="button button-small" aria-expanded=${String(open === item.id)}
            onClick=${() => this.show(item)}>${t("parked.show")}</button>
          ${may && html`<button class="button button-small" data-test="replay" onClick=${() => this.replay(item)}>
          ${t("parked.replay")}</button>`}</div>
          ${told[item.id] && html`<p class="queue-told" role="status">${told[item.id]}</p>`}
          ${open === item.id && html`<pre class="raw" tabindex="0" aria-label=${t("parked.raw")}>
          ${whole ? rawOf(whole) : "…"}</pre>`}</li>`)}</ul></section>
      <section class="figure" aria-label=${t("dead.title")}><h2>${t("dead.title")}</h2><p class="soft">${t("dead.text")}
      </p>
        <ul class="queue">${queues.map((queue) => html`<li key=${queue.queue} data-test="dead-row"
          data-queue=${queue.queue}><div class="queue-line"><div class="queue-what"><span>${queue.queue}</span>
          ${queue.oldest_seconds !== null && queue.oldest_seconds !== undefined && html`<small>
          ${t("dead.oldest", { time: duration(queue.oldest_seconds * 1000) })}</small>`}</div>
          <b class=${queue.messages ? "some" : "none"}>${number(queue.messages)}</b>
          ${may && html`<button class="button button-small" data-test="redrive" disabled=${!queue.messages}
            onClick=${() => this.redrive(queue)}>${t("dead.redrive")}</button>`}</div>
          ${told[queue.queue] && html`<p class="queue-told" role="status">${told[queue.queue]}</p>`}</li>`)}</ul>
          </section>
    </div>`;
  }
}

function rawOf({ body, item }) {
  const text = body ?? JSON.stringify(item, null, 2);
  try {
    return plainLines(JSON.stringify(JSON.parse(text), null, 2));
  } catch {
    return plainLines(text || "");
  }
}

function plainLines(text) {
  const lines = text.split("\n").slice(0, 400);
  return lines.map((line) => /^ */.exec(line)[0] + plain(line, 2000)).join("\n");
}
