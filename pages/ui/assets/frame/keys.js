// The keyboard of every page, and the help dialog that lists its keys.

import { pageUrl, visit } from "../core/address.js";
import { el } from "../core/dom.js";

const PAGES = { o: ["overview", "Overview"], p: ["processes", "Processes"], v: ["services", "Services"], j: ["jobs", "Jobs"], l: ["logs", "Logs"], t: ["patterns", "Patterns"], f: ["performance", "Performance"], e: ["alerts", "Alerts"], a: ["ai", "AI back ends"], s: ["settings", "Settings"] };
const STEPS = new Map([["j", 1], ["k", -1], ["b", 0]]); // lines down, up; a bookmark
const CHORD_MS = 1500;
const NEVER = -Infinity; // not 0, which was a moment ago on a page that has just been opened
const LOOK_MS = 100;
const LOOKS = 40;

/** The focused element, also when it is inside a component. */
function focused() {
  let node = document.activeElement;
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  return node;
}

const writes = (node) => Boolean(node?.matches?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable=true]"));
const acts = (node) => Boolean(node?.matches?.("button, summary, [role=button], [role=checkbox], [role=switch], [role=option], [role=combobox], input, select"));

/**
 * Go to a page and stay there. A run of the previous page (of a search typed just before) may finish after the change and bring its
 * address back. Then go once more, unless the user pressed or clicked something meanwhile.
 */
function go(url) {
  const from = location.pathname;
  const over = new AbortController();
  const stop = (event) => event.isTrusted && over.abort(); // a popstate that this app dispatches is not the back button
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

let chord = NEVER;
let pause = null;

function listen(event) {
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
    if (!document.dispatchEvent(new CustomEvent("wk-search", { cancelable: true }))) return event.preventDefault(); // a search box that is a component has taken it
    const box = document.querySelector(".st-key-q input, .st-key-search input");
    if (!box) return;
    box.focus();
    box.select();
  } else if (STEPS.has(event.key)) {
    if (document.dispatchEvent(new CustomEvent("wk-step", { cancelable: true, detail: STEPS.get(event.key) }))) return; // no list of records here
  } else if (event.key === " " && !acts(node)) pause();
  else if (event.key === "?") openHelp();
  else return;
  chord = NEVER;
  event.preventDefault();
}

/**
 * Listen to the keyboard for as long as the tab lives; `pauses` is called for the space bar. What asks for it comes and goes as the page
 * runs again: with two of it for a moment a key would act twice, with none it would be lost.
 */
export function keyboard(pauses) {
  if (pause === null) document.addEventListener("keydown", listen);
  pause = pauses;
}

let help = null;

/** Open the help dialog, from any component of the tab; nothing while the one that holds it is put in place anew. */
export const openHelp = () => help?.isConnected && help.showModal();

/** The one help dialog of the tab, for the component that holds it. */
export function helpDialog() {
  const rows = [
    ["/", "Search"],
    ["Space", "Pause or resume"],
    ...Object.entries(PAGES).map(([key, [, title]]) => [`g ${key}`, `Go to ${title}`]),
    ["← →", "Move the crosshair of a chart. With Shift: select a range, Enter opens it"],
    ["↑ ↓ Enter", "Move in a table, open the row"],
    ["j k", "Open the next, the previous record"],
    ["b", "Bookmark the open record"],
    ["Esc", "Leave the field, close the panel"],
    ["?", "Show this help"],
  ];
  const list = el("dl", {}, ...rows.flatMap(([key, what]) => [el("dt", {}, ...key.split(" ").flatMap((part, i) => (i ? [" ", el("kbd", { text: part })] : [el("kbd", { text: part })]))), el("dd", { text: what })]));
  const close = el("button", { type: "button", text: "Close" });
  const dialog = (help = el("dialog", { "aria-label": "Keyboard shortcuts" }, el("h2", { text: "Keyboard shortcuts" }), list, close));
  close.onclick = () => dialog.close();
  dialog.onclick = (event) => {
    if (event.target === dialog) dialog.close();
  };
  return dialog;
}
