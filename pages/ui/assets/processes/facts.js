// A card of names and values from the page. Untrusted text stays text; links lead to other views.

import { follow, pageUrl } from "../core/address.js";
import { component, el, icon, inert, inertBlock } from "../core/dom.js";

const LONG = 1500; // characters; a longer text scrolls in its own place, and what stands below it stays near

class Facts {
  constructor(host) {
    this.host = host;
  }

  /** `{title, aside, rows: [[name, value]], empty: [title, text]}`; value: text, or `{text, block, page, params, sign}`, or a list of those. */
  update(data) {
    const frame = JSON.stringify([data.title, data.aside, data.empty, data.rows.map(([name]) => name)]);
    if (frame === this.frame) {
      this.cells.forEach((cell, i) => cell.show(data.rows[i][1])); // what did not change keeps its nodes, and the text selected in them
      return;
    }
    this.frame = frame;
    this.cells = data.rows.map(([, value]) => new Cell(value));
    const rows = data.rows.flatMap(([name], i) => [el("dt", { text: name }), this.cells[i].node]);
    const body = rows.length ? el("dl", { class: "facts" }, ...rows) : el("div", { class: "empty" }, el("b", { text: data.empty?.[0] ?? "No data." }), data.empty?.[1] ?? "");
    const header = el("header", {}, el("h2", { text: data.title }), data.aside ? el("span", { class: "aside text", text: inert(data.aside, 200) }) : null);
    this.host.replaceChildren(el("section", { class: "card" }, header, body));
  }

  close() {}
}

class Cell {
  constructor(value) {
    this.node = el("dd");
    this.show(value);
  }

  show(value) {
    const text = JSON.stringify(value);
    if (text === this.text) return;
    this.text = text;
    this.node.replaceChildren(...[value].flat().map(part));
  }
}

function part(value) {
  if (typeof value === "string") return el("div", { class: "text", text: inert(value, 4000) });
  const text = value.block ? inertBlock(value.text, 100_000) : inert(value.text, 4000);
  if (value.block && text.length > LONG) return el("div", { class: "mono text long", tabindex: "0", role: "region", "aria-label": "The whole text", text });
  const shown = value.page ? follow(el("a", { class: "link text", href: pageUrl(value.page, value.params), text })) : el("span", { class: value.block ? "mono text" : "text", text, style: value.block ? "white-space:pre-wrap" : null });
  return el("div", {}, ...(value.sign ? [icon(value.sign), " "] : []), shown);
}

export default component(Facts);
