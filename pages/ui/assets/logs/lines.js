// Where the rows of a list of records lie: all of one height, or each as high as its text when lines are wrapped.

import { causeIn } from "./cause.js";
import { plural } from "../core/format.js";
import { pairsOf } from "./pairs.js";

export const ROW = 24;
export const LONGEST = 1200; // characters of a message in the list; the panel has all
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/g; // take two places
const SEPARATOR = 3;
const NOTE = 2; // the room before the note

export class Lines {
  constructor() {
    this.lay([], null);
  }

  /** Place the rows of these records, the oldest first. `width`: characters that fit in a line; null when lines are not wrapped. */
  lay(records, width) {
    this.count = records.length;
    this.ends = null;
    if (width === null) return;
    let end = 0;
    this.ends = records.map((record) => (end += ROW * Math.max(1, Math.ceil(places(record) / width))));
  }

  /** The height of the first `count` records. */
  upTo(count) {
    if (!this.ends) return count * ROW;
    return count > 0 ? this.ends[count - 1] : 0;
  }

  get total() {
    return this.upTo(this.count);
  }

  height(position) {
    return this.upTo(position + 1) - this.upTo(position);
  }

  /** The position of the record that lies `y` below the top of the oldest one. */
  at(y) {
    const last = Math.max(0, this.count - 1);
    if (!this.ends) return Math.min(last, Math.max(0, Math.floor(y / ROW)));
    let [low, high] = [0, last];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ends[middle] > y) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

const known = new WeakMap();

/** How many places the text of a row takes in a font whose characters are all as wide. */
export function places(record) {
  let found = known.get(record);
  if (found === undefined) known.set(record, (found = counted(record)));
  return found;
}

function counted(record) {
  const [exception, head] = record.gap ? ["", record.gap] : causeIn(record);
  const wide = (text) => Math.min(text.length, LONGEST + 1) + (text.slice(0, LONGEST).match(WIDE)?.length ?? 0);
  return wide(head) + (exception ? wide(exception) + SEPARATOR : 0) + wide(pairsOf(record)) + (record.lines > 1 ? noteOf(record).length + NOTE : 0);
}

/** What stands behind the first line of a record that has more. */
export const noteOf = (record) => `▸ ${plural(record.lines, "line")}`;
