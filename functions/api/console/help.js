// What the keys do; whoever does not want single keys to do things says so here.
import { Dialog } from "./dialog.js";
import { t } from "./i18n.js";
import { keysWanted, wantKeys } from "./preferences.js";
import { Component, html } from "./view.js";

const KEYS = [
  [["j", "k"], "move"],
  [["Enter"], "open"],
  [["r"], "reply"],
  [["/"], "search"],
  [["Esc"], "back"],
  [["Enter"], "send"],
  [["Shift", "Enter"], "line"],
  [["?"], "help"],
];

export class Help extends Component {
  render({ onClose }) {
    return html`<${Dialog} title=${t("help.title")} onClose=${onClose} test="help-dialog">
      <dl class="keys">${KEYS.map(([keys, does]) => html`<div key=${does}><dt>${keys.map((each) => html`<kbd>${each}
      </kbd> `)}</dt><dd>${t(`help.${does}`)}</dd></div>`)}</dl>
      <label class="check"><input type="checkbox" checked=${keysWanted()}
        onChange=${(event) => wantKeys(event.target.checked)} />${t("help.wanted")}</label>
      <h3>${t("help.ticks")}</h3><p class="help-text">${t("help.ticks_text")}</p>
      <h3>${t("help.window")}</h3><p class="help-text">${t("help.window_text")}</p>
    <//>`;
  }
}
