// Asks the page of a run to look again: when its process ends, every few seconds while it runs, and a moment after its end, when its
// last records are stored. Afterwards nothing changes, and nothing is asked. Shows nothing.

import { component } from "../core/dom.js";
import { live } from "../live/hub.js";
import { due } from "./watch_model.js";

class Watch {
  constructor(_host, _data, { setTriggerValue }) {
    this.hub = live();
    this.ask = () => setTriggerValue("changed", Date.now());
    this.subscription = this.hub.subscribe({ host: true, processes: true });
    const look = () => this.#look();
    this.off = [this.hub.on("second", look), this.hub.on("procs", look)];
  }

  /** `{run, ended: µs or null}`. */
  update(data) {
    this.data = data;
    this.asked = this.#now();
    this.gone = false;
  }

  close() {
    this.subscription.close();
    for (const off of this.off) off();
  }

  #now() {
    return this.hub.tick?.ts ?? Date.now() * 1000;
  }

  #look() {
    if (!this.data || this.hub.paused || this.hub.state !== "live") return;
    const now = this.#now();
    const { processes } = this.hub;
    const gone = this.data.ended === null && processes.ts > 0 && !processes.runs.has(this.data.run);
    if (!(gone && !this.gone) && !due(this.data.ended, this.asked, now)) return;
    this.gone = gone;
    this.asked = now;
    this.ask();
  }
}

export default component(Watch);
