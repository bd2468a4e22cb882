// The arithmetic of a chart: the top of its axis, the marks of its time axis, the reading nearest to a time.

import { clock, moment } from "../core/format.js";

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800];
const DAY_S = 86_400;
const MARK_PX = 66; // the least distance between two marks

/** A round number not below `value`, for the top of an axis; sizes round in powers of two. */
export function nice(value, unit) {
  if (!(value > 0)) return 1;
  const base = unit === "bytes" ? 1024 ** Math.floor(Math.log(value) / Math.log(1024)) : 1;
  const scaled = value / base;
  if (base > 1 || unit === "bytes") return 2 ** Math.ceil(Math.log2(scaled) - 1e-6) * base; // halves are whole, too
  const power = 10 ** Math.floor(Math.log10(scaled));
  const step = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((n) => n * power >= scaled * 0.9999) ?? 10;
  return step * power * base;
}

/** Marks of a time axis, `[[ts, text], …]`, at round local times: seconds where marks are close together, dates over days. */
export function timeMarks([from, to], width) {
  const seconds = (to - from) / 1e6;
  const most = Math.max(2, width / MARK_PX);
  const step = (STEPS_S.find((one) => seconds / one <= most) ?? DAY_S * Math.ceil(seconds / most / DAY_S)) * 1e6;
  const offset = new Date(from / 1000).getTimezoneOffset() * 60e6;
  const marks = [];
  for (let at = Math.ceil((from - offset) / step) * step + offset; at <= to; at += step) {
    const text = seconds > 2 * DAY_S ? moment(at).slice(5, 10) || clock(at).slice(0, 5) : step < 60e6 ? clock(at) : clock(at).slice(0, 5);
    marks.push([at, text]);
  }
  return marks;
}

/** Position of the time nearest to `ts`, or -1 when none is within `reach`. */
export function nearest(times, ts, reach) {
  let best = -1;
  for (let low = 0, high = times.length - 1; low <= high; ) {
    const mid = (low + high) >> 1;
    if (best < 0 || Math.abs(times[mid] - ts) < Math.abs(times[best] - ts)) best = mid;
    if (times[mid] < ts) low = mid + 1;
    else high = mid - 1;
  }
  return best >= 0 && Math.abs(times[best] - ts) <= reach ? best : -1;
}

/** The time of the greatest value of a column in `[from, to]`, or null without one. */
export function peakOf({ ts, columns }, metric, from, to) {
  const values = columns[metric]?.max ?? columns[metric]?.avg ?? [];
  let best = null;
  ts.forEach((at, i) => {
    if (at < from || at > to || values[i] === null || values[i] === undefined) return;
    if (best === null || values[i] > values[best]) best = i;
  });
  return best === null ? null : ts[best];
}
