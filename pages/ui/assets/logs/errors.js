// The newest errors, each a link to the logs at its time.

import { follow, pageUrl } from "../core/address.js";
import { component, el, inert, setText } from "../core/dom.js";
import { count, day, moment } from "../core/format.js";
import { live, markStale } from "../live/hub.js";
import { causeIn } from "./cause.js";

const AROUND = 150e6; // µs before and after the error

class Errors {
  constructor(host) {
    this.hub = live();
    this.aside = el("span", { class: "aside" });
    this.list = el("div", { class: "rows fades", style: "min-height:132px" }, el("div", { class: "empty", text: "Loading the newest errors…" }));
    host.append(el("section", { class: "card" }, el("header", {}, el("h2", { text: "Latest errors" }), this.aside), this.list));
    this.subscription = this.hub.subscribe({ host: true, status: true });
    const show = () => this.#show();
    this.off = [markStale(host), this.hub.on("status", show), this.hub.on("pause", show)];
  }

  update(data) {
    this.shown = data.shown ?? 6;
    this.seen = null;
    this.#show();
  }

  close() {
    this.subscription.close();
    for (const off of this.off) off();
  }

  #show() {
    const errors = this.hub.status?.errors;
    if (!errors || this.hub.paused) return;
    setText(this.aside, `${count(errors.last_10_min ?? 0)} in 10 min`);
    const records = [...(errors.recent ?? [])].sort((a, b) => b.ts - a.ts).slice(0, this.shown);
    const seen = records.map((record) => record.id).join();
    if (seen === this.seen) return; // nothing new
    this.seen = seen;
    const today = day(Date.now() * 1000);
    const dated = records.some((record) => day(record.ts) !== today); // one width for all: columns stay in line
    this.list.replaceChildren(...(records.length ? records.map((record) => line(record, dated)) : [nothing()]));
  }
}

function line(record, dated) {
  const around = { range: "custom", from: new Date((record.ts - AROUND) / 1000).toISOString(), to: new Date((record.ts + AROUND) / 1000).toISOString(), record: record.id };
  const cells = [el("span", { class: "dim when", text: moment(record.ts) }), el("span", { class: `lv ${record.level}`, text: (record.level ?? "error").toUpperCase() }), el("span", { class: "muted one-line text source", text: inert(record.source, 80) }), el("span", { class: "one-line text", title: inert(record.message, 1000) }, ...message(record))];
  return follow(el("a", { class: dated ? "error-row mono dated" : "error-row mono", href: pageUrl("logs", around) }, ...cells));
}

/** The exception first, then what the program said about it. */
function message(record) {
  const [exception, head] = causeIn(record);
  return exception ? [el("b", { text: inert(exception, 300) }), ` · ${inert(head, 300)}`] : [inert(head, 500)];
}

function nothing() {
  return el("div", { class: "empty" }, el("b", { text: "No errors logged." }), "Records of level error and fatal from all log files that your processes write appear here.");
}

export default component(Errors);
