// The model engines of this machine, each with its state and a sentence.

import { follow, pageUrl } from "../core/address.js";
import { component, el, icon, inert } from "../core/dom.js";
import { live, markStale } from "../live/hub.js";

const SIGNS = { ready: "ok", idle: "ok", down: "off", missing: "off", error: "bad" };

class Engines {
  constructor(host) {
    this.hub = live();
    this.list = el("div", { class: "rows fades", style: "min-height:96px" }, waiting());
    const more = follow(el("a", { class: "aside link", href: pageUrl("ai"), text: "View all" }));
    host.append(el("section", { class: "card" }, el("header", {}, el("h2", { text: "Model engines" }), more), this.list));
    this.subscription = this.hub.subscribe({ host: true, status: true });
    this.off = [markStale(host), this.hub.on("status", () => this.#show())];
  }

  update() {
    this.#show();
  }

  close() {
    this.subscription.close();
    for (const off of this.off) off();
  }

  #show() {
    const engines = this.hub.status?.engines;
    const text = JSON.stringify(engines);
    if (!engines || text === this.text) return;
    this.text = text;
    const usable = engines.filter((one) => one.state !== "missing");
    const absent = engines.filter((one) => one.state === "missing").map((one) => one.label ?? one.name);
    const rows = usable.map((one) => el("div", { class: "engine" }, icon(SIGNS[one.state] ?? "wait"), el("span", { text: `${one.label ?? one.name} · ${one.state}` }), el("span", { class: "muted one-line text", text: inert(one.detail ?? "", 200), title: inert(one.detail ?? "", 400) })));
    if (absent.length) rows.push(el("div", { class: "dim", style: "padding:6px 2px", text: `Not installed: ${absent.join(", ")}.` }));
    if (!engines.length) rows.push(waiting());
    this.list.replaceChildren(...rows);
  }
}

const waiting = () => el("div", { class: "empty", text: "Looking for engines…" });

export default component(Engines);
