// The list of what happened in a time range: events, jobs and actions together, the newest first; above it the runs that used most.

import { follow, pageUrl } from "../core/address.js";
import { el, icon, inert, setText } from "../core/dom.js";
import { bytes, count, endSign, fixed, iso as isoTime, moment, NONE, sentence } from "../core/format.js";
import { entries } from "./lane_model.js";

const MOST = 100;
const COLUMNS = ["Time", "Kind", "What", "Details"];
const USED = ["Process", "PID", "CPU time", "CPU, highest", "Memory", "Change", "Read", "Written", "Then", "Log"];
const USED_NUMBERS = new Set(USED.slice(1, 8));

export class Happened {
  /** @param runs whether the runs that used most are listed, too */
  constructor(runs) {
    this.says = el("span", { class: "aside", role: "status" });
    this.runs = runs ? listOf("Processes that used most", USED, USED_NUMBERS) : null;
    this.all = listOf("Events, jobs and actions", COLUMNS);
    this.nothing = el("div", { class: "empty", text: "Loading…" });
    const title = runs ? "Processes that used most, and what they did" : "Events, jobs and actions";
    this.node = el("section", { class: "card below" }, el("header", {}, el("h2", { text: title }), this.says), this.runs?.box, this.all.box, this.nothing);
  }

  show(activity) {
    const all = entries(activity);
    const total = activity.events.total + activity.jobs.total + activity.actions.total;
    const text = JSON.stringify([all, total, activity.runs]);
    if (text === this.text) return; // what did not change keeps its nodes, and the text selected in them
    this.text = text;
    const shown = all.slice(0, MOST);
    this.all.body.replaceChildren(...shown.map(row));
    this.runs?.body.replaceChildren(...activity.runs.map((run) => used(run, activity)));
    setText(this.says, total > shown.length ? `the newest ${count(shown.length)} of ${count(total)}` : "");
    this.all.box.hidden = !shown.length;
    if (this.runs) this.runs.box.hidden = !activity.runs.length;
    this.nothing.hidden = shown.length > 0;
    this.nothing.replaceChildren(el("b", { text: "No events, jobs or actions in this time range." }), "Drag over a chart to choose a range; double-click leaves it.");
  }

  fail(error) {
    if (this.text) return;
    this.nothing.replaceChildren(el("b", { text: `This could not be loaded: ${error.message}.` }), sentence(error.hint));
  }
}

function listOf(name, columns, numbers = new Set()) {
  const body = el("tbody");
  const head = el("tr", {}, ...columns.map((text) => el("th", { class: numbers.has(text) ? "num" : "", scope: "col", text })));
  const box = el("div", { class: "scrolls happened", tabindex: "0", role: "group", "aria-label": name, hidden: true }, el("table", { class: "plain ended" }, el("thead", {}, head), body));
  return { box, body };
}

/** A run that used much, with links to its page and its records, both of this range. */
function used(run, { from, to }) {
  const range = { range: "custom", from: isoTime(from), to: isoTime(to) };
  const link = (text, page, params) => follow(el("a", { class: "link text", href: pageUrl(page, params), text }));
  const number = (text) => el("td", { class: "num", text });
  return el(
    "tr",
    {},
    el("td", {}, link(inert(run.title, 80), "run", { run: run.run, ...range })),
    number(String(run.pid)),
    number(run.cpu_seconds === null ? NONE : `${fixed(run.cpu_seconds, 1)} s`),
    number(run.cpu_max === null ? NONE : `${fixed(run.cpu_max, 0)} %`),
    number(bytes(run.rss_max)),
    number(bytes(run.rss_change)),
    number(bytes(run.bytes_read)),
    number(bytes(run.bytes_written)),
    el("td", { class: "how" }, ...(run.outcome === null ? ["running"] : [icon(endSign(run)), " ", inert(run.outcome, 60)])),
    el("td", {}, link("Records", "logs", { run: run.run, ...range })),
  );
}

function row({ at, kind, sign, what, text, page, params }) {
  const told = inert(text, 300) || NONE;
  return el(
    "tr",
    {},
    el("td", { class: "when", text: moment(at) }),
    el("td", { text: kind }),
    el("td", { class: "how" }, icon(sign), " ", inert(what, 60)),
    el("td", { class: "text what" }, page ? follow(el("a", { class: "link text", href: pageUrl(page, params), text: told })) : told),
  );
}
