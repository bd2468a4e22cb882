// What the fields of a structured record say beside its message: the row of a JSON log would say "job done" a hundred times else.

const LONGEST = 120; // characters of a value
const MOST = 400; // of all

const known = new WeakMap();

/** ` name=value` of each field, as a query has them; what the message says itself, and texts of several lines, are left out. */
export function pairsOf(record) {
  if (!record.fields) return "";
  let found = known.get(record);
  if (found === undefined) {
    const parts = [];
    collect(record.fields, "", record.message, parts);
    known.set(record, (found = parts.join("").slice(0, MOST)));
  }
  return found;
}

function collect(fields, within, message, parts) {
  for (const [name, value] of Object.entries(fields)) {
    if (value === null || value === "") continue;
    if (typeof value === "object" && !Array.isArray(value)) {
      collect(value, `${within}${name}.`, message, parts);
      continue;
    }
    const text = typeof value === "string" ? value : JSON.stringify(value);
    if (text.includes("\n") || message.includes(text)) continue;
    const short = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
    parts.push(` ${within}${name}=${typeof value === "string" && /[\s"=]/.test(text) ? JSON.stringify(short) : short}`);
  }
}
