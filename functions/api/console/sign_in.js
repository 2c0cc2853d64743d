// Sign-in: at the organisation's issuer, or locally with the link that `make run` prints.
import { known, t } from "./i18n.js";
import { Icon, Mark } from "./icons.js";
import { keep } from "./session.js";
import { state } from "./state.js";
import { Watcher, html } from "./view.js";

export class SignIn extends Watcher {
  topics() {
    return ["texts"];
  }

  leave = async () => {
    this.setState({ busy: true, problem: null });
    try {
      const { begin } = await import("./oidc.js");
      await begin(state.config.sign_in);
    } catch {
      this.setState({ busy: false, problem: t("sign_in.unreachable") });
    }
  };

  take = (event) => {
    event.preventDefault();
    const given = event.target.elements.token.value.trim();
    const token = /#token=(.+)$/.exec(given)?.[1] || given;
    if (!token) return;
    keep(decodeURIComponent(token));
    this.props.onToken();
  };

  render({ broken }, { busy, problem }) {
    const kind = broken ? "broken" : state.config.sign_in.kind;
    const key = `sign_in.${state.signInProblem}`;
    const told = problem || (state.signInProblem && t(known(key) ? key : "sign_in.failed"));
    return html`<main class="sign-in" data-test="sign-in" data-kind=${kind}>
      <div class="sign-in-card"><${Mark} size=${48} /><h1>Ventana</h1><p>${t(`sign_in.${kind}_text`)}</p>
        ${told && html`<p class="refusal" role="alert">${told}</p>`}
        ${kind === "oidc" && html`<button class="button button-main" data-test="sign-in-oidc" disabled=${busy}
          onClick=${this.leave}><${Icon} name="exit" size=${16} />${t("sign_in.go")}</button>`}
        ${kind === "token" && html`<form class="stack" onSubmit=${this.take}><label class="field">${t("sign_in.token")}
        <input name="token" type="password" data-test="sign-in-token" autocomplete="off" required /></label>
          <button class="button button-main" data-test="sign-in-go">${t("sign_in.go")}</button></form>`}
        ${kind === "none" && html`<code>ConsoleClientId</code>`}
        ${kind === "broken" && html`<button class="button" onClick=${this.props.onToken}>${t("state.retry")}</button>`}
      </div></main>`;
  }
}
