// The table of processes, live or as they were at a past moment. Only visible rows have nodes; a row is identified by its run.

import { allParams, follow, pageUrl, setParams, visit } from "../core/address.js";
import { Latest } from "../core/api.js";
import { colours, component, el, inert, setAttr, setText } from "../core/dom.js";
import { bytes, count, cpuTime, fixed, growth, moment, NONE, plural, rate, sentence, span } from "../core/format.js";
import { browserStorage } from "../core/storage.js";
import { live, markStale } from "../live/hub.js";
import { keepColumns, keptColumns } from "./columns.js";
import { arrange, briefly, COLUMNS, search, subtrees, SUMMED } from "./model.js";
import { Outlook, ShortLives } from "./outlook.js";
import { EndedMatches, headline, past, unknown } from "./past.js";
import { onSize, spark } from "../charts/canvas.js";

const ROW = 30;
const HOLD_MS = 2500;
const NARROW = 560;
const FIRST = 3; // columns that a narrow screen shows whole, before one scrolls
const EDGES = 10; // px
const AROUND = 300e6; // µs
const DEEP = 9; // deeper levels are not indented further

const CELLS = {
  pid: (one) => String(one.pid ?? NONE),
  user: (one) => inert(one.user ?? NONE, 60),
  cpu_pct: (one) => fixed(one.cpu_pct, 1),
  cpu_minute: (one) => fixed(one.cpu_minute, 1),
  cpu_seconds: (one) => cpuTime(one.cpu_seconds),
  rss: (one) => bytes(one.rss),
  mem_pct: (one, now, total) => (total && one.rss !== null && one.rss !== undefined ? fixed((100 * one.rss) / total, 1) : NONE),
  growth_10m: (one) => grows(one.growth_10m),
  growth_1h: (one) => grows(one.growth_1h),
  gpu_mem: (one) => (one.gpu_mem ? bytes(one.gpu_mem) : ""),
  read_bps: (one) => (one.read_bps === 0 ? "0" : rate(one.read_bps)),
  write_bps: (one) => (one.write_bps === 0 ? "0" : rate(one.write_bps)),
  threads: (one) => count(one.threads),
  fds: (one) => count(one.fds),
  nice: (one) => fixed(one.nice, 0).replace("-", "−"),
  status: (one) => one.status ?? NONE,
  start_ts: (one, now) => (one.start_ts ? span((now - one.start_ts) / 1e6) : NONE),
  unit: (one) => inert(one.unit ?? NONE, 80),
  outcome: (one) => (one.end_ts ? `${moment(one.end_ts)}, ${inert(one.outcome, 80)}` : "still runs"),
  cmdline: (one) => inert(one.cmdline ?? "", 300),
};
const NOT_YET = "not yet";
const UNKNOWN_AT_FIRST = { growth_10m: true, growth_1h: true };
const grows = (value) => (value === null || value === undefined ? NOT_YET : growth(value));
const SUMS = new Set(SUMMED);
const EMPTY = { runs: new Map(), size: 0, ts: 0 };

class ProcessTable {
  constructor(host, data) {
    this.host = host;
    this.hub = live();
    this.latest = new Latest();
    this.colour = colours(host);
    this.closed = new Set();
    this.rows = [];
    this.pool = [];
    this.at = null; // the run that the keyboard is on
    this.data = data;
    this.#build();
    if (data.at === undefined) this.#follow();
    else this.off = [this.hub.on("second", () => this.#again())];
  }

  #follow() {
    const { hub } = this;
    this.subscription = hub.subscribe({ host: true, processes: true });
    this.off = [markStale(this.host), hub.on("procs", () => this.#changed()), hub.on("pause", () => this.#changed()), hub.on("second", () => this.#say())];
  }

  /** Those that run now, or at the moment that is shown. */
  get set() {
    return this.data.at === undefined ? this.hub.processes : (this.then ?? EMPTY);
  }

  #build() {
    this.says = el("span", { role: "status" });
    this.outlook = new Outlook();
    this.short = new ShortLives();
    this.ended = new EndedMatches();
    this.also = el("span", { hidden: true });
    this.held = el("span", { text: "Order paused while you point at a row", hidden: true });
    this.head = el("div", { class: "grid-head", role: "row", "aria-rowindex": "1" });
    this.body = el("div", { class: "grid-body", role: "rowgroup" });
    this.view = el("div", { class: "grid-view fades", tabindex: "0", role: "treegrid", "aria-label": "Processes", "aria-rowcount": "-1" }, el("div", { role: "rowgroup" }, this.head), this.body);
    this.nothing = el("div", { class: "empty", hidden: true });
    this.host.append(el("section", { class: "card sheet" }, el("div", { class: "bar-top" }, this.says, this.also, el("span", { class: "spring" }), this.held), this.outlook.node, this.short.node, this.view, this.nothing));
    this.top = 0;
    this.tall = 0;
    this.view.onscroll = () => {
      this.top = this.view.scrollTop;
      this.#paint();
    };
    this.view.onkeydown = (event) => this.#key(event);
    this.view.onpointermove = () => {
      this.holdUntil = performance.now() + HOLD_MS;
    };
    this.view.onpointerleave = () => {
      this.holdUntil = 0;
    };
    this.sized = onSize(this.view, (_, height) => {
      this.tall = height;
      this.#paint();
    });
  }

  /**
   * `data`: `{q, sort, tree, scope, kernel, columns, height, at}` from the address, and `titles` of all columns that can be chosen, by name. With
   * `at` (µs) it shows that moment, without it now.
   */
  update(data) {
    this.#keepColumns(data);
    if (data.at !== undefined && data.at !== this.at_shown) this.#load(data.at);
    const columns = JSON.stringify(this.#wanted(data)) !== JSON.stringify(this.columns) || data.tree !== this.tree;
    this.data = data;
    if (columns || data.sort !== this.sort) this.#header();
    setAttr(this.view, "role", data.tree ? "treegrid" : "grid");
    this.holdUntil = 0;
    this.#changed(true);
  }

  close() {
    this.latest.stop();
    this.ended.close();
    this.sized.disconnect();
    this.subscription?.close();
    for (const off of this.off ?? []) off();
  }

  /** Keep the columns when a person chooses others; at first, without any in the address, choose the kept ones. */
  #keepColumns({ at, columns, titles }) {
    const name = at === undefined ? "columns" : "past_columns";
    const chosen = columns.flatMap((column) => titles[column] ?? []);
    const [before, now] = [this.chosen, JSON.stringify(chosen)];
    if (before === undefined) {
      const kept = allParams(name).length ? null : keptColumns(browserStorage(), name, Object.values(titles));
      this.chosen = kept ? JSON.stringify(kept) : now; // until the page has run again with these, what comes is of before
      this.awaited = this.chosen !== now;
      if (this.awaited) setParams({ [name]: kept }, { replace: true });
    } else if (!this.awaited && now !== before) {
      this.chosen = now;
      keepColumns(browserStorage(), name, chosen);
    } else if (now === before) this.awaited = false;
  }

  #load(at) {
    const same = at === this.then?.answer?.asked;
    this.at_shown = at;
    this.loaded = performance.now();
    const take = (then) => {
      Object.assign(this, { then, failed: null });
      this.#changed(true);
    };
    const fail = (error) => {
      this.failed = [`This moment could not be loaded: ${error.message}.`, sentence(error.hint)];
      if (!same) this.then = EMPTY; // else what is shown stays
      this.#changed(true);
    };
    this.latest.ask((signal) => past(at, { signal }), take, fail);
  }

  /** Look again now and then: what still ran may have ended since, and a request that failed is tried again. */
  #again() {
    if (performance.now() - this.loaded > (this.failed ? 3 : 10) * 1000) this.#load(this.data.at);
  }

  /** The chosen columns. On a narrow screen CPU and memory come before PID and user. */
  #wanted({ columns }) {
    if (this.host.clientWidth >= NARROW) return columns;
    const first = ["name", "cpu_pct", "rss"].filter((name) => columns.includes(name));
    return [...first, ...columns.filter((name) => !first.includes(name))];
  }

  #header() {
    this.columns = this.#wanted(this.data);
    this.narrow = this.host.clientWidth < NARROW;
    this.sort = this.data.sort;
    this.tree = this.data.tree;
    const least = (name) => parseInt(/\d+/.exec(COLUMNS[name].width)[0], 10);
    const beside = this.columns.slice(1, FIRST).reduce((sum, name) => sum + least(name), EDGES);
    const forName = this.tree ? "minmax(260px, 2fr)" : this.narrow ? `${Math.max(150, this.host.clientWidth - beside)}px` : COLUMNS.name.width; // no column is cut in the middle
    this.view.style.setProperty("--template", this.columns.map((name) => (name === "name" ? forName : COLUMNS[name].width)).join(" "));
    this.view.style.setProperty("--least", `${this.columns.reduce((sum, name) => sum + least(name), 0)}px`);
    this.pool = [];
    this.body.replaceChildren();
    this.head.replaceChildren(...this.columns.map((name) => this.#title(name)));
  }

  #title(name) {
    const column = COLUMNS[name];
    const chosen = this.sort.replace(/^-/, "") === name;
    const upward = this.sort.startsWith("-") !== Boolean(column.text);
    const mark = chosen ? (upward ? " ↑" : " ↓") : "";
    const button = el("button", { type: "button", text: column.title + mark, title: column.tip ?? null });
    button.onclick = () => setParams({ sort: this.sort === name ? `-${name}` : name }, { replace: true });
    const numeric = !column.text && !column.left;
    const sorted = chosen ? (upward ? "ascending" : "descending") : "none";
    return el("div", { role: "columnheader", "aria-sort": sorted, class: `${numeric ? "num" : ""}${name === "name" ? " pin" : ""}` }, button);
  }

  #changed(now = false) {
    if (this.hub.paused && !now) return; // a past moment never changes by itself
    const held = !now && performance.now() < (this.holdUntil ?? 0);
    this.held.hidden = !held;
    if (held) this.#refresh();
    else this.#arrange();
    this.#paint();
    if (now) this.#say();
  }

  #arrange() {
    const { q, sort, tree, scope, kernel } = this.data;
    const { match, problem } = search(q);
    this.rows = match === null ? [] : arrange(this.set.runs, { match, sort, tree, scope, kernel, closed: this.closed });
    this.problem = problem();
    this.body.style.height = `${this.rows.length * ROW}px`;
    setAttr(this.view, "aria-rowcount", String(this.rows.length + 1));
    this.#emptiness();
  }

  /** While the order is paused, rows stay and an ended process is marked as ended. */
  #refresh() {
    const { runs } = this.hub.processes;
    const sums = this.data.tree ? subtrees(runs) : new Map();
    this.rows = this.rows.map((row) => {
      const process = runs.get(row.process.run) ?? { ...row.process, status: "ended", cpu_pct: null, over: true };
      return { ...row, process, whole: sums.get(process) };
    });
  }

  #emptiness() {
    const waiting = this.set.size === 0;
    this.nothing.hidden = this.rows.length > 0;
    this.view.style.height = this.rows.length ? `${this.data.height ?? 640}px` : `${ROW + 2}px`; // what to do is in sight, not below an empty table
    const q = (this.data.q ?? "").trim();
    const elsewhere = q && this.data.at === undefined && !waiting && !this.problem ? this.ended.of(q) : "";
    this.also.hidden = !(elsewhere && this.rows.length && this.ended.total);
    if (this.rows.length) {
      if (elsewhere && elsewhere.parentNode !== this.also) this.also.replaceChildren(elsewhere);
      return;
    }
    const nobody = ["No matching processes.", "Clear the search, or include all processes and kernel threads."];
    const absent = this.failed ?? (this.then?.answer && unknown(this.then.answer)) ?? [this.data.at === undefined ? "Waiting for the first reading…" : "Loading…", ""];
    const [text, why] = waiting ? absent : (this.problem ?? nobody);
    this.nothing.replaceChildren(el("b", { text }), why, " ", elsewhere);
  }

  #say() {
    const { size, runs } = this.set;
    const all = [...runs.values()];
    const mine = all.filter((one) => one.mine).length;
    const kernel = this.data.kernel ? 0 : all.filter((one) => one.kernel_thread).length;
    const shown = this.rows.length === size ? "" : ` · ${count(this.rows.length)} shown`;
    const hidden = kernel ? ` · ${count(kernel)} kernel threads hidden` : "";
    const sums = this.data.tree && this.rows.some((row) => row.whole) ? " · bold: with all descendants" : "";
    const problem = this.problem && this.rows.length ? ` · ${this.problem[0]}` : "";
    const head = this.data.at === undefined ? plural(size, "process", "processes") : headline(this.set);
    this.outlook.show(this.data.at === undefined ? this.hub.processes.outlook : null);
    this.short.show(this.data.at === undefined ? this.hub.tick?.host : null);
    setText(this.says, size ? `${head} · ${count(mine)} yours${shown}${hidden}${sums}${problem}` : "");
  }

  #paint() {
    if (!this.tall) return;
    const first = Math.max(0, Math.floor(this.top / ROW) - 2);
    const visible = Math.ceil(this.tall / ROW) + 4;
    while (this.pool.length < Math.min(visible, this.rows.length)) this.#grow();
    const now = this.then?.ts ?? this.hub.tick?.ts ?? Date.now() * 1000;
    this.pool.forEach((view, i) => {
      const index = first + ((i - (first % this.pool.length) + this.pool.length) % this.pool.length); // a visible row keeps its node while scrolling
      this.#fill(view, this.rows[index], index, now);
    });
  }

  #grow() {
    const view = { node: el("div", { class: "grid-row", role: "row" }), cells: {} };
    for (const name of this.columns) {
      const numeric = !COLUMNS[name].text && !COLUMNS[name].left;
      const cell = el("div", { role: "gridcell", class: `${numeric ? "num" : "text"}${name === "name" ? " pin" : ""}${["pid", "user", "start_ts", "status"].includes(name) ? " muted" : ""}${name === "cmdline" ? " mono dim" : ""}` });
      if (name === "name") this.#nameCell(view, cell);
      if (name === "spark") cell.append((view.canvas = el("canvas", { "aria-hidden": "true" })));
      view.cells[name] = cell;
      view.node.append(cell);
    }
    view.node.onclick = (event) => {
      if (!event.defaultPrevented && !event.target.closest("a,button")) this.#open(view.run);
    };
    this.pool.push(view);
    this.body.append(view.node);
  }

  #nameCell(view, cell) {
    view.twig = el("button", { class: "twig", type: "button", tabindex: "-1" });
    view.twig.onclick = () => this.#toggle(view.run);
    view.link = follow(el("a", { class: "name text", tabindex: "-1" }));
    view.count = el("span", { class: "muted" });
    cell.append(view.twig, view.link, view.count);
  }

  #fill(view, row, index, now) {
    view.node.hidden = row === undefined;
    if (row === undefined) return;
    const { process, level, kids, open } = row;
    const total = this.data.at === undefined ? this.hub.hello?.host?.mem_total : this.then?.answer?.host?.readings.mem_total;
    view.run = process.run;
    view.node.style.transform = `translateY(${index * ROW}px)`;
    view.node.id = `run-${process.run}`;
    setAttr(view.node, "aria-rowindex", String(index + 2));
    setAttr(view.node, "class", `grid-row${process.mine ? "" : " other"}${process.run === this.at ? " at" : ""}`);
    setAttr(view.node, "aria-selected", String(process.run === this.at));
    setAttr(view.node, "aria-level", this.data.tree ? String(level) : null);
    setAttr(view.node, "aria-expanded", this.data.tree && kids ? String(open) : null);
    for (const name of this.columns) if (CELLS[name]) fillCell(view.cells[name], name, row, now, total);
    if (view.link) this.#name(view, row);
    if (view.canvas) spark(view.canvas, process.spark ?? [], { colour: this.colour(process.gpu_mem ? "gpu" : "cpu"), width: 84, height: 18, top: Math.max(25, ...(process.spark ?? [])) * 1.1, area: true });
  }

  #name(view, { process, level, kids, open, whole }) {
    setText(view.link, inert(this.narrow ? briefly(process.title) : process.title, 120));
    setText(view.count, whole ? ` ${count(whole.count)}` : "");
    setAttr(view.count, "title", whole ? `${plural(whole.count, "process", "processes")} in this branch` : null);
    setAttr(view.link, "href", this.#address(process.run));
    setAttr(view.link, "title", inert(process.cmdline || process.name, 600));
    view.twig.hidden = !this.data.tree;
    view.twig.style.marginLeft = `${Math.min(level - 1, DEEP) * 13}px`;
    view.twig.style.visibility = kids ? "visible" : "hidden";
    setText(view.twig, open ? "▾" : "▸");
    setAttr(view.twig, "aria-label", open ? "Collapse" : "Expand");
  }

  #toggle(run) {
    if (!this.closed.delete(run)) this.closed.add(run);
    this.holdUntil = 0;
    this.#changed(true);
  }

  #open(run) {
    if (run) visit(this.#address(run));
  }

  /** The page of a run; from a past moment, at that time. */
  #address(run) {
    const { at } = this.data;
    if (at === undefined) return pageUrl("run", { run });
    const [from, to] = [at - AROUND, at + AROUND].map((ts) => new Date(ts / 1000).toISOString());
    return pageUrl("run", { run, range: "custom", from, to });
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.tall / ROW) - 2);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 }[event.key];
    const index = this.rows.findIndex((row) => row.process.run === this.at);
    if (step) this.#move(Math.min(this.rows.length - 1, Math.max(0, index < 0 ? 0 : index + step)));
    else if (event.key === "Enter" && index >= 0 && event.target === this.view) this.#open(this.at);
    else if (this.data.tree && index >= 0 && ["ArrowLeft", "ArrowRight"].includes(event.key)) this.#branch(index, event.key === "ArrowRight");
    else if (event.key === "Escape") this.#move(-1);
    else return;
    event.preventDefault();
  }

  #branch(index, open) {
    const row = this.rows[index];
    if (row.kids && row.open !== open) this.#toggle(row.process.run);
    else if (open && row.kids) this.#move(index + 1);
    else if (!open) {
      const parent = this.rows.slice(0, index).findLastIndex((one) => one.level < row.level);
      if (parent >= 0) this.#move(parent);
    }
  }

  #move(index) {
    this.at = this.rows[index]?.process.run ?? null;
    this.holdUntil = this.at === null ? 0 : performance.now() + HOLD_MS;
    if (index >= 0) {
      const top = index * ROW;
      const view = this.tall - ROW;
      if (top < this.view.scrollTop) this.view.scrollTop = top;
      else if (top + ROW > this.view.scrollTop + view) this.view.scrollTop = top + ROW - view;
      this.top = this.view.scrollTop;
    }
    this.#paint();
    setAttr(this.view, "aria-activedescendant", this.at === null ? null : `run-${this.at}`);
  }
}

/** One cell. In a tree a process with descendants shows their sum with its own in bold, and its own in a tooltip. */
function fillCell(cell, name, { process, whole }, now, total) {
  const summed = whole !== undefined && (SUMS.has(name) || name === "mem_pct");
  const text = CELLS[name](summed ? whole : process, now, total);
  setText(cell, text);
  if (name in UNKNOWN_AT_FIRST) cell.classList.toggle("muted", text === NOT_YET);
  cell.classList.toggle("sum", summed);
  setAttr(cell, "title", summed ? `${count(whole.count)} processes together; by itself: ${CELLS[name](process, now, total) || "0"}` : null);
}

export default component(ProcessTable);
