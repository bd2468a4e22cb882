// A group of charts with one time axis and one crosshair, drawn live from the hub or from a range of the store. With `activity`
// it also shows the records, events, jobs and actions of that time: of one run always, of the machine once a range is chosen.

import { get, Latest } from "../core/api.js";
import { follow, pageUrl, setParams } from "../core/address.js";
import { colours, component, el, setAttr, setText } from "../core/dom.js";
import { inUnit, moment } from "../core/format.js";
import { live, markStale } from "../live/hub.js";
import { Happened } from "./happened.js";
import { Lanes } from "./lanes.js";
import { Plot } from "./plot.js";
import { peakOf } from "./scale.js";
import { seriesOf } from "./series.js";

const ROWS = 24;
const AROUND = 30e6; // µs
const ACTIVITY_MS = 5000; // between two looks at what happened, while the range moves
const BAR_PX = 7;

class Charts {
  constructor(host, data) {
    this.host = host;
    this.hub = live();
    this.colour = colours(host);
    this.latest = new Latest();
    this.looking = new Latest();
    this.grid = el("div", { class: "charts" });
    host.append(this.grid);
    this.plots = []; // the charts of lines
    this.areas = []; // all that share the axis
    this.subscription = this.hub.subscribe({ host: true, history_s: 300 });
    const draw = () => this.#live();
    this.off = [markStale(host), this.hub.on("hello", draw), this.hub.on("tick", draw), this.hub.on("pause", draw), this.hub.on("second", () => this.#second())];
    this.resized = new ResizeObserver(() => this.#wide());
    this.resized.observe(host);
  }

  update(data) {
    const same = JSON.stringify([data.panels, data.activity]) === JSON.stringify([this.data?.panels, this.data?.activity]);
    const moved = JSON.stringify([data.range, data.window_s, data.source]) !== JSON.stringify([this.data?.range, this.data?.window_s, this.data?.source]);
    this.data = data;
    this.grid.style.setProperty("--columns", data.columns ?? 2);
    if (!same) this.#build();
    if (same && moved) for (const area of this.areas) area.select(null);
    if (same && moved && this.tip && !this.tip.fresh) this.#unpin();
    if (this.tip) this.tip.fresh = false;
    if (!this.tip) for (const area of this.areas) area.mark(data.mark ?? null);
    if (!same || moved) this.#reload();
    this.#live(!same || moved);
    if (this.theme !== this.host.dataset.theme) for (const area of this.areas) area.draw();
    this.theme = this.host.dataset.theme;
  }

  close() {
    this.latest.stop();
    this.looking.stop();
    this.resized.disconnect();
    this.subscription.close();
    for (const off of this.off) off();
    for (const area of this.areas) area.close();
  }

  get fromHub() {
    return this.data.range === null && this.data.source.kind === "host" && this.data.window_s <= 300;
  }

  /** Whether what happened is shown. */
  get happens() {
    return Boolean(this.data.activity) && (this.data.range !== null || this.data.source.kind === "run");
  }

  #build() {
    for (const area of this.areas) area.close();
    const on = {
      hover: (ts) => this.areas.forEach((area) => area.point(ts)),
      brush: (range) => this.areas.forEach((area) => area.select(range)),
      select: (range, area) => this.#select(range, area),
      pick: (ts, area) => (this.data.pick ? setParams({ [this.data.pick]: new Date(ts / 1000).toISOString() }) : this.#pin(ts, area)),
      reset: () => setParams({ range: null, from: null, to: null }),
    };
    this.plots = this.data.panels.map((panel) => new Plot(panel, on, this.colour));
    this.lanes = this.data.activity ? new Lanes(on, this.colour) : null;
    this.list = this.data.activity ? new Happened(this.data.source.kind !== "run") : null;
    this.areas = this.lanes ? [...this.plots, this.lanes] : this.plots;
    this.grid.replaceChildren(...this.areas.map((area) => area.node));
    this.host.replaceChildren(this.grid, ...(this.list ? [this.list.node] : []));
    for (const plot of this.plots) this.#alternative(plot);
  }

  /** A button that shows the same readings as a table. */
  #alternative(plot) {
    const box = el("div", { class: "table", hidden: true, tabindex: "0", role: "region", "aria-label": `${plot.spec.title} as a table` });
    const button = el("button", { class: "plain", "aria-expanded": "false", text: "Table", title: "Show the readings as a table" });
    button.onclick = () => {
      box.hidden = !box.hidden;
      setAttr(button, "aria-expanded", String(!box.hidden));
      setText(button, box.hidden ? "Table" : "Hide table");
      if (!box.hidden) box.replaceChildren(table(plot));
    };
    plot.header.append(button);
    plot.node.append(box);
  }

  /** A range was chosen: show it at once, and write it to the address, from which the rest of the page follows. */
  #select([a, b], area) {
    const [from, to] = [Math.min(a, b), Math.max(a, b)].map((ts) => Math.floor(ts / 1000) * 1000); // as exact as the address
    for (const one of this.areas) one.select(null);
    if (!this.data.brush || to - from < 2e6) return;
    const peak = area.data ? peakOf(area.data, area.spec.series[0].metric, from, to) : null;
    if (!this.data.pick) this.#pin(peak ?? (from + to) / 2, area, [from, to]);
    this.data = { ...this.data, range: [from, to], window_s: Math.max(1, Math.floor((to - from) / 1e6)) };
    this.#reload();
    const text = (ts) => new Date(ts / 1000).toISOString();
    setParams({ range: "custom", from: text(from), to: text(to) });
  }

  /** Offer what happened at a moment: in the chart at that place, until it is closed or another range is shown. `chosen`: the range that was dragged, which changes with it: what its logs have that the time before had not. */
  #pin(ts, plot, chosen = null) {
    this.#unpin();
    const between = (from, to) => ({ range: "custom", from: new Date(from / 1000).toISOString(), to: new Date(to / 1000).toISOString() });
    const changes = chosen ? [["What changed", pageUrl("patterns", { view: "changes", ...between(...chosen) })]] : [];
    const close = el("button", { class: "plain", type: "button", text: "✕", "aria-label": "Close" });
    const links = [["Processes then", pageUrl("processes", { view: "at", at: new Date(ts / 1000).toISOString() })], ["Log records", pageUrl("logs", between(ts - AROUND, ts + AROUND))], ...changes];
    const node = el("div", { class: "tip", role: "group", "aria-label": `At ${moment(ts)}` }, el("b", { text: moment(ts) }), ...links.map(([text, href]) => follow(el("a", { class: "link", href, text }))), close);
    close.onclick = () => this.#unpin();
    for (const one of this.areas) one.mark(ts);
    plot.area.append(node);
    this.tip = { node, plot, ts, fresh: chosen !== null, width: node.offsetWidth };
    this.#place();
  }

  #unpin() {
    this.tip?.node.remove();
    this.tip = null;
    for (const area of this.areas) area.mark(this.data.mark ?? null);
  }

  /** Keep the offer at its moment while the chart moves. */
  #place() {
    if (!this.tip) return;
    const { node, plot, ts, width } = this.tip;
    const outside = !plot.domain || ts < plot.domain[0] || ts > plot.domain[1];
    node.hidden = outside;
    if (outside) return;
    const x = plot.x(ts);
    const beside = x + 6 + width > plot.width ? x - 6 - width : x + 6;
    node.style.left = `${Math.round(Math.max(0, beside))}px`;
  }

  #live(asked = false) {
    if (!this.data || (this.hub.paused && !asked) || !this.fromHub) return;
    const { ring } = this.hub;
    const to = ring.last ?? Date.now() * 1000;
    const domain = [to - this.data.window_s * 1e6, to];
    const start = Math.max(0, ring.from(domain[0]) - 1);
    const columns = Object.fromEntries(this.#metrics().map((name) => [name, { avg: (ring.series[name] ?? []).slice(start) }]));
    const interval = (this.hub.hello?.interval_s ?? 1) * 1e6;
    const data = { ts: ring.ts.slice(start), columns, gapAfter: interval * 2.5, waiting: ring.last === null ? "Waiting for the first reading…" : undefined };
    this.#show(data, domain);
  }

  #show(data, domain) {
    for (const plot of this.plots) plot.show(data, domain);
    for (const plot of this.plots) plot.tell();
    this.#place();
  }

  #second() {
    if (performance.now() - (this.describedAt ?? -1e9) > 10_000) {
      this.describedAt = performance.now();
      for (const plot of this.areas) if (plot.domain) setAttr(plot.area, "aria-label", `${plot.summary()} Arrow keys move the crosshair, with Shift they select a range, Enter opens it.`);
    }
    if (this.fromHub || this.hub.paused || this.data.range !== null || !this.refreshAt) return;
    if (performance.now() > this.refreshAt) this.#reload();
  }

  #wide() {
    const width = this.plots[0]?.width ?? 0;
    if (!this.fromHub && this.asked && Math.abs(width - this.asked) > 80) this.#reload();
  }

  #reload() {
    this.latest.stop();
    this.refreshAt = null;
    if (this.fromHub) {
      this.#happened([0, 0]); // hides it
      return;
    }
    const now = (this.hub.tick?.ts ?? Date.now() * 1000);
    const [from, to] = (this.data.range ?? [now - this.data.window_s * 1e6, now]).map(Math.round);
    this.#happened([from, to]);
    const width = (this.asked = this.plots[0]?.width || this.host.clientWidth / (this.data.columns ?? 2) || 600);
    const take = (data) => {
      this.#show(data, [from, to]);
      this.refreshAt = performance.now() + Math.max(2000, Math.min(60_000, ((to - from) / 1e3 / width) * 1.5));
    };
    const fail = (error) => {
      this.#failed(error, [from, to]);
      this.refreshAt = performance.now() + 3000;
    };
    this.latest.ask((signal) => seriesOf(this.data.source, this.#metrics(), { from, to, points: Math.round(width) }, { get, signal }), take, fail);
  }

  /** Records, events, jobs and actions: with each range, and now and then while it moves. */
  #happened([from, to]) {
    const { activity } = this.data;
    const key = JSON.stringify([activity, this.data.range, this.data.window_s]);
    for (const part of [this.lanes, this.list]) if (part) part.node.hidden = !this.happens;
    if (!this.happens || (key === this.happenedKey && performance.now() - this.happenedAt < ACTIVITY_MS)) return;
    Object.assign(this, { happenedKey: key, happenedAt: performance.now() });
    const buckets = Math.max(24, Math.min(240, Math.floor((this.lanes.width || 600) / BAR_PX)));
    const take = (found) => {
      this.lanes.show(found, [from, to]);
      this.lanes.tell();
      this.list.show(found);
    };
    const fail = (error) => {
      this.happenedKey = null; // the next look does not wait
      this.lanes.fail(`This could not be loaded: ${error.message}. ${error.hint ?? ""}`, [from, to]);
      this.list.fail(error);
    };
    this.looking.ask((signal) => get("activity", { ...activity, from, to, records: 0, buckets }, { signal }), take, fail);
  }

  #failed(error, domain) {
    const waiting = `This range could not be loaded: ${error.message}. ${error.hint ?? ""}`;
    for (const plot of this.plots) {
      if (plot.data?.ts.length) continue; // keep the last good picture
      plot.show({ ts: [], columns: {}, gapAfter: 1, waiting }, domain);
      plot.tell();
    }
  }

  #metrics() {
    const names = this.data.panels.flatMap((panel) => panel.series.map((series) => series.metric));
    return [...new Set(names)];
  }
}

function table(plot) {
  const { ts, columns } = plot.data;
  const step = Math.max(1, Math.floor(ts.length / ROWS));
  const head = el("tr", {}, el("th", { text: "Time", scope: "col" }), ...plot.spec.series.map((series) => el("th", { class: "num", text: series.label, scope: "col" })));
  const rows = [];
  for (let i = ts.length - 1; i >= 0; i -= step) {
    const cells = plot.spec.series.map((series) => el("td", { class: "num", text: inUnit(columns[series.metric]?.avg[i], plot.spec.unit) }));
    rows.push(el("tr", {}, el("td", { text: moment(ts[i]) }), ...cells));
  }
  return el("table", { class: "plain" }, el("thead", {}, head), el("tbody", {}, ...rows));
}

export default component(Charts);
