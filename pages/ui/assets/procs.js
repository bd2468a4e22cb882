// The live set of processes, built from full frames and differences. A process is known by its run, never by its pid.

const MINUTE = 60;

export class Processes {
  constructor() {
    this.runs = new Map();
    this.ts = 0;
  }

  get size() {
    return this.runs.size;
  }

  apply({ full, ts, born = [], gone = [], cols = [], rows = [] }) {
    const before = this.runs;
    if (full) this.runs = new Map();
    for (const one of born) {
      const old = before.get(one.run);
      this.runs.set(one.run, { ...(old ?? { spark: [] }), ...one });
    }
    for (const row of rows) this.#reading(row, cols, before);
    for (const run of gone) this.runs.delete(run);
    if (ts !== this.ts) for (const process of this.runs.values()) remember(process);
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

function remember(process) {
  process.spark ??= [];
  process.spark.push(process.cpu_pct ?? null);
  if (process.spark.length > MINUTE) process.spark.shift();
}
