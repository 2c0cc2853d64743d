// Which parts of a text are links: only http and https, and only what is written out.

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
