// The template picker: approved templates, their parameters, and how it will look.
import { Options } from "./bubble_contents.js";
import { forget, keyOf } from "./drafts.js";
import { t } from "./i18n.js";
import { Icon } from "./icons.js";
import { Failed, Spinner, Words } from "./parts.js";
import { explained } from "./problems.js";
import { templatesOf } from "./sent_template.js";
import { say, state } from "./state.js";
import { fill, filledText } from "./template_values.js";
import { plain } from "./text.js";
import { Component, classes, html } from "./view.js";

export class Templates extends Component {
  state = { templates: null, chosen: null, values: {}, q: "" };

  componentDidMount() {
    this.load();
  }

  load = async () => {
    this.setState({ failed: null });
    try {
      const templates = await templatesOf(this.props.thread.id);
      this.setState({ templates, chosen: templates.length === 1 ? templates[0] : this.state.chosen });
    } catch (failed) {
      this.setState({ failed });
    }
  };

  choose(chosen) {
    const before = this.state.values;
    const values = Object.fromEntries(chosen.parameters.map(({ key }) => [key, before[key] || ""]));
    this.setState({ chosen, values, problem: null });
  }

  send = async (event) => {
    event.preventDefault();
    const { thread, onSent } = this.props;
    const { chosen, values } = this.state;
    const body = { type: "template", template: fill(chosen.send, values) };
    const shown = {
      role: "assistant", content: filledText(chosen.body, values), content_type: "template", details: {}, media: [], reactions: [],
      author: state.me.name, template: { name: chosen.name, language: chosen.language },
    };
    this.setState({ busy: true, problem: null });
    try {
      await thread.send(body, shown, keyOf(`${thread.id} template`, body));
      forget(`${thread.id} template`);
      this.setState({ chosen: null, values: {} });
      say(t("state.done"));
      onSent();
    } catch (problem) {
      if (problem.status >= 400 && problem.status < 500) forget(`${thread.id} template`);
      this.setState({ problem });
    }
    this.setState({ busy: false });
  };

  render(_, { templates, failed, chosen, q }) {
    if (failed) return html`<div class="templates" data-test="template-picker">
      <${Failed} problem=${failed} retry=${this.load} /></div>`;
    if (!templates) return html`<div class="templates templates-wait" data-test="template-picker"><${Spinner} /></div>`;
    if (!templates.length) return html`<div class="templates templates-none" data-test="template-picker"><p>
      ${t("template.none")}</p></div>`;
    const found = templates.filter((each) => `${each.name} ${each.body}`.toLowerCase().includes(q.toLowerCase()));
    return html`<div class="templates" data-test="template-picker">
      <div class="template-choice">
        ${templates.length > 5 && html`<input type="search" class="template-search" aria-label=${t("template.search")}
          placeholder=${t("template.search")} onInput=${(event) => this.setState({ q: event.target.value })} />`}
        <ul class="template-list" aria-label=${t("template.title")}>${found.map((each) => html`<li key=${each.id}>
        <button class=${classes("template-option", chosen?.id === each.id && "chosen")} data-test="template-option"
          data-name=${each.name} aria-pressed=${String(chosen?.id === each.id)} onClick=${() => this.choose(each)}>
          <span class="template-name"><bdi>${plain(each.name, 60)}</bdi> <small>${each.language}
          ${each.category ? ` · ${each.category.toLowerCase()}` : ""}</small></span>
          <span class="template-body"><bdi>${plain(each.body, 120)}</bdi></span></button></li>`)}</ul>
      </div>
      ${chosen ? this.chosen() : html`<p class="template-hint">${t("template.choose")}</p>`}
    </div>`;
  }

  chosen() {
    const { chosen, values, busy, problem } = this.state;
    const text = (part) => filledText(part, values);
    return html`<form class="template-form" onSubmit=${this.send}>
      <div class="template-preview bubble-ours" data-test="template-preview" aria-label=${t("template.preview")}
        role="group"><div class="bubble-body">
        ${chosen.header && html`<strong><${Words} text=${text(chosen.header)} links=${false} /></strong>`}
        <${Words} text=${text(chosen.body)} />
        ${chosen.footer && html`<small class="footer"><bdi>${plain(chosen.footer, 120)}</bdi></small>`}
        <${Options} titles=${(chosen.buttons || []).map((each) => each.text)} /></div></div>
      ${chosen.parameters.map(({ key, example }) => html`<label class="field" key=${key}><span>
      ${t("template.parameter", { key })}</span>
        <input required maxlength="1000" data-test="template-parameter" data-key=${key} value=${values[key] || ""}
          placeholder=${example || ""}
            onInput=${(event) => this.setState({ values: { ...this.state.values, [key]: event.target.value } })} />
              </label>`)}
      ${problem && html`<p class="refusal" role="alert" data-test="refusal">${explained(problem)}</p>`}
      <button class="button button-main" data-test="template-send"
        disabled=${busy || chosen.parameters.some(({ key }) => !values[key]?.trim())}><${Icon} name="send" size=${16} />
          ${t("template.send")}</button>
    </form>`;
  }
}
