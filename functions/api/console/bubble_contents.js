// What a message shows inside its bubble, by its kind.
import { number, t } from "./i18n.js";
import { Icon } from "./icons.js";
import { MediaFile } from "./media.js";
import { Words } from "./parts.js";
import { SentTemplate } from "./sent_template.js";
import { plain, safe } from "./text.js";
import { html } from "./view.js";

const FILES = new Set(["image", "file", "voice", "audio", "video", "sticker"]);

/** The content of a bubble; of a kind that nobody knows, at least its words. */
export function Contents({ bubble }) {
  if (bubble.deleted_at) return html`<p class="gone">${t("bubble.deleted")}</p>`;
  return html`<${Origin} details=${bubble.details || {}} /><${Content} bubble=${bubble} />`;
}

/** Where a message came from, when that is not the customer's own hand. */
function Origin({ details: { forwarded, referral, product } }) {
  const headline = referral && plain(String(referral.headline || referral.body || ""), 100);
  return html`${forwarded && html`<span class="kind-label">${t("bubble.forwarded")}</span>`}
    ${referral && html`<span class="kind-label">${t("bubble.referral")}${headline && html`: <bdi>${headline}</bdi>`}
    </span>`}
    ${product && html`<span class="kind-label">${t("bubble.product")}: <bdi>
    ${plain(String(product.product_retailer_id || product.id || ""), 60)}</bdi></span>`}`;
}

function Content({ bubble }) {
  const { content_type: type, content, details } = bubble;
  if (FILES.has(type)) return html`<${Files} bubble=${bubble} />`;
  const show = BY_KIND[type];
  if (show) return show(bubble, details || {});
  return content ? html`<${Words} text=${content} />` : html`<p class="gone">${t("bubble.unsupported")}</p>`;
}

function Files({ bubble }) {
  const { content, content_type: type, media, details } = bubble;
  const [sent = {}] = list(details?.media);
  const link = typeof sent.link === "string" && safe(sent.link);
  return html`
    ${media?.length
      ? media.map((file) => html`<${MediaFile} key=${file.place} file=${file} type=${type} message=${bubble.id} />`)
      : html`<div class="media-note"><${Icon} name=${type === "file" ? "file" : "image"} size=${16} />
        ${t(`kind.${type}`)}${sent.filename ? html` · <bdi>${plain(String(sent.filename), 80)}</bdi>` : null}
          ${link && html`<a href=${link} target="_blank" rel="noopener noreferrer">${t("media.open_link")}</a>`}</div>`}
    ${content && html`<${Words} text=${content} />`}`;
}

function location({ content }, { location: place = {} }) {
  const [latitude, longitude] = [Number(place.latitude), Number(place.longitude)];
  const known = place.latitude != null && place.longitude != null && Number.isFinite(latitude) && Number.isFinite(longitude);
  const at = `${latitude.toFixed(5)}, ${longitude.toFixed(5)}`;
  const map = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`;
  const words = [place.name, place.address].filter(Boolean).join("\n") || (known ? "" : content);
  return html`<div class="place"><${Icon} name="pin" size=${24} /><div>
    ${words && html`<${Words} text=${String(words)} links=${false} />`}
    ${known && html`<span class="coordinates">${at}</span>
      <a href=${map} target="_blank" rel="noopener noreferrer" data-test="show-map">${t("bubble.show_map")}</a>`}
  </div></div>`;
}

function contact({ content }, { contacts }) {
  const people = Array.isArray(contacts) && contacts.length ? contacts : [{ name: content }];
  return people.slice(0, 20).map((person) => html`<div class="card"><${Icon} name="person" size=${24} /><div>
    <${Words} text=${nameOf(person) || t("customer.unknown")} links=${false} />
    ${list(person.phones).map((each) => html`<bdi class="card-line">${plain(String(each.phone || each.wa_id || ""), 40)}
    </bdi>`)}
    ${list(person.emails).map((each) => html`<bdi class="card-line">${plain(String(each.email || each), 80)}</bdi>`)}
  </div></div>`);
}

const list = (value) => (Array.isArray(value) ? value.slice(0, 10) : []);

function nameOf({ name }) {
  return typeof name === "string" ? name : name?.formatted_name || name?.first_name || "";
}

function reaction({ content }) {
  return html`<p class="reaction-alone">
    ${content ? t("bubble.reacted", { emoji: plain(content, 16) }) : t("bubble.reaction_back")}</p>`;
}

function interactive({ content, role }, details) {
  if (role === "user") {
    return html`<div class="tapped"><span class="tapped-label">
      ${t(details.reply?.type === "list_reply" ? "bubble.chose" : "bubble.tapped")}</span>
      <${Words} text=${content || String(details.reply?.title || details.reply?.id || "")} links=${false} /></div>`;
  }
  const menu = details.list || details.buttons || details.cta_url || details;
  const buttons = list(Array.isArray(details.buttons) ? details.buttons : menu.buttons).map((each) => each.title || each.text);
  const rows = list(menu.sections).flatMap((section) => list(section.rows)).map((row) => row.title);
  const link = menu.display_text || menu.button;
  return html`${menu.header && html`<strong><bdi>${plain(String(menu.header), 80)}</bdi></strong>`}
    <${Words} text=${content || menu.body || ""} />
    ${menu.footer && html`<small class="footer"><bdi>${plain(String(menu.footer), 80)}</bdi></small>`}
    <${Options} titles=${[...buttons, ...(link ? [link] : []), ...rows]} />`;
}

/** What the customer may tap, as labels: they do nothing here. */
export function Options({ titles }) {
  if (!titles.length) return null;
  return html`<ul class="options" aria-label=${t("bubble.options")}>${titles.map((each) => html`<li><bdi>
    ${plain(String(each), 60)}</bdi></li>`)}</ul>`;
}

function order({ content }, { order: given = {} }) {
  const items = list(given.items || given.product_items);
  return html`<div class="card"><${Icon} name="order" size=${24} /><div>
    <strong>${t("bubble.order", { n: items.length })}</strong>
    ${items.map((item) => html`<span class="card-line"><bdi>
    ${plain(String(item.product_retailer_id || item.name || "?"), 60)}</bdi>
    ${` × ${number(Number(item.quantity) || 1)}`}${item.item_price ? html` · ${money(item)}` : null}</span>`)}
    ${content && html`<${Words} text=${content} />`}</div></div>`;
}

function money({ item_price, currency }) {
  return `${number(Number(item_price) || 0)} ${plain(String(currency || ""), 4)}`;
}

const template = (bubble) => html`<${SentTemplate} bubble=${bubble} />`;

function unsupported({ content }, { unsupported: what }) {
  const type = what?.type;
  return html`<p class="gone">${t("bubble.unsupported")}
    ${type ? html` <small>(${plain(String(type), 40)})</small>` : null}</p>
    ${content && html`<${Words} text=${content} />`}`;
}

const system = ({ content }, { identity }) =>
  html`<${Words} text=${content || (identity ? t("bubble.identity") : t("kind.system"))} links=${false} />`;

const BY_KIND = { location, contact, reaction, interactive, order, template, unsupported, system };
