// One record: its fields, its whole text as written, its neighbours in the file, and where it leads.

import { follow, pageUrl, setParams } from "./address.js";
import { get } from "./api.js";
import { el, inert, inertBlock } from "./dom.js";
import { clock, count, iso, moment } from "./format.js";

const AROUND = 300e6;
const TRIES = 8;

/** A record that just streamed in may reach the store a moment later: it is asked for again before it counts as missing. */
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

export class LogDetail {
  /** `on`: `{close()}`. */
  constructor(on) {
    this.on = on;
    this.node = el("section", { class: "card detail", hidden: true, "aria-label": "Record", tabindex: "-1" });
  }

  close() {
    this.abort?.abort();
  }

  /** Show the record of this id; null shows none. */
  async show(id) {
    this.abort?.abort();
    this.node.hidden = id === null;
    if (id === null) return;
    const abort = (this.abort = new AbortController());
    this.node.replaceChildren(this.#header("Record", ""), el("div", { class: "skeleton", style: "height:180px" }));
    try {
      this.#fill(await settled(id, abort.signal));
    } catch (error) {
      if (!abort.signal.aborted) this.node.replaceChildren(this.#header("Record", ""), el("div", { class: "trouble", role: "alert" }, `It cannot be read: ${error.message}. ${error.hint ?? ""}`));
    }
  }

  #header(title, aside) {
    const close = el("button", { class: "plain", type: "button", text: "✕", "aria-label": "Close the record" });
    close.onclick = () => this.on.close();
    return el("header", {}, el("h2", { text: title }), el("span", { class: "aside one-line text", text: aside }), close);
  }

  #fill(record) {
    const where = [inert(record.source, 80), record.pid ? `pid ${record.pid}` : "", record.line_no ? `line ${count(record.line_no)}` : ""].filter(Boolean).join(" · ");
    const fields = Object.entries(record.fields ?? {});
    const rows = [["time", `${moment(record.ts, 3)}  (${iso(record.ts)})`], ["level", record.level ?? "unknown"], ["logger", record.logger], ["format", record.format], ["file", record.path], ...fields.map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)])].filter(([, value]) => value);
    const list = el("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [el("dt", { text: inert(name, 60) }), el("dd", { class: "text", text: inert(value, 2000) })]));
    this.context = el("div", { class: "context mono" });
    this.node.replaceChildren(this.#header("Record", where), list, el("pre", { class: "text", tabindex: "0", "aria-label": "as written", text: inertBlock(record.raw ?? record.message) }), this.#acts(record), this.context);
  }

  #acts(record) {
    const around = el("button", { type: "button", text: "Show around" });
    around.onclick = () => this.#around(record);
    const copy = el("button", { type: "button", text: "Copy link" });
    copy.onclick = async () => {
      await navigator.clipboard?.writeText(location.href);
      copy.textContent = "Copied";
    };
    const explain = el("button", { type: "button", text: "Explain" });
    explain.onclick = () => setParams({ explain: "record", opinion: null });
    const span = { range: "custom", from: new Date((record.ts - AROUND) / 1000).toISOString(), to: new Date((record.ts + AROUND) / 1000).toISOString() };
    const then = follow(el("a", { class: "link", href: pageUrl("performance", span), text: "What the machine did then" }));
    const run = record.run ? follow(el("a", { class: "link", href: pageUrl("run", { run: record.run, ...span }), text: "Open process" })) : null;
    return el("div", { class: "acts", style: "align-items:center" }, around, ...(location.pathname.endsWith("/logs") ? [explain] : []), copy, then, run);
  }

  async #around(record) {
    this.context.replaceChildren(el("div", { text: "Reading its neighbours…", style: "display:block" }));
    try {
      const { records } = await get(`logs/records/${record.id}/context`, { before: 20, after: 20 });
      this.context.replaceChildren(...records.map((one) => el("div", { class: one.id === record.id ? "here" : null }, el("span", { class: "dim", text: clock(one.ts, 3) }), el("span", { class: `lv ${one.level ?? "unknown"}`, text: (one.level ?? "–").toUpperCase() }), el("span", { class: "text", style: "overflow-wrap:anywhere", text: inert(one.message, 1000) }))));
    } catch (error) {
      this.context.replaceChildren(el("div", { class: "trouble", role: "alert", style: "display:flex" }, `The neighbours cannot be read: ${error.message}.`));
    }
  }
}
