// How busy each core was over the last minutes: one strip a core, darker is busier. Built from what comes while one looks.

import { get } from "./api.js";
import { colours, component, el, setText } from "./dom.js";
import { fixed } from "./format.js";
import { live, markStale } from "./live.js";
import { context } from "./spark.js";

const SLOTS = 180;

class Cores {
  constructor(host) {
    this.hub = live();
    this.colour = colours(host);
    this.rows = [];
    this.list = el("div", { class: "cores fades" });
    host.append(el("section", { class: "card" }, el("header", {}, el("h2", { text: "Cores" }), el("span", { class: "aside", text: "last 3 min while this page is open" })), this.list));
    this.subscription = this.hub.subscribe({ host: true });
    this.off = [markStale(host), this.hub.on("tick", () => this.#tick())];
  }

  update() {
    this.#draw();
  }

  close() {
    this.subscription.close();
    for (const off of this.off) off();
  }

  async #tick() {
    if (this.hub.paused || this.asking) return;
    this.asking = true;
    try {
      const cores = this.hub.tick.host.per_core ?? (await get("host/latest")).host?.per_core ?? [];
      this.#push(cores);
    } catch {
      this.#push(this.rows.map(() => null)); // the strip above says what is wrong; here it is a hole
    } finally {
      this.asking = false;
    }
    this.#draw();
  }

  #push(cores) {
    cores.forEach((value, i) => {
      this.rows[i] ??= this.#row(i);
      this.rows[i].values.push(value);
      if (this.rows[i].values.length > SLOTS) this.rows[i].values.shift();
    });
  }

  #row(index) {
    const canvas = el("canvas", { "aria-hidden": "true" });
    const value = el("span", { class: "num" });
    this.list.append(el("div", { class: "core" }, el("span", { text: `core ${index}` }), canvas, value));
    return { values: [], canvas, value };
  }

  #draw() {
    for (const row of this.rows) {
      const width = row.canvas.clientWidth;
      const pen = context(row.canvas, width, 14);
      pen.fillStyle = this.colour("raised");
      pen.fillRect(0, 0, width, 14);
      pen.fillStyle = this.colour("cpu");
      const wide = width / SLOTS;
      row.values.forEach((value, i) => {
        if (value === null || value === undefined) return;
        pen.globalAlpha = Math.min(1, 0.06 + (value / 100) * 0.94);
        pen.fillRect(width - (row.values.length - i) * wide, 0, wide + 0.5, 14);
      });
      pen.globalAlpha = 1;
      const last = row.values[row.values.length - 1];
      setText(row.value, last === null || last === undefined ? "–" : `${fixed(last, 0)} %`);
    }
  }
}

export default component(Cores);
