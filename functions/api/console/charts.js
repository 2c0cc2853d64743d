// Charts as plain SVG and boxes: labelled in words and numbers, and each with its table.
import { dayOf, hourOf, moment, number, percent, t } from "./i18n.js";
import { Component, createRef, html } from "./view.js";

/** A chart with its title, and its numbers as a table for whoever wants those. */
export function Figure({ title, text, columns, rows, children, wide }) {
  return html`<figure class=${wide ? "figure figure-wide" : "figure"}>
    <figcaption><h2>${title}</h2>${text && html`<p>${text}</p>`}</figcaption>
    ${children}
    ${rows && rows.length > 0 && html`<details class="as-table"><summary>${t("chart.table")}</summary>
    <div class="table-room" tabindex="0" role="region" aria-label=${title}>
      <table><thead><tr>${columns.map((each) => html`<th scope="col">${each}</th>`)}</tr></thead>
        <tbody>${rows.map((row) => html`<tr>${row.map((cell, index) => (index ? html`<td>${cell}
        </td>` : html`<th scope="row">${cell}</th>`))}</tr>`)}</tbody></table></div></details>`}
  </figure>`;
}

/** A length in a box; its number stands beside it. */
export function Bar({ share, kind = "" }) {
  return html`<span class="bar" aria-hidden="true"><span class=${`bar-fill ${kind}`}
    style=${{ width: `${Math.max(0, Math.min(1, share)) * 100}%` }} /></span>`;
}

/** Parts of a whole in one bar; each part has its own look, and a label with its number below. */
export function Parts({ parts }) {
  const whole = parts.reduce((sum, each) => sum + each.value, 0);
  return html`<div class="parts"><span class="parts-bar" aria-hidden="true">
    ${whole > 0 && parts.map((each) => each.value > 0 && html`<span class=${`part part-${each.kind}`}
      style=${{ flexGrow: each.value }} />`)}</span>
    <ul class="parts-labels">${parts.map((each) => html`<li><span class=${`part-key part-${each.kind}`}
      aria-hidden="true" />${each.label} <b>${number(each.value)}</b></li>`)}</ul></div>`;
}

const HEIGHT = 116;
const TOP = 16;
const MIDDLE = 58;
const LOW = 100;

/** What came in (up) and went out (down) of one provider, by hour or day; all providers have the same scale. */
export class Flow extends Component {
  box = createRef();
  state = { width: 640, at: null };

  componentDidMount() {
    this.resized = new ResizeObserver(([{ contentRect: { width } }]) => this.setState({ width: Math.max(200, Math.floor(width)) }));
    this.resized.observe(this.box.current);
  }

  componentWillUnmount() {
    this.resized.disconnect();
  }

  point = (event) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    const { points } = this.props;
    const at = Math.floor(((event.clientX - left) / width) * points.length);
    this.setState({ at: at >= 0 && at < points.length ? at : null });
  };

  render({ points, most, step }, { width, at }) {
    const slot = width / points.length;
    const bar = Math.max(1, Math.min(28, slot * 0.72));
    const scale = (value) => (most ? (value / most) * (MIDDLE - TOP) : 0);
    const every = Math.ceil(56 / slot);
    const named = step === "hour" ? hourOf : dayOf;
    const shown = points[at];
    return html`<div class="flow" ref=${this.box}>
      <p class="flow-at" aria-hidden="true">
      ${shown ? t("chart.at", { ...shown, at: step === "hour" ? moment(shown.at) : dayOf(shown.at) }) : ""}
      </p>
      <svg width=${width} height=${HEIGHT} viewBox=${`0 0 ${width} ${HEIGHT}`} aria-hidden="true"
        onPointerMove=${this.point} onPointerLeave=${() => this.setState({ at: null })}>
        <line class="grid" x1="0" x2=${width} y1=${TOP} y2=${TOP} />
        <line class="grid" x1="0" x2=${width} y1=${LOW} y2=${LOW} />
        ${points.map((each, index) => {
          const x = index * slot + (slot - bar) / 2;
          return html`<g key=${each.at} class=${index === at ? "slot slot-at" : "slot"}>
            <rect class="received" x=${x} y=${MIDDLE - scale(each.received)} width=${bar}
              height=${scale(each.received)} />
            <rect class="sent" x=${x} y=${MIDDLE} width=${bar} height=${scale(each.sent)} />
            ${each.failed > 0 && html`<path class="failed"
              d=${`M${x + bar / 2} ${Math.min(LOW - 5, MIDDLE + scale(each.sent) + 4)}l3 5h-6z`} />`}
            ${index % every === 0 && html`<text x=${Math.max(0, x)} y=${HEIGHT - 2}>${named(each.at)}</text>`}</g>`;
        })}
        <line class="axis" x1="0" x2=${width} y1=${MIDDLE} y2=${MIDDLE} />
        <text class="scale" x=${width} y=${TOP - 4} text-anchor="end">${number(most)}</text>
      </svg></div>`;
  }
}

/** Steps of a way, each with how much of the first is left. */
export function Funnel({ steps, total }) {
  return html`<ol class="funnel">${steps.map(({ label, value, kind }) => html`<li><span class="funnel-label">${label}
    </span><${Bar} share=${total ? value / total : 0} kind=${kind || ""} />
    <span class="funnel-value"><b>${number(value)}</b> <small>${total ? percent(value / total) : ""}</small></span>
    </li>`)}</ol>`;
}
