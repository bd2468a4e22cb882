// How complete the data is, and what Watchkeeper itself uses: samples, delay, losses, store, CPU and memory.

import { component, el, setText } from "../core/dom.js";
import { bytes, count, fixed, NONE, percent } from "../core/format.js";
import { live, markStale } from "../live/hub.js";

const EXITS = {
  connector: "of all processes (process connector)",
  pidfd: "not of short lives (pidfd)",
  poll: "mostly unknown",
};
const USAGE = { taskstats: "of all processes (taskstats)", sweep: "as last read" };
const FACTS = [
  ["Samples", (h) => (h.tick?.samples ? `${count(h.tick.samples.received)} of ${count(h.tick.samples.expected)}` : NONE)],
  ["Missed", (h) => count(h.tick?.samples?.missed)],
  ["Delay", (h) => (h.tick?.samples ? `${fixed(h.tick.samples.lag_ms, 1)} ms` : NONE)],
  ["Exit codes", (h) => EXITS[h.status?.sampler?.exits] ?? NONE],
  ["CPU, memory and IO at the end", (h) => USAGE[h.status?.sampler?.usage] ?? NONE],
  ["Ends lost", (h) => count(h.status?.sampler?.ends_lost)],
  ["Log records", (h) => count(h.status?.logs?.records)],
  ["Log bytes not read", (h) => bytes(h.status?.logs?.missed_bytes)],
  ["Frames lost in this tab", (h) => count(h.lost)],
  ["Store", (h) => (h.status?.store ? `${bytes(h.status.store.size_bytes)} of ${bytes(h.status.store.limit_bytes)}` : NONE)],
  ["Archived log records", (h) => (h.status?.store?.archive?.files ? `${count(h.status.store.archive.records)}, ${bytes(h.status.store.archive.size_bytes)}` : NONE)],
  ["Watchkeeper uses", (h) => (h.tick?.watch ? `${percent(h.tick.watch.cpu_pct)} of a core · ${bytes(h.tick.watch.rss)}` : NONE)],
];

class Quality {
  constructor(host) {
    this.hub = live();
    this.values = FACTS.map(() => el("dd", { text: NONE }));
    const list = el("dl", { class: "facts fades" }, ...FACTS.flatMap(([name], i) => [el("dt", { text: name }), this.values[i]]));
    this.warnings = el("ul", { class: "muted" });
    host.append(el("section", { class: "card" }, el("header", {}, el("h2", { text: "Data quality" })), list, this.warnings));
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
