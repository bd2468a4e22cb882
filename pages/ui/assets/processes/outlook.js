// What stands above the table: the process that would fill memory first, while one grows steadily; and the lives too short for a row.

import { follow, pageUrl } from "../core/address.js";
import { el, icon, inert, setAttr, setText } from "../core/dom.js";
import { count, percent } from "../core/format.js";

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

/** One line about processes that begin and end between two readings, with a link to them: their rate, and the CPU that no row has. */
export class ShortLives {
  constructor() {
    this.link = follow(el("a", { class: "link", href: pageUrl("processes", { view: "ended", lived: "0" }), text: "Short lives" }));
    this.words = el("span");
    this.node = el("div", { class: "outlook", role: "note", hidden: true }, this.link, ": ", this.words);
  }

  /** `host`: the newest reading of the machine, or null where no live one is shown. */
  show(host) {
    const told = shortLives(host);
    this.node.hidden = !told;
    if (told) setText(this.words, told);
  }
}

/** In words; empty while nothing is known, or no process begins. */
export function shortLives(host) {
  const { forks, cpu_short: cpu } = host ?? {};
  if (!(forks >= 0.5)) return "";
  const used = cpu === null || cpu === undefined ? "what the short ones use is not known here" : `those that end before a reading use ${percent(cpu)} of the machine's CPU`;
  return `${count(Math.round(forks))} new a second, ${used}.`;
}
