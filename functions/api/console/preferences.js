// What the viewer prefers, kept in this browser: the theme, and whether single keys do things.
import { tell } from "./state.js";

const THEME = "ventana.theme";
const KEYS = "ventana.keys";
export const THEMES = ["auto", "light", "dark"];

export function theme() {
  const kept = localStorage.getItem(THEME);
  return THEMES.includes(kept) ? kept : "auto";
}

export function applyTheme(chosen = theme()) {
  localStorage.setItem(THEME, chosen);
  document.documentElement.dataset.theme = chosen;
  tell("texts");
}

export function keysWanted() {
  return localStorage.getItem(KEYS) !== "off";
}

export function wantKeys(wanted) {
  localStorage.setItem(KEYS, wanted ? "on" : "off");
  tell("texts");
}
