// A table of processes that have ended, from the page. How each ended is said by a sign and by words.

import { follow, pageUrl } from "../core/address.js";
import { component, el, icon, inert } from "../core/dom.js";
import { bytes, count, endSign, fixed, moment, NONE, plural, span } from "../core/format.js";

const COLUMNS = ["Name", "Ended", "How", "Lived", "PID", "User", "Peak memory", "CPU time", "Read", "Written", "Command"];
const NUMBERS = new Set(["PID", "Lived", "Peak memory", "CPU time", "Read", "Written"]);

class Ended {
  constructor(host) {
    this.says = el("div", { class: "aside-line muted", role: "status" });
    this.body = el("tbody");
    const head = el("tr", {}, ...COLUMNS.map((title) => el("th", { class: NUMBERS.has(title) ? "num" : "", scope: "col", text: title })));
    this.table = el("div", { class: "scrolls", tabindex: "0", role: "group", "aria-label": "Processes that have ended" }, el("table", { class: "plain ended lives-over" }, el("thead", {}, head), this.body));
    this.nothing = el("div", { class: "empty" });
    host.append(el("section", { class: "card" }, this.says, this.table, this.nothing));
  }

  /** `{runs: [EndedRun], total, filtered}`. */
  update(data) {
    const text = JSON.stringify(data);
    if (text === this.text) return;
    this.text = text;
    const { runs, total, filtered } = data;
    this.says.textContent = runs.length ? `${plural(total, "process", "processes")}${total > runs.length ? ` · the newest ${count(runs.length)} are shown` : ""}` : "";
    this.body.replaceChildren(...runs.map(row));
    this.table.hidden = !runs.length;
    this.nothing.hidden = runs.length > 0;
    const [what, why] = filtered ? ["No matching processes.", "Clear the search, or include all outcomes and users."] : ["No process has ended yet.", "Every process that ends while Watchkeeper runs is listed here."];
    this.nothing.replaceChildren(el("b", { text: what }), why);
  }

  close() {}
}

function row(run) {
  const name = follow(el("a", { class: "link text", href: pageUrl("run", { run: run.run }), text: inert(run.title, 120) }));
  const lived = run.started === null ? NONE : brief((run.ended - run.started) / 1e6);
  const cpu = run.cpu_seconds === null ? NONE : brief(run.cpu_seconds);
  return el(
    "tr",
    {},
    el("td", { class: "one-line name", title: inert(run.title, 400) }, name),
    el("td", { class: "when", text: moment(run.ended) }),
    el("td", { class: "how", title: inert(run.outcome, 300) }, icon(endSign(run)), " ", inert(run.outcome, 80)),
    el("td", { class: "num", text: lived }),
    el("td", { class: "num", text: String(run.pid) }),
    el("td", { class: "text", text: inert(run.user ?? NONE, 40) }),
    el("td", { class: "num", text: bytes(run.peak_rss) }),
    el("td", { class: "num", text: cpu }),
    el("td", { class: "num", text: bytes(run.bytes_read) }),
    el("td", { class: "num", text: bytes(run.bytes_written) }),
    el("td", { class: "one-line mono text command", title: inert(run.cmdline, 2000), text: inert(run.cmdline || NONE, 300) }),
  );
}

/** A duration; a short one with the fraction that tells it from others. */
const brief = (seconds) => (seconds < 60 ? `${fixed(Math.max(0, seconds), seconds < 1 ? 2 : 1)} s` : span(seconds));

export default component(Ended);
