// How busy each core was: one strip for each core, darker is busier. Only readings that arrive while the page is open are shown.

import { get } from "../core/api.js";
import { colours, component, el, setText } from "../core/dom.js";
import { fixed } from "../core/format.js";
import { live, markStale } from "../live/hub.js";

const SLOTS = 180;

class Cores {
  constructor(host) {
    this.hub = live();
    this.colour = colours(host);
    this.rows = [];
    this.list = el("div", { class: "cores fades" });
    host.append(el("section", { class: "card" }, el("header", {}, el("h2", { text: "Cores" }), el("span", { class: "aside", text: "Last 3 min, while this page is open" })), this.list));
    this.subscription = this.hub.subscribe({ host: true });
    this.off = [markStale(host), this.hub.on("tick", () => this.#tick())];
  }

  update() {
    for (const row of this.rows) this.#draw(row); // a new theme
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
      this.#push(this.rows.map(() => null)); // the status strip says what is wrong; here it is a gap
    } finally {
      this.asking = false;
    }
    this.#say();
  }

  #push(cores) {
    cores.forEach((value, i) => {
      const row = (this.rows[i] ??= this.#row(i));
      row.values.push(value);
      if (row.values.length > SLOTS) row.values.shift();
      row.pen.drawImage(row.pen.canvas, -1, 0); // a second is one pixel wide: all others move left by one
      this.#point(row, SLOTS - 1, value);
    });
  }

  #row(index) {
    const canvas = el("canvas", { "aria-hidden": "true", width: SLOTS, height: 1, style: "image-rendering:pixelated" });
    const value = el("span", { class: "num" });
    this.list.append(el("div", { class: "core" }, el("span", { text: `Core ${index}` }), canvas, value));
    const row = { values: [], pen: canvas.getContext("2d"), value };
    this.#draw(row);
    return row;
  }

  #draw(row) {
    for (let at = 0; at < SLOTS; at += 1) this.#point(row, at, row.values[row.values.length - SLOTS + at]);
  }

  #point({ pen }, at, value) {
    pen.fillStyle = this.colour("raised");
    pen.fillRect(at, 0, 1, 1);
    if (value === null || value === undefined) return;
    pen.fillStyle = this.colour("cpu");
    pen.globalAlpha = Math.min(1, 0.06 + (value / 100) * 0.94);
    pen.fillRect(at, 0, 1, 1);
    pen.globalAlpha = 1;
  }

  #say() {
    for (const { value, values } of this.rows) {
      const last = values[values.length - 1];
      setText(value, last === null || last === undefined ? "–" : `${fixed(last, 0)} %`);
    }
  }
}

export default component(Cores);
