// Finds the matches of a search in a line, to mark them.

import { linear } from "../core/linear.js";

const LONG = 2000;
const MARKS = 40;

/** A function that splits text into `[[part, isMatch], …]`, or null when there is nothing to mark. */
export function highlighter(q, regex, sensitive) {
  if (!q) return null;
  const pattern = compiled(regex ? q : q.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), sensitive);
  if (pattern === null) return null;
  return (text) => split(text, pattern);
}

/** A function that splits text at all of the searches `[{text, regex, case}]`, or null when there is none. */
export function highlighterOf(marks) {
  const each = marks.map(({ text, regex, case: sensitive }) => highlighter(text, regex, sensitive)).filter(Boolean);
  if (!each.length) return null;
  return (text) => each.reduce((parts, split) => parts.flatMap(([part, match]) => (match ? [[part, match]] : split(part))), [[text, false]]);
}

/** The store searches with RE2, which knows a little more than the browser: what is unknown here is not marked. */
function compiled(q, sensitive) {
  const inline = /^\(\?i\)/.test(q);
  try {
    return linear(q.replace(/^\(\?[a-z]+\)/, ""), sensitive && !inline ? "u" : "iu");
  } catch {
    return null;
  }
}

function split(text, pattern) {
  if (text.length > LONG) return [[text, false]];
  const parts = [];
  let end = 0;
  for (const [from, to] of matches(text, pattern)) {
    if (from > end) parts.push([text.slice(end, from), false]);
    parts.push([text.slice(from, to), true]);
    end = to;
  }
  if (end < text.length) parts.push([text.slice(end), false]);
  return parts;
}

function matches(text, pattern) {
  const found = [];
  try {
    for (let at = 0; found.length < MARKS && at <= text.length; ) {
      const match = pattern.find(text, at);
      if (match === null) break;
      if (match[1] > match[0]) found.push(match);
      at = Math.max(match[1], match[0] + 1);
    }
  } catch {
    // a pattern that takes too long is not marked further
  }
  return found;
}
