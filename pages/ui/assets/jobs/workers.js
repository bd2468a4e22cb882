// One row for each worker, kept fresh: what it did, how fast, and what is at work now.

import { follow, pageUrl } from "../core/address.js";
import { component, el, icon, inert } from "../core/dom.js";
import { count, fixed, moment, NONE } from "../core/format.js";
import { Look } from "./look.js";
import { nameOf, recordsOf, took, workerState } from "./model.js";

const COLUMNS = ["Worker", "State", "In flight", "Stuck", "Done", "Failed", "Per minute", "Median", "99th percentile", "Slowest", "In all", "Last event"];
const WORDS = new Set(["Worker", "State", "Slowest", "Last event"]);

class Workers {
  constructor(host, _data, { setTriggerValue }) {
    this.body = el("tbody");
    const head = el("tr", {}, ...COLUMNS.map((title) => el("th", { class: WORDS.has(title) ? "" : "num", scope: "col", text: title })));
    const table = el("table", { class: "plain ended" }, el("thead", {}, head), this.body);
    this.says = el("span", { class: "aside" });
    this.trouble = el("div", { class: "trouble", role: "status", hidden: true });
    this.card = el("section", { class: "card" }, el("header", {}, el("h2", { text: "Workers" }), this.says), this.trouble, el("div", { class: "scrolls", tabindex: "0", role: "group", "aria-label": "Workers" }, table));
    host.append(this.card);
    this.first = () => setTriggerValue("appeared", Date.now());
    this.look = new Look("jobs/workers", { answer: (found) => this.#show(found) });
  }

  /** `{workers: [WorkerSummary], trouble, query: parameters of the API, every_ms, chosen, window}`. */
  update(data) {
    const key = ({ workers, query }) => JSON.stringify([workers, query]);
    const fresh = !this.data || key(data) !== key(this.data);
    const chosen = this.data?.chosen;
    this.data = data;
    this.look.update(data.query, data.every_ms, fresh);
    if (fresh) this.#show(data);
    else if (chosen !== data.chosen) this.#show(this.shown);
  }

  close() {
    this.look.close();
  }

  #show(found) {
    const { workers, trouble } = (this.shown = found);
    if (workers.length && !this.data.workers.length) this.first(); // the page explains how to report jobs until there is a worker
    this.card.hidden = !this.data.workers.length;
    this.trouble.hidden = !trouble;
    if (this.trouble.textContent !== trouble) this.trouble.textContent = trouble;
    const text = JSON.stringify([workers, this.data.chosen, this.data.window]);
    if (text === this.text) return; // what did not change keeps its nodes
    this.text = text;
    this.says.textContent = `done, failed and durations: ${this.data.window}`;
    this.body.replaceChildren(...workers.map((worker) => row(worker, worker.worker === this.data.chosen)));
  }
}

function row(worker, chosen) {
  const [sign, words, title] = workerState(worker);
  const { done, failed, interrupted } = worker.counts;
  const lost = worker.recent.failed + worker.recent.interrupted - worker.recent.asked;
  const slowest = worker.slowest;
  const records = slowest && recordsOf(slowest);
  const number = (value, bad = false) => el("td", { class: bad ? "num bad" : "num", text: value });
  return el(
    "tr",
    { "aria-current": chosen ? "true" : null },
    el("td", {}, link(inert(worker.worker, 60), "jobs", { worker: worker.worker })),
    el("td", { class: "how", title: inert(title, 300) }, icon(sign), " ", words),
    number(count(worker.in_flight)),
    number(count(worker.stuck), worker.stuck > 0),
    number(count(worker.recent.done)),
    number(count(lost), lost > 0),
    number(fixed(worker.per_minute, 1)),
    number(took(worker.p50_s)),
    number(took(worker.p99_s)),
    el("td", { class: "beside" }, slowest ? (records ? link(inert(nameOf(slowest), 40), "logs", records) : inert(nameOf(slowest), 40)) : NONE, slowest ? el("span", { class: "muted", text: took(slowest.seconds) }) : ""),
    number(count(done + failed + interrupted)),
    el("td", { class: "when", text: moment(worker.last_event) }),
  );
}

const link = (text, page, params) => follow(el("a", { class: "link text", href: pageUrl(page, params), text }));

export default component(Workers);
