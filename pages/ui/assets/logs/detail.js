// One record: its fields, its raw text, its neighbours in the file, and links to process and charts.

import { follow, pageUrl, setParams } from "../core/address.js";
import { get, Latest } from "../core/api.js";
import { el, inert, inertBlock, setAttr } from "../core/dom.js";
import { clock, count, iso, moment } from "../core/format.js";
import { copyText } from "../core/share.js";
import { browserStorage } from "../core/storage.js";
import { colouredParts, withoutCodes } from "./colours.js";
import { fieldTerm, queryAlike, quoted, withTerm } from "./terms.js";

const AROUND = 300e6;
const TRIES = 8;
const WIDTH = "watchkeeper.record-width"; // of the panel, px
const NARROWEST = 280;
const STEP = 24;
const LONGEST = 200_000; // characters of the raw text that are shown

/** The record from the store. One that has just streamed in may be stored a moment later, so a missing one is requested again. */
async function settled(id, signal) {
  for (let left = TRIES; ; left -= 1) {
    try {
      return await get(`logs/records/${encodeURIComponent(id).replace("%3A", ":")}`, {}, { signal });
    } catch (error) {
      if (error.status !== 404 || left <= 1) throw error;
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
  }
}

const isPlain = (value) => value !== null && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length > 0;

/** The raw text of a record, in colours. */
function textOf(record) {
  return colouredParts((record.raw ?? record.message).slice(0, LONGEST)).map(([part, look]) => el("span", { class: look || null, text: inertBlock(part) }));
}

function keptWidth() {
  try {
    return browserStorage()?.getItem(WIDTH);
  } catch {
    return null;
  }
}

export class LogDetail {
  /** `on`: `{close(), query(), line(), stars}`; `query` is the search that is in force, `line` the record's in the list, `stars` are the bookmarks. */
  constructor(on) {
    this.on = on;
    this.latest = new Latest();
    this.starred = () => {}; // says whether the open record is bookmarked
    this.node = el("section", { class: "card detail", hidden: true, "aria-label": "Record", tabindex: "-1" });
    this.grip = this.#handle();
    this.#resize(Number(keptWidth()) || null);
  }

  /** What makes the panel wider or narrower: dragged, or with the arrow keys. */
  #handle() {
    const grip = el("div", { class: "grip", role: "separator", "aria-orientation": "vertical", "aria-label": "Width of the record", tabindex: "0" });
    const width = () => this.node.getBoundingClientRect().width;
    grip.onpointerdown = (event) => {
      const [from, was] = [event.clientX, width()];
      grip.setPointerCapture(event.pointerId);
      grip.onpointermove = (move) => this.#resize(was + from - move.clientX);
      grip.onpointerup = () => (grip.onpointermove = null);
    };
    grip.onkeydown = (event) => {
      const step = { ArrowLeft: STEP, ArrowRight: -STEP }[event.key];
      if (!step) return;
      event.preventDefault();
      this.#resize(width() + step);
    };
    return grip;
  }

  /** Make the panel this wide; null for the standard. */
  #resize(width) {
    if (width === null) return;
    const px = Math.round(Math.max(NARROWEST, width));
    this.node.style.setProperty("--width", `${px}px`);
    try {
      browserStorage()?.setItem(WIDTH, String(px));
    } catch {
      // a private window keeps nothing
    }
  }

  close() {
    this.latest.stop();
  }

  /** Show the record with this id, or close the panel with null. `row`: the record as the list has it, which is all but its original and its file. */
  show(id, row) {
    this.latest.stop();
    this.node.hidden = id === null;
    if (id === null) return;
    if (row) this.#fill(row);
    else this.node.replaceChildren(this.#header("Record", ""), el("div", { class: "skeleton", style: "height:180px" }));
    const fail = (error) => {
      const trouble = el("div", { class: "trouble", role: "alert" }, `This record could not be loaded: ${error.message}. ${error.hint ?? ""}`);
      if (row) this.node.append(trouble);
      else this.node.replaceChildren(this.#header("Record", ""), trouble);
    };
    this.latest.ask((signal) => settled(id, signal), (record) => (row ? this.#complete(record) : this.#fill(record)), fail);
  }

  /** On a narrow screen this lies over the lower part of the list: scroll the page so that the record's line is above it. */
  #uncover() {
    const line = this.on.line();
    if (!line || this.node.hidden || getComputedStyle(this.node).position !== "sticky") return;
    const hidden = line.getBoundingClientRect().bottom + 8 - this.node.getBoundingClientRect().top;
    let page = this.node.parentElement;
    while (page && !(page.scrollHeight > page.clientHeight && ["auto", "scroll"].includes(getComputedStyle(page).overflowY))) page = page.parentElement ?? page.getRootNode().host;
    if (hidden > 0) page?.scrollBy({ top: hidden });
  }

  #header(title, aside) {
    const close = el("button", { class: "plain", type: "button", text: "✕", "aria-label": "Close the record" });
    close.onclick = () => this.on.close();
    return el("header", {}, el("h2", { text: title }), el("span", { class: "aside one-line text", text: aside }), close);
  }

  #fill(record) {
    this.record = { ...record };
    const where = [inert(record.source, 80), record.pid ? `pid ${record.pid}` : "", record.line_no ? `line ${count(record.line_no)}` : ""].filter(Boolean).join(" · ");
    this.shown = this.#facts(record);
    this.list = el("dl", { class: "facts" }, ...this.shown.flatMap(({ nodes }) => nodes));
    this.text = el("pre", { class: "text painted", tabindex: "0", "aria-label": "Raw text" }, ...textOf(record));
    this.context = el("div", { class: "context mono" });
    this.node.replaceChildren(this.#header("Record", where), this.list, this.text, this.#acts(this.record), this.context);
    requestAnimationFrame(() => this.#uncover());
  }

  /** What the store knows beside the row of the list: added to what is shown, in which one may be reading or clicking. */
  #complete(record) {
    const facts = this.#facts(record);
    const [keys, kept] = [new Set(facts.map(({ key }) => key)), new Map(this.shown.map(({ key, nodes }) => [key, nodes]))];
    for (const { key, nodes } of this.shown) if (!keys.has(key)) for (const node of nodes) node.remove();
    let last = null;
    this.shown = facts.map(({ key, nodes }) => {
      const there = kept.get(key) ?? nodes;
      if (there === nodes) last ? last.after(...nodes) : this.list.prepend(...nodes);
      last = there.at(-1);
      return { key, nodes: there };
    });
    if ((record.raw ?? record.message) !== (this.record.raw ?? this.record.message)) this.text.replaceChildren(...textOf(record));
    Object.assign(this.record, record);
    requestAnimationFrame(() => this.#uncover());
  }

  /** The lines of the list of facts: `{key, nodes}`. */
  #facts(record) {
    const fields = Object.entries(record.fields ?? {}).flatMap(([name, value]) => (isPlain(value) ? Object.entries(value).map(([key, part]) => [`${name}.${key}`, part]) : [[name, value]]));
    const own = [["Source", record.source, `source=${quoted(record.source)}`], ["PID", record.pid && String(record.pid), `pid:${record.pid}`]];
    const known = [["Time", `${moment(record.ts, 3)}  (${iso(record.ts)})`], ["Level", record.level ?? "unknown", `level:${record.level ?? "unknown"}`], ...own, ["Logger", record.logger, `logger=${quoted(record.logger ?? "")}`], ["Format", record.format, `format=${quoted(record.format ?? "")}`], ["File", record.path]];
    const rows = [...known, ...fields.map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value), fieldTerm(name, value)])].filter(([, value]) => value);
    return rows.map(([name, value, term]) => ({ key: `${name}\n${value}`, nodes: [el("dt", { text: inert(name, 60) }), el("dd", { class: "text" }, this.#filters(name, term), inert(value, 2000))] }));
  }

  /** Two buttons that add the value to the search, where there is one. */
  #filters(name, term) {
    if (!term || !location.pathname.endsWith("/logs")) return null;
    const button = (text, title, out) => {
      const node = el("button", { type: "button", text, title, "aria-label": `${title}: ${inert(name, 60)}` });
      node.onclick = () => setParams({ query: withTerm(this.on.query(), term, { out }), q: null });
      return node;
    };
    return el("span", { class: "acts-of" }, button("+", "Filter for this value", false), button("−", "Hide this value", true));
  }

  #acts(record) {
    const around = el("button", { type: "button", text: "Show context" });
    around.onclick = () => this.#around(record);
    const copy = el("button", { type: "button", text: "Copy link" });
    copy.onclick = async () => {
      copy.textContent = (await copyText(location.href)) ? "Copied" : "The browser does not allow it";
    };
    const text = el("button", { type: "button", text: "Copy text" });
    text.onclick = async () => {
      text.textContent = (await copyText(withoutCodes(record.raw ?? record.message))) ? "Copied" : "The browser does not allow it";
    };
    const star = el("button", { type: "button" });
    this.starred = () => {
      star.textContent = this.on.stars.has(record.id) ? "★ Bookmarked" : "☆ Bookmark";
      setAttr(star, "aria-pressed", String(this.on.stars.has(record.id)));
    };
    star.onclick = () => this.on.stars.toggle(record);
    this.starred();
    const explain = el("button", { type: "button", text: "Explain" });
    explain.onclick = () => setParams({ explain: "record", opinion: null });
    const span = { range: "custom", from: new Date((record.ts - AROUND) / 1000).toISOString(), to: new Date((record.ts + AROUND) / 1000).toISOString() };
    const then = follow(el("a", { class: "link", href: pageUrl("performance", span), text: "Machine at that time" }));
    const who = follow(el("a", { class: "link", href: pageUrl("processes", { view: "at", at: new Date(record.ts / 1000).toISOString() }), text: "Processes at that time" }));
    const again = follow(el("a", { class: "link", href: pageUrl("alerts", { new: "records", query: queryAlike(record) }), text: "Tell me next time" }));
    const run = record.run ? follow(el("a", { class: "link", href: pageUrl("run", { run: record.run, ...span }), text: "Open process" })) : null;
    return el("div", { class: "acts", style: "align-items:center" }, around, ...(location.pathname.endsWith("/logs") ? [explain] : []), copy, text, star, then, who, run, again);
  }

  async #around(record) {
    this.context.replaceChildren(el("div", { text: "Loading…", style: "display:block" }));
    try {
      const { records } = await get(`logs/records/${record.id}/context`, { before: 20, after: 20 });
      this.context.replaceChildren(...records.map((one) => el("div", { class: one.id === record.id ? "here" : null }, el("span", { class: "dim", text: clock(one.ts, 3) }), el("span", { class: `lv ${one.level ?? "unknown"}`, text: (one.level ?? "–").toUpperCase() }), el("span", { class: "text", style: "overflow-wrap:anywhere", text: inert(one.message, 1000) }))));
    } catch (error) {
      this.context.replaceChildren(el("div", { class: "trouble", role: "alert", style: "display:flex" }, `The context could not be loaded: ${error.message}.`));
    }
  }
}
