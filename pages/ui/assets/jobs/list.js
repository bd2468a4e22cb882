// A table of jobs, kept fresh, each with links to itself, to its process, and to what that process wrote meanwhile.

import { follow, pageUrl } from "../core/address.js";
import { component, el, icon, inert } from "../core/dom.js";
import { count, moment, NONE, plural } from "../core/format.js";
import { Look } from "./look.js";
import { nameOf, recordsOf, stateOf, took } from "./model.js";

const COLUMNS = ["Job", "State", "Error", "Took", "When", "Worker", "Process", "Records"];

class Jobs {
  constructor(host, _data, { setTriggerValue }) {
    this.repeats = () => setTriggerValue("repeats", Date.now());
    this.says = el("div", { class: "aside-line muted", role: "status" });
    this.body = el("tbody");
    const head = el("tr", {}, ...COLUMNS.map((title) => el("th", { class: title === "Took" ? "num" : "", scope: "col", text: title })));
    this.table = el("div", { class: "scrolls", tabindex: "0", role: "group", "aria-label": "Jobs" }, el("table", { class: "plain ended jobs" }, el("thead", {}, head), this.body));
    this.nothing = el("div", { class: "empty" });
    host.append(el("section", { class: "card" }, this.says, this.table, this.nothing));
    this.look = new Look("jobs", { answer: (found) => this.#show(found), second: () => this.#second() });
  }

  /** `{jobs: [Job], total, query: parameters of the API, every_ms, here: parameters of this view, empty: [title, text]}`. */
  update(data) {
    const fresh = JSON.stringify([data.jobs, data.query]) !== JSON.stringify([this.data?.jobs, this.data?.query]);
    this.data = data;
    this.look.update(data.query, data.every_ms, fresh);
    if (fresh) this.#show(data);
  }

  close() {
    this.look.close();
  }

  /** Jobs in flight grow older by themselves. */
  #second() {
    const now = Date.now() * 1000;
    for (const [job, cell] of this.running ?? []) if (job.started !== null) cell.textContent = took(Math.max(job.seconds ?? 0, (now - job.started) / 1e6));
  }

  #show({ jobs, total }) {
    const { here, empty } = this.data;
    const text = JSON.stringify([jobs.map((job) => (job.state === "running" ? { ...job, seconds: null } : job)), total, here, empty]);
    if (text === this.text) return; // what did not change keeps its nodes
    this.text = text;
    if (!this.told && here.view === "failed" && !here.error && repeated(jobs)) {
      this.told = true; // once: the page then shows each error with its number of jobs
      this.repeats();
    }
    const shown = jobs.length;
    this.says.textContent = shown ? `${plural(total, "job")}${total > shown ? ` · the first ${count(shown)} are shown` : ""}` : "";
    const rows = jobs.map((job) => row(job, here));
    this.running = jobs.map((job, i) => [job, rows[i].querySelector("td.num")]).filter(([job]) => job.state === "running");
    this.body.replaceChildren(...rows);
    this.table.hidden = !shown;
    this.nothing.hidden = shown > 0;
    this.nothing.replaceChildren(el("b", { text: empty[0] }), empty[1]);
  }
}

/** What errors of a kind have in common: about what the store counts together. */
const form = (error) => (error ?? "").split("\n", 1)[0].replace(/"[^"]*"|'[^']*'|[^ ]*[0-9/][^ ]*/g, "…");

/** Whether jobs may have an error in common. */
const repeated = (jobs) => new Set(jobs.map((job) => form(job.error))).size < jobs.length;

function row(job, here) {
  const [sign, words] = stateOf(job);
  const records = recordsOf(job);
  const error = (job.error ?? "").split("\n", 1)[0];
  return el(
    "tr",
    {},
    el("td", { class: "one-line job", title: inert(nameOf(job), 200) }, link(inert(nameOf(job), 200), "jobs", { ...here, of: job.worker_run, job: job.seq })),
    el("td", { class: "how" }, icon(sign), " ", words),
    el("td", { class: "one-line mono text error", title: inert(job.error ?? "", 2000), text: inert(error || NONE, 300) }),
    el("td", { class: "num", text: took(job.seconds) }),
    el("td", { class: "when", text: moment(job.ended ?? job.started) }),
    el("td", { class: "text", text: inert(job.worker, 60) }),
    el("td", {}, job.run === null ? String(job.pid ?? NONE) : link(String(job.pid ?? "open"), "run", { run: job.run })),
    el("td", {}, records ? link("Records", "logs", records) : NONE),
  );
}

const link = (text, page, params) => follow(el("a", { class: "link text", href: pageUrl(page, params), text }));

export default component(Jobs);
