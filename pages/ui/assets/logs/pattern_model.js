// What the views of patterns compute, apart from the page: order, parts of a text, bars of a trend, rates in words.

import { count, fixed } from "../core/format.js";

const HOLE = "<*>";
export const SORTS = ["count", "new", "errors", "last"];
export const OF_NO_PATTERN = -1; // records that were stored before there were patterns

const by = {
  count: (one) => [one.count],
  new: (one) => [one.new ? 2 : one.bursting ? 1 : 0, one.errors, one.count],
  errors: (one) => [one.errors, one.count],
  last: (one) => [one.last],
};

/** The patterns with the highest first; equal ones keep their order. */
export function sorted(patterns, sort) {
  const key = by[sort] ?? by.count;
  const keyed = patterns.map((one) => [key(one), one]);
  keyed.sort(([a], [b]) => a.reduce((found, value, at) => found || b[at] - value, 0));
  return keyed.map(([, one]) => one);
}

/** The text of a pattern as `[text, isValue]` parts. */
export function parts(text) {
  const found = [];
  text.split(HOLE).forEach((part, at) => {
    if (at) found.push(["*", true]);
    if (part) found.push([part, false]);
  });
  return found;
}

/** The path of a trend as bars in a box; each that is not empty is at least a pixel tall. */
export function bars(trend, width, height) {
  const peak = Math.max(1, ...trend);
  const step = width / Math.max(1, trend.length);
  return trend
    .map((n, at) => (n ? `M${(at * step).toFixed(1)} ${height}v${(-Math.max(1, (n / peak) * height)).toFixed(1)}h${Math.max(1, step - 0.6).toFixed(1)}V${height}z` : ""))
    .join("");
}

/** The level that most records of a pattern have; of equally many the higher one. `levels` begins with the highest. */
export function commonLevel(levels) {
  const [level] = Object.entries(levels).reduce((most, one) => (one[1] > most[1] ? one : most), ["unknown", 0]);
  return level === "unknown" ? null : level;
}

/** Whether a pattern is one of errors: not one that an error has now and then. */
export const mostlyErrors = (one) => one.errors * 2 >= one.count && one.errors > 0;

/** A duration of seconds: `34 ms`, `1.2 s`. */
export function lasting(seconds) {
  if (seconds < 1e-3) return `${fixed(seconds * 1e6, 0)} µs`;
  return seconds < 1 ? `${fixed(seconds * 1e3, seconds < 0.01 ? 1 : 0)} ms` : `${fixed(seconds, 1)} s`;
}

/** Records an hour, in a number that can be read at a glance. */
export function perHour(rate) {
  if (!rate) return "0";
  return rate >= 10 ? count(rate) : fixed(rate, rate >= 1 ? 1 : 2);
}

/** How a rate changed: `3.5 ×`, `−60 %`; nothing where there was nothing before. */
export function times(ratio) {
  if (ratio === null || ratio === undefined || ratio === 0) return "";
  if (ratio < 1) return `−${fixed(100 * (1 - ratio), 0)} %`;
  return `${ratio >= 10 ? count(ratio) : fixed(ratio, 1)} ×`;
}

/** What a view of Logs is filtered by, as a query: its own, its process and its levels. */
export function queryOf(filters, levels = []) {
  const text = filters.q && !filters.regex ? `"${filters.q.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"` : "";
  const expression = filters.q && filters.regex ? `/${filters.q.replaceAll("/", "\\/")}/${filters.case ? "" : "i"}` : "";
  return all(filters.query, text, expression, filters.pid && `pid:${filters.pid}`, filters.run && `run:${filters.run}`, levels.length && `level:${levels.join(",")}`);
}

/** Queries of which all must hold, as one. */
function all(...queries) {
  const found = queries.filter(Boolean);
  return found.map((query) => (found.length > 1 && / OR /.test(query) ? `(${query})` : query)).join(" ");
}

/** The address of the records of a pattern: those of the view's filter, in its range. */
export function recordsOf(pattern, filters, range) {
  if (pattern.number === OF_NO_PATTERN) return null;
  const query = all(filters.query, filters.level && `level>=${filters.level}`, `pattern:${pattern.number}`);
  return { query, source: filters.source ?? null, ...range };
}
