// Why a search found nothing, in words, and a way to what it would find without a filter around it.

import { setParams } from "../core/address.js";
import { el } from "../core/dom.js";
import { moment } from "../core/format.js";

const AROUND = 300e6; // µs before and after the record that is shown
const WORDS = { range: "time range", levels: "levels", sources: "sources", process: "process" };
const SELECTED = { levels: ["levels"], sources: ["source"], process: ["process", "run"] }; // parameters of the address
const TIMES = /\b(?:since|until)[:<>=]/; // a range that stands in the query itself

/** What to do, as long as nothing is known of why. */
export const GENERAL = ["Widen the time range, include more levels, or clear the search."];

/** The parts of a sentence; `why` as `logs/nothing` has it. */
export function whyNothing(why, query) {
  if (why.unknown.length) return why.unknown.flatMap(unknown);
  if (!why.newest) return ["No stored record of any time matches: check the words, or clear the search."];
  const { without, newest } = why;
  const one = without.length === 1;
  if (one && without[0] === "process" && !query && location.pathname.endsWith("/run")) return ["It has written to no log that is read here. What others write is on the page Logs."];
  const when = moment(newest.ts);
  const says = one && without[0] === "range" ? `The newest match is of ${when}, outside the time range. ` : one ? `Other ${without[0] === "process" ? "processes" : WORDS[without[0]]} have matches, the newest of ${when}. ` : `Without ${listed(without.map((name) => WORDS[name]))} there are matches, the newest of ${when}. `;
  return without.includes("range") && TIMES.test(query) ? [says] : [says, shows(without, newest), "."];
}

function unknown({ name, nearest }) {
  return ["No record has ", el("code", { text: name }), ". ", ...(nearest.length ? ["Did you mean ", el("code", { text: nearest.join(", ") }), "? "] : [])];
}

function listed(words) {
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

function shows(without, { id, ts }) {
  const range = without.includes("range") ? { range: "custom", from: new Date((ts - AROUND) / 1000).toISOString(), to: new Date((ts + AROUND) / 1000).toISOString() } : {};
  const rest = Object.fromEntries(without.flatMap((name) => SELECTED[name] ?? []).map((name) => [name, null]));
  const button = el("button", { class: "plain link", type: "button", text: "Show it" });
  button.onclick = () => setParams({ ...range, ...rest, record: id });
  return button;
}
