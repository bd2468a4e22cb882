// What the tables of jobs say: durations, states, and the links of a job.

import { fixed, NONE, span } from "../core/format.js";

const BEFORE_US = 1_000_000;
const AFTER_US = 3_000_000; // what a worker says about its end is written a moment later

/** A duration in seconds, as short ones need it: `2.8 ms`, `4.1 s`, `3 min`. */
export function took(seconds) {
  if (typeof seconds !== "number" || !Number.isFinite(seconds)) return NONE;
  if (seconds < 1) return `${fixed(Math.max(0, seconds) * 1000, seconds < 0.1 ? 1 : 0)} ms`;
  return seconds < 60 ? `${fixed(seconds, 1)} s` : span(seconds);
}

const STATES = { running: ["wait", "in flight"], done: ["ok", "done"], failed: ["bad", "failed"], interrupted: ["bad", "interrupted"] };

/** `[icon, words]` of a job. */
export const stateOf = (job) => (job.stuck ? ["warn", "stuck"] : job.asked ? ["off", "interrupted"] : STATES[job.state]);

/** What a job is called. */
export const nameOf = (job) => job.job || `#${job.seq}`;

/** The parameters of the Logs page that show what its process wrote while a job was at work; null when the process is unknown. */
export function recordsOf(job) {
  if (job.run === null || job.started === null) return null;
  const view = { run: job.run };
  if (job.ended === null) return { ...view, range: "1h" };
  return { ...view, range: "custom", from: job.started - BEFORE_US, to: job.ended + AFTER_US };
}

/** `[icon, words, title]` of a worker. */
export function workerState(worker) {
  if (worker.stuck) return ["warn", "stuck jobs", `longer than ${took(worker.stuck_after_s)}`];
  if (worker.living) return ["ok", worker.living > 1 ? `${worker.living} running` : "running", ""];
  const reason = worker.reason ?? "ended";
  const well = worker.asked || reason === "the worker stopped" || reason.endsWith("exit code 0");
  return [well ? "off" : "bad", well ? "ended" : "died", reason];
}
