// The button that copies a link to what the page shows now.

import { component, el, setText } from "../core/dom.js";
import { copyText, lastingUrl } from "../core/share.js";
import { live } from "../live/hub.js";

const SAID_MS = 3000;

class Share {
  constructor(host, data) {
    this.hub = live();
    this.data = data;
    this.button = el("button", { type: "button", text: "Copy link", title: "Copy a link to what this page shows now" });
    this.note = el("span", { class: "dim", role: "status", style: "margin-left:8px", text: "with fixed times" });
    this.button.onclick = () => this.#copy();
    host.append(this.button, this.note);
  }

  update(data) {
    this.data = data;
  }

  async #copy() {
    const url = lastingUrl(location.href, this.data.windows, this.hub.paused ? this.hub.pausedAt : Date.now());
    setText(this.note, (await copyText(url)) ? "Copied" : "The browser does not allow it");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => setText(this.note, "with fixed times"), SAID_MS);
  }

  close() {
    clearTimeout(this.timer);
  }
}

export default component(Share);
