// Dialogs of what is done with a conversation: escalate, and give it to somebody.
import { Dialog } from "./dialog.js";
import { t } from "./i18n.js";
import { Component, html } from "./view.js";

export class ActionDialog extends Component {
  submit = async (event) => {
    event.preventDefault();
    const { elements } = event.target;
    const assignee = elements.assignee.value.trim() || null;
    const { which, onAct, onDone } = this.props;
    const reason = elements.reason?.value.trim();
    const body = which === "escalate" ? { reason, ...(assignee ? { assignee } : {}) } : { assignee };
    await onAct(which, body);
    onDone();
  };

  render({ which, conversation, onDone }) {
    const escalates = which === "escalate";
    return html`<${Dialog} title=${t(`dialog.${which}`)} onClose=${onDone}>
      <form class="stack" onSubmit=${this.submit}>
        ${escalates && html`<label class="field">${t("dialog.reason")}
        <textarea name="reason" data-test="escalate-reason" required maxlength="1000" rows="3" autofocus /></label>`}
        <label class="field">${t("dialog.assignee")}<input name="assignee" data-test="assignee" maxlength="200"
          autocomplete="off" required=${!escalates} autofocus=${!escalates}
            defaultValue=${conversation.assigned_to || ""} /></label>
        <div class="dialog-end"><button type="button" class="button" onClick=${onDone}>${t("state.cancel")}</button>
          <button class="button button-main" data-test="dialog-submit">${t(`do.${which}`)}</button></div>
      </form><//>`;
  }
}
