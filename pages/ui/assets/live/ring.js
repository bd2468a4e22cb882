// Readings in order of time: a column of times (µs) and a column for each metric, null where there is no value.

const KEEP = 4000; // a little over an hour at 1 Hz
const BACK_US = 60e6;

export class Ring {
  constructor(keep = KEEP) {
    this.keep = keep;
    this.clear();
  }

  clear() {
    this.ts = [];
    this.series = {};
  }

  get last() {
    return this.ts.length ? this.ts[this.ts.length - 1] : null;
  }

  /**
   * Merge a history (`{ts, series}`). It wins for the time that it covers; metrics that it does not have, and what lies before and
   * after it, stay.
   */
  load({ ts = [], series = {} }) {
    if (!ts.length) return;
    const end = ts[ts.length - 1];
    if (this.last !== null && this.last - end > BACK_US) this.clear(); // the clock was set back: start again
    const [first, behind] = [this.from(ts[0]), this.from(end + 1)];
    const within = new Map();
    for (let i = first; i < behind; i += 1) within.set(this.ts[i], i);
    const held = ts.map((at) => within.get(at));
    for (const name of Object.keys(series)) this.series[name] ??= new Array(this.ts.length).fill(null);
    for (const [name, column] of Object.entries(this.series)) {
      const merged = held.map((i, at) => series[name]?.[at] ?? (i === undefined ? null : column[i]));
      this.series[name] = [...column.slice(0, first), ...merged, ...column.slice(behind)];
    }
    this.ts = [...this.ts.slice(0, first), ...ts, ...this.ts.slice(behind)];
  }

  push(ts, values) {
    if (this.last !== null && ts <= this.last) {
      if (this.last - ts < BACK_US) return; // a repeat
      this.clear(); // the clock was set back: start again
    }
    const length = this.ts.push(ts);
    for (const [name, value] of Object.entries(values)) {
      if (typeof value !== "number" && value !== null) continue;
      let column = this.series[name];
      if (column === undefined && value === null) continue;
      if (column === undefined) column = this.series[name] = new Array(length - 1).fill(null);
      column[length - 1] = value;
    }
    for (const column of Object.values(this.series)) if (column.length < length) column.push(null);
    if (length > this.keep * 1.25) this.#drop(length - this.keep);
  }

  /** Add an empty reading before `ts`: a sample is missing, and lines break there. */
  hole(ts) {
    if (this.last !== null && this.last < ts) this.push(Math.round((this.last + ts) / 2), {});
  }

  /** The newest value of a metric, however old, or null without any. */
  newest(metric) {
    return this.series[metric]?.findLast((value) => value !== null && value !== undefined) ?? null;
  }

  /** Set a metric of the newest reading. */
  set(name, value) {
    if (this.last === null) return;
    const column = (this.series[name] ??= new Array(this.ts.length).fill(null));
    column[this.ts.length - 1] = value;
  }

  /**
   * Fill empty values from buckets, for metrics that the history of the live socket does not have. With `again`, values that are
   * there give way, too: they were said before more was known.
   */
  fill({ ts, bucket_us: bucket, series }, again = false) {
    for (const [name, { avg }] of Object.entries(series)) {
      const column = (this.series[name] ??= new Array(this.ts.length).fill(null));
      let at = 0;
      for (let i = 0; i < this.ts.length; i += 1) {
        while (at + 1 < ts.length && ts[at + 1] <= this.ts[i]) at += 1;
        if ((again || column[i] === null) && this.ts[i] >= ts[at] && this.ts[i] < ts[at] + bucket) column[i] = avg[at];
      }
    }
  }

  #drop(n) {
    this.ts.splice(0, n);
    for (const column of Object.values(this.series)) column.splice(0, n);
  }

  /** The first position whose time is not before `ts`. */
  from(ts) {
    let low = 0;
    let high = this.ts.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (this.ts[mid] < ts) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  /** The mean of a metric over [from, to), or null without readings. */
  mean(metric, from, to) {
    const column = this.series[metric];
    if (!column) return null;
    let sum = 0;
    let n = 0;
    for (let i = this.from(from); i < this.ts.length && this.ts[i] < to; i += 1) {
      if (column[i] !== null && column[i] !== undefined) {
        sum += column[i];
        n += 1;
      }
    }
    return n ? sum / n : null;
  }
}
