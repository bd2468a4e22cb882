// The live set of processes, built from full frames and differences. A process is identified by its run, never by its pid.

const MINUTE = 60;

export class Processes {
  constructor() {
    this.runs = new Map();
    this.ts = 0;
    this.outlook = null; // which process fills memory first, as in the API
  }

  get size() {
    return this.runs.size;
  }

  /** A frame; a full one brings the last minute of each process that used CPU (`cpu`: run → % of one core, newest last). */
  apply({ full, ts, born = [], gone = [], cols = [], rows = [], cpu = null, outlook }) {
    const before = this.runs;
    if (full) this.runs = new Map();
    for (const one of born) {
      const old = before.get(one.run);
      this.runs.set(one.run, { ...(old ?? { spark: [] }), ...one });
    }
    for (const row of rows) this.#reading(row, cols, before);
    for (const run of gone) this.runs.delete(run);
    if (outlook !== undefined) this.outlook = outlook;
    if (cpu) for (const process of this.runs.values()) process.spark = cpu[process.run] ?? idle(process, ts);
    else if (ts !== this.ts) for (const process of this.runs.values()) remember(process);
    this.ts = ts;
  }

  #reading(row, cols, before) {
    const run = row[0];
    let process = this.runs.get(run);
    if (process === undefined) {
      process = before.get(run) ?? { run, name: "?", title: "?", spark: [] };
      this.runs.set(run, process);
    }
    for (let i = 1; i < cols.length; i += 1) process[cols[i]] = row[i];
  }
}

/** The last minute of a process that used no CPU, as far as it lived. */
function idle(process, ts) {
  const lived = Math.floor((ts - (process.start_ts ?? ts)) / 1e6) + 1;
  return new Array(Math.max(1, Math.min(MINUTE, lived))).fill(process.cpu_pct ?? 0);
}

function remember(process) {
  process.spark ??= [];
  process.spark.push(process.cpu_pct ?? null);
  if (process.spark.length > MINUTE) process.spark.shift();
}
