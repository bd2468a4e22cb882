// The button that pauses and resumes all live parts of this tab.

import { component, el, setAttr, setText } from "../core/dom.js";
import { live } from "../live/hub.js";

class Pause {
  constructor(host) {
    this.hub = live();
    this.button = el("button", { class: "pause", type: "button", title: "Pause or resume live updates (Space)", "aria-pressed": "false" });
    this.button.onclick = () => this.hub.pause();
    host.append(this.button);
    this.off = this.hub.on("pause", () => this.update());
  }

  update() {
    const { paused } = this.hub;
    setText(this.button, paused ? "▶ Resume" : "❚❚ Pause");
    setAttr(this.button, "aria-pressed", String(paused));
  }

  close() {
    this.off();
  }
}

export default component(Pause);
