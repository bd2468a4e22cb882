// The button that pauses and resumes all live parts of this tab.

import { component, el, setAttr, setText } from "../core/dom.js";
import { live } from "../live/hub.js";

class Pause {
  constructor(host) {
    this.hub = live();
    this.sign = el("span", { "aria-hidden": "true" });
    this.word = el("span", { class: "word" });
    this.button = el("button", { class: "pause", type: "button", title: "Pause or resume live updates (Space)", "aria-pressed": "false" }, this.sign, " ", this.word);
    this.button.onclick = () => this.hub.pause();
    host.append(this.button);
    this.off = this.hub.on("pause", () => this.update());
  }

  update() {
    const { paused } = this.hub;
    setText(this.sign, paused ? "▶" : "❚❚");
    setText(this.word, paused ? "Resume" : "Pause");
    setAttr(this.button, "aria-pressed", String(paused));
  }

  close() {
    this.off();
  }
}

export default component(Pause);
