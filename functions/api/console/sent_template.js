// A template that went, as the customer reads it: its text is looked up, for the message holds its name and values only.
import { get, query } from "./api.js";
import { Options } from "./bubble_contents.js";
import { t } from "./i18n.js";
import { Icon } from "./icons.js";
import { Words } from "./parts.js";
import { filledText, sentTemplate, valuesOf } from "./template_values.js";
import { plain } from "./text.js";
import { Component, html } from "./view.js";

const KEPT_FOR = 10 * 60_000;
const known = new Map();

/** The templates of a conversation's address, asked for once in a while. */
export function templatesOf(conversation) {
  const kept = known.get(conversation);
  if (kept && Date.now() - kept.at < KEPT_FOR) return kept.templates;
  const templates = get(query("/v1/templates", { conversation_id: conversation })).then((found) => found.templates);
  known.set(conversation, { at: Date.now(), templates });
  templates.catch(() => known.delete(conversation));
  return templates;
}

export class SentTemplate extends Component {
  componentDidMount() {
    const { bubble } = this.props;
    const sent = bubble.details?.template;
    if (bubble.role !== "assistant" || bubble.local || !sent) return;
    templatesOf(bubble.conversation_id).then(
      (templates) => {
        const template = sentTemplate(templates, sent);
        if (template && !this.gone) this.setState({ template, values: valuesOf(template.send, sent) });
      },
      () => {},
    );
  }

  componentWillUnmount() {
    this.gone = true;
  }

  render({ bubble }, { template, values }) {
    const given = bubble.template?.name || bubble.details?.template?.name || "";
    const name = template?.name || given;
    const text = template ? filledText(template.body, values) : bubble.content === given ? "" : bubble.content;
    const buttons = template?.buttons || bubble.details?.buttons;
    const titles = Array.isArray(buttons) ? buttons.map((each) => each.text || each.title).filter(Boolean) : [];
    return html`<span class="kind-label"><${Icon} name="template" size=${14} /><span>${t("kind.template")}
      ${name ? html` · <bdi>${plain(name, 60)}</bdi>` : null}</span></span>
      ${template?.header && html`<strong><bdi>${plain(filledText(template.header, values), 80)}</bdi></strong>`}
      ${text && html`<${Words} text=${text} />`}
      ${template?.footer && html`<small class="footer"><bdi>${plain(template.footer, 120)}</bdi></small>`}
      <${Options} titles=${titles} />`;
  }
}
