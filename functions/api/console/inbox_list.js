// The conversations that the inbox shows: pages of them by cursor, kept newest first while they change.
import { get, query } from "./api.js";
import { now } from "./clock.js";
import { state, tell } from "./state.js";
import { matches, newestFirst } from "./windows.js";

const KEPT = "ventana.filters";
export const NO_FILTERS = { provider: "", status: "", window: "", waiting: "", assigned_to: "", q: "" };

/** The filters that this tab had last. */
export function keptFilters() {
  try {
    return { ...NO_FILTERS, ...JSON.parse(sessionStorage.getItem(KEPT) || "{}") };
  } catch {
    return { ...NO_FILTERS };
  }
}

/** A list with its filters; another choice of filters is another list. */
export class ConversationList {
  constructor(filters) {
    this.filters = filters;
    this.rows = [];
    this.byId = new Map();
    this.cursor = null;
    this.status = "loading";
    this.problem = null;
    this.loaded = false;
    this.busy = false;
    sessionStorage.setItem(KEPT, JSON.stringify(filters));
  }

  get isFiltered() {
    return Object.values(this.filters).some(Boolean);
  }

  /** Read the first page again; what is shown stays until it is there. */
  async load() {
    this.leaving?.abort();
    this.leaving = new AbortController();
    this.busy = true;
    if (!this.loaded) this.status = "loading";
    tell("list");
    try {
      const page = await this.page(null);
      this.rows = [];
      this.byId.clear();
      this.add(page.conversations);
      this.cursor = page.next_cursor;
      this.status = "ready";
      this.loaded = true;
    } catch (problem) {
      if (problem.name === "AbortError") return;
      this.problem = problem;
      this.status = this.loaded ? "ready" : "error";
    }
    this.busy = false;
    tell("list");
    if (this.status === "ready" && this.cursor && this.rows.length < 20) this.more();
  }

  /** Read the next page; a short one leads on to the one after it. */
  async more() {
    if (this.busy || !this.cursor || !state.online) return;
    this.busy = true;
    try {
      for (let found = 0, pages = 0; found < 10 && this.cursor && pages < 5; pages += 1) {
        const page = await this.page(this.cursor);
        this.add(page.conversations);
        this.cursor = page.next_cursor;
        found += page.conversations.length;
        tell("list");
      }
    } catch (problem) {
      if (problem.name === "AbortError") return;
      this.problem = problem;
    }
    this.busy = false;
    tell("list");
  }

  stop() {
    this.leaving?.abort();
  }

  page(cursor) {
    return get(query("/v1/conversations", { ...this.filters, limit: 50, cursor }), { signal: this.leaving.signal });
  }

  add(conversations) {
    for (const each of conversations) this.place(each);
  }

  /** Put a row where it belongs; it may be there already, elsewhere or the same. */
  place(row) {
    const before = this.byId.get(row.id);
    if (before) {
      const at = this.rows.indexOf(before);
      if (newestFirst(before, row) === 0) {
        this.rows[at] = row;
        this.byId.set(row.id, row);
        return;
      }
      this.rows.splice(at, 1);
    }
    this.rows.splice(this.placeOf(row), 0, row);
    this.byId.set(row.id, row);
  }

  placeOf(row) {
    let [low, high] = [0, this.rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (newestFirst(this.rows[middle], row) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  drop(id) {
    const row = this.byId.get(id);
    if (!row) return false;
    this.rows.splice(this.rows.indexOf(row), 1);
    this.byId.delete(id);
    return true;
  }

  /** Take changed conversations in: those that fit now appear, those that do not go. */
  take(conversations, gone) {
    let changed = false;
    for (const id of gone) changed = this.drop(id) || changed;
    for (const row of conversations) changed = this.takeOne(row) || changed;
    if (changed) tell("list");
  }

  takeOne(row) {
    const before = this.byId.get(row.id);
    if (!matches(row, this.filters, now())) return this.drop(row.id);
    if (before) {
      const kept = { ...row, found: row.found || before.found };
      if (JSON.stringify(before) === JSON.stringify(kept)) return false;
      if (this.filters.q) this.replace(before, kept);
      else this.place(kept);
      return true;
    }
    const beyond = this.cursor && this.placeOf(row) === this.rows.length;
    if (this.filters.q || beyond) return false;
    this.place(row);
    return true;
  }

  replace(before, row) {
    this.rows[this.rows.indexOf(before)] = row;
    this.byId.set(row.id, row);
  }

  /** Change a row in place at once, before the server says so. */
  patch(id, change) {
    const row = this.byId.get(id);
    if (row) this.replace(row, { ...row, ...change });
    if (row) tell("list");
  }
}

/** Show the conversations of these filters from now on. */
export function show(filters) {
  state.list?.stop();
  state.list = new ConversationList(filters);
  tell("filters");
  return state.list.load();
}
