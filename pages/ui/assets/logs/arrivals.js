// Records that have arrived and are not in the list yet: a bounded number of them, and how many older ones there was no room for.

import { plural } from "../core/format.js";
import { MOST } from "./model.js";

export class Arrivals {
  constructor() {
    this.clear();
  }

  clear() {
    this.records = [];
    this.skipped = null;
  }

  /** How many there are, also those that were not kept. */
  get count() {
    return this.records.length + (this.skipped?.n ?? 0);
  }

  take(records) {
    for (const record of records) this.records.push(record);
    if (this.records.length <= MOST) return;
    const gone = this.records.splice(0, this.records.length - MOST / 2);
    this.skipped = { n: (this.skipped?.n ?? 0) + gone.length, ts: gone[0].ts };
  }

  /** Move them to a model; a line there says how many are not. Returns what was added. */
  into(model, how) {
    if (this.skipped) model.gap(`${plural(this.skipped.n, "newer record")} not loaded. Narrow the time range to see them.`, this.skipped.ts);
    this.skipped = null;
    return model.append(this.records.splice(0), how);
  }
}
