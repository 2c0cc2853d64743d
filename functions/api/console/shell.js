// The frame around the views: where one can go, what is wrong with the connection, and what is open.
import { Filters } from "./filters.js";
import { language, LANGUAGES, speak, t } from "./i18n.js";
import { Icon, Mark } from "./icons.js";
import { Inbox } from "./inbox.js";
import { soon } from "./live.js";
import { Failed, Spinner } from "./parts.js";
import { THEMES, applyTheme, theme } from "./preferences.js";
import { signOut } from "./session.js";
import { state, tell, watch } from "./state.js";
import { Component, Watcher, classes, html } from "./view.js";

const LAZY = {
  conversation: () => import("./conversation.js").then((module) => module.Conversation),
  overview: () => Promise.all([import("./overview.js"), stylesheet("views.css")]).then(([module]) => module.Overview),
  playground: () => Promise.all([import("./playground.js"), stylesheet("views.css")]).then(([module]) => module.Playground),
  help: () => import("./help.js").then((module) => module.Help),
};

/** Fetch ahead what the next click will want. */
function ahead() {
  return Promise.all([LAZY.conversation(), import("./thread.js")]);
}

/** A stylesheet more, once; done when it is there. */
function stylesheet(name) {
  const there = document.querySelector(`link[href="${name}"]`);
  if (there) return there.arrived;
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: name });
  link.arrived = new Promise((arrived, failed) => {
    link.onload = arrived;
    link.onerror = () => {
      link.remove();
      failed(new Error(name));
    };
  });
  document.head.append(link);
  return link.arrived;
}

/** A view whose code is fetched when it is first shown. */
class Lazy extends Component {
  componentDidMount() {
    this.fetch();
  }

  fetch = async () => {
    this.setState({ problem: null });
    try {
      const View = await LAZY[this.props.view]();
      this.setState({ View });
    } catch {
      this.setState({ problem: { status: 0, code: "network" } });
    }
  };

  render({ view, ...rest }, { View, problem }) {
    if (problem) return html`<${Failed} problem=${problem} retry=${this.fetch} />`;
    return View ? html`<${View} ...${rest} />` : html`<div class="waiting-view"><${Spinner} /></div>`;
  }
}

const WIDE = matchMedia("(min-width: 1101px)");

export class Shell extends Watcher {
  state = { filters: false, help: false };

  topics() {
    return ["route", "texts", "session"];
  }

  componentDidMount() {
    super.componentDidMount();
    this.unhelp = watch(["help"], () => this.setState({ help: true }));
    this.follow();
    WIDE.addEventListener("change", this.resized);
    (window.requestIdleCallback || setTimeout)(() => ahead().catch(() => {}));
  }

  componentDidUpdate() {
    this.follow();
  }

  componentWillUnmount() {
    super.componentWillUnmount();
    this.unhelp();
    WIDE.removeEventListener("change", this.resized);
  }

  resized = () => this.setState({ filters: false });

  /** Have the conversation open that the address names. */
  async follow() {
    const { id } = state.route;
    if ((state.thread?.id || null) === id) return;
    const opened = await import("./thread.js").catch(() => null);
    if (state.route.id !== id || !state.list) return; // gone elsewhere, or signed out, in the meantime
    if (!opened) {
      setTimeout(() => this.follow(), 2000);
      return;
    }
    const found = state.list.byId.get(id)?.found;
    const thread = opened.open(id);
    if (thread && found) thread.wanted = found.message_id;
  }

  render(_, { filters, help }) {
    const { view, id } = state.route;
    return html`<div class=${classes("shell", `shell-${view}`, id && "shell-reading")} data-view=${view}>
      <a class="skip" href="#main"
        onClick=${(event) => { event.preventDefault(); document.getElementById("main").focus(); }}>${t("nav.skip")}</a>
      <${Side} view=${view} />
      <${Banner} />
      <main id="main" tabindex="-1" class=${`main main-${view}`}>
        ${view === "inbox" && html`<h1 class="unseen">${t("nav.inbox")}</h1>
        <${Inbox} filtersOpen=${filters} onFilters=${() => this.setState({ filters: !filters })} />
          <div class="pane"><${Lazy} view="conversation" key="conversation" /></div>`}
        ${view === "overview" && html`<${Lazy} view="overview" key="overview" />`}
        ${view === "playground" && html`<${Lazy} view="playground" key="playground" />`}
      </main>
      <${Said} />
      ${help && html`<${Lazy} view="help" key="help" onClose=${() => this.setState({ help: false })} />`}
    </div>`;
  }
}

function Side({ view }) {
  const place = (name, href) => html`<a class="nav-link" href=${href} data-test=${`nav-${name}`}
    aria-current=${view === name ? "page" : undefined}><${Icon} name=${name} /><span>${t(`nav.${name}`)}</span></a>`;
  return html`<aside class="side">
    <div class="brand"><${Mark} /><span>Ventana</span></div>
    <nav class="nav" aria-label=${t("nav.title")}>${place("inbox", "#/")}${place("overview", "#/overview")}
    ${state.config.local && place("playground", "#/playground")}</nav>
    ${view === "inbox" && WIDE.matches && html`<${Filters} />`}
    <${Preferences} />
  </aside>`;
}

class Preferences extends Watcher {
  topics() {
    return ["filters", "texts"];
  }

  render() {
    const now = theme();
    const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
    const icon = { auto: "auto", light: "sun", dark: "moon" }[now];
    return html`<div class="preferences">
      <p class="who-am-i" title=${state.me.known ? t(state.me.may_write ? "me.may_write" : "me.may_read") : ""}>
      <${Icon} name="person" size=${16} /><bdi>${state.me.name || "…"}</bdi></p>
      <div class="preferences-row">
        <label class="select"><${Icon} name="language" size=${16} /><span class="unseen">${t("nav.language")}</span>
          <select data-test="language" value=${language} onChange=${(event) => speak(event.target.value, true)}>
          ${Object.entries(LANGUAGES).map(([code, name]) => html`<option value=${code} lang=${code}
            selected=${code === language}>${name}</option>`)}</select></label>
        <button class="icon-button" data-test="theme" data-theme-now=${now} title=${t(`theme.${now}`)}
          aria-label=${t("theme.switch", { now: t(`theme.${now}`), next: t(`theme.${next}`) })}
            onClick=${() => applyTheme(next)}><${Icon} name=${icon} /></button>
        <${HelpButton} />
        <button class="icon-button" data-test="sign-out" title=${t("nav.sign_out")} aria-label=${t("nav.sign_out")}
          onClick=${signOut}><${Icon} name="exit" /></button>
      </div></div>`;
  }
}

function HelpButton() {
  return html`<button class="icon-button" data-test="help" title=${t("help.title")} aria-label=${t("help.title")}
    onClick=${() => tell("help")}><${Icon} name="help" /></button>`;
}

/** While the gateway cannot be reached; it goes by itself. */
class Banner extends Watcher {
  topics() {
    return ["online", "texts"];
  }

  render() {
    return html`<div class="banner-place" role="status" aria-live="polite">
      ${!state.online && html`<p class="banner" data-test="banner-offline"><${Icon} name="unplugged" size=${16} />
      ${t("state.offline")}
      <button class="quiet" onClick=${soon}>${t("state.retry_now")}</button></p>`}</div>`;
  }
}

/** What screen readers are told. */
class Said extends Watcher {
  topics() {
    return ["said"];
  }

  render() {
    return html`<p class="unseen" aria-live="polite" data-test="said">${state.said}</p>`;
  }
}
