// The search box of the logs page: a query with completion, help, and errors that point at their place. What is valid goes to the
// address; what is not is explained, while the list keeps the last query that was.

import { param, setParams } from "../core/address.js";
import { get, Latest } from "../core/api.js";
import { component, el, setAttr } from "../core/dom.js";
import { browserStorage } from "../core/storage.js";
import { keptSearches, paramsOfSearch, suggestedSearches } from "./saved.js";
import { suggestions } from "./terms.js";

const PAUSE_MS = 300;
const KNOWN_MS = 60_000;
const HELP = [
  ["timeout", "the text stands in the message, in any case"],
  ['"out of memory"', "a text with spaces or signs"],
  ["/time(d)? ?out/i", "a regular expression; i ignores case"],
  ["-heartbeat, NOT x", "without it"],
  ["a b, a OR b, (a OR b) c", "all of them, one of them, brackets"],
  ["level>=warn, level:error,fatal", "levels"],
  ["source:worker, logger:db", "part of the name; * is any text, = the whole name"],
  ["run:train, run:4242", "process by name, PID or run"],
  ["user_id=42, user:bob, user=*", "a field, or user_id=42 in the text; took>1s also finds “took 3 s”"],
  ["status>=500 method:POST path:/api", "what lines of access logs say; also client, bytes, duration"],
  ["duration>2s, size<=10MB", "numbers compare; without a unit, with the number as it stands: took>100 finds “took 120ms”"],
  ["since:2h, until:\"yesterday 14:00\"", "times"],
  ["raw:text, lines>1, pattern:17", "the original line, several lines, a pattern"],
];
let boxes = 0;

class QueryBox {
  constructor(host) {
    this.latest = new Latest();
    this.known = { sources: [], fields: [] };
    this.shown = [];
    this.at = -1;
    this.list = el("ul", { class: "query-list", role: "listbox", id: `query-list-${(boxes += 1)}`, "aria-label": "Suggestions", hidden: true });
    this.input = el("input", { class: "mono", type: "search", "aria-label": "Search", placeholder: "Search: words, level>=warn, user_id=42 …   ( / )", "aria-autocomplete": "list", "aria-controls": this.list.id, autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: "4000" });
    this.case = this.#switch("Aa", "Match case", "case");
    this.raw = this.#switch("Raw", "Search the whole original line, with time and level", "raw");
    const ask = el("button", { class: "plain", type: "button", text: "?", title: "Help with queries", "aria-label": "Help with queries" });
    ask.onclick = () => this.#help();
    this.says = el("div", { class: "query-says", role: "alert", hidden: true });
    this.help = helpDialog();
    host.append(el("div", { class: "query" }, el("div", { class: "query-box" }, this.input, this.case, this.raw, ask), this.list), this.says, this.help);
    this.host = host;
    this.input.oninput = () => this.#typed();
    this.input.onfocus = () => this.#learn();
    this.input.onclick = () => this.#suggest();
    this.input.onblur = () => this.#close();
    this.input.onkeydown = (event) => this.#key(event);
    const focus = (event) => {
      event.preventDefault();
      this.input.focus();
      this.input.select();
    };
    document.addEventListener("wk-search", focus);
    this.off = () => document.removeEventListener("wk-search", focus);
  }

  #switch(text, title, name) {
    const button = el("button", { class: "plain", type: "button", text, title, "aria-label": title, "aria-pressed": "false" });
    button.onclick = () => setParams({ [name]: button.getAttribute("aria-pressed") === "true" ? null : "1" });
    return button;
  }

  /** `data`: `{query, sources, case, raw, zone}`. A query that comes from elsewhere (a link, a filter in a record) takes the place of the text. */
  update(data) {
    const moved = data.query !== this.data?.query;
    this.data = data;
    this.known.sources = data.sources;
    setAttr(this.case, "aria-pressed", String(data.case));
    setAttr(this.raw, "aria-pressed", String(data.raw));
    if (!moved || data.query === this.sent) return;
    if (param("query") !== null && param("query") !== data.query) return; // an answer to what was written before
    this.sent = data.query;
    this.input.value = data.query;
    this.#check(data.query, { go: false });
  }

  close() {
    clearTimeout(this.timer);
    this.latest.stop();
    this.off();
  }

  // --- what one writes

  #typed() {
    if (this.input.value === "?") {
      this.input.value = "";
      this.#help();
      return;
    }
    this.#suggest();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#check(this.input.value), PAUSE_MS);
  }

  /** Ask whether the query can be read; then it goes to the address, else it is said what is wrong. */
  #check(query, { go = true } = {}) {
    clearTimeout(this.timer);
    const asked = (signal) => (query.trim() ? get("logs/query", { query, zone: this.data.zone }, { signal }) : { problem: null });
    const take = ({ problem }) => {
      this.#tell(problem, query);
      if (!problem && go) this.#send(query);
    };
    this.latest.ask(asked, take, () => go && this.#send(query)); // of a failure the list says why nothing answers
  }

  #send(query) {
    this.sent = query.trim();
    setParams({ query: this.sent, q: null }, { replace: Boolean(param("query")) });
  }

  #tell(problem, query) {
    setAttr(this.input, "aria-invalid", problem ? "true" : null);
    this.says.hidden = !problem;
    if (!problem) return;
    const begin = Math.max(0, problem.column - 41);
    const mark = `${query.slice(begin, problem.column + 40).replace(/\s/g, " ")}\n${" ".repeat(problem.column - 1 - begin)}${"^".repeat(Math.max(1, Math.min(40, problem.end - problem.column)))}`;
    const old = (this.data.query ?? "").trim();
    this.says.replaceChildren(el("pre", { class: "mono", text: mark }), el("span", { text: `${problem.message} ${problem.hint}` }), old !== query.trim() ? el("span", { class: "dim", text: ` Below: ${old ? `records of ${old}` : "all records"}, as before.` }) : "");
  }

  // --- suggestions

  async #learn() {
    this.#suggest();
    if (performance.now() - (this.learned ?? -KNOWN_MS) < KNOWN_MS) return;
    this.learned = performance.now();
    try {
      this.known.fields = (await get("logs/fields")).fields;
      if (this.#focused) this.#suggest();
    } catch {
      this.learned = null; // asked again at the next visit; names of records are missing till then
    }
  }

  get #focused() {
    return this.input.getRootNode().activeElement === this.input;
  }

  #suggest() {
    const caret = this.input.selectionStart ?? this.input.value.length;
    const saved = suggestedSearches(this.data?.saved ?? [], keptSearches(browserStorage()), this.input.value);
    this.shown = this.input.selectionEnd === caret ? [...(this.input.value.trim() ? [] : saved), ...suggestions(this.input.value, caret, this.known), ...(this.input.value.trim() ? saved : [])] : [];
    this.at = -1;
    this.list.replaceChildren(...this.shown.map((one, at) => this.#option(one, at)));
    this.list.hidden = !this.shown.length;
    setAttr(this.input, "aria-activedescendant", null);
  }

  #option(one, at) {
    const node = el("li", { role: "option", id: `${this.list.id}-${at}`, "aria-selected": "false" }, el("span", { class: "mono text", text: one.label }), el("span", { class: "dim text", text: one.detail }));
    node.onpointerdown = (event) => {
      event.preventDefault(); // the input keeps the focus
      this.#take(one);
    };
    return node;
  }

  #move(step) {
    if (!this.shown.length) return;
    const count = this.shown.length + 1; // one place is that of the input itself
    this.at = ((this.at + 1 + step + count) % count) - 1;
    [...this.list.children].forEach((node, at) => setAttr(node, "aria-selected", String(at === this.at)));
    setAttr(this.input, "aria-activedescendant", this.at >= 0 ? `${this.list.id}-${this.at}` : null);
    this.list.children[this.at]?.scrollIntoView({ block: "nearest" });
  }

  #take(one) {
    if (one.params) {
      this.#close();
      this.input.value = this.sent = one.params.query ?? "";
      this.#tell(null, this.input.value);
      setParams(paramsOfSearch(one.params));
      return;
    }
    const caret = this.input.selectionStart;
    const rest = this.input.value.slice(caret);
    const text = rest.startsWith(" ") ? one.text.trimEnd() : one.text;
    this.input.setRangeText(text, one.from, caret, "end");
    this.#typed();
  }

  #close() {
    this.list.hidden = true;
  }

  #key(event) {
    const open = !this.list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!open) this.#suggest();
      this.#move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Tab" && open && !event.shiftKey && (this.at >= 0 || this.input.value)) {
      this.#take(this.shown[Math.max(0, this.at)]);
    } else if (event.key === "Enter") {
      if (open && this.at >= 0) this.#take(this.shown[this.at]);
      else {
        this.#close();
        this.#check(this.input.value);
      }
    } else if (event.key === "Escape") {
      if (open) this.#close();
      else this.input.blur(); // and keep the text, which the browser would clear
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #help() {
    this.#close();
    this.help.showModal();
  }
}

function helpDialog() {
  const list = el("dl", {}, ...HELP.flatMap(([term, what]) => [el("dt", {}, el("code", { text: term })), el("dd", { text: what })]));
  const close = el("button", { type: "button", text: "Close" });
  const dialog = el("dialog", { class: "query-help", "aria-label": "Help with queries" }, el("h2", { text: "Search log records" }), list, el("p", { class: "dim", text: "Tab completes names and values. “Saved” keeps a search under a name; an empty box lists them. A click on + or − beside a value of an open record filters for it or hides it." }), close);
  close.onclick = () => dialog.close();
  dialog.onclick = (event) => {
    if (event.target === dialog) dialog.close();
  };
  return dialog;
}

export default component(QueryBox);
