// A dialog of the browser's own: it keeps the focus, and Escape shuts it.
import { t } from "./i18n.js";
import { Icon } from "./icons.js";
import { Component, createRef, html } from "./view.js";

export class Dialog extends Component {
  node = createRef();

  componentDidMount() {
    this.before = document.activeElement;
    this.node.current.showModal();
  }

  componentWillUnmount() {
    this.before?.focus?.();
  }

  render({ title, onClose, children, test }) {
    return html`<dialog class="dialog" ref=${this.node} aria-label=${title} data-test=${test} onClose=${onClose}
      onKeyDown=${(event) => event.stopPropagation()}
      onClick=${(event) => event.target === this.node.current && onClose()}>
      <div class="dialog-inner"><header><h2>${title}</h2><button class="icon-button" aria-label=${t("state.close")}
        onClick=${onClose}><${Icon} name="close" /></button></header>
      ${children}</div></dialog>`;
  }
}
