// Which conversations the inbox shows: provider, status, window, who waits, whose they are.
import { t } from "./i18n.js";
import { Icon, ProviderMark } from "./icons.js";
import { NO_FILTERS, show } from "./inbox_list.js";
import { providerName } from "./parts.js";
import { state } from "./state.js";
import { Watcher, classes, html } from "./view.js";

const GROUPS = [
  ["window", ["", "open", "closing", "shut"]],
  ["status", ["", "active", "escalated", "resolved", "closed"]],
  ["provider", ["", "kommo", "meta", "twilio"]],
];

export function change(filters) {
  return show({ ...state.list.filters, ...filters });
}

export class Filters extends Watcher {
  topics() {
    return ["filters", "texts", "session"];
  }

  render({ onDone }) {
    const { filters } = state.list;
    return html`<form class="filters" aria-label=${t("filter.title")} onSubmit=${(event) => event.preventDefault()}>
      <fieldset class="choices">
        <legend>${t("filter.views")}</legend>
        <${Toggle} name="waiting" icon="hourglass" on=${filters.waiting}
          onChange=${(on) => change({ waiting: on ? "true" : "" })} />
        <${Toggle} name="mine" icon="person" on=${filters.assigned_to}
          onChange=${(on) => change({ assigned_to: on ? state.me.name : "" })} />
      </fieldset>
      ${GROUPS.map(([name, values]) => html`<fieldset class="choices" data-test=${`filter-${name}`}>
        <legend>${t(`filter.${name}`)}</legend>
        ${values.map((value) => html`<label class="choice" key=${value}>
          <input type="radio" name=${`filter-${name}`} value=${value} checked=${filters[name] === value}
            onChange=${() => change({ [name]: value })} />
          <span class=${classes("choice-mark", name === "window" && `dot dot-${value || "all"}`)}>
            ${name === "provider" && value ? html`<${ProviderMark} provider=${value} name="" />` : null}
          </span>
          <span>${name === "provider" && value ? providerName(value) : t(`${name}.${value || "all"}`)}</span>
        </label>`)}
      </fieldset>`)}
      <div class="filters-end">
        ${state.list.isFiltered && html`<button type="button" class="quiet" data-test="filter-clear"
          onClick=${() => show({ ...NO_FILTERS })}>${t("filter.clear")}</button>`}
        <button type="button" class="button filters-done" onClick=${onDone}>${t("filter.done")}</button>
      </div>
    </form>`;
  }
}

function Toggle({ name, icon, on, onChange }) {
  return html`<label class="choice">
    <input type="checkbox" data-test=${`filter-${name}`} checked=${Boolean(on)}
      onChange=${(event) => onChange(event.target.checked)} />
    <span class="choice-mark"><${Icon} name=${icon} size=${16} /></span>
    <span>${t(`filter.${name}`)}</span>
  </label>`;
}
