// The one door to the library: `html` makes elements from templates, `Watcher` is a component that follows the state.
import { watch } from "./state.js";
import htm from "./vendor/htm-3.1.1/htm.mjs";
import { Component, Fragment, h, render, createRef } from "./vendor/preact-11.2.0/preact.mjs";

export { Component, Fragment, createRef, render };
export const html = htm.bind(h);

/** A component that is drawn again when something happens in one of `topics()`. */
export class Watcher extends Component {
  topics() {
    return [];
  }

  componentDidMount() {
    this.unwatch = watch(this.topics(), () => this.setState({}));
  }

  componentWillUnmount() {
    this.unwatch();
  }
}

/** Class names from what is true. */
export function classes(...names) {
  return names.filter(Boolean).join(" ");
}
