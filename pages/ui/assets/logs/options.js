// How records are shown: wrapped lines, times in UTC, columns. It stands in the address, and is kept in this browser for the next visit.

import { param, setParams } from "../core/address.js";
import { get } from "../core/api.js";
import { el, inert, setAttr } from "../core/dom.js";
import { browserStorage } from "../core/storage.js";
import { titleOf } from "./row.js";

const KEY = "watchkeeper.records";
const NAMES = ["wrap", "zone", "cols"];
const OWN = ["source", "logger", "pid"];
const MOST = 12;
let lists = 0;

/** `{wrap, utc, columns}` of texts as they stand in the address; null stands for the standard. */
export function optionsOf({ wrap, zone, cols }) {
  const columns = cols === null || cols === undefined ? ["source"] : [...new Set(cols.split(",").filter(Boolean))].slice(0, MOST);
  return { wrap: wrap === "1", utc: zone === "utc", columns };
}

/** The texts for the address; null for what is standard. */
export function textsOf({ wrap, utc, columns }) {
  const cols = columns.join(",");
  return { wrap: wrap ? "1" : null, zone: utc ? "utc" : null, cols: cols === "source" ? null : cols || "-" };
}

/** The names of fields among the columns. */
export const fieldsOf = ({ columns }) => columns.filter((name) => !OWN.includes(name) && name !== "-");

function kept() {
  try {
    const found = JSON.parse(browserStorage()?.getItem(KEY) ?? "null");
    return found !== null && typeof found === "object" ? found : null;
  } catch {
    return null;
  }
}

/** A button with a panel. `changed` is called after a person has chosen something. */
export class Options {
  constructor(changed) {
    this.changed = changed;
    this.button = el("button", { class: "plain", type: "button", text: "View ▴", "aria-expanded": "false" });
    this.panel = el("div", { class: "options", hidden: true, role: "group", "aria-label": "How records are shown" });
    this.node = el("span", { class: "options-of" }, this.button, this.panel);
    this.button.onclick = () => this.#open(this.panel.hidden);
    closing(this.node, () => this.#open(false));
    const stored = NAMES.some((name) => param(name) !== null) ? null : kept();
    if (stored) setParams(Object.fromEntries(NAMES.map((name) => [name, typeof stored[name] === "string" ? stored[name] : null])), { replace: true });
    this.read();
  }

  /** Take what the address says; whether that is something else than before. */
  read() {
    const texts = Object.fromEntries(NAMES.map((name) => [name, param(name)]));
    const text = JSON.stringify(texts);
    if (text === this.text) return false;
    this.text = text;
    this.now = optionsOf(texts);
    if (!this.panel.hidden) this.#draw();
    return true;
  }

  #open(open) {
    this.panel.hidden = !open;
    setAttr(this.button, "aria-expanded", String(open));
    if (!open) return;
    this.#draw();
    this.panel.querySelector("input")?.focus();
    if (!this.known) get("logs/fields").then(({ fields }) => this.#suggest(fields), () => this.#suggest([])); // any name can be typed
  }

  #suggest(fields) {
    this.known = fields;
    if (!this.panel.hidden) this.#draw();
  }

  #choose(change) {
    const texts = textsOf({ ...this.now, ...change });
    try {
      if (Object.values(texts).some(Boolean)) browserStorage()?.setItem(KEY, JSON.stringify(texts));
      else browserStorage()?.removeItem(KEY);
    } catch {
      // a private window keeps nothing; the address still says it
    }
    setParams(texts, { replace: true });
    this.read();
    this.changed();
  }

  /** The panel anew; what has the focus keeps it. */
  #draw() {
    const root = this.panel.getRootNode();
    const at = [...this.panel.querySelectorAll("input")].indexOf(root.activeElement);
    this.#fill();
    if (at >= 0) [...this.panel.querySelectorAll("input")].at(Math.min(at, this.panel.querySelectorAll("input").length - 1)).focus();
  }

  #fill() {
    const { wrap, utc, columns } = this.now;
    const has = (name) => columns.includes(name);
    const toggled = (name) => this.#choose({ columns: (has(name) ? columns.filter((one) => one !== name) : [...columns, name]).filter((one) => one !== "-") });
    const field = el("input", { type: "text", class: "mono", placeholder: "user_id, http.status …", "aria-label": "Add a column", maxlength: "60", list: `fields-${(lists += 1)}`, autocomplete: "off", spellcheck: "false" });
    const add = () => {
      const name = field.value.trim().replace(/,/g, "");
      if (name && !has(name) && columns.length < MOST) toggled(name);
    };
    field.onchange = add;
    const names = (this.known ?? []).map((one) => one.name).filter((name) => !has(name));
    this.panel.replaceChildren(
      check("Wrap long lines", wrap, () => this.#choose({ wrap: !wrap })),
      check("Times in UTC", utc, () => this.#choose({ utc: !utc })),
      el("b", { text: "Columns" }),
      ...[...new Set([...OWN, ...columns])].filter((name) => name !== "-").map((name) => check(inert(titleOf(name), 60), has(name), () => toggled(name))),
      field,
      el("datalist", { id: `fields-${lists}` }, ...names.map((name) => el("option", { value: name }))),
    );
  }
}

/** Call `close` for Escape within `node`, and when the focus goes elsewhere. */
export function closing(node, close) {
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
    node.querySelector("button").focus();
  });
  node.addEventListener("focusout", ({ relatedTarget }) => relatedTarget && !node.contains(relatedTarget) && close());
}

function check(text, on, changed) {
  const box = el("input", { type: "checkbox" });
  box.checked = on;
  box.onchange = changed;
  return el("label", {}, box, el("span", { class: "text", text }));
}
