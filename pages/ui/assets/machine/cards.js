// The cards on top of the overview: value, unit, the last minute as a sparkline, and the change against 5 minutes ago.

import { get } from "../core/api.js";
import { colours, component, el, setAttr, setText } from "../core/dom.js";
import { bytesParts, fixed, NONE, rateParts } from "../core/format.js";
import { live, markStale } from "../live/hub.js";
import { seriesOf } from "../charts/series.js";
import { onSize, spark } from "../charts/canvas.js";

const FIVE_MINUTES = 300e6;
const sum = (a, b) => (a === null && b === null ? null : (a ?? 0) + (b ?? 0));
const total = (value) => (value ? ` of ${bytesParts(value).join(" ")}` : "");

/** The kinds of cards: metrics, top of the sparkline, how the value is written, and the smallest change to show. */
const KINDS = {
  cpu: { title: () => "CPU", hue: "cpu", metrics: ["cpu_pct"], top: 100, parts: (v) => [fixed(v, 0), "%"], step: 1, change: (d) => fixed(d, 0) },
  memory: { title: () => "Memory", hue: "mem", metrics: ["mem_used"], top: (h) => h.mem_total, parts: (v, h) => sized(v, h.mem_total), step: 50 * 2 ** 20, change: (d) => bytesParts(d).join(" ") },
  swap: { title: () => "Swap", hue: "mem", metrics: ["swap_used"], top: (h) => h.swap_total, parts: (v, h) => sized(v, h.swap_total), step: 2 ** 20, change: (d) => bytesParts(d).join(" ") },
  gpu: { title: (c) => `GPU ${c.index}`, hue: "gpu", metrics: (c) => [`gpu${c.index}.util_pct`], top: 100, parts: (v) => [fixed(v, 0), "%"], step: 1, change: (d) => fixed(d, 0) },
  vram: { title: () => "VRAM", hue: "gpu", metrics: (c) => [`gpu${c.index}.mem_used`], top: (h, c) => c.total, parts: (v, h, c) => sized(v, c.total), step: 50 * 2 ** 20, change: (d) => bytesParts(d).join(" ") },
  disk: { title: () => "Disk", hue: "io", metrics: ["disk_read_bps", "disk_write_bps"], parts: (v) => rateParts(v), step: 1e5, change: (d) => rateParts(d).join(" "), least: 1e6 },
  network: { title: () => "Network", hue: "io", metrics: ["net_rx_bps", "net_tx_bps"], parts: (v) => rateParts(v), step: 1e5, change: (d) => rateParts(d).join(" "), least: 1e5 },
  load: { title: () => "Load", hue: "cpu", metrics: ["load1"], parts: (v, h, c) => [fixed(v, 2), c.cores ? `on ${c.cores} cores` : ""], step: 0.05, change: (d) => fixed(d, 2), least: 1 },
  errors: { title: () => "Errors", hue: "bad", metrics: ["errors_per_minute"], parts: (v) => [v === null ? NONE : fixed(v, v >= 100 ? 0 : 1), "/min"], step: 0.1, change: (d) => fixed(d, 1), least: 2 },
};

const GPU_KINDS = new Set(["gpu", "vram"]);

function sized(value, whole) {
  const [number, unit] = bytesParts(value);
  return [number, number === NONE ? "" : `${unit}${total(whole)}`];
}

class Card {
  constructor(kind, options) {
    this.kind = KINDS[kind];
    this.options = options;
    this.metrics = typeof this.kind.metrics === "function" ? this.kind.metrics(options) : this.kind.metrics;
    this.value = el("strong", { text: NONE });
    this.unit = el("span", { class: "unit" });
    this.delta = el("span", { class: "delta", title: "Change from 5 minutes ago" });
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.size = onSize(this.canvas, (width, height) => {
      Object.assign(this, { width, height });
      this.redraw?.();
    });
    const top = el("div", { class: "top" }, el("span", { text: this.kind.title(options) }), this.delta);
    this.node = el("div", { class: "card kpi", role: "group", "aria-label": this.kind.title(options) }, top, el("div", { class: "value fades" }, this.value, this.unit), this.canvas);
  }

  /** `quiet`: why a GPU has no reading now. Its last value stays then, greyed, and the chart has a gap. */
  show(ring, host, colour, quiet = "") {
    const at = ring.ts.length - 1;
    const last = this.metrics.map((metric) => (quiet ? ring.newest(metric) : (ring.series[metric]?.[at] ?? null))).reduce(sum);
    const [number, unit] = this.kind.parts(last, host, this.options);
    setText(this.value, number);
    setText(this.unit, unit);
    this.node.toggleAttribute("data-stale", Boolean(quiet));
    if (quiet) this.#quiet(quiet);
    else this.#delta(ring, last);
    const values = [];
    for (let i = Math.max(0, ring.from(ring.last - 60e6)); i <= at; i += 1) values.push(this.metrics.map((metric) => ring.series[metric]?.[i] ?? null).reduce(sum));
    const limit = typeof this.kind.top === "function" ? this.kind.top(host, this.options) : this.kind.top;
    const peak = limit ?? Math.max(this.kind.least ?? 0, ...values.filter((v) => v !== null)) * 1.1;
    this.redraw = () => spark(this.canvas, values, { colour: colour(this.kind.hue), width: this.width, height: this.height, top: peak || 1 });
    if (this.width) this.redraw();
  }

  close() {
    this.size.disconnect();
  }

  #quiet(why) {
    setText(this.delta, "no answer");
    setAttr(this.delta, "aria-label", why);
    setAttr(this.delta, "role", "img");
  }

  #delta(ring, last) {
    const then = ring.last - FIVE_MINUTES;
    const means = this.metrics.map((metric) => ring.mean(metric, then - 10e6, then + 10e6));
    const before = means.reduce(sum);
    if (last === null || before === null) {
      setText(this.delta, "");
      return;
    }
    const change = last - before;
    const same = Math.abs(change) < this.kind.step;
    setText(this.delta, same ? "=" : `${change > 0 ? "▲" : "▼"} ${this.kind.change(Math.abs(change))}`);
    setAttr(this.delta, "aria-label", same ? "same as 5 minutes ago" : `${change > 0 ? "up" : "down"} ${this.kind.change(Math.abs(change))} in 5 minutes`);
    setAttr(this.delta, "role", "img");
  }
}

class Cards {
  constructor(host) {
    this.hub = live();
    this.colour = colours(host);
    this.box = el("div", { class: "cards" });
    this.note = el("div", { class: "whose muted", role: "note", hidden: true });
    host.append(this.box, this.note);
    this.subscription = this.hub.subscribe({ host: true, status: true, history_s: 330 });
    const show = () => this.#show();
    const greeted = () => {
      this.filled = false;
      show();
    };
    this.off = [markStale(host), this.hub.on("tick", show), this.hub.on("status", show), this.hub.on("hello", greeted), this.hub.on("pause", show)];
  }

  update() {
    this.#show();
  }

  close() {
    this.subscription.close();
    for (const card of this.cards ?? []) card.close();
    for (const off of this.off) off();
  }

  /** The cards of this machine: those of a GPU when there is one, else load and network. */
  #wanted() {
    const gpus = this.hub.tick?.gpus ?? [];
    const middle = gpus.length
      ? gpus.slice(0, 1).flatMap((gpu) => [["gpu", { index: gpu.index }], ["vram", { index: gpu.index, total: gpu.mem_total }]])
      : [["load", { cores: this.hub.hello?.host?.cpu_count }]];
    const network = gpus.length ? [] : [["network", {}]]; // six cards fit in one row; the network has a chart below
    return [["cpu", {}], ["memory", {}], ...middle, ["disk", {}], ...network, ["errors", {}]];
  }

  /** Load what the live history does not have, the GPUs before the agent started, once after each hello. */
  async #backfill() {
    const { ring, tick } = this.hub;
    if (this.filled || !tick?.gpus?.length || ring.ts.length < 3) return;
    if (typeof ring.series[`gpu${tick.gpus[0].index}.mem_used`]?.[0] === "number") return;
    this.filled = true;
    const span = { from: ring.ts[0] - 1e6, to: ring.last + 1e6 };
    try {
      const { ts, columns } = await seriesOf({ kind: "gpu" }, [], { ...span, points: Math.min(2000, Math.ceil((span.to - span.from) / 1e6)) }, { get });
      if (ts.length > 1) ring.fill({ ts, series: columns, bucket_us: (ts[ts.length - 1] - ts[0]) / (ts.length - 1) + 1e6 });
    } catch {
      // the sparklines start now instead; the next hello tries again
    }
  }

  #show() {
    if (this.hub.paused && this.cards) return;
    const totals = this.hub.hello?.host?.totals;
    this.note.hidden = !totals;
    setText(this.note, totals ?? "");
    const wanted = this.#wanted();
    const names = JSON.stringify(wanted);
    if (names !== this.names) {
      this.names = names;
      for (const card of this.cards ?? []) card.close();
      this.cards = wanted.map(([kind, options]) => new Card(kind, options));
      this.box.replaceChildren(...this.cards.map((card) => card.node));
    }
    this.#backfill();
    const { gpu_fresh: fresh = true, gpu_message: message, host = {} } = this.hub.tick ?? {};
    const quiet = fresh ? "" : message || "The NVIDIA driver does not answer.";
    this.cards.forEach((card, i) => card.show(this.hub.ring, host, this.colour, GPU_KINDS.has(wanted[i][0]) ? quiet : ""));
  }
}

export default component(Cards);
