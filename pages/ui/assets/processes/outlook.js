// One line about the process that would fill memory first, with a link to it. Hidden while none grows steadily.

import { follow, pageUrl } from "../core/address.js";
import { el, icon, inert, setAttr, setText } from "../core/dom.js";

const SOON = 3600; // seconds

export class Outlook {
  constructor() {
    this.sign = el("span", {}, icon("warn"), " ");
    this.link = follow(el("a", { class: "link text" }));
    this.words = el("span");
    this.node = el("div", { class: "outlook", role: "note", hidden: true }, this.sign, this.link, " ", this.words);
  }

  /** `outlook`: as in the API, or null. */
  show(outlook) {
    this.node.hidden = !outlook;
    if (!outlook) return;
    this.sign.hidden = outlook.full_in_s >= SOON;
    setText(this.link, `${inert(outlook.title, 80)} (${outlook.pid})`);
    setAttr(this.link, "href", pageUrl("run", { run: outlook.run }));
    setText(this.words, `${inert(outlook.told, 300)}.`);
  }
}
