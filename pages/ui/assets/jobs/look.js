// Keeps an answer about jobs fresh: asks again when the agent says that jobs changed, and now and then.

import { get, Latest } from "../core/api.js";
import { live } from "../live/hub.js";

const AGAIN_MS = 15_000; // without news: a job may have become stuck
const FAILED_MS = 3000;

export class Look {
  /**
   * @param path of the API
   * @param on `{answer(found), failed(error), second()}`
   */
  constructor(path, on) {
    Object.assign(this, { path, on });
    this.hub = live();
    this.latest = new Latest();
    this.subscription = this.hub.subscribe({ host: true, jobs: true });
    this.off = [this.hub.on("jobs", () => (this.news = true)), this.hub.on("second", () => this.#second()), this.hub.on("pause", () => (this.news = true))];
  }

  /** Ask with these parameters from now on, at most every `every` ms; `asked`: whether the page brought their answer. */
  update(params, every, asked) {
    const text = JSON.stringify(params);
    this.every = every;
    if (text === this.text && !asked) return;
    Object.assign(this, { text, params, failed: false });
    if (asked) {
      this.latest.stop(); // what the page brought is newer
      this.at = performance.now();
    } else this.#load();
  }

  close() {
    this.latest.stop();
    this.subscription.close();
    for (const off of this.off) off();
  }

  #second() {
    if (!this.params || this.hub.paused) return;
    const since = performance.now() - this.at;
    if (this.failed ? since > FAILED_MS : (this.news && since >= this.every) || since > AGAIN_MS) this.#load();
    else this.on.second?.();
  }

  #load() {
    Object.assign(this, { at: performance.now(), news: false });
    const take = (found) => {
      this.failed = false;
      this.on.answer(found);
    };
    const fail = (error) => {
      this.failed = true; // the last good answer stays, and the status strip says what is wrong with the agent
      this.on.failed?.(error);
    };
    this.latest.ask((signal) => get(this.path, this.params, { signal }), take, fail);
  }
}
