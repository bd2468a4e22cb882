// Current values of disks, file systems, network interfaces and temperature sensors.

import { get } from "../core/api.js";
import { component, el, inert, setText } from "../core/dom.js";
import { bytes, fixed, percent, rate } from "../core/format.js";
import { live, markStale } from "../live/hub.js";

const EVERY_MS = 2000;

class Devices {
  constructor(host) {
    this.hub = live();
    this.box = el("div", { class: "devices fades" });
    this.trouble = el("div", { class: "trouble", role: "alert", hidden: true });
    host.append(this.trouble, this.box);
    this.tables = {};
    this.subscription = this.hub.subscribe({ host: true });
    this.off = [markStale(host), this.hub.on("second", () => this.#second())];
  }

  update() {
    this.#second();
  }

  close() {
    this.subscription.close();
    for (const off of this.off) off();
  }

  async #second() {
    if (this.hub.paused || this.asking || performance.now() - (this.askedAt ?? -1e9) < EVERY_MS) return;
    this.asking = true;
    this.askedAt = performance.now();
    try {
      const { host } = await get("host/latest");
      this.#show(host ?? {});
      this.trouble.hidden = true;
    } catch (error) {
      setText(this.trouble, `Devices could not be loaded: ${error.message}. ${error.hint}`);
      this.trouble.hidden = false;
    } finally {
      this.asking = false;
    }
  }

  #show({ disks, nics, space, temperatures }) {
    const heat = Object.entries(temperatures ?? {}).filter(([, value]) => typeof value === "number");
    this.#table("File systems", ["Mount point", "Used", "Size", "Used %"], (space ?? []).map((one) => [one.mount, bytes(one.used), bytes(one.total), percent(one.total ? (one.used / one.total) * 100 : null, 0)]));
    this.#table("Disks", ["Disk", "Read", "Write", "Busy"], (disks ?? []).map((one) => [one.name, rate(one.read_bps), rate(one.write_bps), percent(one.busy_pct, 0)]));
    this.#table("Network", ["Interface", "Received", "Sent", "Errors/s"], (nics ?? []).map((one) => [one.name, rate(one.read_bps), rate(one.write_bps), fixed(one.errors, 0)]));
    this.#table("Temperatures", ["Sensor", "Now"], heat.map(([name, value]) => [name, `${fixed(value, 0)} °C`]));
  }

  /** Update a table in place. Without such devices there is no table. */
  #table(title, heads, rows) {
    if (!rows.length && !this.tables[title]) return;
    const shape = JSON.stringify(rows.map(([name]) => name));
    let held = this.tables[title];
    if (held?.shape !== shape) {
      const cells = rows.map((row) => row.map((_, i) => el("td", { class: i ? "num" : "text" })));
      const table = el("table", { class: "plain" }, el("thead", {}, el("tr", {}, ...heads.map((head, i) => el("th", { scope: "col", class: i ? "num" : null, text: head })))), el("tbody", {}, ...cells.map((row) => el("tr", {}, ...row))));
      const card = held?.card ?? el("section", { class: "card" });
      card.replaceChildren(el("header", {}, el("h2", { text: title })), table);
      if (!held) this.box.append(card);
      held = this.tables[title] = { shape, cells, card };
    }
    rows.forEach((row, i) => row.forEach((text, j) => setText(held.cells[i][j], inert(text, 120))));
  }
}

export default component(Devices);
