// The records a log view holds, oldest first: appended while streaming, prepended while one scrolls back. Bounded: what is
// furthest from where one reads is let go, and fetched again when one comes back to it.

export const MOST = 100_000;
const SLACK = 5000;
const GROWING = 5000; // how far back a record that grew is looked for

/** Where a record stands in the order of all records, as the API's `before` and `after` take it. */
export const cursorOf = ({ ts, file_id: file, pos }) => `${ts}.${file}.${pos}`;

export class LogModel {
  constructor() {
    this.clear();
  }

  clear() {
    this.records = [];
    this.ids = new Set();
    this.floor = new Map(); // file → offset of its first record held: what stands before it is older, whenever it comes
    this.older = null;
    this.complete = false;
    this.detached = false; // whether newer records than the last one held were let go
  }

  get length() {
    return this.records.length;
  }

  /** The oldest record held. */
  get first() {
    return this.records.find((record) => !record.gap);
  }

  /** The newest record held. */
  get last() {
    return this.records.findLast((record) => !record.gap);
  }

  /**
   * Newer records; answers `[added, dropped from the front, whether one that was held has grown]`. One that is held already is
   * not added twice: a traceback comes again whenever it has grown, and takes its own place. One of a file that stands before all
   * that is held of it is not new: it comes with the older ones, in its place, when one scrolls there.
   */
  append(records) {
    let added = 0;
    let grown = false;
    for (const record of records) {
      if (this.ids.has(record.id)) grown = this.#replace(record) || grown;
      else if (this.complete || !(record.pos < this.floor.get(record.file_id))) {
        if (!this.floor.has(record.file_id)) this.floor.set(record.file_id, record.pos);
        this.ids.add(record.id);
        this.records.push(record);
        added += 1;
      }
    }
    return [added, this.#trimFront(), grown];
  }

  #replace(record) {
    const { records } = this;
    for (let i = records.length - 1; i >= Math.max(0, records.length - GROWING); i -= 1) {
      if (records[i].id !== record.id) continue;
      if (records[i].message === record.message) return false;
      records[i] = record;
      return true;
    }
    return false;
  }

  /** A page of older records; answers `[added, dropped from the back]`. */
  prepend(records) {
    const fresh = records.filter((record) => !this.ids.has(record.id));
    for (const record of fresh) {
      this.ids.add(record.id);
      if (!(record.pos > this.floor.get(record.file_id))) this.floor.set(record.file_id, record.pos);
    }
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
    const { first } = this;
    this.older = first ? cursorOf(first) : null; // the cursor of the last page lies further back
    return gone.length;
  }

  #trimBack() {
    if (this.records.length <= MOST + SLACK) return 0;
    const gone = this.records.splice(MOST);
    for (const record of gone) this.ids.delete(record.id);
    this.detached = true;
    return gone.length;
  }
}
