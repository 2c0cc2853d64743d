// Begins: language, theme, who is signed in; then shows the place that the address names.
import { get } from "./api.js";
import { preferred, speak, t } from "./i18n.js";
import { ConversationList, keptFilters } from "./inbox_list.js";
import { start } from "./live.js";
import { applyTheme } from "./preferences.js";
import { takeFromAddress, token } from "./session.js";
import { Shell } from "./shell.js";
import { state, tell, watch } from "./state.js";
import { html, render } from "./view.js";

let begun = false;
let drawn = false;
const root = document.getElementById("app");

async function begin() {
  applyTheme();
  takeFromAddress();
  state.configuring = fetch("config.json", { cache: "no-cache" }).then((answer) => answer.json());
  if (token()) first();
  const [config] = await Promise.all([state.configuring, speak(preferred())]);
  state.config = config;
  await signIn();
  route();
  addEventListener("hashchange", rerouted);
  watch(["session"], () => draw());
  watch(["texts"], () => title());
  await draw();
}

/** Who the token is, with the first page of conversations on its way at the same time. */
async function signIn() {
  const { sign_in: way } = state.config;
  if (way.kind === "oidc" && /[?&](code|error)=/.test(location.search)) {
    const { complete } = await import("./oidc.js");
    try {
      await complete(way);
    } catch (problem) {
      state.signInProblem = problem.message;
    }
  }
  state.signedIn = way.kind !== "none" && Boolean(token());
}

/** Ask for the first page at once, while the rest of the page is still on its way. */
function first() {
  state.list = new ConversationList(keptFilters());
  state.list.load();
}

/** Draw in place of what index.html shows meanwhile. */
function show(view) {
  if (!drawn) root.replaceChildren();
  drawn = true;
  render(view, root);
}

async function draw() {
  if (!state.signedIn) {
    const { SignIn } = await import("./sign_in.js");
    if (state.signedIn) return draw();
    // In one go with what is shown: views that are still there may draw at any moment, and need what they show.
    begun = false;
    state.thread?.stop();
    Object.assign(state, { thread: null, list: null, cursor: null, me: { known: false, name: "", may_write: false } });
    return show(html`<${SignIn} onToken=${signedIn} />`);
  }
  if (begun) return undefined;
  begun = true;
  if (!state.list) first();
  start();
  know();
  show(html`<${Shell} />`);
  title();
  import("./keys.js").then(({ listen }) => listen(), () => {});
  return undefined;
}

/** Learn who this is and what they may do; until then nothing is offered that might be refused. */
async function know() {
  try {
    state.me = { ...(await get("/v1/me")), known: true };
    tell("thread");
    tell("filters");
  } catch {
    if (state.signedIn) setTimeout(know, 3000);
  }
}

function signedIn() {
  state.signedIn = true;
  takeFromAddress();
  route();
  tell("session");
}

/** `#/`, `#/c/<id>`, `#/overview`, `#/playground`. */
function route() {
  const [, view, id] = location.hash.split("/");
  const known = { c: "inbox", overview: "overview", playground: state.config.local ? "playground" : "inbox" };
  state.route = { view: known[view] || "inbox", id: view === "c" && id ? decodeURIComponent(id) : null };
}

function rerouted() {
  if (location.hash.startsWith("#token=")) {
    takeFromAddress();
    state.signedIn = true;
    tell("session");
  }
  route();
  tell("route");
  title();
}

function title() {
  const { view } = state.route;
  document.title = `${t(`nav.${view}`)} · Ventana`;
}

begin().catch(async () => {
  const { SignIn } = await import("./sign_in.js");
  show(html`<${SignIn} broken onToken=${() => location.reload()} />`);
});
