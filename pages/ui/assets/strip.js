// The status strip: "is it fine?" in words and a sign, the age of the data; and the keyboard of all pages.

import { follow, pageUrl } from "./address.js";
import { prepare } from "./ahead.js";
import { component, el, icon, inert, setAttr, setText } from "./dom.js";
import { plural, span } from "./format.js";
import { helpDialog, keyboard } from "./keys.js";
import { live } from "./live.js";
import { verdict } from "./verdict.js";

/** A link without words would be one that nobody can see or name. */
function say(link, text) {
  setText(link, text);
  link.hidden = text === "";
}

class Strip {
  constructor(host) {
    this.hub = live();
    this.headline = el("b");
    this.sentence = el("span", { class: "text" });
    this.sign = el("span");
    this.says = el("div", { class: "verdict", role: "status", "aria-live": "polite" }, this.sign, el("span", {}, this.headline, " ", this.sentence));
    this.processes = follow(el("a", { class: "fact wide", href: pageUrl("processes") }));
    this.errors = follow(el("a", { class: "fact wide", href: pageUrl("logs", { levels: "fatal,error" }) }));
    this.age = el("span", { class: "fact age" });
    this.box = el("section", { class: "strip", "aria-label": "Status" }, this.says, this.processes, this.errors, this.age);
    this.help = helpDialog();
    host.append(this.box, this.help);
    this.keys = keyboard({ pause: () => this.hub.pause(), help: () => this.help.showModal() });
    this.subscription = this.hub.subscribe({ host: true, status: true, history_s: 60 });
    const show = () => this.update();
    this.off = ["tick", "status", "state", "second", "pause"].map((type) => this.hub.on(type, show));
    prepare(this.hub);
  }

  close() {
    this.keys();
    this.subscription.close();
    for (const off of this.off) off();
  }

  update() {
    const [level, headline, sentence] = verdict(this.hub);
    if (level !== this.level) this.sign.replaceChildren(icon(level));
    this.level = level;
    setAttr(this.box, "class", `strip ${level}`);
    setText(this.headline, headline);
    setText(this.sentence, inert(sentence, 300));
    const { status, tick } = this.hub;
    const processes = status?.processes ?? tick?.host?.procs_total;
    say(this.processes, processes ? plural(processes, "process", "processes") : "");
    say(this.errors, status?.errors ? `${plural(status.errors.last_10_min, "error")} in 10 min` : "");
    this.#age();
  }

  #age() {
    const age = this.hub.ageSeconds;
    const late = age !== null && age > 3;
    const text = this.hub.paused ? `paused for ${span((Date.now() - this.hub.pausedAt) / 1000)}` : age === null ? "no data yet" : late ? `data ${span(age)} old` : `data ${age < 1 ? "< 1" : Math.floor(age)} s old`;
    setText(this.age, text);
    setAttr(this.age, "class", late || this.hub.paused ? "fact age late" : "fact age");
  }
}

export default component(Strip);
