// One row of the list of records, and what stands in place of rows where there are none.

import { el, inert, setAttr, setText } from "../core/dom.js";
import { clock, day, sentence } from "../core/format.js";
import { causeIn } from "./cause.js";
import { colouredParts } from "./colours.js";
import { LONGEST, noteOf } from "./lines.js";
import { pairsOf } from "./pairs.js";

const LATE = "Arrived late: its time is before that of the record before it. It is in its place when the page is loaded again.";
const FIXED = { source: ["Source", "minmax(0, 16ch)"], logger: ["Logger", "minmax(0, 16ch)"], pid: ["PID", "8ch"] };

/** Date and time of day as the list shows them. */
export const dayOf = (us, utc) => (utc ? new Date(us / 1000).toISOString().slice(0, 10) : day(us));
const clockOf = (us, utc) => (utc ? new Date(us / 1000).toISOString().slice(11, 23) : clock(us, 3));

/** The title of a column, and its width in the grid. */
export const titleOf = (name) => FIXED[name]?.[0] ?? name;
export const widthOf = (name) => FIXED[name]?.[1] ?? `minmax(0, ${Math.max(10, Math.min(20, name.length + 2))}ch)`;

/** How wide a character of the list is, in px. */
export function widthOfOne(body) {
  const probe = el("span", { text: "0".repeat(100), style: "position:absolute;visibility:hidden;white-space:pre" });
  body.append(probe);
  const { width } = probe.getBoundingClientRect();
  probe.remove();
  return width / 100;
}

const valueOf = (record, name) => (name in FIXED ? record[name] : record.columns?.[name]) ?? "";

/** A row with these columns. */
export function row(columns) {
  const view = { when: el("span", { class: "dim when" }), level: el("span"), message: el("span", { class: "text message painted" }) };
  view.columns = columns.map((name) => [name, el("span", { class: `text col ${name === "source" ? "source muted" : "dim"}` })]);
  view.node = el("div", { class: "log-row" }, view.when, view.level, ...view.columns.map(([, node]) => node), view.message);
  return view;
}

/** What a narrow page leaves out. */
const wide = (text) => el("span", { class: "wide", text });

/** Show a record. `look`: `{top, height, on, dated, utc, starred, marks}`; `height` is null for one line. */
export function fill(view, record, look) {
  view.node.hidden = record === undefined;
  if (record === undefined) return;
  const { top, height, on, dated, utc, starred, marks } = look;
  view.node.style.transform = `translateY(${top}px)`;
  view.node.style.height = height === null ? "" : `${height}px`;
  setAttr(view.node, "class", `log-row${on ? " on" : ""}${dated ? " dated" : ""}${record.gap ? " gap" : ""}${starred ? " starred" : ""}`);
  if (view.record === record && view.marks === marks && view.dated === dated && view.utc === utc) return;
  Object.assign(view, { record, marks, dated, utc });
  const time = record.gap ? "" : clockOf(record.ts, utc);
  const late = record.late ? "↑" : "";
  if (time && dated) {
    const date = dayOf(record.ts, utc);
    view.when.replaceChildren(wide(date.slice(0, 5)), `${date.slice(5)} ${time.slice(0, 5)}`, wide(time.slice(5)), late);
  } else setText(view.when, time + late);
  setAttr(view.when, "title", record.late ? LATE : null);
  const level = record.level ?? (record.gap ? "" : "–");
  setText(view.level, level.toUpperCase());
  setAttr(view.level, "class", `lv ${record.level ?? "unknown"}`);
  for (const [name, node] of view.columns) setText(node, inert(String(valueOf(record, name)), 80));
  message(view.message, record, marks);
}

function message(node, record, marks) {
  const [exception, head] = record.gap ? ["", record.gap] : causeIn(record);
  const marked = (words) => {
    const text = inert(words, LONGEST);
    return (marks ? marks(text) : [[text, false]]).map(([part, match]) => (match ? el("mark", { text: part }) : part));
  };
  const shown = record.coloured && !record.gap && !exception && !marks ? inColours(record.coloured) : marked(head);
  node.replaceChildren(...(exception ? [el("b", {}, ...marked(exception)), " · "] : []), ...shown);
  const pairs = pairsOf(record);
  if (pairs) node.append(el("span", { class: "pairs", text: inert(pairs, LONGEST) }));
  if (record.lines > 1) node.append(el("span", { class: "more", text: noteOf(record) }));
}

/** A line as a terminal would show it, in colours of our own. What a search found is marked instead, and an exception comes first. */
function inColours(line) {
  return colouredParts(line.slice(0, 2 * LONGEST)).map(([part, look]) => (look ? el("span", { class: look, text: inert(part, LONGEST) }) : inert(part, LONGEST)));
}

/** Whether a query was refused because it is wrong in itself: asking again does not help. */
export const wrong = (trouble) => trouble?.status === 400;

/** What stands in place of rows while they are loaded, after trouble, or where there are none; `why` says what keeps a filter from finding anything,
 * `discover` whether files are found by those that write them.
 */
export function instead(loading, trouble, { filtered, live, discover }, why) {
  if (loading) return el("div", { class: "empty", text: "Loading…" });
  if (trouble) return el("div", { class: "trouble", role: "alert" }, `Records could not be loaded. ${sentence(trouble.message)} ${sentence(trouble.hint)}${wrong(trouble) ? "" : " Retrying."}`);
  if (filtered) return el("div", { class: "empty" }, el("b", { text: "No matching records." }), ...why, live ? " New matches appear as they are written." : "");
  const followed = discover ? ["Watchkeeper follows every regular file that your processes write to. Add more files in "] : ["Only chosen files are followed: ", el("code", { text: "logs.discover" }), " is off. Switch it on, or add files in "];
  return el("div", { class: "empty" }, el("b", { text: "No log records yet." }), ...followed, el("code", { text: "Settings → logs.globs" }), ", or import old files with ", el("code", { text: "watchkeeper logs ingest FILE…" }), ".");
}
