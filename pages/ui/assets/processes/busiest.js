// The eight busiest processes now, each a link to its page.

import { follow, pageUrl } from "../core/address.js";
import { component, el, inert, setAttr, setText } from "../core/dom.js";
import { bytes, fixed } from "../core/format.js";
import { live, markStale } from "../live/hub.js";
import { briefly } from "./model.js";
import { Outlook } from "./outlook.js";

const SHOWN = 8;

class Busiest {
  constructor(host) {
    this.hub = live();
    this.rows = Array.from({ length: SHOWN }, row);
    this.outlook = new Outlook();
    this.nothing = el("div", { class: "empty", text: "Waiting for the first reading…" });
    this.list = el("div", { class: "rows fades", role: "list", hidden: true, "aria-label": "Busiest processes" }, ...this.rows.map((one) => one.node));
    host.append(el("section", { class: "card" }, el("header", {}, el("h2", { text: "Busiest processes" }), el("span", { class: "aside", text: "% of one core · memory" })), this.nothing, this.list, this.outlook.node));
    this.subscription = this.hub.subscribe({ host: true, processes: true });
    const show = () => this.#show();
    this.off = [markStale(host), this.hub.on("procs", show), this.hub.on("pause", show)];
  }

  update() {
    this.#show();
  }

  close() {
    this.subscription.close();
    for (const off of this.off) off();
  }

  #show() {
    if (this.hub.paused) return;
    if (!this.hub.processes.size) return;
    this.outlook.show(this.hub.processes.outlook);
    this.nothing.hidden = true;
    this.list.hidden = false;
    const cores = this.hub.hello?.host?.cpu_count ?? 1;
    const busy = [...this.hub.processes.runs.values()].filter((one) => !one.kernel_thread || (one.cpu_pct ?? 0) > 5);
    busy.sort((a, b) => (b.cpu_pct ?? -1) - (a.cpu_pct ?? -1) || (b.rss ?? 0) - (a.rss ?? 0));
    const most = Math.max(100, ...busy.slice(0, SHOWN).map((one) => one.cpu_pct ?? 0));
    this.rows.forEach((view, i) => fill(view, busy[i], Math.min(most, cores * 100)));
  }
}

function row() {
  const name = follow(el("a", { class: "one-line text" }));
  const level = el("i");
  const cpu = el("span", { class: "num" });
  const memory = el("span", { class: "num muted" });
  const node = el("div", { class: "busy", role: "listitem" }, name, el("div", { class: "bar", "aria-hidden": "true" }, level), cpu, memory);
  return { node, name, level, cpu, memory };
}

function fill(view, process, most) {
  view.node.style.visibility = process ? "visible" : "hidden"; // the card keeps its height
  if (!process) return;
  setText(view.name, inert(briefly(process.title), 120));
  setAttr(view.name, "href", pageUrl("run", { run: process.run }));
  setAttr(view.name, "title", inert(`${process.pid} · ${process.cmdline ?? ""}`, 400));
  setText(view.cpu, process.cpu_pct === null || process.cpu_pct === undefined ? "–" : `${fixed(process.cpu_pct, process.cpu_pct >= 99.95 ? 0 : 1)} %`);
  setText(view.memory, bytes(process.rss));
  view.level.style.width = `${Math.min(100, ((process.cpu_pct ?? 0) / most) * 100).toFixed(1)}%`;
  view.level.style.setProperty("--hue", process.gpu_mem ? "var(--gpu)" : "var(--cpu)");
}

export default component(Busiest);
