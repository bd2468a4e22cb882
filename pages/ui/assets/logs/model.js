// The records of a log view, oldest first: appended while streaming, prepended while scrolling back. Their number is bounded: the
// records furthest from the visible ones are dropped, and loaded again when needed.

import { count, plural } from "../core/format.js";

export const MOST = 100_000;
const SLACK = 5000;
const LATE_US = 2e6; // programs that write at once are a little out of order all the time
const GROWING = 5000; // how far back to look for a record that has grown, or for the place of one by its time

/** The position of a record in the order of all records, for `before` and `after` of the API. */
export const cursorOf = ({ ts, file_id: file, pos }) => `${ts}.${file}.${pos}`;

export class LogModel {
  constructor() {
    this.clear();
  }

  clear() {
    this.records = [];
    this.ids = new Set();
    this.floor = new Map(); // file → offset of its first record here: what lies before it is older, whenever it arrives
    this.newest = -Infinity; // the latest time of what was appended, but for times that are still to come: a wrong clock makes no other record late
    this.latest = -Infinity; // the latest time of all
    this.older = null;
    this.complete = false;
    this.detached = false; // whether records newer than the last one were dropped
  }

  get length() {
    return this.records.length;
  }

  /** The oldest record. */
  get first() {
    return this.records.find((record) => !record.gap);
  }

  /** The newest record. */
  get last() {
    return this.records.findLast((record) => !record.gap);
  }

  /** The newest record whose time has come, where the list goes on; that of a wrong clock may stand behind it. */
  get front() {
    return this.records.findLast((record) => !record.gap && !(record.ts > this.newest)) ?? this.last;
  }

  /** Whether any is of another day than `today`; `dayOf` says the day of a time in µs. */
  spansDays(today, dayOf) {
    return [this.first?.ts, this.last?.ts, this.latest].some((ts) => Number.isFinite(ts) && dayOf(ts) !== today);
  }

  /**
   * Append newer records; returns `[added, dropped from the front, whether a known record has grown]`. A known record is replaced,
   * not added: a traceback arrives again whenever it has grown. A record that lies before the first one of its file is not new;
   * it arrives with the older ones, in its place, when one scrolls there. Records of several files stand in the order of their
   * times: those that come together, and with `place`, which moves what stands there, those of the last moments too. One whose
   * time is long before that of records that came earlier is marked `late`: it stands where it came.
   */
  append(records, { place = false } = {}) {
    const fresh = [];
    const late = [];
    let grown = false;
    for (const record of records) {
      if (this.ids.has(record.id)) grown = this.#replace(record) || grown;
      else if (this.complete || !(record.pos < this.floor.get(record.file_id))) {
        if (!this.floor.has(record.file_id)) this.floor.set(record.file_id, record.pos);
        this.ids.add(record.id);
        if (record.ts < this.newest - LATE_US) record.late = true;
        else this.#reached(record.ts);
        (record.late ? late : fresh).push(record);
      }
    }
    const added = fresh.length + late.length;
    fresh.sort((one, other) => one.ts - other.ts);
    if (place && fresh.length) this.#merge(fresh);
    else for (const record of fresh) this.records.push(record);
    for (const record of late) this.records.push(record);
    return [added, this.#trimFront(), grown];
  }

  /** Put these, in the order of time, among the last ones here. */
  #merge(fresh) {
    const { records } = this;
    const furthest = Math.max(0, records.length - GROWING);
    let at = records.length;
    while (at > furthest && !records[at - 1].gap && records[at - 1].ts > fresh[0].ts) at -= 1;
    let next = 0;
    for (const record of records.splice(at)) {
      while (next < fresh.length && fresh[next].ts < record.ts && !record.late) records.push(fresh[next++]);
      records.push(record);
    }
    while (next < fresh.length) records.push(fresh[next++]);
  }

  #replace(record) {
    const { records } = this;
    for (let i = records.length - 1; i >= Math.max(0, records.length - GROWING); i -= 1) {
      if (records[i].id !== record.id) continue;
      if (records[i].message === record.message) return false;
      records[i] = records[i].late ? { ...record, late: true } : record;
      return true;
    }
    return false;
  }

  /** Prepend a page of older records; returns `[added, dropped from the back]`. */
  prepend(records) {
    const fresh = records.filter((record) => !this.ids.has(record.id));
    for (const record of fresh) {
      this.ids.add(record.id);
      if (!(record.pos > this.floor.get(record.file_id))) this.floor.set(record.file_id, record.pos);
    }
    this.records = fresh.concat(this.records);
    for (const record of fresh) this.#reached(record.ts);
    return [fresh.length, this.#trimBack()];
  }

  #reached(ts) {
    if (ts > this.newest && ts < Date.now() * 1000 + LATE_US) this.newest = ts;
    if (ts > this.latest) this.latest = ts;
  }

  /** Add a line that says what is missing here, e.g. after a long pause. */
  gap(text, ts) {
    this.records.push({ id: `gap:${ts}:${this.records.length}`, gap: text, ts });
  }

  /** In words, how many are here, and of how many in all (null: not known); `archived`: whether some come from the archive. */
  counted(total, archived) {
    const here = this.records.reduce((sum, record) => sum + !record.gap, 0);
    const origin = archived ? " · partly from the archive" : "";
    if (this.complete) return plural(here, "record") + origin;
    return total === null ? `the newest ${count(here)} records${origin}` : `${plural(Math.max(here, total), "record")} · ${count(here)} loaded${origin}`;
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
