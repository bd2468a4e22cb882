// Records from a clock that is wrong: their time is more than a day ahead, which no time zone explains. A live list would end with them for
// ever, so it leaves them out, says how many there are and leads to them.

import { get } from "../core/api.js";
import { setParams } from "../core/address.js";
import { el, setText } from "../core/dom.js";
import { plural } from "../core/format.js";

const SOON = "+1d"; // by the agent's clock
const DAY_MS = 864e5;
const FOR_S = 9; // a record that comes is stored within seconds
const EVERY_S = 3;
const LAST = "2100-01-01T00:00:00Z"; // the last time that an address may have

export class Ahead {
  constructor() {
    this.node = el("button", { class: "plain", type: "button", hidden: true, title: "Their time is more than a day ahead, so some clock was wrong. Click to see them." });
    this.left = 0; // seconds
    this.node.onclick = () => setParams({ range: "custom", from: new Date(Date.now() + DAY_MS).toISOString(), to: LAST });
  }

  /** Where a list ends: `data` as of the view. */
  bound({ live }) {
    return live ? { until: SOON } : {};
  }

  /** Count what the list leaves out: `data` as of the view, whose questions end with `signal`. */
  async ask(data, signal) {
    this.node.hidden = true;
    Object.assign(this, { data, signal });
    if (data.live) await this.#count();
  }

  /** Records that just came: of those ahead the store knows a little later. */
  took(records) {
    const soon = (Date.now() + DAY_MS) * 1000;
    if (records.some(({ ts }) => ts > soon)) this.left = FOR_S;
  }

  /** A second has passed. */
  second() {
    if (!this.left || !this.data?.live) return;
    this.left -= 1;
    if (this.left % EVERY_S === 0) this.#count();
  }

  async #count() {
    const { data, signal } = this;
    try {
      const found = await get("logs/count", { ...data.filters, since: SOON }, { signal, seconds: 30 });
      if (signal.aborted) return;
      this.node.hidden = found.count === 0;
      setText(this.node, `${plural(found.count, "record")} from the future`);
    } catch {
      // they are told when the list is loaded again, or the next one comes
    }
  }
}
