// Texts that others wrote, as pure functions: which parts are links, and which characters turn, hide or pile up text,
// so that no message shows as something that it is not.

const NAMES = {
  "\u200b": "ZWSP",
  "\u200e": "LRM",
  "\u200f": "RLM",
  "\u061c": "ALM",
  "\u202a": "LRE",
  "\u202b": "RLE",
  "\u202c": "PDF",
  "\u202d": "LRO",
  "\u202e": "RLO",
  "\u2060": "WJ",
  "\u2061": "FA",
  "\u2062": "IT",
  "\u2063": "IS",
  "\u2064": "IP",
  "\u2066": "LRI",
  "\u2067": "RLI",
  "\u2068": "FSI",
  "\u2069": "PDI",
  "\u180e": "MVS",
  "\u00ad": "SHY",
  "\ufeff": "BOM",
};
const HIDDEN =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\u{e0000}-\u{e001f}]/gu;
const LONE_JOINER =
  /(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f\p{L}\p{M}])[\u200c\u200d]+|[\u200c\u200d]{2,}/gu;
const TOWER = /(\p{M}{4})\p{M}+/gu;

/** The text as parts in order: {text}, or {mark} where a character that cannot be seen stood. */
export function parts(text) {
  const calm = text.replace(TOWER, "$1").replace(LONE_JOINER, "\u2060");
  const found = [];
  let end = 0;
  for (const each of calm.matchAll(HIDDEN)) {
    if (each.index > end) found.push({ text: calm.slice(end, each.index) });
    const mark = NAMES[each[0]] || `U+${each[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
    const last = found.at(-1);
    if (last?.mark === mark) last.times += 1;
    else found.push({ mark, times: 1 });
    end = each.index + each[0].length;
  }
  if (end < calm.length) found.push({ text: calm.slice(end) });
  return found;
}

/** One line for a list, a title or a label: hidden characters left out, white space folded, at most `most` characters. */
export function plain(text, most = 200) {
  const line = (text || "")
    .slice(0, 4 * most)
    .replace(TOWER, "$1")
    .replace(HIDDEN, "")
    .replace(LONE_JOINER, "");
  const characters = Array.from(line.replace(/\s+/gu, " ").trim());
  return characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : characters.join("");
}

/** Whether a text is so long or so tall that only its beginning is shown at first. */
export function isLong(text) {
  return text.length > 1500 || (text.match(/\n/g) || []).length > 24;
}

/** The beginning of a long text, cut between characters. */
export function beginning(text, most = 1200) {
  const lines = text.split("\n").slice(0, 20).join("\n");
  return lines.length > most ? Array.from(lines.slice(0, most)).slice(0, -1).join("") : lines;
}

const FOUND = /https?:\/\/[^\s<>"'`{}|\\^\u0000-\u001f\u007f-\u00a0\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/giu;
const TRAILING = /[.,;:!?…'"”’»*_~]+$/u;

/** The text as parts in order: {text} or {text, url}. Joined, their texts are the text. */
export function linked(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(FOUND)) {
    const written = trimmed(found[0]);
    const url = safe(written);
    if (!url) continue;
    if (found.index > end) parts.push({ text: text.slice(end, found.index) });
    parts.push({ text: written, url });
    end = found.index + written.length;
  }
  if (end < text.length) parts.push({ text: text.slice(end) });
  return parts;
}

function trimmed(written) {
  let kept = written.replace(TRAILING, "");
  for (const [opening, closing] of ["()", "[]"]) {
    while (kept.endsWith(closing) && kept.split(closing).length > kept.split(opening).length) kept = kept.slice(0, -1);
  }
  return kept.replace(TRAILING, "");
}

/** The address, normalised; null for what is no http(s) address, or hides who it leads to. */
export function safe(written) {
  try {
    const url = new URL(written);
    const plain = (url.protocol === "http:" || url.protocol === "https:") && !url.username && !url.password;
    return plain && url.hostname ? url.href : null;
  } catch {
    return null;
  }
}
