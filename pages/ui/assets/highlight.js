// Where a search matches a line, for marking. The browser's engine is not RE2: patterns that could run long are left unmarked.

const LONG = 2000;
const MARKS = 40;

/** A splitter: text → `[[part, isMatch], …]`; null when there is nothing to mark. */
export function highlighter(q, regex, sensitive) {
  if (!q) return null;
  const pattern = regex ? compiled(q, sensitive) : new RegExp(q.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), sensitive ? "gu" : "giu");
  if (pattern === null) return null;
  return (text) => split(text, pattern);
}

function compiled(q, sensitive) {
  if (/\([^)]*[+*}][^)]*\)\s*[+*{]/.test(q)) return null; // nested repetition
  const inline = /^\(\?i\)/.test(q);
  try {
    return new RegExp(q.replace(/^\(\?[a-z]+\)/, ""), sensitive && !inline ? "gu" : "giu");
  } catch {
    return null;
  }
}

function split(text, pattern) {
  if (text.length > LONG) return [[text, false]];
  const parts = [];
  let end = 0;
  pattern.lastIndex = 0;
  for (let n = 0; n < MARKS; n += 1) {
    const match = pattern.exec(text);
    if (match === null) break;
    if (match[0] === "") {
      pattern.lastIndex += 1;
      continue;
    }
    if (match.index > end) parts.push([text.slice(end, match.index), false]);
    parts.push([match[0], true]);
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push([text.slice(end), false]);
  return parts;
}
