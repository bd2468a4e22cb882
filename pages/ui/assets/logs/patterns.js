// The patterns of a filter, the most frequent first: count, share, trend, level, what is new or bursting. Each leads to its records.

import { follow, pageUrl, param } from "../core/address.js";
import { get, Latest } from "../core/api.js";
import { component, el, icon, inert, setText } from "../core/dom.js";
import { count, fixed, moment, NONE, percent, plural } from "../core/format.js";
import { Press } from "../core/press.js";
import { live, markStale } from "../live/hub.js";
import { bars, commonLevel, lasting, mostlyErrors, parts, recordsOf, sorted } from "./pattern_model.js";

const REFRESH_MS = 5000;
const SLOW_MS = 20_000; // for ranges above an hour
const SLOWING_MS = 60_000; // records are read for it
const WIDTH = 104;
const HEIGHT = 20;
const SVG = "http://www.w3.org/2000/svg";

class Patterns {
  constructor(host) {
    this.hub = live();
    this.latest = new Latest();
    this.says = el("span", { class: "aside", role: "status", text: "Counting…" });
    this.list = el("div", { class: "rows fades", style: "min-height:160px" });
    host.append(el("section", { class: "card" }, el("header", {}, el("h2", { text: "Patterns" }), this.says), this.list));
    this.subscription = this.hub.subscribe({ host: true, status: true });
    this.press = new Press(this.list, { released: () => this.answer && this.#show() });
    this.off = [markStale(host), this.hub.on("second", () => this.#second()), () => this.press.close()];
  }

  /** `data`: `{filters, range, window_s, sort, filtered}`. */
  update(data) {
    const asked = JSON.stringify([data.filters, data.range, data.window_s]);
    this.data = data;
    if (asked !== this.asked) {
      this.asked = asked;
      this.#load();
    } else if (this.answer) this.#show();
  }

  close() {
    this.latest.stop();
    this.subscription.close();
    for (const off of this.off) off();
  }

  #load() {
    this.askedAt = performance.now();
    const [since, until] = spanOf(this.data, this.hub);
    const take = async (answer, signal) => {
      this.answer = answer;
      this.#show();
      await this.#slowing(since, until, signal);
    };
    const fail = (error) => {
      setText(this.says, "");
      this.list.replaceChildren(el("div", { class: "trouble" }, icon("bad"), `Patterns could not be counted: ${error.message}. ${error.hint ?? ""}`));
    };
    this.latest.ask((signal) => get("logs/patterns", { ...this.data.filters, since, until }, { signal, seconds: 35 }), take, fail);
  }

  /** Marks the patterns whose durations grow. The list stands without it. */
  async #slowing(since, until, signal) {
    const asked = this.asked;
    if (this.slower?.asked === asked && performance.now() - this.slower.at < SLOWING_MS) return;
    try {
      const found = await get("logs/slowing", { ...this.data.filters, since, until }, { signal, seconds: 35 });
      this.slower = { asked, at: performance.now(), of: new Map(found.patterns.map((one) => [one.number, one])) };
    } catch (error) {
      if (signal.aborted) return;
      this.slower = { asked, at: performance.now(), of: new Map(), failed: error.message };
    }
    if (!signal.aborted) this.#show();
  }

  #second() {
    if (!this.data || this.data.range || this.hub.paused || this.latest.waits) return;
    if (performance.now() - this.askedAt > (this.data.window_s <= 3600 ? REFRESH_MS : SLOW_MS)) this.#load();
  }

  #show() {
    const { patterns, found, total, elapsed_ms: took } = this.answer;
    const cut = found > patterns.length ? ` · the ${count(patterns.length)} most frequent are listed` : "";
    setText(this.says, `${this.data.live ? "last hour · " : ""}${plural(total, "record")} · ${plural(found, "pattern")}${cut} · ${fixed(took, 0)} ms${this.slower?.asked === this.asked && this.slower.failed ? ` · what slows down is not known: ${this.slower.failed}` : ""}`);
    const slower = this.slower?.asked === this.asked ? this.slower.of : new Map();
    const drawn = JSON.stringify([patterns, [...slower], this.data.sort, this.data.filters]);
    if (drawn === this.drawn || this.press.down) return; // a row under the pointer stays as it is
    this.drawn = drawn;
    const range = rangeOf();
    const rows = sorted(patterns, this.data.sort).map((one) => row({ ...one, slower: slower.get(one.number) }, total, recordsOf(one, this.data.filters, range)));
    this.list.replaceChildren(...(rows.length ? rows : [nothing(this.data.filtered)]));
  }
}

/** Begin and end of the view's range, µs. */
export function spanOf(data, hub) {
  if (data.range) return data.range.map(Math.round);
  const now = Math.round(hub.tick?.ts ?? Date.now() * 1000);
  return [now - data.window_s * 1e6, now];
}

/** The range in the address, as other pages read it. Records have a pattern once they are stored: live becomes the hour that is shown here. */
export function rangeOf() {
  return { range: param("range") ?? "1h", from: param("from"), to: param("to") };
}

/** The text of a pattern with its values marked. */
export function template(text) {
  return el("span", { class: "template one-line text" }, ...parts(text).map(([part, value]) => (value ? el("i", { class: "hole", title: "a value", text: part }) : inert(part, 600))));
}

/** A trend as bars. */
function trendOf(one) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("class", mostlyErrors(one) ? "trend bad" : "trend");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", bars(one.trend, WIDTH, HEIGHT));
  svg.append(path);
  return svg;
}

function marks(one) {
  const found = [];
  if (one.new) found.push(el("span", { class: "tag new", title: `First seen ${moment(one.first_seen)}`, text: "new" }));
  if (one.bursting) found.push(el("span", { class: "tag burst", title: "Far more in the newest part of the range than before", text: "burst" }));
  if (one.errors && !mostlyErrors(one)) found.push(el("span", { class: "tag bad", text: plural(one.errors, "error") }));
  if (one.slower) found.push(el("span", { class: "tag slow", title: `${inert(one.slower.name, 80)}: median ${lasting(one.slower.before)} before, ${lasting(one.slower.after)} in the newest quarter. The view Values has the curve.`, text: "slowing" }));
  return found;
}

function row(one, total, address) {
  const level = commonLevel(one.levels);
  const share = total ? (100 * one.count) / total : 0;
  const errors = one.errors ? `, ${plural(one.errors, "error")}` : "";
  const title = `${inert(one.example || one.text, 1000)}\n${one.sources.map((source) => `${inert(source.source, 80)}: ${count(source.count)}`).slice(0, 8).join("\n")}\nfirst seen ${moment(one.first_seen)}`;
  const cells = [
    el("span", { class: "num n", text: count(one.count) }),
    el("span", { class: "num dim share", text: percent(share) }),
    trendOf(one),
    el("span", { class: `lv ${level ?? "unknown"}`, text: level ? level.toUpperCase() : NONE }),
    el("span", { class: "what" }, ...marks(one), template(one.text)),
    el("span", { class: "num dim last", title: "last seen", text: moment(one.last) }),
  ];
  const said = `${count(one.count)} records, ${percent(share)}${errors}, ${level ?? "no level"}: ${inert(one.text, 300)}`;
  if (!address) return el("div", { class: "pattern-row mono", title, "aria-label": said }, ...cells);
  return follow(el("a", { class: "pattern-row mono", href: pageUrl("logs", address), title, "aria-label": said }, ...cells));
}

function nothing(filtered) {
  const [what, why] = filtered ? ["No matching records in this range.", "Clear the filters, or choose a longer range."] : ["No records in this range.", "Choose a longer range. The Logs page lists the sources that are read."];
  return el("div", { class: "empty" }, el("b", { text: what }), why);
}

export default component(Patterns);
