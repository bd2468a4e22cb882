// The log view: newest records at the bottom as in a terminal, or on top. It follows new records until one scrolls away, and never
// moves what one reads.

import { get } from "../core/api.js";
import { param, setParams } from "../core/address.js";
import { component, el, setAttr, setText } from "../core/dom.js";
import { bytes, count, plural } from "../core/format.js";
import { Ahead } from "./ahead.js";
import { Arrivals } from "./arrivals.js";
import { Bookmarks } from "./bookmarks.js";
import { highlighterOf } from "./highlight.js";
import { live, markStale } from "../live/hub.js";
import { Press } from "../core/press.js";
import { LogDetail } from "./detail.js";
import { Lines, ROW } from "./lines.js";
import { cursorOf, LogModel } from "./model.js";
import { GENERAL, whyNothing } from "./nothing.js";
import { fieldsOf, Options } from "./options.js";
import { dayOf, fill, instead, row, titleOf, widthOf, widthOfOne, wrong } from "./row.js";
import { onSize } from "../charts/canvas.js";

const PAGE = 300;
const FURTHER = 1000; // records in a page while scrolling
const AHEAD = 4; // screens before the end at which more records are loaded
const NEAR = 3 * ROW;
const POLL_MS = 2000; // for filters whose new records do not stream
const SKEW_US = 5e6; // clocks of sources differ

class LogView {
  constructor(host) {
    this.host = host;
    this.hub = live();
    this.model = new LogModel();
    this.lines = new Lines();
    this.pool = [];
    this.pending = new Arrivals();
    this.unread = this.dropped = 0;
    this.tail = true;
    this.off = [() => this.press.close()];
    this.#build();
    this.subscription = this.hub.subscribe({ host: true, status: true });
    this.off.push(markStale(host), this.hub.on("logs", (message) => this.#stream(message)), this.hub.on("following", ({ tag }) => tag === this.tag && this.#again()), this.hub.on("pause", (paused) => this.#paused(paused)), this.hub.on("second", () => this.#second()));
    const follow = () => this.#follow();
    addEventListener("popstate", follow); // a link elsewhere on the page or the back button chooses another record
    const step = (event) => this.#onward(event);
    document.addEventListener("wk-step", step);
    this.off.push(() => removeEventListener("popstate", follow), () => document.removeEventListener("wk-step", step));
    this.tall = 0;
    this.sized = onSize(this.scroll, (_, height) => {
      this.tall = height;
      this.#lay();
    });
  }

  #build() {
    this.body = el("div", { class: "log-body" });
    this.scroll = el("div", { class: "log-scroll fades mono", tabindex: "0", role: "log", "aria-label": "Log records", "aria-live": "off" }, this.body);
    this.over = el("div", { class: "over" });
    this.says = el("span");
    this.lost = el("span", { class: "dropped", hidden: true });
    this.news = el("button", { class: "new", type: "button", hidden: true });
    this.news.onclick = () => this.#toNewest();
    this.turn = el("button", { class: "plain", type: "button" });
    this.turn.onclick = () => setParams({ order: this.data.order === "down" ? "newest" : null }, { replace: true });
    this.options = new Options(() => this.#look());
    this.ahead = new Ahead();
    this.stars = new Bookmarks(() => {
      this.detail.starred();
      this.#paint();
    });
    const foot = el("div", { class: "log-foot" }, this.says, this.lost, this.ahead.node, el("span", { class: "spring" }), this.news, this.stars.node, this.options.node, this.turn);
    this.head = el("div", { class: "log-row log-head mono", hidden: true });
    const sheet = el("section", { class: "card sheet", "aria-label": "Records" }, this.head, el("div", { class: "log-stage" }, this.scroll, this.over), foot);
    this.detail = new LogDetail({ close: () => this.#choose(null), query: () => param("query") ?? this.data.query, line: () => this.body.querySelector(".log-row.on"), stars: this.stars });
    this.box = el("div", { class: "logs" }, sheet, this.detail.grip, this.detail.node);
    this.host.append(this.box);
    this.scroll.onscroll = () => this.#scrolled();
    this.scroll.onkeydown = (event) => this.#key(event);
    const under = (event) => this.pool.find(({ node }) => node === event.target.closest?.(".log-row"))?.record;
    this.press = new Press(this.body, { at: under, click: (record) => !record.gap && !String(getSelection()) && this.#choose(record.id), released: () => this.#soon() });
  }

  /** `data`: `{filters, live, order: "down"|"up", height, query}`. Filters are those of the log API. */
  update(data) {
    const asked = JSON.stringify([data.filters, data.live]) !== JSON.stringify([this.data?.filters, this.data?.live]);
    const turned = data.order !== this.data?.order;
    this.data = data;
    this.scroll.style.height = `${data.height ?? 560}px`;
    if (this.options.read() || !this.rows) this.#arrange();
    setText(this.turn, data.order === "down" ? "Newest at the bottom ⇅" : "Newest on top ⇅");
    if (asked) this.#load();
    if (turned) this.#toNewest();
    this.#follow();
    this.#paint();
  }

  close() {
    this.abort?.abort();
    this.detail.close();
    this.sized.disconnect();
    this.subscription.close();
    for (const off of this.off) off();
  }

  // --- loading

  async #load() {
    this.abort?.abort();
    const abort = (this.abort = new AbortController());
    this.tag = this.hub.logsTag += 1; // so that the agent answers again, even for the same filters
    this.subscription.update({ host: true, status: true, logs: this.data.live ? this.data.filters : null, logs_tag: this.tag, logs_columns: fieldsOf(this.options.now) });
    this.loading = true;
    this.asking = false;
    this.pending.clear();
    try {
      const page = await get("logs/records", this.#asked({ limit: PAGE }), { signal: abort.signal, seconds: 30 });
      this.model.clear();
      this.model.append(page.records);
      this.model.older = page.older;
      this.model.complete = page.older === null;
      this.archived = page.archived;
      this.marks = highlighterOf(page.marks);
      this.polls = page.streams === false;
      this.unread = this.dropped = 0;
      this.#count(abort);
      this.ahead.ask(this.data, abort.signal);
      this.loading = false;
      this.trouble = null;
      this.pending.into(this.model);
      this.tail = true;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.loading = false;
      this.trouble = error;
      clearTimeout(this.retry);
      if (wrong(error)) this.model.clear(); // the records belong to another query, and a retry would not help
      else this.retry = setTimeout(() => this.trouble && !abort.signal.aborted && this.#load(), 3000);
    }
    this.#resize();
    this.#stick();
    this.#paint();
    this.#foot();
    if (this.missed) this.#again();
  }

  /** The parameters of a question for records. */
  #asked(more) {
    return { ...this.data.filters, ...this.ahead.bound(this.data), ...more, columns: fieldsOf(this.options.now).join(",") };
  }

  /** How many records the view has in all. What streams in later is added; what is loaded completely needs no count. */
  async #count(abort) {
    this.total = null;
    const { last } = this.model;
    if (this.model.complete || !last) return;
    const { until } = this.data.filters;
    try {
      const { count: found, archived } = await get("logs/count", { ...this.data.filters, until: typeof until === "number" ? Math.min(until, last.ts + 1) : last.ts + 1 }, { signal: abort.signal, seconds: 30 });
      const later = this.model.records.reduce((sum, record) => sum + (!record.gap && record.ts > last.ts), 0);
      this.total = found + later;
      this.archived ||= archived;
    } catch {
      // the view says how many are loaded, and that there are more
    }
    if (!abort.signal.aborted) this.#foot();
  }

  /**
   * The stream of records starts now: at first, or again after a hidden tab or a lost connection. Load what was written between the
   * last loaded record and this moment, so that nothing is missing.
   */
  async #again() {
    if (!this.data?.live || this.model.detached) return;
    if (this.loading || this.press.down) {
      this.missed = true; // the pending answer may be older than this moment
      return;
    }
    this.missed = false;
    const last = this.model.front;
    try {
      const since = last ? { since: last.ts - SKEW_US } : {};
      const page = await get("logs/records", this.#asked({ ...since, limit: FURTHER }), { signal: this.abort?.signal });
      const joined = page.records.some((record) => this.model.ids.has(record.id));
      const oldest = this.model.complete ? -1 : page.records.findIndex((record) => record.id === this.model.first?.id);
      if (oldest > 0) page.records.splice(0, oldest); // they lie before the first record here, and load when one scrolls there
      if (last && !joined && page.records.length >= FURTHER) this.model.gap("Some records are not loaded. Narrow the time range to see them.", last.ts);
      this.#added(this.model.append(page.records));
    } catch (error) {
      if (!this.abort?.signal.aborted) this.trouble = error;
    }
  }

  #second() {
    const now = performance.now();
    if (this.polls && !this.hub.paused && now - (this.polled ?? 0) > POLL_MS) {
      this.polled = now;
      this.#again();
    }
    this.ahead.second();
    this.#foot();
  }

  async #older() {
    if (this.asking || this.loading || this.model.complete || !this.model.older) return;
    this.asking = true;
    try {
      const page = await get("logs/records", this.#asked({ before: this.model.older, limit: FURTHER }), { signal: this.abort.signal, seconds: 30 });
      this.archived ||= page.archived;
      const before = this.lines.total;
      const [added] = this.model.prepend(page.records);
      this.model.older = page.older;
      this.model.complete = page.older === null;
      const { scrollTop } = this.scroll;
      this.#resize();
      const came = this.lines.upTo(added);
      this.scroll.scrollTop = this.data.order === "down" ? scrollTop + came : scrollTop - (before + came - this.lines.total); // keep the visible records where they are
    } catch (error) {
      if (!this.abort.signal.aborted) this.trouble = error;
    } finally {
      this.asking = false;
    }
    this.#paint();
    this.#foot();
  }

  /** Load newer records, where some were dropped while one read far back. */
  async #newer() {
    const last = this.model.front;
    if (this.asking || this.loading || !last) return;
    this.asking = true;
    try {
      const page = await get("logs/records", this.#asked({ after: cursorOf(last), limit: FURTHER }), { signal: this.abort.signal, seconds: 30 });
      const joined = page.records.length < FURTHER;
      this.#added(this.model.append(page.records), { read: true });
      if (joined) this.#attach();
    } catch (error) {
      if (!this.abort.signal.aborted) this.trouble = error;
    } finally {
      this.asking = false;
    }
  }

  /** The last record here is the newest again: show what arrived meanwhile. */
  #attach() {
    this.model.detached = false;
    this.pending.skipped = null; // they came from the store
    this.#flush();
  }

  #stream({ records, dropped, tag }) {
    if (!this.data?.live || tag !== this.tag) return; // sent before the filter changed
    this.dropped += dropped ?? 0;
    this.pending.take(records);
    this.ahead.took(records);
    this.#soon();
  }

  /** Show what came, in the next frame; not while the pointer is down on the list, since its rows would move under it. */
  #soon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (this.loading || this.hub.paused || this.press.down) return;
      if (this.missed) this.#again();
      if (this.model.detached) this.#foot();
      else this.#flush();
    });
  }

  /** Show pending records. */
  #flush() {
    this.#added(this.pending.into(this.model, { place: this.tail }));
  }

  #paused(paused) {
    if (!paused && !this.model.detached && !this.loading) this.#flush();
    this.#foot();
  }

  #added([added, dropped, grown], { read = false } = {}) {
    if (!added && !grown) return;
    if (this.total !== null && !read) this.total += added;
    if (!this.tail && !read) this.unread += added;
    const top = this.scroll.scrollTop;
    const [before, gone] = [this.lines.total, this.lines.upTo(dropped)];
    this.#resize();
    if (!this.tail) this.scroll.scrollTop = this.data.order === "down" ? top - gone : top + this.lines.total - (before - gone);
    this.#stick();
    this.#paint();
    this.#foot();
    globalThis.__watchkeeperLogProbe?.(this.model, added); // set by the benchmarks in tests/bench only
  }

  // --- scrolling

  #resize() {
    this.lines.lay(this.model.records, this.#fits());
    this.body.style.height = `${this.lines.total}px`;
  }

  /** Characters that fit in a line of a message, measured; null when lines are not wrapped. */
  #fits() {
    const view = this.pool.find(({ node }) => !node.hidden);
    if (!this.options.now.wrap || !view) return null;
    this.character ??= widthOfOne(this.body);
    return Math.max(1, Math.floor(view.message.getBoundingClientRect().width / this.character));
  }

  /** Place all rows anew and keep the record at the top of the view where it is. */
  #lay() {
    const down = this.data?.order !== "up";
    const edge = (top) => (down ? top : this.lines.total - top);
    const at = this.lines.at(edge(this.scroll.scrollTop));
    const within = edge(this.scroll.scrollTop) - this.lines.upTo(at);
    this.#paint(); // the width of a message is known once there is one
    this.#resize();
    if (!this.tail) this.scroll.scrollTop = edge(this.lines.upTo(at) + within);
    this.#stick();
    this.#paint();
  }

  /** Other options were chosen here. */
  #look() {
    const before = this.fields;
    this.#arrange();
    if (before !== this.fields) this.#load();
  }

  /** Make the rows for the chosen columns. */
  #arrange() {
    const { columns, wrap } = this.options.now;
    const shown = columns.filter((name) => name !== "-");
    this.fields = fieldsOf(this.options.now).join(",");
    this.rows = true;
    for (const view of this.pool.splice(0)) view.node.remove();
    this.columns = shown;
    this.box.style.setProperty("--columns", shown.map(widthOf).join(" "));
    setAttr(this.body, "class", wrap ? "log-body wrapped" : "log-body");
    this.head.hidden = shown.length === 0 || shown.join() === "source";
    this.head.replaceChildren(...["Time", "Level", ...shown.map(titleOf), "Message"].map((text) => el("span", { class: "dim text", text })));
    this.#lay();
  }

  #stick() {
    if (!this.tail) return;
    const target = this.data?.order === "down" ? this.scroll.scrollHeight : 0;
    if (Math.abs(this.scroll.scrollTop - target) > 0.5) this.scroll.scrollTop = target;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroll;
    const down = this.data?.order === "down";
    const fromNewest = down ? scrollHeight - clientHeight - scrollTop : scrollTop;
    const fromOldest = down ? scrollTop : scrollHeight - clientHeight - scrollTop;
    this.tail = fromNewest < NEAR && !this.model.detached;
    if (this.tail && this.unread) {
      this.unread = 0;
      this.#foot();
    }
    if (fromOldest < clientHeight * AHEAD) this.#older();
    if (this.model.detached && fromNewest < clientHeight * AHEAD) this.#newer();
    this.#paint();
  }

  #toNewest() {
    if (this.model.detached) {
      this.#load();
      return;
    }
    this.tail = true;
    this.unread = 0;
    this.#stick();
    this.#paint();
    this.#foot();
  }

  // --- drawing

  /** The position of the record on line `line` of the list, and the line of a position. */
  #position(line) {
    return this.data.order === "down" ? line : this.lines.count - 1 - line;
  }

  /** Where the row of a record begins, in px. */
  #top(position) {
    return this.data.order === "down" ? this.lines.upTo(position) : this.lines.total - this.lines.upTo(position + 1);
  }

  #paint() {
    if (!this.tall || !this.data) return;
    const { utc } = this.options.now;
    const down = this.data.order === "down";
    const lines = Math.ceil(this.tall / ROW) + 6;
    const top = this.lines.at(down ? this.scroll.scrollTop : this.lines.total - this.scroll.scrollTop);
    const first = Math.max(0, this.#position(top) - 3);
    while (this.pool.length < lines) {
      const view = row(this.columns);
      this.pool.push(view);
      this.body.append(view.node);
    }
    const today = dayOf(Date.now() * 1000, utc);
    const dated = this.model.spansDays(today, (us) => dayOf(us, utc));
    setAttr(this.head, "class", `log-row log-head mono${dated ? " dated" : ""}`);
    this.pool.forEach((view, i) => {
      const line = first + ((i - (first % this.pool.length) + this.pool.length) % this.pool.length);
      const position = this.#position(line);
      const record = line < this.lines.count ? this.model.records[position] : undefined;
      fill(view, record, { top: record && this.#top(position), height: record && this.lines.ends ? this.lines.height(position) : null, on: record?.id === this.chosen, dated, utc, starred: record !== undefined && this.stars.has(record.id), marks: this.marks });
    });
    this.#cover();
  }

  #cover() {
    const empty = this.model.length === 0;
    const asks = empty && !this.loading && !this.trouble && this.data.filtered;
    const discover = this.hub.status?.logs?.discover !== false;
    const key = !empty ? "" : this.loading ? "loading" : this.trouble ? `trouble ${this.trouble.message}` : `empty ${asks} ${discover} ${JSON.stringify(this.data.filters)}`;
    if (key === this.covered) return;
    this.covered = key;
    const cover = (why) => this.over.replaceChildren(...(key ? [instead(this.loading, this.trouble, { ...this.data, discover }, why)] : []));
    cover(GENERAL);
    // a mistyped name finds nothing without a word; when the reason is not known either, nothing is said of it
    if (asks) get("logs/nothing", this.#asked({})).then((why) => key === this.covered && cover(whyNothing(why, this.data.query)), () => {});
  }

  #foot() {
    if (!this.data) return;
    const mode = !this.data.live ? "" : this.hub.paused ? ` · paused, ${count(this.pending.records.length)} new` : this.tail ? " · following" : " · not following";
    setText(this.says, wrong(this.trouble) ? "" : `${this.model.counted(this.total, this.archived)}${mode}${this.options.now.utc ? " · UTC" : ""}`);
    const missed = this.data.filtered ? 0 : (this.hub.status?.logs?.missed_bytes ?? 0); // of all files: no word about some of them
    setAttr(this.lost, "title", missed ? "Parts of some files: they went away or were emptied before they were read, or a record is too long to keep. Sources says which." : null);
    const lost = [this.dropped ? `${plural(this.dropped, "line")} not delivered` : "", this.hub.lost ? `${plural(this.hub.lost, "frame")} lost` : "", missed ? `${bytes(missed)} not read from files` : ""].filter(Boolean).join(" · ");
    setText(this.lost, lost);
    this.lost.hidden = !lost;
    const unread = this.unread + (this.model.detached ? this.pending.count : 0);
    this.news.hidden = !unread || this.tail;
    setText(this.news, `${count(unread)} new ${this.data.order === "down" ? "↓" : "↑"}`);
  }

  // --- one record

  #choose(id) {
    const next = id === this.chosen ? null : id;
    this.#show(next);
    setParams({ record: next }, { replace: true });
  }

  /** Show the record in the address, and scroll to its line when it is loaded. */
  #follow() {
    if (this.data && this.options.read()) this.#look();
    const chosen = param("record");
    if (chosen === (this.chosen ?? null)) return;
    this.#show(chosen);
    const position = this.model.records.findIndex((record) => record.id === chosen);
    if (position >= 0) this.#reveal(position);
  }

  #show(id) {
    if (id === (this.chosen ?? null)) return;
    this.chosen = id;
    setAttr(this.box, "class", id ? "logs open" : "logs");
    this.detail.show(id, this.model.records.find((record) => record.id === id));
    this.#paint();
  }

  #key(event) {
    const records = this.model.records;
    const at = records.findIndex((record) => record.id === this.chosen);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && at >= 0) this.#next(step);
    else if (event.key === "Enter" && at < 0 && records.length) this.#step(records.length - 1);
    else if (event.key === "End") this.#toNewest();
    else if (event.key === "Escape" && this.chosen) this.#choose(null);
    else return;
    event.preventDefault();
  }

  /** The record `step` lines further down; without a chosen one, the newest. */
  #next(step) {
    const records = this.model.records;
    const at = records.findIndex((record) => record.id === this.chosen);
    this.#step(at < 0 ? records.length - 1 : at + step * (this.data.order === "down" ? 1 : -1));
  }

  /** A key for the next or previous record, or for a bookmark, wherever the focus is. */
  #onward(event) {
    if (!this.data || !this.model.length) return;
    event.preventDefault();
    if (event.detail) this.#next(event.detail);
    else {
      const record = this.model.records.find((one) => one.id === this.chosen);
      if (record) this.stars.toggle(record);
    }
  }

  #step(position) {
    const record = this.model.records[position];
    if (!record || record.gap) return;
    this.#reveal(position);
    this.#choose(record.id);
  }

  #reveal(position) {
    const [top, bottom] = [this.#top(position), this.#top(position) + this.lines.height(position)];
    const { scrollTop, clientHeight } = this.scroll;
    if (top < scrollTop) this.scroll.scrollTop = top;
    else if (bottom > scrollTop + clientHeight) this.scroll.scrollTop = bottom - clientHeight;
  }
}

export default component(LogView);
