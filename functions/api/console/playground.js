// Locally only: be a customer at any provider, let a provider misbehave, move the clock.
import { get, post } from "./api.js";
import { duration, known, t } from "./i18n.js";
import { Icon, ProviderMark, Tick } from "./icons.js";
import { reload, soon } from "./live.js";
import { Failed, Spinner, Words, providerName } from "./parts.js";
import { PhoneTalk } from "./playground_talk.js";
import { explained } from "./problems.js";
import { say } from "./state.js";
import { Watcher, html } from "./view.js";

const STEPS = [["1m", 60], ["1h", 3600], ["23h", 86_100], ["24h", 86_400]];

export class Playground extends Watcher {
  state = { facts: null, provider: "", from: "", name: "", kind: "text", text: "", told: "" };

  constructor(props) {
    super(props);
    this.talk = new PhoneTalk(() => this.setState({}));
  }

  topics() {
    return ["texts"];
  }

  componentDidMount() {
    super.componentDidMount();
    this.load();
  }

  componentWillUnmount() {
    super.componentWillUnmount();
    this.talk.stop();
  }

  load = async () => {
    try {
      const facts = await get("/playground");
      this.setState({ facts, failed: null });
      if (!this.state.provider) this.choose(Object.keys(facts.providers).sort()[0], facts);
    } catch (failed) {
      this.setState({ failed });
    }
  };

  choose(provider, facts = this.state.facts) {
    const [customer] = facts.providers[provider].customers;
    this.be(provider, customer?.from || "+34600000001", customer?.name || "");
  }

  be(provider, from, name) {
    const { kinds } = this.state.facts?.providers[provider] || {};
    this.setState({ provider, from, name, typed: null, kind: kinds?.includes(this.state.kind) ? this.state.kind : "text" });
    this.talk.follow(provider, from);
  }

  /** Do one thing and say what came of it. */
  async act(call, done) {
    this.setState({ busy: true, problem: null, told: "" });
    try {
      const answer = await call();
      const told = done(answer);
      this.setState({ told });
      say(told);
      soon();
      this.talk.look();
      return true;
    } catch (problem) {
      this.setState({ problem });
      return false;
    } finally {
      this.setState({ busy: false });
    }
  }

  send = async (event) => {
    event.preventDefault();
    const { provider, from, name, kind, text } = this.state;
    const form = event.target.elements;
    const place = kind === "location" ? { latitude: Number(form.latitude.value), longitude: Number(form.longitude.value) } : {};
    const tapped = kind === "button" ? { payload: text } : {};
    const body = { provider, from, kind, ...(name ? { name } : {}), ...(text ? { text } : {}), ...place, ...tapped };
    const went = await this.act(() => post("/playground/messages", body), ({ status }) => t("pg.arrived", { status }));
    if (went) this.setState({ text: "" });
  };

  fault(mode) {
    const body = { provider: this.state.provider, mode, ...(mode ? { count: 1 } : {}) };
    const said = () => t(mode ? "pg.fault_on" : "pg.fault_off");
    return this.act(() => post("/playground/faults", body), said).then(this.load);
  }

  forward(seconds) {
    const said = ({ ahead_seconds: ahead }) => t("pg.moved", { time: duration(ahead * 1000) });
    return this.act(() => post("/playground/clock", { seconds }), said).then(() => {
      this.load();
      reload();
    });
  }

  render(_, { facts, failed, told, problem }) {
    if (failed) return html`<${Failed} problem=${failed} retry=${this.load} />`;
    if (!facts) return html`<div class="waiting-view"><${Spinner} /></div>`;
    return html`<section class="playground" data-test="playground" aria-label=${t("nav.playground")}>
      <header><h1>${t("nav.playground")}</h1><p class="soft">${t("pg.text")}</p></header>
      <div class="pg-columns">
        <div class="pg-tools">${this.customer()}${this.faults()}${this.clock()}
          <p class="pg-told" role="status" data-test="pg-told">${told}</p>
          ${problem && html`<p class="refusal" role="alert">${explained(problem)}</p>`}</div>
        ${this.phone()}
      </div></section>`;
  }

  customer() {
    const { facts, provider, from, typed, name } = this.state;
    return html`<fieldset class="figure stack"><legend class="unseen">${t("pg.customer")}</legend><h2>
      ${t("pg.customer")}</h2>
      <label class="field">${t("filter.provider")}<select data-test="pg-provider" value=${provider}
        onChange=${(event) => this.choose(event.target.value)}>
        ${Object.keys(facts.providers).sort().map((each) => html`<option value=${each} selected=${each === provider}>
        ${providerName(each)}</option>`)}</select></label>
      <div class="pg-two"><label class="field">${t("pg.phone")}
      <input data-test="pg-from" list="pg-customers" value=${typed ?? from}
        onInput=${(event) => this.setState({ typed: event.target.value })}
        onChange=${(event) => this.be(provider, event.target.value.trim(), this.nameOf(event.target.value.trim()))} />
          </label>
        <label class="field">${t("pg.name")}<input data-test="pg-name" value=${name}
          onInput=${(event) => this.setState({ name: event.target.value })} /></label></div>
      <datalist id="pg-customers">${facts.providers[provider]?.customers.map((each) => html`<option value=${each.from}>
      ${each.name}</option>`)}</datalist></fieldset>`;
  }

  nameOf(from) {
    const { facts, provider } = this.state;
    return facts.providers[provider].customers.find((each) => each.from === from)?.name || "";
  }

  faults() {
    const { facts, provider, busy } = this.state;
    const active = facts.active.filter((each) => each.provider === provider);
    return html`<fieldset class="figure stack"><legend class="unseen">${t("pg.faults")}</legend><h2>${t("pg.faults")}
      </h2>
      <label class="field">${t("pg.next_call", { provider: providerName(provider) })}
      <select data-test="pg-fault" disabled=${busy} onChange=${(event) => this.fault(event.target.value || null)}>
        <option value="">${t("pg.no_fault")}</option>${facts.faults.map((each) => html`<option value=${each.mode}
          selected=${active.some((on) => on.mode === each.mode)}>${faultName(each)}</option>`)}</select></label>
      ${active.map((each) => html`<p class="pg-active">
      ${t("pg.active", { label: faultName(facts.faults.find((one) => one.mode === each.mode) || each), n: each.left })}
      </p>`)}</fieldset>`;
  }

  clock() {
    const { facts, busy } = this.state;
    return html`<fieldset class="figure stack"><legend class="unseen">${t("pg.clock")}</legend><h2>${t("pg.clock")}</h2>
      <p class="soft">${t("pg.clock_text")}</p>
      <div class="pg-steps">${STEPS.map(([name, seconds]) => html`<button type="button"
        class=${name === "23h" ? "button button-main" : "button"} disabled=${busy}
          data-test=${name === "23h" ? "pg-clock-forward" : `pg-clock-${name}`} data-seconds=${seconds}
            onClick=${() => this.forward(seconds)}>+ ${duration(seconds * 1000)}</button>`)}</div>
      ${facts.ahead_seconds > 0 && html`<p class="pg-active" data-test="pg-ahead">
      ${t("pg.ahead", { time: duration(facts.ahead_seconds * 1000) })}</p>`}</fieldset>`;
  }

  phone() {
    const { facts, provider, from, name, kind, text, busy } = this.state;
    const { bubbles, conversation } = this.talk;
    return html`<section class="phone" aria-label=${t("pg.their_phone")}>
      <header><${ProviderMark} provider=${provider} name=${providerName(provider)} /><b><bdi>${name || from}</bdi></b>
      ${conversation && html`<a href=${`#/c/${conversation.id}`} data-test="pg-open">${t("pg.open")}</a>`}</header>
      <div class="phone-talk" data-test="pg-talk" aria-live="polite" tabindex="0" role="region"
        aria-label=${t("thread.messages")}>${bubbles.length === 0 && html`<p class="nothing">${t("pg.nothing")}</p>`}
        ${bubbles.map((each) => html`<div
          class=${`bubble bubble-last ${each.role === "user" ? "bubble-ours" : "bubble-theirs"}`} key=${each.id}>
            <div class="bubble-body">
          ${each.content ? html`<${Words} text=${each.content} />` : html`<p class="gone">
          ${t(`kind.${each.content_type}`)}</p>`}
          ${each.role !== "user" && html`<footer class="bubble-foot">
          <${Tick} status=${each.status} label=${t(`delivery.${each.status}`)} /></footer>`}</div></div>`)}</div>
      <form class="phone-write" onSubmit=${this.send}>
        <div class="phone-kinds" role="radiogroup" aria-label=${t("pg.kind")}>
        ${facts.providers[provider].kinds.map((each) => html`<label class="phone-kind">
        <input type="radio" name="kind" data-test=${`pg-kind-${each}`} value=${each} checked=${each === kind}
          onChange=${() => this.setState({ kind: each })} /><span>${t(`pg.kind_${each}`)}</span></label>`)}</div>
        ${kind === "location" && html`<div class="pg-two"><label class="field">${t("pg.latitude")}
        <input name="latitude" type="number" step="any" defaultValue="40.41536" required /></label><label class="field">
        ${t("pg.longitude")}<input name="longitude" type="number" step="any" defaultValue="-3.7074" required /></label>
        </div>`}
        <div class="composer-line"><input class="composer-text" data-test="pg-text" value=${text}
          aria-label=${t(`pg.says_${kind}`)} placeholder=${t(`pg.says_${kind}`)}
            required=${kind === "text" || kind === "button"}
              onInput=${(event) => this.setState({ text: event.target.value })} autocomplete="off" />
          <button class="button button-main send" data-test="pg-send" disabled=${busy} aria-label=${t("composer.send")}>
          <${Icon} name="send" /></button></div></form></section>`;
  }
}

function faultName({ mode, label = mode }) {
  return known(`fault.${mode}`) ? t(`fault.${mode}`) : label;
}
