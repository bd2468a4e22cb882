// The text of a log query: its terms, how a term is added, and what may follow where one writes. The agent reads the language
// (docs/queries.md); this only writes it.

export const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "unknown"];
const TIMES = ["15m", "2h", "7d", "today", "yesterday", "yesterday 14:00", "09:10"];
const NAMES = [
  ["level", ":", "level:error, level>=warn"],
  ["source", ":", "part of the name, * allowed"],
  ["run", ":", "process by name, PID or run"],
  ["since", ":", "2h, yesterday, 09:10"],
  ["until", ":", "before a time"],
  ["logger", ":", "part of the name"],
  ["pid", ":", "process ID"],
  ["pattern", ":", "records of a pattern"],
  ["lines", ">", "records of several lines"],
  ["raw", ":", "text in the original line"],
  ["format", ":", "log format"],
];
const RESERVED = new Set([...NAMES.map(([name]) => name), "line", "message", "msg"]);
const BARE = /^[\p{L}_][\p{L}\p{N}_.-]*$/u;
const SHOWN = 8;
const WORDS = 80;

/** The value as a term of a query needs it. */
export const quoted = (text) => (BARE.test(text) && !["AND", "OR", "NOT"].includes(text) ? text : `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`);

/** The term that finds this value of a field of a record; null when it has none. */
export function fieldTerm(name, value) {
  if (!/^[A-Za-z_@](?:[\w.@/-]*\w)?$/.test(name) || value === null || value === undefined || typeof value === "object") return null;
  const text = String(value);
  return `${RESERVED.has(name) ? `fields.${name}` : name}=${typeof value === "string" ? quoted(text) : text}`;
}

/** A query that finds records like this one: of its source, with the longest part of its first line that has no number in it. */
export function queryAlike({ source, level, message }) {
  const parts = (message ?? "").split("\n", 1)[0].split(/\S*\d\S*/).map((part) => part.trim().slice(0, WORDS));
  const words = parts.reduce((longest, part) => (part.length > longest.length ? part : longest), "");
  const least = { warn: "level>=warn", error: "level>=error", fatal: "level>=error" }[level];
  return [least, source && `source=${quoted(source)}`, words && `"${words.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`].filter(Boolean).join(" ");
}

/** The query with one more term that must hold (`out`: must not hold). The opposite of a term takes its place. */
export function withTerm(query, term, { out = false } = {}) {
  const added = out ? `-${term}` : term;
  const there = terms(query);
  const texts = there.map((one) => one.text);
  if (texts.includes(added)) return query;
  const opposite = there.find((one) => one.text === (out ? term : `-${term}`));
  if (opposite) return query.slice(0, opposite.start) + added + query.slice(opposite.end);
  const rest = query.trim();
  if (!rest) return added;
  return `${texts.includes("OR") ? `(${rest})` : rest} ${added}`;
}

/** The terms outside brackets, with their places; a bracketed part is one term. */
export function terms(query) {
  const found = [];
  let start = -1;
  let depth = 0;
  let inside = false;
  for (let at = 0; at <= query.length; at += 1) {
    const char = query[at];
    if (inside) {
      if (char === "\\") at += 1;
      else if (char === '"') inside = false;
      if (char !== undefined) continue;
    }
    if (char === undefined || (/\s/.test(char) && depth === 0)) {
      if (start >= 0) found.push({ start, end: Math.min(at, query.length), text: query.slice(start, at) });
      start = -1;
      continue;
    }
    if (start < 0) start = at;
    if (char === '"' && (at === start || /[=:<>(\s-]/.test(query[at - 1]))) inside = true;
    else if (char === "(") depth += 1;
    else if (char === ")") depth = Math.max(0, depth - 1);
  }
  return found;
}

/** What one is writing: the part of the query before the caret that has no space or bracket outside quotes. */
function writing(query, caret) {
  let start = 0;
  let inside = false;
  for (let at = 0; at < caret; at += 1) {
    if (query[at] === "\\" && inside) at += 1;
    else if (query[at] === '"') inside = !inside;
    else if (!inside && /[\s(]/.test(query[at])) start = at + 1;
  }
  return { start, text: query.slice(start, caret) };
}

/**
 * What may stand where one writes: `[{text, label, detail, from}]`, where `text` takes the place of what stands between `from` and
 * the caret. `known`: `{sources: [], fields: [{name, values}]}`.
 */
export function suggestions(query, caret, known) {
  const { start, text } = writing(query, caret);
  const from = start + (text.startsWith("-") ? 1 : 0);
  const part = query.slice(from, caret);
  const split = /^([A-Za-z_@][\w.@/-]*?)(>=|<=|!=|[:=<>])(.*)$/s.exec(part);
  if (split) return ofValues(split[1], split[3].replace(/^"/, ""), from + split[1].length + split[2].length, known);
  if (/["/]/.test(part)) return [];
  const small = part.toLowerCase();
  const own = NAMES.filter(([name]) => name.startsWith(small)).map(([name, sign, detail]) => ({ text: name + sign, label: name + sign, detail, from }));
  const fields = known.fields.filter(({ name }) => name.toLowerCase().startsWith(small)).map(({ name, values }) => ({ text: `${name}=`, label: `${name}=`, detail: values.slice(0, 3).join(", "), from }));
  return [...own, ...fields].slice(0, part ? SHOWN : 6);
}

function ofValues(name, begun, from, known) {
  const small = begun.toLowerCase();
  const values = { level: LEVELS, since: TIMES, until: TIMES, source: known.sources }[name] ?? known.fields.find((field) => field.name === name)?.values ?? [];
  const begins = values.filter((value) => value.toLowerCase().startsWith(small));
  const holds = name === "source" ? values.filter((value) => !begins.includes(value) && value.toLowerCase().includes(small)) : [];
  return [...begins, ...holds]
    .filter((value) => value !== begun)
    .slice(0, SHOWN)
    .map((value) => ({ text: `${/^[\w./*-]+$/.test(value) ? value : quoted(value)} `, label: value, detail: "", from }));
}
