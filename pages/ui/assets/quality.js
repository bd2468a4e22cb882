// How well the watch itself does: samples due and received, lateness, losses, and what it costs.

import { component, el, setText } from "./dom.js";
import { bytes, count, fixed, NONE, percent } from "./format.js";
import { live, markStale } from "./live.js";

const FACTS = [
  ["samples", (h) => (h.tick?.samples ? `${count(h.tick.samples.received)} of ${count(h.tick.samples.expected)}` : NONE)],
  ["missed", (h) => count(h.tick?.samples?.missed)],
  ["lateness", (h) => (h.tick?.samples ? `${fixed(h.tick.samples.lag_ms, 1)} ms` : NONE)],
  ["log records", (h) => count(h.status?.logs?.records)],
  ["log bytes not read", (h) => bytes(h.status?.logs?.missed_bytes)],
  ["frames lost by this tab", (h) => count(h.lost)],
  ["store", (h) => (h.status?.store ? `${bytes(h.status.store.size_bytes)} of ${bytes(h.status.store.limit_bytes)}` : NONE)],
  ["the watch costs", (h) => (h.tick?.watch ? `${percent(h.tick.watch.cpu_pct)} of a core · ${bytes(h.tick.watch.rss)}` : NONE)],
];

class Quality {
  constructor(host) {
    this.hub = live();
    this.values = FACTS.map(() => el("dd", { text: NONE }));
    const list = el("dl", { class: "facts fades" }, ...FACTS.flatMap(([name], i) => [el("dt", { text: name }), this.values[i]]));
    this.warnings = el("ul", { class: "muted" });
    host.append(el("section", { class: "card" }, el("header", {}, el("h2", { text: "Quality of the data" })), list, this.warnings));
    this.subscription = this.hub.subscribe({ host: true, status: true });
    this.off = [markStale(host), this.hub.on("tick", () => this.update()), this.hub.on("status", () => this.update())];
  }

  update() {
    if (this.hub.paused) return;
    FACTS.forEach(([, read], i) => setText(this.values[i], read(this.hub)));
    const said = this.hub.status?.warnings ?? [];
    if (said.join("\n") === this.said) return;
    this.said = said.join("\n");
    this.warnings.replaceChildren(...said.map((text) => el("li", { text })));
  }

  close() {
    this.subscription.close();
    for (const off of this.off) off();
  }
}

export default component(Quality);
