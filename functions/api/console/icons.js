// Icons as inline SVG, drawn on 20 × 20; they say nothing to screen readers, the text beside them does.
import { html } from "./view.js";

const PATHS = {
  inbox: "M3 11.5 5.2 5h9.6L17 11.5M3 11.5V15h14v-3.5M3 11.5h4l1 1.8h4l1-1.8h4",
  overview: "M4 16V9.5M8 16V4M12 16v-8M16 16v-5",
  playground: "M7 3h6v14H7zM9.3 14.6h1.4",
  search: "M8.8 14.1a5.3 5.3 0 1 0 0-10.6 5.3 5.3 0 0 0 0 10.6zM12.7 12.7 17 17",
  filter: "M3.5 5.5h13M6 10h8M8.5 14.5h3",
  back: "M12.5 4 6.5 10l6 6",
  send: "M3.5 10 16.5 4l-4 12.5-3-5z M16.5 4 9.5 11.5",
  template: "M4 4h12v12H4zM4 7.8h12M7 11h6M7 13.4h4",
  note: "M4.5 3.5h11v9l-3.5 4h-7.5zM12 16.3v-3.8h3.5",
  reply: "M8 5 3.5 9.5 8 14M3.8 9.5H11c3.2 0 5.5 1.6 5.5 5.5",
  down: "m5.5 8 4.5 4.5L14.5 8",
  close: "m5 5 10 10M15 5 5 15",
  check: "m4 10.5 4 4 8-9",
  pin: "M10 17s5.5-4.9 5.5-9.2a5.5 5.5 0 0 0-11 0C4.5 12.1 10 17 10 17zM10 9.800a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  file: "M5.5 3h6l3.5 3.500V17H5.500zM11.5 3v3.500H15",
  play: "M6.5 4.500v11l9-5.500z",
  person: "M10 9.500a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM4 16.500c.6-3.2 3-4.7 6-4.700s5.4 1.5 6 4.7",
  alarm: "M10 4.2 17 16H3zM10 8.500v3.700M10 14v.2",
  order: "M3 4h2l1.8 8.500h7.700L16.5 7H5.700M8 16.200v.1M13.5 16.200v.1",
  help: "M7.5 7.500a2.5 2.5 0 1 1 3.6 2.300c-.8.4-1.1.900-1.1 1.900M10 14.300v.2",
  sun: "M10 13.200a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.400zM10 2.500v1.600M10 15.900v1.600M2.5 10h1.600M15.9 10h1.600M4.7 4.700l1.1 1.100M14.2 14.200l1.1 1.100M4.7 15.300l1.1-1.100M14.2 5.800l1.1-1.1",
  moon: "M16 11.800A6.5 6.5 0 0 1 8.2 4a6.5 6.5 0 1 0 7.8 7.800z",
  auto: "M10 3.500a6.5 6.5 0 1 0 0 13zM10 3.500a6.5 6.5 0 0 1 0 13",
  language: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM3 10h14M10 3c2.3 2 3 4.5 3 7s-.7 5-3 7c-2.3-2-3-4.5-3-7s.7-5 3-7z",
  tag: "M3.5 9V3.500H9l7.5 7.5-5.5 5.500zM6.5 6.500v.1",
  refresh: "M16 10a6 6 0 1 1-1.8-4.300L16 7.500M16 3.500v4h-4",
  more: "M4.5 10h.1M10 10h.1M15.5 10h.1",
  hourglass: "M5.5 3.500h9M5.5 16.500h9M6.5 3.500c0 4 3.5 4.5 3.5 6.500s-3.5 2.5-3.5 6.500M13.5 3.500c0 4-3.5 4.5-3.5 6.500s3.5 2.5 3.5 6.5",
  unplugged: "M3.5 3.500l13 13M5 9.800a7.6 7.6 0 0 1 2-1.500M10.8 7.300a7.6 7.6 0 0 1 4.2 2.500M7.4 12.400a4 4 0 0 1 3.2-1.200M10 15.300v.1",
  image: "M3.5 4.500h13v11h-13zM3.5 13l3.7-3.7 3 3 2.3-2.3 4 4M13 7.500v.1",
  exit: "M8 4H4v12h4M12 6.500l3.5 3.5-3.5 3.500M15.5 10H8",
};

export function Icon({ name, size = 20 }) {
  return html`<svg class="icon" viewBox="0 0 20 20" width=${size} height=${size} aria-hidden="true" focusable="false">
    <path d=${PATHS[name]} />
  </svg>`;
}

/** The window of the name, half open: the mark of the product. */
export function Mark({ size = 24 }) {
  return html`<svg class="mark" viewBox="0 0 24 24" width=${size} height=${size} aria-hidden="true" focusable="false">
    <rect class="mark-frame" x="3" y="2.5" width="18" height="19" rx="3" />
    <path class="mark-pane" d="M6 5.500h5.200v13H6z" />
    <path class="mark-wing" d="M12.8 5.5 18 7.300v9.400l-5.2 1.800z" />
  </svg>`;
}

const TICKS = {
  clock: html`<circle cx="8" cy="6" r="4.6" /><path d="M8 3.600V6l1.6 1" />`,
  one: html`<path d="m4 6.3 2.7 2.700L12 3.3" />`,
  two: html`<path d="m1.5 6.3 2.7 2.7 5.3-5.700M7.8 8.300l.7.7 5.3-5.7" />`,
  failed: html`<circle cx="8" cy="6" r="4.8" /><path d="M8 3.500v3M8 8.400v.1" />`,
  unknown: html`<circle cx="8" cy="6" r="4.8" /><path
    d="M6.6 4.900C6.6 3.3 9.4 3.4 9.4 5c0 1-1.4 1-1.4 1.900M8 8.700v.1" />`,
  held: html`<path
    d="M5 1.800h6M5 10.200h6M5.8 1.800c0 2.5 2.2 2.9 2.2 4.200s-2.2 1.7-2.2 4.200M10.2 1.800c0 2.5-2.2 2.9-2.2 4.200s2.2 1.7 2.2 4.2" />`,
  stopped: html`<circle cx="8" cy="6" r="4.8" /><path d="m4.7 9.3 6.6-6.6" />`,
};
export const TICK_OF = {
  posting: "clock",
  accepted: "clock",
  queued: "clock",
  sending: "clock",
  sent: "one",
  delivered: "two",
  read: "two",
  failed: "failed",
  uncertain: "unknown",
  held: "held",
  expired: "stopped",
  cancelled: "stopped",
};

/** How far a message of ours has come, as people know it; `label` is what a screen reader says. */
export function Tick({ status, label }) {
  const drawing = TICKS[TICK_OF[status]];
  if (!drawing) return null;
  return html`<svg class=${`tick tick-${status}`} viewBox="0 0 16 12" width="16" height="12" role="img"
    aria-label=${label}
    data-test="tick" data-status=${status}><title>${label}</title>${drawing}</svg>`;
}

const LETTERS = { kommo: "K", twilio: "T", meta: "M" };

/** A provider's small mark: its letter, so that colour is never all that tells; without a name where it stands beside it. */
export function ProviderMark({ provider, name }) {
  const said = name ? { role: "img", "aria-label": name, title: name } : { "aria-hidden": "true" };
  return html`<span class=${`provider provider-${provider}`} ...${said}>${LETTERS[provider] || "?"}</span>`;
}
