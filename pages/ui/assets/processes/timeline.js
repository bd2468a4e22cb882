// Lives of processes as bars on a time axis, from the page. The colour says how each ended; a bar leads to its run.

import { timeMarks } from "../charts/scale.js";
import { follow, pageUrl } from "../core/address.js";
import { component, el, inert } from "../core/dom.js";
import { clock, count, day, moment, plural } from "../core/format.js";
import { lanes, outcome, place } from "./lanes.js";

const WORDS = { runs: "running", done: "ended well", asked: "stopped on request", failed: "failed", unknown: "exit code unknown" };
const AXIS_PX = 640;
const EDGE = 0.03; // a mark so near to an end of the axis would stick out

class Timeline {
  constructor(host) {
    this.says = el("div", { class: "aside-line muted", role: "status" });
    const legend = el("div", { class: "lives-legend muted" }, ...Object.entries(WORDS).map(([name, text]) => el("span", {}, el("i", { class: `life ${name}` }), text)));
    this.axis = el("div", { class: "lives-axis muted", "aria-hidden": "true" });
    this.rows = el("div", { class: "lives-rows" });
    this.nothing = el("div", { class: "empty" });
    this.chart = el("div", { class: "lives" }, this.axis, this.rows);
    host.append(el("section", { class: "card" }, el("div", { class: "lives-top" }, this.says, legend), this.chart, this.nothing));
  }

  /** `{from, to, total, runs: [Life], filtered}`. */
  update(data) {
    const range = [data.from, data.to];
    const shown = lanes(data.runs, range);
    const more = data.total - data.runs.length;
    this.says.textContent = data.runs.length ? `${plural(data.total, "process", "processes")}${more > 0 ? ` · the ${count(data.runs.length)} that lived longest are shown` : ""}` : "";
    const marks = timeMarks(range, this.axis.clientWidth || AXIS_PX).map(([at, text]) => [(at - data.from) / (data.to - data.from), text]);
    this.axis.replaceChildren(...marks.filter(([at]) => at > EDGE && at < 1 - EDGE).map(([at, text]) => el("span", { style: `left:${100 * at}%`, text })));
    this.rows.replaceChildren(...shown.map((lane) => row(lane, range)));
    this.chart.hidden = !shown.length;
    this.nothing.hidden = shown.length > 0;
    const [what, why] = data.filtered ? ["No matching processes.", "Clear the search, or choose a longer range."] : ["No process lived in this time.", "Watchkeeper records processes while it runs."];
    this.nothing.replaceChildren(el("b", { text: what }), why);
  }

  close() {}
}

function row({ title, first, last, count: lives, hidden, lives: shown }, range) {
  const name = first ? `${inert(title, 80)}${lives > 1 ? ` × ${count(lives)}` : ""}` : last && hidden ? `+ ${count(hidden)} not shown` : "";
  const says = `${inert(title, 200)}${hidden ? ` · ${plural(hidden, "life", "lives")} at the same time not shown` : ""}`;
  return el("div", { class: "lives-row" }, el("span", { class: first ? "one-line text" : "one-line text muted", title: says, text: name }), el("div", { class: "lane" }, ...shown.map((life) => bar(life, range))));
}

function bar(life, range) {
  const [left, width] = place(life, range);
  const kind = outcome(life);
  const until = life.ended === null ? "now" : day(life.ended) === day(life.started) ? clock(life.ended) : moment(life.ended);
  const says = `${inert(life.title, 120)} · PID ${life.pid} · ${life.started === null ? "start unknown" : moment(life.started)} to ${until} · ${inert(life.outcome ?? WORDS.runs, 80)}`;
  return follow(el("a", { class: `life ${kind}`, href: pageUrl("run", { run: life.run }), style: `left:${left}%;width:${width}%`, title: says, "aria-label": says }));
}

export default component(Timeline);
