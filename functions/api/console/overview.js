// How the gateway does: conversations, messages by time, windows, delivery, failures, what waits for an operator.
import { get, query } from "./api.js";
import { Bar, Figure, Flow, Funnel, Parts } from "./charts.js";
import { reasonOf } from "./errors.js";
import { dayOf, known, moment, number, t } from "./i18n.js";
import { Icon, ProviderMark } from "./icons.js";
import { Ago, Failed, providerName } from "./parts.js";
import { Queues } from "./queues.js";
import { Watcher, classes, html } from "./view.js";

const RANGES = ["24h", "7d", "30d"];
const EVERY = 30_000;
const sum = (rows, name) => rows.reduce((all, each) => all + each[name], 0);

export class Overview extends Watcher {
  state = { range: "24h", data: null, problem: null };

  topics() {
    return ["texts", "session", "filters"];
  }

  componentDidMount() {
    super.componentDidMount();
    this.load();
    this.timer = setInterval(() => document.hidden || this.load(), EVERY);
  }

  componentWillUnmount() {
    super.componentWillUnmount();
    clearInterval(this.timer);
    this.leaving?.abort();
  }

  load = async (range = this.state.range) => {
    this.leaving?.abort();
    this.leaving = new AbortController();
    this.setState({ range, busy: true });
    try {
      const data = await get(query("/v1/overview", { range }), { signal: this.leaving.signal });
      this.setState({ data, problem: null, busy: false });
    } catch (problem) {
      if (problem.name !== "AbortError") this.setState({ problem, busy: false });
    }
  };

  render(_, { range, data, problem, busy }) {
    return html`<section class="overview" data-test="overview" data-range=${data?.range}
      aria-busy=${String(Boolean(busy && !data))} aria-label=${t("nav.overview")}>
      <header class="overview-head"><h1>${t("nav.overview")}</h1>
        <div class="ranges" role="group" aria-label=${t("overview.range")}>
        ${RANGES.map((each) => html`<button class=${classes("range", each === range && "chosen")}
          data-test=${`range-${each}`} aria-pressed=${String(each === range)} onClick=${() => this.load(each)}>
            ${t(`overview.range_${each}`)}</button>`)}</div></header>
      ${problem && !data && html`<${Failed} problem=${problem} retry=${() => this.load()} />`}
      ${data ? html`<${Numbers} data=${data} /><${Queues} />` : !problem && html`<div class="cards">
      ${[1, 2, 3, 4, 5, 6].map((each) => html`<div class="figure bone-figure" key=${each} />`)}</div>`}
    </section>`;
  }
}

function Numbers({ data }) {
  return html`<${Tiles} data=${data} />
    <div class="cards">
      <${Messages} series=${data.series} step=${data.step} providers=${data.providers.map((each) => each.provider)} />
      <${Conversations} providers=${data.providers} /><${Windows} windows=${data.windows} />
      <${Delivery} funnel=${data.funnel} /><${Failures} failures=${data.failures} />
    </div>`;
}

function Head({ provider, children }) {
  return html`<p class="provider-head"><${ProviderMark} provider=${provider} name="" />
    <b>${providerName(provider)}</b>${children}</p>`;
}

function Messages({ series, step, providers }) {
  const most = Math.max(1, ...series.flatMap((each) => [each.received, each.sent]));
  const when = step === "hour" ? moment : dayOf;
  const keys = html`<span class="flow-keys"><span class="key key-received" />${t("chart.received")}
    <span class="key key-sent" />${t("chart.sent")}<span class="key key-failed">▲</span>${t("chart.failed")}</span>`;
  const columns = ["chart.time", "filter.provider", "chart.received", "chart.sent", "chart.failed"].map((key) => t(key));
  const rows = series
    .filter((each) => each.received || each.sent || each.failed)
    .map((each) => [when(each.at), providerName(each.provider), ...[each.received, each.sent, each.failed].map(number)]);
  return html`<${Figure} wide title=${t(step === "hour" ? "overview.by_hour" : "overview.by_day")} text=${keys}
    columns=${columns} rows=${rows}>
    ${providers.map((provider) => {
      const points = series.filter((each) => each.provider === provider);
      const total = { received: sum(points, "received"), sent: sum(points, "sent") };
      return html`<div class="flow-row" key=${provider}>
        <div><${Head} provider=${provider} /><small class="soft flow-total">${t("chart.flow_total", total)}</small></div>
        <${Flow} points=${points} most=${most} step=${step} /></div>`;
    })}<//>`;
}

function Conversations({ providers }) {
  const names = ["total", "active", "escalated", "within_24h"];
  const columns = [t("filter.provider"), ...names.map((name) => t(`overview.${name}`))];
  const rows = providers.map((each) => [providerName(each.provider), ...names.map((name) => number(each[name]))]);
  return html`<${Figure} title=${t("overview.conversations")} text=${t("overview.now")} columns=${columns} rows=${rows}>
    ${providers.map((each) => html`<div class="provider-numbers" key=${each.provider}>
      <${Head} provider=${each.provider} />
      <dl>${names.map((name) => html`<div><dt>${t(`overview.${name}`)}</dt><dd>${number(each[name])}</dd></div>`)}</dl>
    </div>`)}<//>`;
}

function Windows({ windows }) {
  const kinds = ["open", "closing", "shut"];
  const columns = [t("filter.provider"), ...kinds.map((kind) => t(`window.${kind}`))];
  const rows = windows.map((each) => [providerName(each.provider), ...kinds.map((kind) => number(each[kind]))]);
  const parts = (each) => kinds.map((kind) => ({ kind, value: each[kind], label: t(`window.${kind}_short`) }));
  return html`<${Figure} title=${t("overview.windows")} text=${t("overview.now")} columns=${columns} rows=${rows}>
    ${windows.map((each) => html`<div class="window-numbers" key=${each.provider}>
      <${Head} provider=${each.provider} /><${Parts} parts=${parts(each)} /></div>`)}<//>`;
}

function Delivery({ funnel }) {
  const steps = funnelSteps(funnel);
  const total = funnelTotal(funnel);
  return html`<${Figure} title=${t("overview.funnel")} text=${t("overview.funnel_text")}
    columns=${[t("chart.step"), t("chart.count")]} rows=${steps.map((each) => [each.label, number(each.value)])}>
    ${total
      ? html`<${Funnel} steps=${steps} total=${total} />`
      : html`<p class="nothing">${t("overview.nothing_sent")}</p>`}<//>`;
}

function Failures({ failures }) {
  const columns = [t("chart.reason"), t("filter.provider"), t("chart.count")];
  const rows = failures.map((each) => [reasonText(each.error_code), providerName(each.provider), number(each.count)]);
  return html`<${Figure} title=${t("overview.failures")} columns=${columns} rows=${rows}>
    ${failures.length > 0
      ? html`<ol class="failures">${failures.slice(0, 8).map((each) => html`<li>
          <${ProviderMark} provider=${each.provider} name=${providerName(each.provider)} />
          <span>${reasonText(each.error_code)} <small>${each.error_code}</small></span>
          <${Bar} share=${each.count / failures[0].count} kind="bar-bad" /><b>${number(each.count)}</b></li>`)}</ol>`
      : html`<p class="nothing"><${Icon} name="check" size=${16} />${t("overview.no_failures")}</p>`}<//>`;
}

function funnelTotal({ accepted, sent, failed }) {
  return accepted ?? sent + failed;
}

function funnelSteps(funnel) {
  const steps = ["accepted", "sent", "delivered", "read", "failed"].filter((name) => Number.isInteger(funnel[name]));
  return steps.map((name) => ({ label: t(`delivery.${name}`), value: funnel[name], kind: name === "failed" ? "bar-bad" : "" }));
}

function reasonText(code) {
  const reason = reasonOf(code);
  return reason && known(`why.${reason}`) ? t(`why.${reason}`) : t("overview.other_reason");
}

function Tiles({ data }) {
  const { waiting = {}, parked = {}, dead_letters: dead, last_sweep: sweep } = data;
  const did = Object.entries(sweep || {}).filter(([name, value]) => value > 0 && known(`sweep.${name}`));
  const tiles = [
    ["uncertain", waiting.uncertain],
    ["held", waiting.held],
    ["stopped", waiting.addresses_stopped],
    ["parked", parked.open],
    ["dead", dead ? sum(dead, "messages") : null],
  ].filter(([, value]) => value !== undefined);
  return html`<ul class="tiles" aria-label=${t("overview.tiles")}>
    ${tiles.map(([name, value]) => html`<li class=${classes("tile", value > 0 && name !== "held" && "tile-some")}
      data-test=${`tile-${name}`} key=${name}>
      <b>${value > 0 && name !== "held" && html`<${Icon} name="alarm" size=${16} />`}
      ${value === null ? "–" : number(value)}</b><span>${t(`overview.tile_${name}`)}</span></li>`)}
    <li class="tile tile-sweep" data-test="last-sweep"><b>${sweep ? html`<${Ago} since=${sweep.at} past />` : "–"}</b>
    <span>${sweep ? t("overview.tile_sweep") : t("overview.no_sweep")}</span>
      ${sweep && html`<small>
      ${did.map(([name, value]) => t(`sweep.${name}`, { n: value })).join(" · ")}
      </small>`}</li></ul>
    ${data.counted_to && html`<p class="counted">${t("overview.counted_to", { time: moment(data.counted_to) })}</p>`}`;
}
