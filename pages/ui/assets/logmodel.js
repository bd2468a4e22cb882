// The records a log view holds, oldest first: appended while streaming, prepended while one scrolls back. Bounded.

export const MOST = 100_000;
const SLACK = 5000;

export class LogModel {
  constructor() {
    this.clear();
  }

  clear() {
    this.records = [];
    this.ids = new Set();
    this.older = null;
    this.newer = null;
    this.complete = false;
  }

  get length() {
    return this.records.length;
  }

  /** Newest records; answers `[added, dropped from the front]`. Records already held are not added twice. */
  append(records) {
    let added = 0;
    for (const record of records) {
      if (this.ids.has(record.id)) continue;
      this.ids.add(record.id);
      this.records.push(record);
      added += 1;
    }
    return [added, this.#trimFront()];
  }

  /** A page of older records; answers `[added, dropped from the back]`. */
  prepend(records) {
    const fresh = records.filter((record) => !this.ids.has(record.id));
    for (const record of fresh) this.ids.add(record.id);
    this.records = fresh.concat(this.records);
    return [fresh.length, this.#trimBack()];
  }

  /** A line about what is not here, e.g. after a pause longer than what is kept. */
  gap(text, ts) {
    this.records.push({ id: `gap:${ts}:${this.records.length}`, gap: text, ts });
  }

  #trimFront() {
    if (this.records.length <= MOST + SLACK) return 0;
    const gone = this.records.splice(0, this.records.length - MOST);
    for (const record of gone) this.ids.delete(record.id);
    this.complete = false;
    this.older = this.records[0] ? { since: this.records[0].ts } : null; // the cursor is behind us: go on by time
    return gone.length;
  }

  #trimBack() {
    if (this.records.length <= MOST + SLACK) return 0;
    const gone = this.records.splice(MOST);
    for (const record of gone) this.ids.delete(record.id);
    return gone.length;
  }
}
