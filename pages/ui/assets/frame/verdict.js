// Whether the machine is fine: every problem in a sentence, the most severe first.

import { clock, count, fixed, inUnit, plural, sentence, span } from "../core/format.js";

const BUSY_PCT = 95;
const FULL = 0.95;
const STALL_PCT = 20;
const MANY_ERRORS = 10; // one a minute
const MOST = 0.5;
const FEW_FILES = 0.02;
const GIB = 2 ** 30;
const SOON_S = 3 * 86400;
const NAMED = 5; // services that have failed
const PROGRAMS = 3;
const SAID = 60; // characters of an error beside others
const TOLD = 160; // characters of an alert
// Room that a file system should have: a share of it, but no more than what fills a large one within days.
const ROOM = { bad: { share: 0.01, most: GIB }, warn: { share: 0.05, most: 50 * GIB } };
const BY_MEMORY = ["processes", { sort: "rss" }]; // who has it
const BY_WRITES = ["processes", { sort: "write_bps" }]; // who fills a disk
const FAILED = { view: "ended", outcome: "failed", lived: "0" };
const FINE = ["ok", "All good.", "All readings are in their normal range."];

/** `[level, headline, sentence, ...others]`: the most severe problem, and the others as one text each. */
export function verdict(hub) {
  const [[level, headline, text], ...others] = findings(hub);
  return [level, headline, text, ...others.map(([, headline, text]) => `${headline} ${text}`.trim())];
}

/** All that is to say, `[level, headline, sentence, page, params]` each, by weight; the level is `ok`, `warn`, `bad` or `wait`, and a page tells more. */
export function findings(hub) {
  const lost = connection(hub);
  if (lost) return [lost]; // the readings are old, so nothing is said of them
  const found = RULES.map((rule) => rule(hub)).filter(Boolean);
  const troubles = ["bad", "warn"].flatMap((level) => found.filter(([one]) => one === level));
  return troubles.length ? troubles : [fewErrors(hub) ?? fine(hub)];
}

function connection(hub) {
  const since = (at) => (at ? ` since ${new Date(at).toLocaleTimeString("en-GB")}` : "");
  switch (hub.state) {
    case "offline":
      return ["bad", "The dashboard is not reachable", `${since(hub.offlineSince)}. Showing the last readings. Reconnecting; check that Watchkeeper is running.`];
    case "away":
      if (hub.agent.coming) return ["wait", "Connecting to the agent…", `It runs or is being started again${since(hub.agent.since ? hub.agent.since / 1000 : null)}. Showing the last readings.`];
      return ["bad", "The agent is not reachable", `${since(hub.agent.since ? hub.agent.since / 1000 : null)}. Showing the last readings. Start it with “watchkeeper agent”; this page reconnects.`];
    case "silent":
      return ["warn", `No reading for ${span(hub.ageSeconds)}.`, "The sampler may be restarting. Showing the last readings."];
    case "connecting":
      return ["wait", "Connecting to the agent…", ""];
    default:
      return null;
  }
}

/** The rules in order of weight. What is severe comes before all that is not. */
const RULES = [storeFails, alertsFire, diskFull, diskFills, noMoreFiles, memoryFull, memoryStalls, recordsWait, servicesFailed, programsFailed, jobsStuck, gpuHangs, gpuLost, fatalRecords, diskStalls, manyErrors, samplesMissing, cpuBusy];

function storeFails({ status }) {
  const store = status?.store;
  if (!store || store.state === "ok") return null;
  return ["bad", store.state === "full" ? "The store is full." : "The store cannot be written.", sentence(store.message) || "New readings are not saved."];
}

/** Alerts that fire and that nobody took note of: how many, the newest, and the page that has them all. */
function alertsFire({ status }) {
  const [first, ...more] = status?.alerts ?? [];
  if (!first) return null;
  const said = first.message.length > TOLD ? `${first.message.slice(0, TOLD)}…` : first.message;
  const told = says(said, first.rule) ? said : `${first.rule}: ${said}`;
  return ["bad", more.length ? `${count(more.length + 1)} alerts:` : "Alert:", more.length ? `${told}; and ${count(more.length)} more.` : `${told}.`, "alerts"];
}

/** Whether a text has all words of a name, so that the name would say them twice: “service failed” and “service importer: failed 5 times”. */
function says(text, name) {
  const words = (one) => one.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  const said = new Set(words(text));
  return words(name).every((word) => said.has(word));
}

/** Services that have failed and that nobody has started since; what a firing alert says is not said twice. */
function servicesFailed({ status }) {
  const told = (status?.alerts ?? []).map((one) => one.message);
  const failed = (status?.services_failed ?? []).filter((name) => !told.some((text) => text.startsWith(`service ${name}:`)));
  if (!failed.length) return null;
  const more = failed.length > NAMED ? ` and ${count(failed.length - NAMED)} more` : status.service_said ? `: ${status.service_said.replace(/\.$/, "")}` : "";
  return ["warn", failed.length > 1 ? "Services have failed:" : "A service has failed:", `${failed.slice(0, NAMED).join(", ")}${more}.`, "services"];
}

function diskFull({ status }) {
  const short = (level) => (status?.space ?? []).filter((one) => lacksRoom(one, ROOM[level]));
  const full = short("bad");
  const found = full.length ? full : short("warn");
  if (!found.length) return null;
  const sorted = found.sort((a, b) => a.free - b.free);
  const said = sorted.map((one) => `${one.mount} has ${inUnit(one.free, "bytes")} of ${inUnit(one.total, "bytes")} left`);
  return [full.length ? "bad" : "warn", full.length ? "No space left on a disk:" : "A disk is nearly full:", `${said.join(", ")}.`, ...BY_WRITES];
}

function diskFills({ status }) {
  const soon = (status?.filling ?? []).filter((one) => one.full_in_s < SOON_S);
  return soon.length ? ["warn", soon.length > 1 ? "Disks fill up:" : "A disk fills up:", `${soon.map((one) => one.told).join("; ")}.`, ...BY_WRITES] : null;
}

/** All is well; a disk that fills within a month is told all the same. */
function fine({ status }) {
  const [level, headline, text] = FINE;
  return [level, headline, [text, ...(status?.filling ?? []).map((one) => `${one.told}.`)].join(" ")];
}

function lacksRoom({ total, free, read_only: fixedSize }, { share, most }) {
  return !fixedSize && total > 0 && free < Math.min(total * share, most);
}

/** A file system can have room and still take no new file. One that sets no limit says 0. */
function noMoreFiles({ status }) {
  const found = (status?.space ?? []).filter((one) => !one.read_only && one.files > 0 && one.files_free < one.files * FEW_FILES);
  if (!found.length) return null;
  const said = found.map((one) => `${one.mount} can take ${count(one.files_free)} of ${count(one.files)}`);
  const none = found.some((one) => one.files_free === 0);
  return [none ? "bad" : "warn", none ? "A file system takes no new files:" : "A file system is running out of files:", `${said.join(", ")}.`];
}

/** Who has most of what is short. */
function most({ status }, kind) {
  const one = status?.most?.[kind];
  if (!one) return "";
  const title = one.title.length > SAID ? `${one.title.slice(0, SAID)}…` : one.title;
  return { cpu: ` Busiest now: ${title}.`, mem: ` ${title} has most, ${inUnit(one.value, "bytes")}.`, disk: ` ${title} writes most.` }[kind];
}

function memoryFull(hub) {
  const { tick } = hub;
  const { mem_used: used, mem_total: total } = tick?.host ?? {};
  if (!total || (used ?? 0) / total <= FULL) return null;
  return ["bad", "Memory is nearly full:", `${inUnit(used, "bytes")} of ${inUnit(total, "bytes")}.${most(hub, "mem")}`, ...BY_MEMORY];
}

function memoryStalls(hub) {
  const stalled = hub.tick?.host?.psi_mem_full ?? 0;
  return stalled > STALL_PCT ? ["bad", "Memory pressure:", `all tasks wait for memory ${fixed(stalled, 0)} % of the time.${most(hub, "mem")}`, ...BY_MEMORY] : null;
}

function recordsWait({ status }) {
  const waiting = status?.logs?.waiting;
  return waiting ? ["bad", "Log records are waiting to be stored.", sentence(waiting)] : null;
}

function gpuHangs({ tick }) {
  const { gpu_state: state, gpu_message: message } = tick ?? {};
  return state === "stale" || state === "error" ? ["warn", "The GPUs cannot be read:", message ?? ""] : null;
}

function gpuLost({ tick }) {
  const lost = (tick?.gpus ?? []).filter((gpu) => gpu.error);
  if (!lost.length) return null;
  return ["warn", lost.length > 1 ? "GPUs cannot be read:" : "A GPU cannot be read:", lost.map((gpu) => `GPU ${gpu.index}: ${sentence(gpu.error)}`).join(" ")];
}

/** Programs that crashed or were killed: one with its time and how it ended, several by their names. */
function programsFailed({ status }) {
  const [first, ...more] = status?.programs_failed ?? [];
  if (!first) return null;
  if (!more.length) {
    const when = first.times > 1 ? `${count(first.times)} times in 10 minutes, last at` : "at";
    return ["warn", "A program failed:", `${first.name}, ${when} ${clock(first.ts)}: ${first.said ? `${first.said} (${first.message})` : first.message}.`, ...(first.run ? ["run", { run: first.run }] : ["processes", FAILED])];
  }
  const named = [first, ...more].slice(0, PROGRAMS).map(({ name, times, said }) => {
    const often = times > 1 ? `${count(times)} times` : "";
    const notes = [often, said?.length > SAID ? `${said.slice(0, SAID)}…` : said].filter(Boolean).join(": ");
    return notes ? `${name} (${notes})` : name;
  });
  const others = more.length + 1 - named.length;
  return ["warn", "Programs failed:", `${named.join(", ")}${others ? ` and ${count(others)} more` : ""}, in 10 minutes.`, "processes", FAILED];
}

/** Jobs that take much longer than such jobs do */
function jobsStuck({ status }) {
  const [first, ...more] = status?.jobs_stuck ?? [];
  if (!first) return null;
  if (!more.length) return ["warn", "A job is stuck:", `${first.worker}, ${first.job || `job ${first.seq}`}, for ${span(first.seconds)}.`, "jobs", { view: "running", of: first.worker_run, job: first.seq }];
  const workers = [...new Set([first, ...more].map((one) => one.worker))];
  const whose = workers.length > PROGRAMS ? `${workers.slice(0, PROGRAMS).join(", ")} and ${count(workers.length - PROGRAMS)} more` : workers.join(", ");
  return ["warn", "Jobs are stuck:", `${count(more.length + 1)} of ${whose}, the longest for ${span(first.seconds)}.`, "jobs", { view: "running" }];
}

/** Fatal records, and whose they are. */
function fatalRecords({ status }) {
  const { fatal_10_min: fatal = 0, fatal_sources: sources } = status?.errors ?? {};
  if (!fatal) return null;
  const [headline, text] = fatal > 1 ? ["Fatal errors are being logged:", `${count(fatal)} in 10 minutes${whose(fatal, sources)}.`] : ["A fatal error was logged:", `by ${sources?.[0]?.source ?? "a program"}, less than 10 minutes ago.`];
  return ["warn", headline, text, "logs", { levels: "fatal" }];
}

function diskStalls(hub) {
  const stalled = hub.tick?.host?.psi_io_full ?? 0;
  return stalled > STALL_PCT ? ["warn", "Disk pressure:", `all tasks wait for the disk ${fixed(stalled, 0)} % of the time.${most(hub, "disk")}`, ...BY_WRITES] : null;
}

function manyErrors({ status }) {
  const errors = status?.errors?.last_10_min ?? 0;
  return errors > MANY_ERRORS ? ["warn", "Errors are being logged:", `${count(errors)} in 10 minutes${whose(errors, status.errors.sources)}.`, "logs", { levels: "fatal,error" }] : null;
}

/** Who logs them, where one does most of it. */
function whose(errors, sources) {
  const [first] = sources ?? [];
  if (!first || first.count < errors * MOST) return "";
  return first.count >= errors ? `, all from ${first.source}` : `, ${count(first.count)} of them from ${first.source}`;
}

function samplesMissing({ tick }) {
  const { received = 0, expected = 0, missed = 0 } = tick?.samples ?? {};
  return expected > 60 && missed / expected > 0.05 ? ["warn", "Samples are missing:", `${received} of ${expected} received.`] : null;
}

function cpuBusy(hub) {
  const { ring } = hub;
  const busy = ring.mean("cpu_pct", ring.last - 60e6, ring.last + 1);
  return busy !== null && busy > BUSY_PCT ? ["warn", "High CPU usage:", `${fixed(busy, 0)} % over the last minute.${most(hub, "cpu")}`, "processes"] : null;
}

function fewErrors({ status }) {
  const errors = status?.errors?.last_10_min ?? 0;
  return errors > 0 ? ["ok", "All good.", `${plural(errors, "error")} logged in the last 10 minutes.`] : null;
}
