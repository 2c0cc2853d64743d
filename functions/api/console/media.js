// Files of a message: shown or offered through short-lived links that are asked for when they are looked at.
import { get } from "./api.js";
import { bytes, t } from "./i18n.js";
import { Icon } from "./icons.js";
import { explained } from "./problems.js";
import { plain, safe } from "./text.js";
import { Component, createRef, html } from "./view.js";

const links = new Map();

/** The link of a file; one that lives for another half minute is used again. */
async function linkOf(message, place) {
  const key = `${message}/${place}`;
  const kept = links.get(key);
  if (kept && Date.parse(kept.expires_at) - Date.now() > 30_000) return kept;
  const link = await get(`/v1/messages/${message}/media/${place}`);
  links.set(key, link);
  return link;
}

/** One file of a message, as its kind is best shown. */
export class MediaFile extends Component {
  box = createRef();

  componentDidMount() {
    if (this.kind() !== "image" || !this.box.current) return;
    const near = (entries) => entries.some((each) => each.isIntersecting) && this.fetch();
    this.seen = new IntersectionObserver(near, { rootMargin: "300px" });
    this.seen.observe(this.box.current);
  }

  componentDidUpdate(before) {
    if (before.file.state !== this.props.file.state) this.componentDidMount();
  }

  componentWillUnmount() {
    this.seen?.disconnect();
  }

  kind() {
    const { file, type } = this.props;
    if (file.state !== "stored") return file.state;
    const sort = (file.content_type || "").split("/")[0];
    if (["image", "sticker"].includes(type) || (type !== "file" && sort === "image")) return "image";
    if (type === "video" || (type !== "file" && sort === "video")) return "video";
    if (["voice", "audio"].includes(type) || (type !== "file" && sort === "audio")) return "audio";
    return "file";
  }

  async fetch() {
    this.seen?.disconnect();
    try {
      const link = await linkOf(this.props.message, this.props.file.place);
      this.setState({ url: link.url, problem: null });
    } catch (problem) {
      this.setState({ problem });
    }
  }

  /** Open apart what the browser shows, or save it. */
  async open() {
    try {
      const { url } = await linkOf(this.props.message, this.props.file.place);
      if (safe(url)) window.open(url, "_blank", "noopener,noreferrer");
    } catch (problem) {
      this.setState({ problem });
    }
  }

  again = async () => {
    links.delete(`${this.props.message}/${this.props.file.place}`);
    this.setState({ url: null, broken: false });
    await this.fetch();
  };

  render({ file, type }, { url, problem, broken }) {
    if (problem || broken) {
      return html`<div class="media-note" role="status"><${Icon} name="alarm" size=${16} /><span>
        ${problem ? explained(problem) : t("media.broken")}</span>
        <button class="quiet" onClick=${this.again}>${t("state.retry")}</button></div>`;
    }
    const label = t(`kind.${type}`);
    switch (this.kind()) {
      case "pending":
        return html`<div class="media-note" data-test="media-pending"><${Icon} name="hourglass" size=${16} />
          ${t("media.pending", { kind: label })}</div>`;
      case "failed":
        return html`<div class="media-note media-failed" data-test="media-failed"><${Icon} name="alarm" size=${16} />
          ${t("media.failed", { kind: label })}
          ${file.error ? html` <bdi>${plain(file.error, 120)}</bdi>` : null}</div>`;
      case "image":
        return html`<button class=${`media-image media-${type}`} ref=${this.box} onClick=${() => this.open()}
          aria-label=${t("media.open", { kind: label })}>
          ${url ? html`<img src=${url} alt=${label} decoding="async"
            onError=${() => this.setState({ broken: true })} />` : html`<${Icon} name="image" size=${28} />`}</button>`;
      case "video":
        return url
          ? html`<video class="media-video" src=${url} controls autoplay playsinline
            onError=${() => this.setState({ broken: true })} />`
          : html`<button class="media-image media-play" onClick=${() => this.fetch()}
            aria-label=${t("media.play", { kind: label })}><${Icon} name="play" size=${32} /></button>`;
      case "audio":
        return url
          ? html`<audio class="media-audio" src=${url} controls autoplay
            onError=${() => this.setState({ broken: true })} />`
          : html`<button class="media-sound" onClick=${() => this.fetch()}><${Icon} name="play" size=${16} /><span>
            ${t("media.play", { kind: label })}</span>${size(file)}</button>`;
      default:
        return html`<button class="media-file" onClick=${() => this.open()}><${Icon} name="file" size=${24} />
          <span><bdi>${plain(file.filename || label, 80)}</bdi>${size(file)}</span></button>`;
    }
  }
}

function size(file) {
  return file.bytes ? html`<small>${bytes(file.bytes)}</small>` : null;
}
