// What changed in the logs from one range to the next: levels and sources in a line, then the patterns that are new, gone, more or fewer.

import { follow, pageUrl } from "../core/address.js";
import { get, Latest } from "../core/api.js";
import { component, el, icon, inert, setText } from "../core/dom.js";
import { count, moment, NONE, plural } from "../core/format.js";
import { Press } from "../core/press.js";
import { live, markStale } from "../live/hub.js";
import { perHour, recordsOf, times } from "./pattern_model.js";
import { rangeOf, spanOf, template } from "./patterns.js";

const REFRESH_MS = 30_000;
const NAMES = 4;
const KINDS = { new: "new", gone: "gone", more: "more", fewer: "fewer" };

class Changes {
  constructor(host) {
    this.hub = live();
    this.latest = new Latest();
    this.says = el("span", { class: "aside", role: "status", text: "Comparing…" });
    this.sums = el("div", { class: "sums" });
    this.list = el("div", { class: "rows fades", style: "min-height:160px" });
    host.append(el("section", { class: "card" }, el("header", {}, el("h2", { text: "What changed" }), this.says), this.sums, this.list));
    this.subscription = this.hub.subscribe({ host: true, status: true });
    this.press = new Press(this.list, { released: () => this.answer && this.#show() });
    this.off = [markStale(host), this.hub.on("second", () => this.#second()), () => this.press.close()];
  }

  /** `data`: `{filters, range, window_s}`. The range is compared with the time before it, as long. */
  update(data) {
    const asked = JSON.stringify([data.filters, data.range, data.window_s]);
    this.data = data;
    if (asked === this.asked) return;
    this.asked = asked;
    setText(this.says, "Comparing…"); // a day of records takes seconds, and what stands here is of another range
    this.list.setAttribute("aria-busy", "true");
    this.#load();
  }

  close() {
    this.latest.stop();
    this.subscription.close();
    for (const off of this.off) off();
  }

  #load() {
    this.askedAt = performance.now();
    const [since, until] = spanOf(this.data, this.hub);
    const take = (answer) => {
      this.answer = answer;
      this.list.removeAttribute("aria-busy");
      this.#show();
    };
    const fail = (error) => {
      setText(this.says, "");
      this.list.removeAttribute("aria-busy");
      this.list.replaceChildren(el("div", { class: "trouble" }, icon("bad"), `The ranges could not be compared: ${error.message}. ${error.hint ?? ""}`));
    };
    this.latest.ask((signal) => get("logs/changes", { ...this.data.filters, since, until }, { signal, seconds: 65 }), take, fail);
  }

  #second() {
    if (!this.data || this.data.range || this.hub.paused || this.latest.waits) return;
    if (performance.now() - this.askedAt > REFRESH_MS) this.#load();
  }

  #show() {
    const { before, after, changes, found, levels, sources } = this.answer;
    setText(this.says, `${moment(after.from)} – ${moment(after.to)} compared with ${moment(before.from)} – ${moment(before.to)}`);
    const drawn = JSON.stringify([changes, levels, sources]);
    if (drawn === this.drawn || this.press.down) return;
    this.drawn = drawn;
    const named = [...levels, ...sources].filter((one) => one.changed);
    this.sums.replaceChildren(
      sum("records", before.per_hour, after.per_hour, before.records ? after.per_hour / before.per_hour : null),
      ...named.slice(0, 2 * NAMES).map((one) => sum(one.name, one.before_per_hour, one.after_per_hour, one.ratio)),
    );
    const rows = changes.map((one) => this.#row(one));
    if (found > rows.length) rows.push(el("div", { class: "empty", text: `${plural(found, "pattern")} changed; the first ${count(rows.length)} are listed.` }));
    this.list.replaceChildren(...(rows.length ? rows : [nothing(before, after)]));
  }

  #row(one) {
    const { before } = this.answer;
    const earlier = { range: "custom", from: new Date(before.from / 1000).toISOString(), to: new Date(before.to / 1000).toISOString() };
    const address = recordsOf(one, this.data.filters, one.after ? rangeOf() : earlier);
    const from = one.sources.slice(0, 2).map((source) => inert(source.source, 40)).join(", ");
    const title = `${inert(one.example || one.text, 1000)}\n${count(one.before)} records before, ${count(one.after)} after\nlast seen ${moment(one.last_seen)}`;
    const cells = [
      el("span", { class: `tag ${one.kind}`, text: KINDS[one.kind] }),
      el("span", { class: `lv ${one.level ?? "unknown"}`, text: one.level ? one.level.toUpperCase() : NONE }),
      el("span", { class: "num rates", text: `${perHour(one.before_per_hour)} → ${perHour(one.after_per_hour)} /h` }),
      el("span", { class: "num dim ratio", text: times(one.ratio) }),
      el("span", { class: "what" }, template(one.text)),
      el("span", { class: "dim one-line text source", text: from }),
    ];
    const kind = address ? "a" : "div";
    const row = el(kind, { class: "change-row mono", title, href: address ? pageUrl("logs", address) : null }, ...cells);
    return address ? follow(row) : row;
  }
}

function sum(name, before, after, ratio) {
  const changed = times(ratio);
  return el("span", { class: "sum" }, el("b", { class: "text", text: inert(name, 60) }), ` ${perHour(before)} → ${perHour(after)} an hour${changed ? ` (${changed})` : ""}`);
}

function nothing(before, after) {
  if (!before.records && !after.records) return el("div", { class: "empty" }, el("b", { text: "No records in either range." }), "Choose a longer range.");
  if (!before.records) return el("div", { class: "empty" }, el("b", { text: "Nothing to compare with." }), "There are no records in the time before. Choose a shorter range.");
  return el("div", { class: "empty" }, el("b", { text: "No pattern changed." }), "Every pattern occurs as often as before, within what chance explains.");
}

export default component(Changes);
