// Records that a person marked to find them again. This browser keeps them.

import { pageUrl, visit } from "../core/address.js";
import { el, inert, setAttr, setText } from "../core/dom.js";
import { moment, plural } from "../core/format.js";
import { browserStorage } from "../core/storage.js";
import { closing } from "./options.js";

const KEY = "watchkeeper.bookmarks";
const MOST = 200;
const AROUND = 300e6; // µs

const usable = (one) => typeof one?.id === "string" && Number.isFinite(one.ts) && typeof one.text === "string";

/** The kept bookmarks, the newest record first. */
export function bookmarks(storage) {
  try {
    const found = JSON.parse(storage?.getItem(KEY) ?? "[]");
    return (Array.isArray(found) ? found.filter(usable) : []).sort((a, b) => b.ts - a.ts);
  } catch {
    return [];
  }
}

/** The bookmarks with this record added, or without it if it was among them; the oldest marks of too many go. */
export function toggled(all, { id, ts, source, message }) {
  if (all.some((one) => one.id === id)) return all.filter((one) => one.id !== id);
  return [{ id, ts, source, text: message.split("\n", 1)[0].slice(0, 200) }, ...all].slice(0, MOST).sort((a, b) => b.ts - a.ts);
}

/** The bookmarks of this browser, with a button that lists them. `changed` is called when there are others. */
export class Bookmarks {
  constructor(changed) {
    this.changed = changed;
    this.button = el("button", { class: "plain", type: "button", hidden: true, "aria-expanded": "false" });
    this.panel = el("div", { class: "options marks", hidden: true, role: "group", "aria-label": "Bookmarks" });
    this.node = el("span", { class: "options-of" }, this.button, this.panel);
    this.button.onclick = () => this.#open(this.panel.hidden);
    closing(this.node, () => this.#open(false));
    this.#take(bookmarks(browserStorage()));
  }

  has(id) {
    return this.ids.has(id);
  }

  toggle(record) {
    const now = toggled(bookmarks(browserStorage()), record);
    try {
      browserStorage()?.setItem(KEY, JSON.stringify(now));
    } catch {
      // a private window keeps them until it is closed
    }
    this.#take(now);
    this.changed();
  }

  #take(all) {
    this.all = all;
    this.ids = new Set(all.map((one) => one.id));
    this.button.hidden = all.length === 0;
    setText(this.button, `★ ${all.length} ▴`);
    setAttr(this.button, "aria-label", plural(all.length, "bookmark"));
    if (!all.length) this.#open(false);
    else if (!this.panel.hidden) this.#draw();
  }

  #open(open) {
    this.panel.hidden = !open;
    setAttr(this.button, "aria-expanded", String(open));
    if (open) this.#draw();
  }

  #draw() {
    this.panel.replaceChildren(...this.all.map((one) => {
      const go = el("button", { type: "button", class: "plain mono", title: inert(one.text, 200) }, el("span", { class: "dim", text: moment(one.ts) }), ` ${inert(one.text, 90)}`);
      go.onclick = () => {
        this.#open(false);
        visit(pageUrl("logs", { record: one.id, range: "custom", from: new Date((one.ts - AROUND) / 1000).toISOString(), to: new Date((one.ts + AROUND) / 1000).toISOString() }));
      };
      const drop = el("button", { type: "button", class: "plain", text: "✕", "aria-label": `Remove the bookmark of ${inert(one.text, 60)}` });
      drop.onclick = () => this.toggle({ ...one, message: one.text });
      return el("div", { class: "mark-row" }, go, drop);
    }));
  }
}
