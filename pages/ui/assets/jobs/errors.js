// A table of the errors with which jobs failed, kept fresh: how many jobs had each, since when, and the newest of them.

import { follow, pageUrl } from "../core/address.js";
import { component, el, inert } from "../core/dom.js";
import { count, moment, NONE, plural } from "../core/format.js";
import { Look } from "./look.js";
import { nameOf, recordsOf } from "./model.js";

const COLUMNS = ["Error", "Jobs", "First", "Last", "Worker", "Newest job", "Records"];

class JobErrors {
  constructor(host) {
    this.says = el("div", { class: "aside-line muted", role: "status" });
    this.body = el("tbody");
    const head = el("tr", {}, ...COLUMNS.map((title) => el("th", { class: title === "Jobs" ? "num" : "", scope: "col", text: title })));
    const table = el("table", { class: "plain ended jobs" }, el("thead", {}, head), this.body);
    host.append(el("section", { class: "card" }, this.says, el("div", { class: "scrolls", tabindex: "0", role: "group", "aria-label": "Errors of jobs" }, table)));
    this.look = new Look("jobs/errors", { answer: (found) => this.#show(found) });
  }

  /** `{errors: [JobError], total, query: parameters of the API, every_ms, here: parameters of this view}`. */
  update(data) {
    const fresh = JSON.stringify([data.errors, data.query]) !== JSON.stringify([this.data?.errors, this.data?.query]);
    this.data = data;
    this.look.update(data.query, data.every_ms, fresh);
    if (fresh) this.#show(data);
  }

  close() {
    this.look.close();
  }

  #show({ errors, total }) {
    const { here } = this.data;
    const text = JSON.stringify([errors, total, here]);
    if (text === this.text) return; // what did not change keeps its nodes
    this.text = text;
    this.says.textContent = total ? `${plural(total, "failed job")} · ${plural(errors.length, "different error")}` : "No job failed in this time.";
    this.body.replaceChildren(...errors.map((error) => row(error, here)));
  }
}

function row({ error, jobs, workers, first, last, newest }, here) {
  const records = recordsOf(newest);
  const one = { ...here, of: newest.worker_run, job: newest.seq };
  const words = inert(error || "no reason told", 300);
  // An error of one job leads to that job, others to the list of theirs; one without a text cannot be asked for.
  const to = jobs === 1 || !error ? one : { ...here, error };
  return el(
    "tr",
    {},
    el("td", { class: "one-line mono text error", title: inert(newest.error ?? "", 2000) }, link(words, "jobs", to)),
    el("td", { class: "num", text: count(jobs) }),
    el("td", { class: "when", text: moment(first) }),
    el("td", { class: "when", text: moment(last) }),
    el("td", { class: "text", text: workers > 1 ? `${inert(newest.worker, 60)} and ${workers - 1} more` : inert(newest.worker, 60) }),
    el("td", { class: "one-line job", title: inert(nameOf(newest), 200) }, link(inert(nameOf(newest), 200), "jobs", one)),
    el("td", {}, records ? link("Records", "logs", records) : NONE),
  );
}

const link = (text, page, params) => follow(el("a", { class: "link text", href: pageUrl(page, params), text }));

export default component(JobErrors);
