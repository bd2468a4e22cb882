// The live table of processes: only the rows in sight exist; a row is a run, wherever it stands.

import { follow, pageUrl, setParams, visit } from "./address.js";
import { colours, component, el, inert, setAttr, setText } from "./dom.js";
import { bytes, count, fixed, NONE, rate, span } from "./format.js";
import { live, markStale } from "./live.js";
import { arrange, COLUMNS, matcher } from "./procmodel.js";
import { onSize, spark } from "./spark.js";

const ROW = 30;
const HOLD_MS = 2500;
const NARROW = 560;
const DEEP = 9; // further children are not indented more

const CELLS = {
  pid: (one) => String(one.pid ?? NONE),
  user: (one) => inert(one.user ?? NONE, 60),
  cpu_pct: (one) => fixed(one.cpu_pct, 1),
  rss: (one) => bytes(one.rss),
  gpu_mem: (one) => (one.gpu_mem ? bytes(one.gpu_mem) : ""),
  read_bps: (one) => (one.read_bps === 0 ? "0" : rate(one.read_bps)),
  write_bps: (one) => (one.write_bps === 0 ? "0" : rate(one.write_bps)),
  threads: (one) => count(one.threads),
  fds: (one) => count(one.fds),
  status: (one) => one.status ?? NONE,
  start_ts: (one, now) => (one.start_ts ? span((now - one.start_ts) / 1e6) : NONE),
  cmdline: (one) => inert(one.cmdline ?? "", 300),
};

class ProcessTable {
  constructor(host, data) {
    this.host = host;
    this.hub = live();
    this.colour = colours(host);
    this.closed = new Set();
    this.rows = [];
    this.pool = [];
    this.at = null; // the run the keyboard is on
    this.data = data;
    this.#build();
    this.subscription = this.hub.subscribe({ host: true, processes: true });
    this.off = [markStale(host), this.hub.on("procs", () => this.#changed()), this.hub.on("pause", () => this.#changed()), this.hub.on("second", () => this.#say())];
  }

  #build() {
    this.says = el("span", { role: "status" });
    this.held = el("span", { text: "order held while you point at it", hidden: true });
    this.head = el("div", { class: "grid-head", role: "row", "aria-rowindex": "1" });
    this.body = el("div", { class: "grid-body", role: "rowgroup" });
    this.view = el("div", { class: "grid-view fades", tabindex: "0", role: "treegrid", "aria-label": "Processes", "aria-rowcount": "-1" }, el("div", { role: "rowgroup" }, this.head), this.body);
    this.nothing = el("div", { class: "empty", hidden: true });
    this.host.append(el("section", { class: "card sheet" }, el("div", { class: "bar-top" }, this.says, el("span", { class: "spring" }), this.held), this.view, this.nothing));
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

  /** `data`: `{q, sort, tree, scope, kernel, columns, height}` from the address. */
  update(data) {
    const columns = JSON.stringify(this.#wanted(data)) !== JSON.stringify(this.columns) || data.tree !== this.tree;
    this.data = data;
    if (columns || data.sort !== this.sort) this.#header();
    this.view.style.height = `${data.height ?? 640}px`;
    setAttr(this.view, "role", data.tree ? "treegrid" : "grid");
    this.holdUntil = 0;
    this.#changed(true);
  }

  close() {
    this.sized.disconnect();
    this.subscription.close();
    for (const off of this.off) off();
  }

  /** The chosen columns; on a narrow screen the figures stand before pid and user. */
  #wanted({ columns }) {
    if (this.host.clientWidth >= NARROW) return columns;
    const first = ["name", "cpu_pct", "rss"].filter((name) => columns.includes(name));
    return [...first, ...columns.filter((name) => !first.includes(name))];
  }

  #header() {
    this.columns = this.#wanted(this.data);
    this.sort = this.data.sort;
    this.tree = this.data.tree;
    this.view.style.setProperty("--template", this.columns.map((name) => (name === "name" && this.tree ? "minmax(260px, 2fr)" : name === "name" && this.host.clientWidth < NARROW ? "150px" : COLUMNS[name].width)).join(" "));
    this.view.style.setProperty("--least", `${this.columns.reduce((sum, name) => sum + parseInt(/\d+/.exec(COLUMNS[name].width)[0], 10), 0)}px`);
    this.pool = [];
    this.body.replaceChildren();
    this.head.replaceChildren(...this.columns.map((name) => this.#title(name)));
  }

  #title(name) {
    const column = COLUMNS[name];
    const chosen = this.sort.replace(/^-/, "") === name;
    const upward = this.sort.startsWith("-") !== Boolean(column.text);
    const mark = chosen ? (upward ? " ↑" : " ↓") : "";
    const button = el("button", { type: "button", text: column.title + mark });
    button.onclick = () => setParams({ sort: this.sort === name ? `-${name}` : name }, { replace: true });
    const numeric = !column.text && !column.left;
    const sorted = chosen ? (upward ? "ascending" : "descending") : "none";
    return el("div", { role: "columnheader", "aria-sort": sorted, class: `${numeric ? "num" : ""}${name === "name" ? " pin" : ""}` }, button);
  }

  #changed(now = false) {
    if (this.hub.paused && !now) return;
    const held = !now && performance.now() < (this.holdUntil ?? 0);
    this.held.hidden = !held;
    if (held) this.#refresh();
    else this.#arrange();
    this.#paint();
    if (now) this.#say();
  }

  #arrange() {
    const { q, sort, tree, scope, kernel } = this.data;
    const match = matcher(q);
    this.wrong = match === null;
    this.rows = this.wrong ? [] : arrange(this.hub.processes.runs, { match, sort, tree, scope, kernel, closed: this.closed });
    this.body.style.height = `${this.rows.length * ROW}px`;
    setAttr(this.view, "aria-rowcount", String(this.rows.length + 1));
    this.#emptiness();
  }

  /** While the order is held rows only leave when their process did. */
  #refresh() {
    const { runs } = this.hub.processes;
    this.rows = this.rows.map((row) => ({ ...row, process: runs.get(row.process.run) ?? { ...row.process, status: "ended", cpu_pct: null, over: true } }));
  }

  #emptiness() {
    const waiting = this.hub.processes.size === 0;
    this.nothing.hidden = this.rows.length > 0;
    if (this.rows.length) return;
    const text = waiting ? "Waiting for the first reading…" : this.wrong ? "This is not a regular expression." : "No process matches.";
    const why = waiting ? "" : this.wrong ? "Check the text between the slashes, or leave them out to search for it as text." : "Clear the search, or show all processes and kernel threads.";
    this.nothing.replaceChildren(el("b", { text }), why);
  }

  #say() {
    const { size } = this.hub.processes;
    const all = [...this.hub.processes.runs.values()];
    const mine = all.filter((one) => one.mine).length;
    const kernel = this.data.kernel ? 0 : all.filter((one) => one.kernel_thread).length;
    const shown = this.rows.length === size - kernel ? "" : ` · ${count(this.rows.length)} shown`;
    const hidden = kernel ? ` · ${count(kernel)} kernel threads not shown` : "";
    setText(this.says, size ? `${count(size - kernel)} processes · ${count(mine)} of your own${shown}${hidden}` : "");
  }

  #paint() {
    if (!this.tall) return;
    const first = Math.max(0, Math.floor(this.top / ROW) - 2);
    const visible = Math.ceil(this.tall / ROW) + 4;
    while (this.pool.length < Math.min(visible, this.rows.length)) this.#grow();
    const now = this.hub.tick?.ts ?? Date.now() * 1000;
    this.pool.forEach((view, i) => {
      const index = first + ((i - (first % this.pool.length) + this.pool.length) % this.pool.length); // a row in sight keeps its node while one scrolls
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
    cell.append(view.twig, view.link);
  }

  #fill(view, row, index, now) {
    view.node.hidden = row === undefined;
    if (row === undefined) return;
    const { process, level, kids, open } = row;
    view.run = process.run;
    view.node.style.transform = `translateY(${index * ROW}px)`;
    view.node.id = `run-${process.run}`;
    setAttr(view.node, "aria-rowindex", String(index + 2));
    setAttr(view.node, "class", `grid-row${process.mine ? "" : " other"}${process.run === this.at ? " at" : ""}`);
    setAttr(view.node, "aria-selected", String(process.run === this.at));
    setAttr(view.node, "aria-level", this.data.tree ? String(level) : null);
    setAttr(view.node, "aria-expanded", this.data.tree && kids ? String(open) : null);
    for (const name of this.columns) if (CELLS[name]) setText(view.cells[name], CELLS[name](process, now));
    if (view.link) this.#name(view, row);
    if (view.canvas) spark(view.canvas, process.spark ?? [], { colour: this.colour(process.gpu_mem ? "gpu" : "cpu"), width: 84, height: 18, top: Math.max(25, ...(process.spark ?? [])) * 1.1, area: true });
  }

  #name(view, { process, level, kids, open }) {
    setText(view.link, inert(process.title, 120));
    setAttr(view.link, "href", pageUrl("run", { run: process.run }));
    setAttr(view.link, "title", inert(process.cmdline || process.name, 600));
    view.twig.hidden = !this.data.tree;
    view.twig.style.marginLeft = `${Math.min(level - 1, DEEP) * 13}px`;
    view.twig.style.visibility = kids ? "visible" : "hidden";
    setText(view.twig, open ? "▾" : "▸");
    setAttr(view.twig, "aria-label", open ? "close" : "open");
  }

  #toggle(run) {
    if (!this.closed.delete(run)) this.closed.add(run);
    this.holdUntil = 0;
    this.#changed(true);
  }

  #open(run) {
    if (run) visit(pageUrl("run", { run }));
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

export default component(ProcessTable);
