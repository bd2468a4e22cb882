// All processes at a past moment, from the store, in the shape of the live set.

import { get } from "../core/api.js";
import { clock, day, moment, percent, plural, bytes } from "../core/format.js";

/** `{runs: Map, size, ts, answer}` of the moment `at`, µs. */
export async function past(at, { signal, read = get } = {}) {
  const answer = await read("processes/at", { at }, { signal });
  const runs = new Map(answer.processes.map((one) => [one.run, one]));
  return { runs, size: runs.size, ts: answer.ts ?? answer.asked, answer };
}

/** What is known of the moment, in words: of when the readings are, how fine they are, and what the machine did. */
export function told({ asked, ts, resolution, gap, host }) {
  if (resolution === "none") return "";
  const machine = host ? ` · ${readings(host)}` : "";
  if (resolution === "lives") return `${moment(asked)} · no sample is stored for this time: the processes that lived then, without readings${machine}`;
  const missing = gap ? ` · no sample was taken at ${clock(asked)}` : "";
  return `${moment(ts)}${missing}${machine}`;
}

function readings({ width_us: width, readings: r }) {
  const parts = [`CPU ${percent(r.cpu_pct)}`, `memory ${bytes(r.mem_used)} of ${bytes(r.mem_total)}`];
  const mean = { 60000000: " (mean of the minute)", 3600000000: " (mean of the hour)" }[width] ?? "";
  return parts.join(" · ") + mean;
}

/** Why nothing is shown, in `[what, remedy]`; null when something is. */
export function unknown({ asked, resolution }) {
  if (resolution !== "none") return null;
  return [`Nothing is known of ${day(asked)} ${clock(asked)}.`, "Watchkeeper did not run then, or the data is older than what is kept."];
}

/** The number of processes, and what is known. */
export const headline = (set) => (set.size ? `${plural(set.size, "process", "processes")} · ${told(set.answer)}` : "");
