// Pause and resume everything that moves in this tab.

import { component, el, setAttr, setText } from "./dom.js";
import { live } from "./live.js";

class Pause {
  constructor(host) {
    this.hub = live();
    this.button = el("button", { class: "pause", type: "button", title: "space", "aria-pressed": "false" });
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
