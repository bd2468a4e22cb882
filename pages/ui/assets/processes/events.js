// Events of processes, the newest on top: those of the store, and new ones as they come.

import { follow, pageUrl } from "../core/address.js";
import { get, Latest } from "../core/api.js";
import { component, el, icon, inert } from "../core/dom.js";
import { bytes, fixed, moment, NONE, sentence } from "../core/format.js";
import { live } from "../live/hub.js";
import { keyOf, leastLevel, matches, merged, MOST, SIGNS, summary } from "./eventlist.js";

const COLUMNS = ["Time", "Event", "Process", "What", "PID", "CPU %", "Memory", "Command"];
const NUMBERS = new Set(["PID", "CPU %", "Memory"]);
const AGAIN_MS = 15_000;
const MISSED_MS = 3000;

class Events {
  constructor(host) {
    this.hub = live();
    this.latest = new Latest();
    this.events = [];
    this.fresh = new Set();
    this.says = el("div", { class: "aside-line muted", role: "status" });
    this.body = el("tbody");
    const head = el("tr", {}, ...COLUMNS.map((title) => el("th", { class: NUMBERS.has(title) ? "num" : "", scope: "col", text: title })));
    this.table = el("div", { class: "scrolls", tabindex: "0", role: "group", "aria-label": "Events of processes", hidden: true }, el("table", { class: "plain ended" }, el("thead", {}, head), this.body));
    this.nothing = el("div", { class: "empty", text: "Loading…" });
    host.append(el("section", { class: "card" }, this.says, this.table, this.nothing));
    this.subscription = this.hub.subscribe({ host: true, events: true });
    this.off = [this.hub.on("events", (events) => this.#add(events)), this.hub.on("second", () => this.#again()), this.hub.on("pause", () => this.#again(true))];
  }

  /** `{q, types, run}`: the filters of the page. */
  update(data) {
    const text = JSON.stringify(data);
    if (text === this.text) return;
    this.text = text;
    this.data = data;
    this.events = [];
    this.total = null; // until those of the store have come
    this.#load();
  }

  close() {
    this.latest.stop();
    this.subscription.close();
    for (const off of this.off) off();
  }

  #load() {
    this.loaded = performance.now();
    const { q, types, run } = this.data;
    const take = (found) => {
      Object.assign(this, { total: found.total, leftOut: found.left_out, failed: null });
      this.events = merged(this.events, found.events);
      this.#show();
    };
    const fail = (error) => {
      this.failed = [`The events could not be loaded: ${error.message}.`, sentence(error.hint)];
      this.#show();
    };
    this.latest.ask((signal) => get("events", { q, types, run, pattern_level: leastLevel(this.data), limit: MOST }, { signal }), take, fail);
  }

  /** Look again now and then: what a lost connection missed is in the store. */
  #again(now = false) {
    if (this.hub.paused || !this.data) return;
    if (now || performance.now() - this.loaded > (this.failed ? MISSED_MS : AGAIN_MS)) this.#load();
  }

  #add(events) {
    if (this.hub.paused || !this.data) return;
    const wanted = events.filter((one) => matches(one, this.data));
    if (!wanted.length) return;
    if (this.total !== null) this.total += wanted.length;
    this.events = merged(wanted, this.events);
    this.#show();
  }

  #show() {
    const { events } = this;
    this.says.textContent = summary(events.length, this.total, this.leftOut, !this.data.types && !this.data.run);
    const rows = new Map([...this.body.children].map((node) => [node.dataset.key, node]));
    const nodes = events.map((one) => rows.get(keyOf(one)) ?? row(one));
    this.body.replaceChildren(...nodes);
    this.table.hidden = !events.length;
    this.nothing.hidden = events.length > 0;
    const { q, types } = this.data;
    const none = q || types ? ["No matching events.", "Clear the search, or include all types."] : ["No events yet.", "A process of yours is listed when it began, hung, failed or completed. The settings under events say which."];
    const [what, why] = this.failed ?? none;
    this.nothing.replaceChildren(el("b", { text: what }), why);
  }
}

function row(event) {
  const [sign, word] = SIGNS[event.event_type] ?? ["off", event.event_type];
  const name = inert(event.process_name, 120);
  const { performance: at, details } = event;
  const address = event.run ? pageUrl("run", { run: event.run }) : details.pattern ? pageUrl("logs", { query: `pattern:${details.pattern}`, range: "24h" }) : null;
  const title = address ? follow(el("a", { class: "link text", href: address, text: name })) : el("span", { class: "text", text: name });
  const told = event.origin === "program" ? " (told by the program)" : "";
  const then = follow(el("a", { class: "link", href: pageUrl("processes", { view: "at", at: new Date(event.timestamp / 1000).toISOString() }), title: "Processes at that time", text: moment(event.timestamp) }));
  return el(
    "tr",
    { "data-key": keyOf(event) },
    el("td", { class: "when" }, then),
    el("td", { class: "how" }, icon(sign), " ", word),
    el("td", {}, title),
    el("td", { class: "text what", text: `${inert(details.message ?? "", 300)}${told}` }),
    el("td", { class: "num", text: event.pid === null ? NONE : String(event.pid) }),
    el("td", { class: "num", text: fixed(at?.cpu_pct, 1) }),
    el("td", { class: "num", text: bytes(at?.rss) }),
    el("td", { class: "one-line mono text command", title: inert(details.command ?? details.example ?? "", 2000), text: inert(details.command ?? details.example ?? NONE, 300) }),
  );
}

export default component(Events);
