// The status strip: whether the machine is fine, every problem in words and with an icon, and the age of the data. It also brings the keyboard to
// every page and, once the page is live, loads the scripts of the other pages.

import { follow, pageUrl } from "../core/address.js";
import { component, el, icon, inert, setAttr, setText } from "../core/dom.js";
import { plural, span } from "../core/format.js";
import { helpDialog, keyboard } from "./keys.js";
import { live } from "../live/hub.js";
import { findings } from "./verdict.js";

const IDLE_MS = 1000;
const whenIdle = globalThis.requestIdleCallback ?? ((work) => setTimeout(work, IDLE_MS)); // Safari has none
let loaded = false;

/** Import the scripts of the other pages once a tab, after the first reading was drawn and when the browser is idle. */
function loadLater(hub, names) {
  if (loaded) return;
  loaded = true;
  const { search } = new URL(import.meta.url);
  const urls = names.map((name) => new URL(`../${name}.js${search}`, import.meta.url).href);
  const off = hub.on("tick", () => {
    off();
    whenIdle(() => Promise.allSettled(urls.map((url) => import(url))), { timeout: IDLE_MS }); // a page asks again for one that failed, and says so
  });
}

/** A link without text could be neither seen nor named, so it is hidden. */
function say(link, text) {
  setText(link, text);
  link.hidden = text === "";
}

/** A headline; where a page tells more, a link to it. */
function head(node, headline, page = "", params = {}) {
  const leads = page && pageUrl(page, params);
  if ((node.dataset.leads ?? "") !== leads) node.replaceChildren(...(leads ? [follow(el("a", { href: leads }))] : []));
  node.dataset.leads = leads;
  setText(node.firstElementChild ?? node, headline);
}

class Strip {
  constructor(host, { parts }) {
    this.hub = live();
    this.headline = el("b");
    this.sentence = el("span", { class: "text" });
    this.sign = el("span");
    this.says = el("div", { class: "verdict", role: "status", "aria-live": "polite" }, this.sign, el("span", {}, this.headline, " ", this.sentence));
    this.others = el("ul", { class: "others", "aria-label": "Other problems" });
    this.processes = follow(el("a", { class: "fact wide", href: pageUrl("processes") }));
    this.errors = follow(el("a", { class: "fact wide", href: pageUrl("logs", { levels: "fatal,error" }) }));
    this.age = el("span", { class: "fact age" });
    this.asks = { wide: el("span", { class: "on-wide" }), narrow: el("span", { class: "on-narrow" }) };
    this.more = el("button", { class: "plain", type: "button", hidden: true }, ...Object.values(this.asks));
    this.rest = el("div", { class: "rest" }, this.others, this.more);
    this.box = el("section", { class: "strip", "aria-label": "Status" }, this.says, this.processes, this.errors, this.age, this.rest);
    this.box.onclick = ({ target }) => {
      if (target.closest("a")) return;
      this.box.toggleAttribute("data-open"); // on a phone each problem takes at most two lines until one touches it
      this.update();
    };
    host.append(this.box, helpDialog());
    keyboard(() => this.hub.pause());
    this.subscription = this.hub.subscribe({ host: true, status: true, history_s: 60 });
    const show = () => this.update();
    this.off = ["tick", "status", "state", "second", "pause"].map((type) => this.hub.on(type, show));
    loadLater(this.hub, parts);
  }

  close() {
    this.subscription.close();
    for (const off of this.off) off();
  }

  update() {
    const [[level, headline, sentence, page, params], ...others] = findings(this.hub);
    if (level !== this.level) this.sign.replaceChildren(icon(level));
    this.level = level;
    setAttr(this.box, "class", `strip ${level}`);
    head(this.headline, headline, page, params);
    setText(this.sentence, inert(sentence, 300));
    this.#tell(others);
    const { status, tick } = this.hub;
    const processes = tick?.host?.procs_total ?? status?.processes;
    say(this.processes, processes ? plural(processes, "process", "processes") : "");
    say(this.errors, status?.errors ? `${plural(status.errors.last_10_min, "error")} in 10 min` : "");
    this.#age();
  }

  /** The other problems: one in a line on the overview, elsewhere by their headlines, on a phone by their number, until one asks for more. Lines that stay are not made anew. */
  #tell(others) {
    if (this.page !== location.pathname) this.box.removeAttribute("data-open"); // the strip stays while pages change
    this.page = location.pathname;
    const short = this.page !== pageUrl("overview");
    const brief = short && !this.box.hasAttribute("data-open");
    this.box.toggleAttribute("data-brief", brief);
    this.more.hidden = !short || others.length === 0;
    setText(this.asks.wide, brief ? "Tell more" : "Tell less");
    setText(this.asks.narrow, brief ? plural(others.length, "more problem", "more problems") : "Tell less");
    setAttr(this.more, "aria-expanded", String(!brief));
    while (this.others.children.length > others.length) this.others.lastChild.remove();
    others.forEach(([level, headline, sentence, page, params], i) => {
      const line = this.others.children[i] ?? this.others.appendChild(el("li", { class: "verdict" }, el("span"), el("span", {}, el("b"), " ", el("span", { class: "text" }))));
      const [sign, words] = line.children;
      if (line.dataset.level !== level) sign.replaceChildren(icon(level));
      line.dataset.level = level;
      head(words.children[0], brief ? headline.replace(/[.:]$/, "") : headline, page, params);
      setText(words.children[1], inert(sentence, 300));
      setAttr(words, "title", brief ? inert(sentence, 300) : null);
    });
    this.rest.hidden = others.length === 0;
  }

  #age() {
    const age = this.hub.ageSeconds;
    const late = age !== null && age > 3;
    const text = this.hub.paused ? `paused for ${span((Date.now() - this.hub.pausedAt) / 1000)}` : age === null ? "waiting for data" : late ? `data ${span(age)} old` : `data ${age < 1 ? "< 1" : Math.floor(age)} s old`;
    setText(this.age, text);
    setAttr(this.age, "class", late || this.hub.paused ? "fact age late" : "fact age");
  }
}

export default component(Strip);
