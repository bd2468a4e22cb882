// The keyboard of every page: `/` search, space pause, `g` + letter a page, `?` help, Esc out.

import { pageUrl, visit } from "./address.js";
import { el } from "./dom.js";

const PAGES = { o: ["overview", "Overview"], p: ["processes", "Processes"], l: ["logs", "Logs"], f: ["performance", "Performance"], a: ["ai", "AI back ends"], s: ["settings", "Settings"] };
const CHORD_MS = 1500;
const LOOK_MS = 100;
const LOOKS = 40;

/** The element that has the focus, looked for inside components too. */
function focused() {
  let node = document.activeElement;
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  return node;
}

const writes = (node) => Boolean(node?.matches?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable=true]"));
const acts = (node) => Boolean(node?.matches?.("button, a[href], summary, [role=button], [role=checkbox], [role=switch], [role=option], [role=combobox], input, select"));

/**
 * Go to a page, and stay there: a run of the page that is left (a search that was typed last) may answer after the change and bring its
 * address back. Then go once more, unless somebody pressed or clicked something meanwhile.
 */
function go(url) {
  const from = location.pathname;
  const over = new AbortController();
  const stop = (event) => event.isTrusted && over.abort(); // a popstate of our own is none of the browser's back button
  let looks = 0;
  const look = () => {
    if (looks++ === LOOKS) over.abort();
    if (over.signal.aborted) return;
    if (location.pathname === from) visit(url);
    setTimeout(look, LOOK_MS);
  };
  for (const kind of ["pointerdown", "keydown", "popstate"]) addEventListener(kind, stop, { capture: true, signal: over.signal });
  visit(url);
  if (location.pathname === from) over.abort();
  else setTimeout(look, LOOK_MS);
}

/** Listen until the answer is called. `on`: `{pause, help}`. */
export function keyboard(on) {
  let chord = 0;
  const listen = (event) => {
    const node = focused();
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape" && writes(node)) {
      node.blur();
      return;
    }
    if (writes(node)) return;
    if (performance.now() - chord < CHORD_MS && PAGES[event.key]) {
      go(pageUrl(PAGES[event.key][0]));
    } else if (event.key === "g") {
      chord = performance.now();
      return;
    } else if (event.key === "/") {
      const box = document.querySelector(".st-key-q input, .st-key-search input");
      if (!box) return;
      box.focus();
      box.select();
    } else if (event.key === " " && !acts(node)) on.pause();
    else if (event.key === "?") on.help();
    else return;
    chord = 0;
    event.preventDefault();
  };
  document.addEventListener("keydown", listen);
  return () => document.removeEventListener("keydown", listen);
}

/** What `?` shows. */
export function helpDialog() {
  const rows = [["/", "search"], ["space", "pause, resume"], ...Object.entries(PAGES).map(([key, [, title]]) => [`g ${key}`, title]), ["← →", "on a chart: move the crosshair; with Shift select, Enter opens the range"], ["↑ ↓ Enter", "on a table: move, open"], ["Esc", "leave, close"], ["?", "this help"]];
  const list = el("dl", {}, ...rows.flatMap(([key, what]) => [el("dt", {}, ...key.split(" ").flatMap((part, i) => (i ? [" ", el("kbd", { text: part })] : [el("kbd", { text: part })]))), el("dd", { text: what })]));
  const close = el("button", { type: "button", text: "Close" });
  const dialog = el("dialog", { "aria-label": "Keyboard" }, el("h2", { text: "Keyboard" }), list, close);
  close.onclick = () => dialog.close();
  dialog.onclick = (event) => {
    if (event.target === dialog) dialog.close();
  };
  return dialog;
}
