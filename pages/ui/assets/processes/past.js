// The past, where the live table has no answer: all processes at a past moment, and those that have ended and match a search.

import { follow, pageUrl } from "../core/address.js";
import { get, Latest } from "../core/api.js";
import { el, setAttr, setText } from "../core/dom.js";
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
  if (resolution === "minute") return `${moment(asked)} · means of that minute, of the processes that used most; the others without readings${machine}`;
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

const AGAIN_MS = 5000;

/** What a search that no running process matches finds among those that have ended, in words. */
export const endedWords = (total) => (total ? `${plural(total, "process that has", "processes that have")} ended ${total === 1 ? "matches" : "match"}` : "None that has ended matches, either");

/** A link to the ended processes that match a search; it says how many there are once that is known (`total`, null before). */
export class EndedMatches {
  constructor(read = get) {
    this.read = read;
    this.total = null;
    this.latest = new Latest();
    this.link = follow(el("a", { class: "link" }));
  }

  /** The link for a search. The agent is asked now and then, as processes go on ending; without an answer the link says where to look. */
  of(q) {
    const now = performance.now();
    if (q === this.q && now - this.asked < AGAIN_MS) return this.link;
    this.asked = now;
    if (q === this.q) return this.#ask(q);
    this.q = q;
    this.total = null;
    setAttr(this.link, "href", pageUrl("processes", { view: "ended", lived: "0", q }));
    setText(this.link, "Search the processes that have ended");
    return this.#ask(q);
  }

  #ask(q) {
    const say = ({ total }) => {
      this.total = total;
      setText(this.link, endedWords(total));
    };
    this.latest.ask((signal) => this.read("runs", { q, limit: 1 }, { signal }), say, () => undefined);
    return this.link;
  }

  close() {
    this.latest.stop();
  }
}
