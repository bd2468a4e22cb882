// Formats numbers and times: fixed units, tabular figures, never "NaN". A value that is not available is "–".

/** The sign of an end: red for a failure, none where somebody asked for it, or nobody knows. */
export const endSign = ({ failed, asked }) => (failed === null || asked ? "off" : failed ? "bad" : "ok");

export const NONE = "–";
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const DECIMAL = ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"];

const known = (value) => typeof value === "number" && Number.isFinite(value);

function scaled(value, step, units, from = 0) {
  let size = Math.abs(value);
  let at = from;
  for (let i = 0; i < from; i += 1) size /= step;
  while (size >= step * 0.9995 && at < units.length - 1) {
    size /= step;
    at += 1;
  }
  const digits = at === 0 || size >= 99.95 ? 0 : 1;
  return [(value < 0 ? "−" : "") + size.toFixed(digits), units[at]];
}

/** `[number, unit]` of a size in bytes (powers of 1024). */
export const bytesParts = (value) => (known(value) ? scaled(value, 1024, BINARY) : [NONE, ""]);
/** `[number, unit]` of a rate in bytes per second (powers of 1000), never below kB/s so that the unit does not flicker. */
export const rateParts = (value) => (known(value) ? scaled(value, 1000, DECIMAL, 1) : [NONE, ""]);
/** How fast a size grows, bytes a minute: `+1.2 MiB/min`. */
export const growth = (value) => (!known(value) ? NONE : value === 0 ? "0" : `${value > 0 ? "+" : ""}${bytesParts(value).join(" ")}/min`);
export const bytes = (value) => bytesParts(value).join(" ").trim();
export const rate = (value) => rateParts(value).join(" ").trim();
export const fixed = (value, digits = 1) => (known(value) ? value.toFixed(digits) : NONE);
export const percent = (value, digits = 1) => (known(value) ? `${value.toFixed(value >= 99.95 ? 0 : digits)} %` : NONE);
const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
export const count = (value) => (known(value) ? grouped.format(value) : NONE);
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** A value in the unit of a chart or card. */
export function inUnit(value, unit) {
  if (!known(value)) return NONE;
  if (unit === "bytes") return bytes(value);
  if (unit === "rate") return rate(value);
  if (unit === "%") return percent(value);
  if (unit === "count") return count(value);
  if (unit === "") return fixed(value, 2);
  return `${fixed(value, value >= 100 ? 0 : 1)} ${unit}`;
}

/** A duration in at most two units: `3 h 12`. `seconds` may be null. */
export function span(seconds) {
  if (!known(seconds)) return NONE;
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")}`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

/** How wide a bar over time is, in µs: `40 ms`, from a second on as a duration. */
export const barWidth = (us) => (us < 1e6 ? `${count(us / 1000)} ms` : span(us / 1e6));

/** CPU time: `12.3 s`, from a minute on as a duration. */
export const cpuTime = (seconds) => (!known(seconds) ? NONE : seconds < 60 ? `${seconds.toFixed(1)} s` : span(seconds));

const pad = (n, width = 2) => String(n).padStart(width, "0");

/** Local time of day of a time in µs: `14:02:11`, with `digits` of the fraction of a second. */
export function clock(us, digits = 0) {
  if (!known(us)) return NONE;
  const at = new Date(us / 1000);
  const text = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
  return digits ? `${text}.${pad(at.getMilliseconds(), 3).slice(0, digits)}` : text;
}

/** Local date of a time in µs: `2026-11-23`. */
export function day(us) {
  const at = new Date(us / 1000);
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
}

/** Date and time of day; without the date when it is today. */
export function moment(us, digits = 0) {
  if (!known(us)) return NONE;
  const date = day(us);
  return date === day(Date.now() * 1000) ? clock(us, digits) : `${date} ${clock(us, digits)}`;
}

/** Full time in UTC, for tooltips and copies. */
export const iso = (us) => (known(us) ? new Date(us / 1000).toISOString() : NONE);

/** The text of an error as a sentence: capitalised, with a full stop, without backticks. */
export function sentence(text) {
  const words = (text ?? "").trim().replaceAll("`", "");
  return words && `${words[0].toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? "" : "."}`;
}
