// The sources of records as a tree of folders, with counts for the view: show only one, or hide it.

import { allParams, param, setParams } from "../core/address.js";
import { get, Latest } from "../core/api.js";
import { component, el, icon, inert, setText } from "../core/dom.js";
import { bytes, count, moment, plural, sentence } from "../core/format.js";
import { onSize } from "../charts/canvas.js";
import { quoted, withTerm } from "./terms.js";

const SIGNS = { live: ["ok", "live"], backfilling: ["wait", "being read"], done: ["off", "read to its end"], gone: ["off", "gone"], error: ["bad", "cannot be read"] };
const OPEN = 40; // a tree with more sources begins closed
const MOST = 40; // sources of a folder that are chosen or hidden with one click
const ELSEWHERE = "without a file";

/**
 * Folders with sources: `{name, path, folders, sources, count}`. A folder that has nothing but one other is joined with it.
 * `counts`: records of the view by source.
 */
export function treeOf(sources, counts) {
  const root = folder("", "");
  for (const source of sources) {
    const parts = source.path ? source.path.split("/").slice(0, -1).filter(Boolean) : [ELSEWHERE];
    let at = root;
    const way = [root];
    for (const part of parts) {
      if (!at.folders.has(part)) at.folders.set(part, folder(part, source.path ? `${at.path}/${part}` : ""));
      at = at.folders.get(part);
      way.push(at);
    }
    const n = counts.get(source.source) ?? 0;
    at.sources.push({ ...source, count: n });
    for (const one of way) one.count += n;
  }
  return settled(root);
}

const folder = (name, path) => ({ name, path, folders: new Map(), sources: [], count: 0 });

function settled({ name, path, folders, sources, count: n }) {
  const inner = [...folders.values()].map(settled).map((one) => (one.folders.length === 1 && one.sources.length === 0 ? { ...one.folders[0], name: `${one.name}/${one.folders[0].name}` } : one));
  const order = (a, b) => b.count - a.count || (a.name ?? a.source).localeCompare(b.name ?? b.source);
  return { name, path, folders: inner.sort(order), sources: sources.sort(order), count: n };
}

/** What is known not to be stored of a source, and why. */
export function missedOf({ missed_bytes: missed, emptied_bytes: emptied, rotated_bytes: rotated, gaps }) {
  const parts = [[rotated, "rotated away before it was read"], [emptied, "emptied before it was read"], [missed - emptied - rotated, "of records that are too long"]];
  const known = parts.filter(([n]) => n > 0).map(([n, why]) => `${bytes(n)} ${why}`);
  return [...known, ...(gaps ? [`unknown how much ${gaps > 1 ? `${gaps} times` : "once"}, rotated away unseen`] : [])].join(", ");
}

/** The names of all sources below a folder. */
export const namesIn = (tree) => [...tree.sources.map((one) => one.source), ...tree.folders.flatMap(namesIn)];

class Sources {
  constructor(host) {
    this.latest = new Latest();
    this.toggled = new Map();
    this.says = el("div", { class: "muted", role: "status", text: "Loading…" });
    this.list = el("div", { class: "tree" });
    this.search = el("input", { type: "search", placeholder: "Name or folder", "aria-label": "Find a source", maxlength: "200", autocomplete: "off", spellcheck: "false" });
    this.search.oninput = () => this.#draw();
    host.append(el("div", { class: "sources" }, this.search, this.says, this.list));
    this.sized = onSize(host, (width) => {
      const shown = width > 0;
      if (shown && !this.shown) this.#load(); // counted anew whenever it is opened
      this.shown = shown;
    });
  }

  /** `data`: `{filters}` of the log API, without sources. */
  update(data) {
    const asked = JSON.stringify(data.filters);
    if (asked === this.asked) return;
    this.asked = asked;
    this.data = data;
    if (this.shown) this.#load();
  }

  close() {
    this.latest.stop();
    this.sized.disconnect();
  }

  #load() {
    if (!this.data) return;
    const ask = async (signal) => {
      const [{ sources }, facets] = await Promise.all([get("logs/sources", {}, { signal }), get("logs/facets", this.data.filters, { signal, seconds: 30 })]);
      return { sources, counts: new Map(facets.sources.map((one) => [one.source, one.count])) };
    };
    const take = ({ sources, counts }) => {
      const shown = sources.filter((one) => counts.get(one.source) || !["gone", "done"].includes(one.state));
      this.found = { sources: shown, counts, without: sources.length - shown.length };
      this.#draw();
    };
    const fail = (error) => {
      setText(this.says, "");
      this.list.replaceChildren(el("div", { class: "trouble", role: "alert" }, `The sources could not be loaded. ${sentence(error.message)} ${sentence(error.hint)}`));
    };
    this.latest.ask(ask, take, fail);
  }

  #draw() {
    if (!this.found) return;
    const { sources, counts, without } = this.found;
    const wanted = this.search.value.trim().toLowerCase();
    const tree = treeOf(sources.filter((one) => `${one.source}\n${one.path ?? ""}`.toLowerCase().includes(wanted)), counts);
    const live = sources.filter((one) => one.state === "live").length;
    setText(this.says, sources.length ? `${plural(sources.length, "source")}, ${count(live)} live · records of this view${without ? ` · ${count(without)} gone ones without records are left out` : ""}` : "");
    this.open = sources.length <= OPEN || wanted !== "";
    const [what, why] = sources.length ? ["No matching source.", "Clear the search to see all."] : ["No sources yet.", "Files that processes write to are listed here."];
    const rows = this.#rows(tree, 0);
    this.list.replaceChildren(...(rows.length ? rows : [el("div", { class: "empty" }, el("b", { text: what }), why)]));
  }

  #rows(tree, depth) {
    const rows = tree.folders.flatMap((one) => {
      const open = this.toggled.get(`${depth} ${one.name}`) ?? (depth === 0 || this.open);
      const twig = el("button", { type: "button", class: "plain name", "aria-expanded": String(open) }, el("span", { class: "dim", text: open ? "▾ " : "▸ " }), el("span", { class: "text", text: inert(one.name, 120) }));
      twig.onclick = () => {
        this.toggled.set(`${depth} ${one.name}`, !open);
        this.#draw();
      };
      const names = namesIn(one);
      return [row(depth, one.count, twig, names.length > 1 ? this.#acts(names, one.name) : null), ...(open ? this.#rows(one, depth + 1) : [])];
    });
    return [...rows, ...tree.sources.map((one) => this.#source(one, depth))];
  }

  #source(one, depth) {
    const [sign, word] = SIGNS[one.state] ?? ["off", one.state];
    const last = one.last_ts ? `\nlast record ${moment(one.last_ts)}` : "";
    const only = el("button", { type: "button", class: "plain name", title: `${inert(one.path ?? one.kind, 400)}\n${word}${last}${one.error ? `\n${inert(one.error, 300)}` : ""}` }, icon(sign), el("span", { class: "text", text: ` ${inert(one.source, 80)}` }));
    if (one.missed_bytes || one.gaps) only.append(el("span", { class: "dim missed", text: ` · ${missedOf(one)}` }));
    setChosen(only, allParams("source").includes(one.source));
    only.onclick = () => setParams({ source: [one.source] });
    return row(depth, one.count, only, this.#acts([one.source], one.source));
  }

  /** Show only these, or hide them. */
  #acts(names, title) {
    const few = names.slice(0, MOST);
    const only = el("button", { type: "button", class: "plain", text: "only", "aria-label": `Show only ${inert(title, 60)}` });
    only.onclick = () => setParams({ source: few });
    const hide = el("button", { type: "button", class: "plain", text: "hide", "aria-label": `Hide ${inert(title, 60)}` });
    hide.onclick = () => setParams({ query: few.reduce((query, name) => withTerm(query, `source=${quoted(name)}`, { out: true }), param("query") ?? ""), q: null });
    return el("span", { class: "acts-of" }, only, hide);
  }
}

function setChosen(node, chosen) {
  if (chosen) node.setAttribute("aria-current", "true");
}

function row(depth, n, name, acts) {
  return el("div", { class: "tree-row", style: `padding-left:${Math.min(depth, 8) * 16}px` }, name, acts, el("span", { class: n ? "num" : "num dim", text: count(n) }));
}

export default component(Sources);
