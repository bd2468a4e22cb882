// What happened in a range of time, as rows over its axis and as one list. Pure functions over the agent's answer (`Activity`).

import { count, plural } from "../core/format.js";
import { nameOf, stateOf, took } from "../jobs/model.js";
import { SIGNS } from "../processes/eventlist.js";

const MOST_ROWS = 3; // of jobs at the same time
const BAD = ["error", "fatal"];

/** Jobs as `[{job, from, to, row}]`: those that overlap stand in rows below each other, in at most three. `now` ends those in flight. */
export function jobBars(jobs, now) {
  const ends = [];
  const spans = jobs.map((job) => ({ job, from: job.started ?? job.ended ?? now, to: job.ended ?? now }));
  for (const span of spans.sort((a, b) => a.from - b.from)) {
    const free = ends.findIndex((end) => end <= span.from);
    span.row = free >= 0 ? free : Math.min(ends.length, MOST_ROWS - 1);
    ends[span.row] = Math.max(ends[span.row] ?? 0, span.to);
  }
  return spans;
}

/** `[{at, total, bad, levels: {name: n}}]` of the buckets that have records. */
export function recordBars({ ts, levels }) {
  return ts.map((at, i) => {
    const counts = Object.fromEntries(Object.entries(levels).map(([name, values]) => [name, values[i]]).filter(([, n]) => n > 0));
    const total = Object.values(counts).reduce((a, b) => a + b, 0);
    return { at, total, bad: BAD.reduce((sum, name) => sum + (counts[name] ?? 0), 0), levels: counts };
  }).filter(({ total }) => total > 0);
}

/** What stands at the row of a kind; where there are more than were told, how many are drawn. */
export function laneName(activity, name) {
  const total = name === "records" ? activity.records.histogram.total : activity[name].total;
  const drawn = name === "records" ? total : activity[name][name].length;
  return drawn < total ? `${name}: the newest ${count(drawn)} of ${count(total)}` : total ? name : `no ${name}`;
}

/** Whether all that happened at a moment is drawn: of each kind the newest are. */
export function isDrawn({ events, jobs, actions }, ts) {
  const oldest = (all, when) => (all.length ? Math.min(...all.map(when)) : Infinity);
  return [[events, events.events, (event) => event.timestamp], [jobs, jobs.jobs, (job) => job.ended ?? job.started], [actions, actions.actions, (action) => action.ts]]
    .every(([{ total }, all, when]) => all.length >= total || ts >= oldest(all, when));
}

/** The sign of an action: done, or not. */
const signOf = (action) => (action.outcome === "done" ? "ok" : "warn");

/** Marks of events and actions: `[{at, sign, text}]`. */
export const eventMarks = (events) => events.map((event) => ({ at: event.timestamp, sign: SIGNS[event.event_type]?.[0] ?? "off", text: SIGNS[event.event_type]?.[1] ?? event.event_type }));
export const actionMarks = (actions) => actions.map((action) => ({ at: action.ts, sign: signOf(action), text: action.action }));

/** All of it in one list, the newest first: `{at, kind, sign, what, text, page, params}`. */
export function entries({ events: { events }, jobs: { jobs }, actions: { actions } }) {
  const told = [
    ...events.map((event) => {
      const [sign, word] = SIGNS[event.event_type] ?? ["off", event.event_type];
      return { at: event.timestamp, kind: "Event", sign, what: word, text: event.details.message ?? "", page: null, params: null };
    }),
    ...jobs.map((job) => {
      const [sign, word] = stateOf(job);
      const text = [job.job || `#${job.seq}`, took(job.seconds), (job.error ?? "").split("\n", 1)[0]].filter(Boolean).join(" · ");
      return { at: job.ended ?? job.started, kind: "Job", sign, what: word, text, page: "jobs", params: { of: job.worker_run, job: job.seq } };
    }),
    ...actions.map((action) => ({ at: action.ts, kind: "Action", sign: signOf(action), what: action.action, text: [action.outcome === "done" ? "" : action.outcome, action.actor ? `by ${action.actor}` : ""].filter(Boolean).join(" · "), page: null, params: null })),
  ];
  return told.sort((a, b) => b.at - a.at);
}

/** How much there is, in words. */
export function totals({ records: { histogram }, events, jobs, actions }) {
  const bad = BAD.reduce((sum, name) => sum + (histogram.levels[name] ?? []).reduce((a, b) => a + b, 0), 0);
  const errors = bad ? ` (${plural(bad, "error")})` : "";
  return [plural(histogram.total, "record") + errors, plural(events.total, "event"), plural(jobs.total, "job"), plural(actions.total, "action")];
}

/** What there is within `reach` of a moment, in words; empty where nothing is. */
export function told(activity, ts, reach, now) {
  const { bucket_us: width } = activity.records.histogram;
  const records = recordBars(activity.records.histogram).find(({ at }) => at <= ts && ts < at + width);
  const near = (at) => Math.abs(at - ts) <= reach;
  const words = [
    records ? plural(records.total, "record") + (records.bad ? ` (${plural(records.bad, "error")})` : "") : "",
    ...activity.events.events.filter((event) => near(event.timestamp)).map((event) => `${SIGNS[event.event_type]?.[1] ?? event.event_type}: ${event.details.message ?? ""}`),
    ...jobBars(activity.jobs.jobs, now).filter(({ from, to }) => from - reach <= ts && ts <= to + reach).map(({ job }) => `job ${nameOf(job)} ${stateOf(job)[1]}`),
    ...activity.actions.actions.filter((action) => near(action.ts)).map((action) => action.action),
  ];
  return words.filter(Boolean);
}
