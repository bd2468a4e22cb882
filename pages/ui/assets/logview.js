// The log view: newest at the bottom as in a terminal, or on top; follows until one scrolls away, never moves what one reads.

import { get } from "./api.js";
import { param, setParams } from "./address.js";
import { component, el, inert, setAttr, setText } from "./dom.js";
import { clock, count, day, plural } from "./format.js";
import { highlighter } from "./highlight.js";
import { live, markStale } from "./live.js";
import { LogDetail } from "./logdetail.js";
import { cursorOf, LogModel, MOST } from "./logmodel.js";
import { onSize } from "./spark.js";

const WRONG = 400; // the status of a question that makes no sense
const ROW = 24;
const PAGE = 300;
const FURTHER = 1000; // records a page when one scrolls on
const AHEAD = 4; // screens before the end of what is held at which more is fetched
const NEAR = 3 * ROW;
const SKEW_US = 5e6; // clocks of sources differ

class LogView {
  constructor(host) {
    this.host = host;
    this.hub = live();
    this.model = new LogModel();
    this.pool = [];
    this.pending = [];
    this.unread = 0;
    this.dropped = 0;
    this.tail = true;
    this.#build();
    this.subscription = this.hub.subscribe({ host: true, status: true });
    this.off = [markStale(host), this.hub.on("logs", (message) => this.#stream(message)), this.hub.on("following", ({ tag }) => tag === this.tag && this.#again()), this.hub.on("pause", (paused) => this.#paused(paused)), this.hub.on("second", () => this.#foot())];
    const follow = () => this.#follow();
    addEventListener("popstate", follow); // a link elsewhere on the page, or "back", names another record
    this.off.push(() => removeEventListener("popstate", follow));
    this.tall = 0;
    this.sized = onSize(this.scroll, (_, height) => {
      this.tall = height;
      this.#stick();
      this.#paint();
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
    const foot = el("div", { class: "log-foot" }, this.says, this.lost, el("span", { class: "spring" }), this.news, this.turn);
    const sheet = el("section", { class: "card sheet", "aria-label": "Records" }, el("div", { class: "log-stage" }, this.scroll, this.over), foot);
    this.detail = new LogDetail({ close: () => this.#choose(null), highlight: () => this.marks });
    this.box = el("div", { class: "logs" }, sheet, this.detail.node);
    this.host.append(this.box);
    this.scroll.onscroll = () => this.#scrolled();
    this.scroll.onkeydown = (event) => this.#key(event);
  }

  /** `data`: `{filters, live, order: "down"|"up", height, chosen}`. Filters are those of the log API. */
  update(data) {
    const asked = JSON.stringify([data.filters, data.live]) !== JSON.stringify([this.data?.filters, this.data?.live]);
    const turned = data.order !== this.data?.order;
    this.data = data;
    this.scroll.style.height = `${data.height ?? 560}px`;
    setText(this.turn, data.order === "down" ? "newest at the bottom ⇅" : "newest on top ⇅");
    this.marks = highlighter(data.filters.q, data.filters.regex === 1 || data.filters.regex === true, data.filters.case === 1);
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
    this.tag = this.hub.logsTag += 1; // so that the agent is asked anew, also for the filters of the page before
    this.subscription.update({ host: true, status: true, logs: this.data.live ? this.data.filters : null, logs_tag: this.tag });
    this.loading = true;
    this.asking = false;
    this.pending = [];
    this.skipped = null;
    try {
      const page = await get("logs/records", { ...this.data.filters, limit: PAGE }, { signal: abort.signal, seconds: 30 });
      this.model.clear();
      this.model.append(page.records);
      this.model.older = page.older;
      this.model.complete = page.older === null;
      this.unread = this.dropped = 0;
      this.loading = false;
      this.trouble = null;
      this.model.append(this.pending.splice(0));
      this.tail = true;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.loading = false;
      this.trouble = error;
      clearTimeout(this.retry);
      if (error.status === WRONG) this.model.clear(); // what is held answers another question, and asking again would not help
      else this.retry = setTimeout(() => this.trouble && !abort.signal.aborted && this.#load(), 3000);
    }
    this.#resize();
    this.#stick();
    this.#paint();
    this.#foot();
    if (this.missed) this.#again();
  }

  /**
   * From now on records come by themselves: at the beginning, or again after a hidden tab or a lost connection. What was written
   * before that and after the last that was fetched is asked for, so that no false hole stays.
   */
  async #again() {
    if (!this.data?.live || this.model.detached) return;
    if (this.loading) {
      this.missed = true; // the answer that is under way may be older than this moment
      return;
    }
    this.missed = false;
    const { last } = this.model;
    try {
      const since = last ? { since: last.ts - SKEW_US } : {};
      const page = await get("logs/records", { ...this.data.filters, ...since, limit: FURTHER }, { signal: this.abort?.signal });
      const joined = page.records.some((record) => this.model.ids.has(record.id));
      const oldest = this.model.complete ? -1 : page.records.findIndex((record) => record.id === this.model.first?.id);
      if (oldest > 0) page.records.splice(0, oldest); // they stand above what is held, and come when one scrolls there
      if (last && !joined && page.records.length >= FURTHER) this.model.gap("records between were not loaded: narrow the time range to see them", last.ts);
      this.#added(this.model.append(page.records));
    } catch (error) {
      if (!this.abort?.signal.aborted) this.trouble = error;
    }
  }

  async #older() {
    if (this.asking || this.loading || this.model.complete || !this.model.older) return;
    this.asking = true;
    try {
      const page = await get("logs/records", { ...this.data.filters, before: this.model.older, limit: FURTHER }, { signal: this.abort.signal, seconds: 30 });
      const [added, dropped] = this.model.prepend(page.records);
      this.model.older = page.older;
      this.model.complete = page.older === null;
      const { scrollTop } = this.scroll;
      this.#resize();
      this.scroll.scrollTop = this.data.order === "down" ? scrollTop + added * ROW : scrollTop - dropped * ROW; // what one reads stays where it is
    } catch (error) {
      if (!this.abort.signal.aborted) this.trouble = error;
    } finally {
      this.asking = false;
    }
    this.#paint();
    this.#foot();
  }

  /** Back towards the newest, where records were let go while one read far behind. */
  async #newer() {
    const { last } = this.model;
    if (this.asking || this.loading || !last) return;
    this.asking = true;
    try {
      const page = await get("logs/records", { ...this.data.filters, after: cursorOf(last), limit: FURTHER }, { signal: this.abort.signal, seconds: 30 });
      const joined = page.records.length < FURTHER;
      this.#added(this.model.append(page.records), { read: true });
      if (joined) this.#attach();
    } catch (error) {
      if (!this.abort.signal.aborted) this.trouble = error;
    } finally {
      this.asking = false;
    }
  }

  /** The end of what is held is the newest again: what came meanwhile follows. */
  #attach() {
    this.model.detached = false;
    this.skipped = null; // the store had them
    this.#flush();
  }

  #stream({ records, dropped, tag }) {
    if (!this.data?.live || tag !== this.tag) return; // it was on its way when the filter changed
    this.dropped += dropped ?? 0;
    for (const record of records) this.pending.push(record);
    if (this.pending.length > MOST) this.#tooMany();
    if (this.loading || this.hub.paused) return;
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (this.model.detached) this.#foot();
      else this.#flush();
    });
  }

  /** Nobody reads along, and memory has an end: the oldest that wait are let go, and a line will say how many. */
  #tooMany() {
    const gone = this.pending.splice(0, this.pending.length - MOST / 2);
    this.skipped = { n: (this.skipped?.n ?? 0) + gone.length, ts: gone[0].ts };
  }

  /** Show what waits. */
  #flush() {
    if (this.skipped) this.model.gap(`${plural(this.skipped.n, "record")} that came meanwhile are not loaded: narrow the time range to see them`, this.skipped.ts);
    this.skipped = null;
    this.#added(this.model.append(this.pending.splice(0)));
  }

  #paused(paused) {
    if (!paused && !this.model.detached && !this.loading) this.#flush();
    this.#foot();
  }

  #added([added, dropped, grown], { read = false } = {}) {
    if (!added && !grown) return;
    if (!this.tail && !read) this.unread += added;
    const top = this.scroll.scrollTop;
    this.#resize();
    if (!this.tail) this.scroll.scrollTop = this.data.order === "down" ? top - dropped * ROW : top + added * ROW;
    this.#stick();
    this.#paint();
    this.#foot();
    globalThis.__watchkeeperLogProbe?.(this.model, added); // set by the measuring scripts only
  }

  // --- scrolling

  #resize() {
    this.body.style.height = `${this.model.length * ROW}px`;
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

  /** Position of the record on display line `line`. */
  #position(line) {
    return this.data.order === "down" ? line : this.model.length - 1 - line;
  }

  #paint() {
    if (!this.tall || !this.data) return;
    const lines = Math.ceil(this.tall / ROW) + 6;
    const first = Math.max(0, Math.floor(this.scroll.scrollTop / ROW) - 3);
    while (this.pool.length < lines) {
      const view = row((id) => this.#choose(id));
      this.pool.push(view);
      this.body.append(view.node);
    }
    const today = day(Date.now() * 1000);
    const dated = Boolean(this.model.length) && day(this.model.records[0].ts) !== today;
    this.pool.forEach((view, i) => {
      const line = first + ((i - (first % this.pool.length) + this.pool.length) % this.pool.length);
      this.#fill(view, line < this.model.length ? this.model.records[this.#position(line)] : undefined, line, dated);
    });
    this.#cover();
  }

  #fill(view, record, line, dated) {
    view.node.hidden = record === undefined;
    if (record === undefined) return;
    view.node.style.transform = `translateY(${line * ROW}px)`;
    const on = record.id === this.chosen;
    setAttr(view.node, "class", `log-row${on ? " on" : ""}${dated ? " dated" : ""}${record.gap ? " gap" : ""}`);
    if (view.record === record && view.marks === this.marks && view.dated === dated) return;
    Object.assign(view, { record, marks: this.marks, dated });
    setText(view.when, record.gap ? "" : `${dated ? `${day(record.ts)} ` : ""}${clock(record.ts, 3)}`);
    const level = record.level ?? (record.gap ? "" : "–");
    setText(view.level, level.toUpperCase());
    setAttr(view.level, "class", `lv ${record.level ?? "unknown"}`);
    setText(view.source, inert(record.source ?? "", 80));
    this.#message(view, record);
  }

  #message(view, record) {
    const [head] = (record.gap ?? record.message).split("\n", 1);
    const text = inert(head, 1200);
    const parts = this.marks ? this.marks(text) : [[text, false]];
    view.message.replaceChildren(...parts.map(([part, match]) => (match ? el("mark", { text: part }) : part)));
    if (record.lines > 1) view.message.append(el("span", { class: "more", text: `▸ ${plural(record.lines, "line")}` }));
  }

  #cover() {
    const empty = this.model.length === 0;
    const key = !empty ? "" : this.loading ? "loading" : this.trouble ? `trouble ${this.trouble.message}` : `empty ${this.data.filtered}`;
    if (key === this.covered) return;
    this.covered = key;
    if (!key) this.over.replaceChildren();
    else if (this.loading) this.over.replaceChildren(el("div", { class: "empty", text: "Searching…" }));
    else if (this.trouble) this.over.replaceChildren(el("div", { class: "trouble", role: "alert" }, `The records cannot be read. ${sentence(this.trouble.message)} ${sentence(this.trouble.hint)}${this.trouble.status === WRONG ? "" : " It is tried again by itself."}`));
    else this.over.replaceChildren(this.#teach());
  }

  #teach() {
    if (this.data.filtered) return el("div", { class: "empty" }, el("b", { text: "No record matches." }), "Widen the time range, lower the level, or clear the search. Matching starts as soon as a line is written.");
    return el("div", { class: "empty" }, el("b", { text: "No log records yet." }), "Every regular file that your processes hold open for writing is followed by itself. Add more files under ", el("code", { text: "Settings → logs.globs" }), ", or read old ones with ", el("code", { text: "watchkeeper logs ingest FILE…" }), ".");
  }

  #foot() {
    if (!this.data) return;
    const mode = !this.data.live ? "" : this.hub.paused ? ` · paused, ${count(this.pending.length)} waiting` : this.tail ? " · following" : " · scrolled away, not following";
    setText(this.says, this.trouble?.status === WRONG ? "" : `${this.model.complete ? plural(this.model.length, "record") : `${count(this.model.length)}+ records`}${mode}`);
    const missed = this.hub.status?.logs?.missed_bytes ?? 0;
    const told = [this.dropped ? `${plural(this.dropped, "line")} not delivered` : "", this.hub.lost ? `${plural(this.hub.lost, "frame")} lost` : "", missed ? `${count(missed)} bytes not read from files` : ""].filter(Boolean).join(" · ");
    setText(this.lost, told);
    this.lost.hidden = !told;
    const unread = this.unread + (this.model.detached ? this.pending.length + (this.skipped?.n ?? 0) : 0);
    this.news.hidden = !unread || this.tail;
    setText(this.news, `${count(unread)} new ${this.data.order === "down" ? "↓" : "↑"}`);
  }

  // --- one record

  #choose(id) {
    const next = id === this.chosen ? null : id;
    this.#show(next);
    setParams({ record: next }, { replace: true });
  }

  /** Show the record that the address names, and bring its line into sight where it is loaded. */
  #follow() {
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
    this.detail.show(id);
    this.#paint();
  }

  #key(event) {
    const records = this.model.records;
    const at = records.findIndex((record) => record.id === this.chosen);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && at >= 0) this.#step(at + step * (this.data.order === "down" ? 1 : -1));
    else if (event.key === "Enter" && at < 0 && records.length) this.#step(records.length - 1);
    else if (event.key === "End") this.#toNewest();
    else if (event.key === "Escape" && this.chosen) this.#choose(null);
    else return;
    event.preventDefault();
  }

  #step(position) {
    const record = this.model.records[position];
    if (!record || record.gap) return;
    this.#reveal(position);
    this.#choose(record.id);
  }

  #reveal(position) {
    const line = this.#position(position);
    const { scrollTop, clientHeight } = this.scroll;
    if (line * ROW < scrollTop) this.scroll.scrollTop = line * ROW;
    else if ((line + 1) * ROW > scrollTop + clientHeight) this.scroll.scrollTop = (line + 1) * ROW - clientHeight;
  }
}

function row(choose) {
  const view = { when: el("span", { class: "dim when" }), level: el("span"), source: el("span", { class: "muted text source" }), message: el("span", { class: "text" }) };
  view.node = el("div", { class: "log-row" }, view.when, view.level, view.source, view.message);
  view.node.onclick = () => {
    if (view.record && !view.record.gap && !String(getSelection())) choose(view.record.id);
  };
  return view;
}

/** Words of an error as a sentence: a capital before, a full stop after, no signs of code. */
function sentence(text) {
  const words = (text ?? "").trim().replaceAll("`", "");
  return words && `${words[0].toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? "" : "."}`;
}

export default component(LogView);
