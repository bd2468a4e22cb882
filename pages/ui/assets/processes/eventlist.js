// The list of events without its table: which belong to it, in which order, each once.

import { count, plural } from "../core/format.js";

export const MOST = 500;

/** Type → sign and word. */
export const SIGNS = { START: ["wait", "Started"], COMPLETE: ["ok", "Completed"], ERROR: ["bad", "Failed"], STATUS_CHANGE: ["warn", "Changed"], STOP: ["off", "Ended"], NEW_PATTERN: ["warn", "New in a log"], ALERT: ["bad", "Alert"] };

/** What tells an event from all others. */
export const keyOf = (event) => `${event.timestamp} ${event.event_type} ${event.run ?? event.pid} ${event.process_name}`;

/** From which level on a new log pattern stands among all events: most of them only say that a program is new, and would hide what failed. */
export const leastLevel = ({ types }) => (types ? null : "warn");
const GRAVE = new Set(["warn", "error", "fatal"]);

/** Whether an event passes the filters of the page, as the agent would say. */
export function matches(event, { q, types, run }) {
  if (types && !types.split(",").includes(event.event_type)) return false;
  if (!types && event.event_type === "NEW_PATTERN" && !GRAVE.has(event.details.level)) return false;
  if (run && event.run !== run) return false;
  const told = `${event.process_name} ${JSON.stringify(event.details)}`.toLowerCase();
  return !q || told.includes(q.toLowerCase());
}

/** Two lists as one, each event once, the newest first, at most `MOST`. */
export function merged(some, others) {
  const known = new Map([...others, ...some].map((event) => [keyOf(event), event]));
  return [...known.values()].sort((a, b) => b.timestamp - a.timestamp).slice(0, MOST);
}

/** The line above a list of so many: how many there are in all. `total` is null until those of the store have come; `all`: of all types. */
export function summary(shown, total, leftOut, all = false) {
  if (!shown) return "";
  if (total === null) return "Loading earlier events…";
  const more = total > shown ? ` · the newest ${count(shown)} are shown` : "";
  const lost = leftOut ? ` · ${count(leftOut)} came too fast to be recorded` : "";
  return `${plural(total, "event")}${more}${lost}${all ? " · without new log patterns below a warning" : ""}`;
}
