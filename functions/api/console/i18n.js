// Texts, plurals, times and numbers in the viewer's language and zone.
import { now } from "./clock.js";
import { tell } from "./state.js";

export const LANGUAGES = { en: "English", es: "Español", pt: "Português" };
const KEPT = "ventana.language";
let texts = {};
let rules = new Intl.PluralRules("en");
let formats = new Map();
export let language = "en";

/** The language to begin with: what was chosen, else the first of the browser's that we speak, else English. */
export function preferred(kept = stored(), spoken = navigator.languages || []) {
  if (kept in LANGUAGES) return kept;
  return spoken.map((each) => each.slice(0, 2).toLowerCase()).find((each) => each in LANGUAGES) || "en";
}

/** Speak a language; it is remembered when it was chosen. */
export async function speak(code, chosen = false) {
  texts = (await import(`./texts/${code}.js`)).default;
  language = code;
  rules = new Intl.PluralRules(code);
  formats = new Map();
  document.documentElement.lang = code;
  if (chosen) localStorage.setItem(KEPT, code);
  tell("texts");
}

function stored() {
  return localStorage.getItem(KEPT);
}

/** The text of a key with its values in place of `{name}`; with `n`, in the plural form that n wants. */
export function t(key, values = {}) {
  return filled(chosen(texts[key] ?? key, values.n, rules), values);
}

/** Whether there is a text of this key. */
export function known(key) {
  return key in texts;
}

/** The same with elements as values: a list of strings and what was given. */
export function rich(key, values) {
  return chosen(texts[key] ?? key, values.n, rules)
    .split(/\{(\w+)\}/)
    .map((part, index) => (index % 2 ? values[part] : part));
}

/** One of {one, other, …} by the rules of a language; texts without forms stay as they are. */
export function chosen(text, n, plural) {
  return typeof text === "string" ? text : (text[plural.select(n ?? 0)] ?? text.other);
}

/** A text with `{name}` replaced; numbers as the language writes them. */
export function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? number(value) : value;
  });
}

function format(kind, options) {
  const key = kind.name + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new kind(language, options));
  return formats.get(key);
}

export function number(value) {
  return format(Intl.NumberFormat, {}).format(value);
}

export function percent(value) {
  return format(Intl.NumberFormat, { style: "percent", maximumFractionDigits: 1 }).format(value);
}

export function bytes(value) {
  const [unit, divisor] = value >= 1e6 ? ["megabyte", 1e6] : value >= 1000 ? ["kilobyte", 1000] : ["byte", 1];
  const options = { style: "unit", unit, maximumFractionDigits: divisor === 1e6 ? 1 : 0 };
  return format(Intl.NumberFormat, options).format(value / divisor);
}

function date(at, options) {
  return format(Intl.DateTimeFormat, options).format(new Date(at));
}

/** 14:05 */
export function clock(at) {
  return date(at, { hour: "numeric", minute: "2-digit" });
}

/** The whole time, for titles and screen readers. */
export function exactly(at) {
  return date(at, { dateStyle: "full", timeStyle: "medium" });
}

/** Day and time, short. */
export function moment(at) {
  return date(at, { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });
}

export function hourOf(at) {
  return date(at, { hour: "numeric" });
}

export function dayOf(at) {
  return date(at, { day: "numeric", month: "short" });
}

/** Days between a moment and today, in the viewer's zone: 0 is today. */
export function daysAgo(at, today = now()) {
  const midnight = (each) => new Date(each).setHours(0, 0, 0, 0);
  return Math.round((midnight(today) - midnight(at)) / 86_400_000);
}

/** When, as short as a list wants it: the time today, then yesterday, the weekday, the date. */
export function brief(at) {
  const days = daysAgo(at);
  if (days <= 0) return clock(at);
  if (days === 1) return t("time.yesterday");
  if (days < 7) return date(at, { weekday: "short" });
  return date(
    at,
    days < 330 ? { day: "numeric", month: "short" } : { year: "numeric", month: "short", day: "numeric" },
  );
}

/** The name of a day, for separators. */
export function dayName(at) {
  const days = daysAgo(at);
  if (days === 0) return t("time.today");
  if (days === 1) return t("time.yesterday");
  const sameYear = new Date(at).getFullYear() === new Date(now()).getFullYear();
  return date(at, { weekday: "long", day: "numeric", month: "long", ...(sameYear ? {} : { year: "numeric" }) });
}

/** A length of time in its one or two greatest units; below a minute in seconds where they are asked for. */
export function duration(milliseconds, { two = true, seconds = false } = {}) {
  const unit = (value, name) =>
    format(Intl.NumberFormat, { style: "unit", unit: name, unitDisplay: "narrow" }).format(value);
  const total = Math.max(0, Math.floor(milliseconds / 1000));
  const [days, hours, minutes] = [Math.floor(total / 86_400), Math.floor(total / 3600), Math.floor(total / 60)];
  if (days >= 2) return unit(days, "day");
  if (hours >= 1) {
    const rest = minutes - 60 * hours;
    return two && rest && hours < 24 ? `${unit(hours, "hour")} ${unit(rest, "minute")}` : unit(hours, "hour");
  }
  if (minutes >= 1 || !seconds) return unit(minutes, "minute");
  return unit(total, "second");
}

/** "3 minutes ago", short. */
export function relative(milliseconds) {
  const minutes = Math.floor(milliseconds / 60_000);
  const [value, unit] =
    minutes < 60
      ? [minutes, "minute"]
      : minutes < 2880
        ? [Math.floor(minutes / 60), "hour"]
        : [Math.floor(minutes / 1440), "day"];
  return format(Intl.RelativeTimeFormat, { style: "narrow" }).format(-value, unit);
}
