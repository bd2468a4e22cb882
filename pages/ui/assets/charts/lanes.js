// Records, events, jobs and actions of a time range as rows over the time axis of the charts above.

import { el, inert, setText } from "../core/dom.js";
import { TimeArea, TOP } from "./area.js";
import { actionMarks, eventMarks, isDrawn, jobBars, laneName, recordBars, told, totals } from "./lane_model.js";

const ROWS = [["records", 44], ["events", 20], ["jobs", 32], ["actions", 20]];
const GAP = 6;
const HEIGHT = TOP + 18 + ROWS.reduce((sum, [, height]) => sum + height + GAP, 0);
const LEVELS = ["trace", "debug", "unknown", "info", "warn", "error", "fatal"]; // from the bottom up
const HUES = { warn: "warn", error: "bad", fatal: "bad" };
const FAINT = { info: 0.6, debug: 0.38, trace: 0.28, unknown: 0.28 };
const SIGN_HUES = { ok: "ok", bad: "bad", warn: "warn", wait: "cpu", off: "neutral" };
const MARK = 4; // px, half of a mark
const SAID = 4;

export class Lanes extends TimeArea {
  /** @param on see `TimeArea` */
  constructor(on, colour) {
    super("What happened: records, events, jobs and actions", on, colour, HEIGHT);
    this.words = el("div", { class: "legend fades" });
    this.header = el("header", {}, el("h2", { text: "What happened" }));
    this.node = el("section", { class: "card chart lanes" }, this.header, this.words, this.area);
    this.activity = null;
  }

  get ready() {
    return this.activity !== null;
  }

  /** `activity`: the agent's answer; `domain`: [from, to] in µs. */
  show(activity, domain) {
    this.activity = activity;
    this.domain = domain;
    this.now = Math.min(Date.now() * 1000, domain[1]);
    this.#picture();
  }

  /** Say why there is nothing. */
  fail(text, domain) {
    if (this.activity) return; // keep the last good picture
    this.domain = domain;
    this.note.hidden = false;
    setText(this.note, text);
  }

  tell() {
    if (!this.activity || !this.width) return;
    this.note.hidden = true;
    this.legend();
  }

  draw() {
    this.#picture();
    this.tell();
  }

  #picture() {
    if (!this.activity || !this.width) return;
    const pen = this.clear();
    const draw = { records: this.#records, events: (...at) => this.#marked(eventMarks(this.activity.events.events), ...at), jobs: this.#jobs, actions: (...at) => this.#marked(actionMarks(this.activity.actions.actions), ...at) };
    let top = TOP;
    for (const [name, height] of ROWS) {
      pen.save();
      pen.beginPath();
      pen.rect(0, top, this.width, height + 1);
      pen.clip();
      draw[name].call(this, pen, top, height);
      pen.restore();
      this.#line(pen, top + height, laneName(this.activity, name));
      top += height + GAP;
    }
    this.times(pen);
    this.marks();
  }

  /** The line below a row, and its name, with an outline in the colour of the card. */
  #line(pen, y, text) {
    pen.strokeStyle = this.colour("line");
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(0, Math.round(y) + 0.5);
    pen.lineTo(this.width, Math.round(y) + 0.5);
    pen.stroke();
    pen.textAlign = "left";
    pen.lineWidth = 3;
    pen.strokeStyle = this.colour("surface");
    pen.fillStyle = this.colour("dim");
    pen.strokeText(text, 2, y - 3);
    pen.fillText(text, 2, y - 3);
  }

  #records(pen, top, height) {
    const { histogram } = this.activity.records;
    const bars = recordBars(histogram);
    const most = bars.reduce((peak, { total }) => Math.max(peak, total), 1);
    for (const { at, levels } of bars) {
      const left = this.x(at);
      const width = Math.max(1.5, this.x(at + histogram.bucket_us) - left - 1);
      let y = top + height;
      for (const level of LEVELS) {
        if (!levels[level]) continue;
        const tall = Math.max(HUES[level] ? 2 : 1, (levels[level] / most) * (height - 2));
        pen.fillStyle = this.colour(HUES[level] ?? "neutral");
        pen.globalAlpha = FAINT[level] ?? 1;
        pen.fillRect(left, y - tall, width, tall);
        y -= tall;
      }
    }
    pen.globalAlpha = 1;
  }

  #jobs(pen, top, height) {
    const tall = height / 3;
    for (const { job, from, to, row } of jobBars(this.activity.jobs.jobs, this.now)) {
      const left = this.x(Math.max(from, this.domain[0]));
      const width = Math.max(2, this.x(Math.min(to, this.domain[1])) - left);
      pen.fillStyle = this.colour(job.state === "done" ? "ok" : job.state === "running" ? (job.stuck ? "warn" : "cpu") : job.asked ? "neutral" : "bad");
      pen.globalAlpha = 0.85;
      pen.fillRect(left, top + row * tall + 1, width, tall - 3);
    }
    pen.globalAlpha = 1;
  }

  /** A diamond for each; what went wrong is a square, so that nobody needs the colour. */
  #marked(marks, pen, top, height) {
    const y = top + height / 2;
    for (const { at, sign } of marks) {
      const x = this.x(at);
      pen.fillStyle = this.colour(SIGN_HUES[sign] ?? "neutral");
      pen.beginPath();
      if (sign === "bad") pen.rect(x - MARK, y - MARK, 2 * MARK, 2 * MARK);
      else for (const [dx, dy] of [[0, -MARK - 1], [MARK + 1, 0], [0, MARK + 1], [-MARK - 1, 0]]) pen.lineTo(x + dx, y + dy);
      pen.closePath();
      pen.fill();
    }
  }

  dots() {}

  /** What there is at the crosshair; how much there is at all without one. */
  told() {
    if (this.cursor == null) return totals(this.activity).join(" · ");
    const reach = ((this.domain[1] - this.domain[0]) / Math.max(1, this.width)) * (MARK + 2);
    const words = told(this.activity, this.cursor, reach, this.now);
    const more = words.length > SAID ? ` · ${words.length - SAID} more` : "";
    return words.length ? inert(words.slice(0, SAID).join(" · "), 300) + more : isDrawn(this.activity, this.cursor) ? "nothing at this moment" : "older than what is drawn";
  }

  legend() {
    setText(this.words, this.told());
  }

  summary() {
    return `What happened: ${this.activity ? totals(this.activity).join(", ") : "loading"}.`;
  }
}
