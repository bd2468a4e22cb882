// Readings in the order of their time: one column of times (µs), one column a metric, null where there is none.

const KEEP = 4000; // a little over an hour at 1 Hz

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

  /** Take over arrays (`{ts, series}`); the newer of both wins where they overlap. */
  load({ ts = [], series = {} }) {
    const after = this.last;
    const begin = ts[0] ?? 0;
    if (after === null || (ts.length && begin <= (this.ts[0] ?? 0))) {
      this.ts = [...ts];
      this.series = Object.fromEntries(Object.entries(series).map(([name, values]) => [name, [...values]]));
      return;
    }
    for (let i = 0; i < ts.length; i += 1) {
      if (ts[i] <= after) continue;
      this.push(ts[i], Object.fromEntries(Object.entries(series).map(([name, values]) => [name, values[i]])));
    }
  }

  push(ts, values) {
    if (this.last !== null && ts <= this.last) {
      if (this.last - ts < 60e6) return; // said twice
      this.clear(); // the clock was set back: a new beginning
    }
    const length = this.ts.push(ts);
    for (const [name, value] of Object.entries(values)) {
      if (typeof value !== "number" && value !== null) continue;
      let column = this.series[name];
      if (column === undefined) column = this.series[name] = new Array(length - 1).fill(null);
      column[length - 1] = value;
    }
    for (const column of Object.values(this.series)) if (column.length < length) column.push(null);
    if (length > this.keep * 1.25) this.#drop(length - this.keep);
  }

  /** Values of buckets for readings that lack them: metrics that the history of the live socket does not carry. */
  fill({ ts, bucket_us: bucket, series }) {
    for (const [name, { avg }] of Object.entries(series)) {
      const column = (this.series[name] ??= new Array(this.ts.length).fill(null));
      let at = 0;
      for (let i = 0; i < this.ts.length; i += 1) {
        while (at + 1 < ts.length && ts[at + 1] <= this.ts[i]) at += 1;
        if (column[i] === null && this.ts[i] >= ts[at] && this.ts[i] < ts[at] + bucket) column[i] = avg[at];
      }
    }
  }

  #drop(n) {
    this.ts.splice(0, n);
    for (const column of Object.values(this.series)) column.splice(0, n);
  }

  /** First position with a time not before `ts`. */
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

  /** Mean of a metric over the times in [from, to), null without readings. */
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
