// One chart: the lines of a panel over its time axis. Lines break at gaps.

import { el, setText } from "../core/dom.js";
import { clock, inUnit, moment } from "../core/format.js";
import { TimeArea, TOP } from "./area.js";
import { nearest, nice } from "./scale.js";

const BLANK = 0.15;
const DAY = 86_400e6; // µs

export class Plot extends TimeArea {
  /**
   * @param spec `{title, unit, max, height, optional, series: [{metric, label, hue, area, dashed}]}`; an optional one is hidden without readings
   * @param on see `TimeArea`
   */
  constructor(spec, on, colour) {
    super(spec.title, on, colour, spec.height ?? 170);
    this.spec = spec;
    this.keys = spec.series.map((series) => {
      const value = el("b");
      const swatch = el("i", { class: series.dashed ? "dashed" : null, style: `--hue:var(--${series.hue})` });
      return { value, node: el("span", { class: "key" }, swatch, el("span", { text: series.label }), value) };
    });
    this.header = el("header", {}, el("h2", { text: spec.title }));
    const legend = el("div", { class: "legend fades" }, ...this.keys.map((key) => key.node));
    this.node = el("section", { class: spec.unit === "%" ? "card chart" : "card chart wide", hidden: Boolean(spec.optional) }, this.header, legend, this.area);
    this.data = null;
    this.top = 0;
  }

  get ready() {
    return this.data !== null;
  }

  /**
   * Draw the picture. `data`: `{ts, columns: {metric: {avg, min?, max?}}, gapAfter}`; `domain`: [from, to] in µs. A group draws all
   * of its pictures before it writes any text (`tell`), since text on a canvas waits for the layout of changed text in the page.
   */
  show(data, domain) {
    this.data = data;
    this.domain = domain;
    if (this.spec.optional) this.node.hidden = this.spec.series.every(({ metric }) => !(data.columns[metric]?.avg ?? []).some((value) => value !== null && value !== undefined));
    this.#picture();
  }

  /** Write the legend, and why there is nothing to see. */
  tell() {
    if (!this.data || !this.width) return;
    this.note.hidden = this.drawn;
    if (!this.drawn) setText(this.note, this.data.waiting ?? "No data in this time range.");
    this.legend();
  }

  draw() {
    this.#picture();
    this.tell();
  }

  #picture() {
    if (!this.data || !this.width) return;
    const { width } = this;
    const pen = this.clear();
    this.#scale();
    this.y = (value) => this.bottom - Math.min(1.02, Math.max(0, value / this.top)) * (this.bottom - TOP);
    this.#grid(pen, width);
    pen.save();
    pen.beginPath();
    pen.rect(0, 0, width, this.bottom + 1);
    pen.clip();
    this.drawn = false;
    for (const series of this.spec.series) this.drawn = this.#series(pen, series) || this.drawn;
    pen.restore();
    this.#beginning(pen);
    this.#labels(pen);
    this.marks();
  }

  #scale() {
    if (this.spec.max) {
      this.top = this.spec.max;
      return;
    }
    let peak = this.data.least ?? this.spec.least ?? 0;
    for (const { metric } of this.spec.series) {
      const column = this.data.columns[metric];
      for (const value of column?.max ?? column?.avg ?? []) if (value > peak) peak = value;
    }
    const wanted = Math.min(this.spec.ceiling ?? Infinity, nice(peak * 1.05, this.spec.unit));
    if (wanted > this.top || wanted < this.top * 0.55) this.top = wanted; // a small decrease does not move the axis
  }

  #grid(pen, width) {
    pen.strokeStyle = this.colour("line");
    pen.lineWidth = 1;
    for (let i = 0; i <= 2; i += 1) {
      const value = (this.top * i) / 2;
      const y = Math.round(this.y(value)) + 0.5;
      pen.beginPath();
      pen.moveTo(0, y);
      pen.lineTo(width, y);
      pen.stroke();
    }
    this.times(pen);
  }

  /** Say where the readings begin when a good part of the range lies before; an empty picture would look broken. */
  #beginning(pen) {
    this.since = this.#first();
    if (this.since === null || this.since - this.domain[0] < BLANK * (this.domain[1] - this.domain[0])) {
      this.since = null;
      return;
    }
    const x = Math.round(this.x(this.since)) - 1.5;
    const text = `no data before ${this.domain[1] - this.domain[0] > DAY ? moment(this.since).slice(5, 16) : clock(this.since)}`;
    pen.strokeStyle = this.colour("line");
    pen.lineWidth = 1;
    pen.setLineDash([3, 3]);
    pen.beginPath();
    pen.moveTo(x, TOP);
    pen.lineTo(x, this.bottom);
    pen.stroke();
    pen.setLineDash([]);
    if (this.textWidth(pen, text) + 14 > x) return;
    pen.fillStyle = this.colour("dim");
    pen.textAlign = "right";
    pen.fillText(text, x - 7, (TOP + this.bottom) / 2 + 18);
  }

  /** The time of the first reading in the range, or null. */
  #first() {
    const columns = this.spec.series.map(({ metric }) => this.data.columns[metric]?.avg ?? []);
    const at = this.data.ts.findIndex((_, i) => columns.some((values) => values[i] !== null && values[i] !== undefined));
    return at < 0 ? null : this.data.ts[at];
  }

  /** Labels of the axis, above the lines and with an outline in the colour of the card, so that they stay readable. */
  #labels(pen) {
    pen.textAlign = "left";
    pen.lineWidth = 3;
    pen.strokeStyle = this.colour("surface");
    pen.fillStyle = this.colour("dim");
    for (const value of [this.top / 2, this.top]) {
      const y = Math.round(this.y(value)) - 2.5;
      pen.strokeText(this.#axis(value), 2, y);
      pen.fillText(this.#axis(value), 2, y);
    }
  }

  #axis(value) {
    const text = this.spec.unit === "%" ? `${+value.toFixed(1)} %` : inUnit(value, this.spec.unit);
    return text.replace(/\.0(?= |$)/, "");
  }

  #series(pen, series) {
    const column = this.data.columns[series.metric];
    if (!column) return false;
    const { ts, gapAfter } = this.data;
    pen.strokeStyle = pen.fillStyle = this.colour(series.hue);
    pen.lineWidth = 1.6;
    pen.lineJoin = "round";
    pen.setLineDash(series.dashed ? [4, 3] : []);
    let begin = -1;
    let drawn = false;
    for (let i = 0; i <= ts.length; i += 1) {
      const value = i < ts.length ? column.avg[i] : null;
      const broken = value === null || value === undefined || (begin >= 0 && i > begin && ts[i] - ts[i - 1] > gapAfter);
      if (broken && begin >= 0) {
        this.#stretch(pen, series, column, begin, i - 1);
        drawn = true;
        begin = -1;
      }
      if (value !== null && value !== undefined && begin < 0) begin = i;
    }
    pen.setLineDash([]);
    return drawn;
  }

  #stretch(pen, series, column, first, last) {
    const { ts } = this.data;
    const line = (values, from, to, step) => {
      for (let i = from; i !== to + step; i += step) pen.lineTo(this.x(ts[i]), this.y(values[i]));
    };
    if (column.min && column.max && last > first) {
      pen.beginPath();
      line(column.max, first, last, 1);
      line(column.min, last, first, -1);
      pen.globalAlpha = 0.16;
      pen.fill();
      pen.globalAlpha = 1;
    }
    pen.beginPath();
    line(column.avg, first, last, 1);
    if (first === last) pen.lineTo(this.x(ts[first]) + 1.5, this.y(column.avg[first]));
    pen.stroke();
    if (!series.area) return;
    pen.lineTo(this.x(ts[last]), this.bottom);
    pen.lineTo(this.x(ts[first]), this.bottom);
    pen.globalAlpha = 0.12;
    pen.fill();
    pen.globalAlpha = 1;
  }

  /** Position of the reading nearest to a time, or -1 when there is none near. */
  nearest(ts) {
    return nearest(this.data?.ts ?? [], ts, this.data?.gapAfter ?? 0);
  }

  legend() {
    const at = this.cursor == null ? this.data.ts.length - 1 : this.nearest(this.cursor);
    this.spec.series.forEach((series, i) => {
      const values = this.data.columns[series.metric]?.avg ?? [];
      const newest = this.cursor == null && values[at] == null ? values[at - 1] : values[at]; // the newest bucket may still be empty
      const value = at < 0 ? null : newest;
      setText(this.keys[i].value, inUnit(value, this.spec.unit));
    });
  }

  /** The dots of the crosshair on the lines. */
  dots(pen, ts) {
    const at = this.nearest(ts);
    for (const series of at < 0 ? [] : this.spec.series) {
      const value = this.data.columns[series.metric]?.avg[at];
      if (value === null || value === undefined) continue;
      pen.fillStyle = this.colour(series.hue);
      pen.beginPath();
      pen.arc(this.x(this.data.ts[at]), this.y(value), 3, 0, 7);
      pen.fill();
    }
  }

  /** The readings at the crosshair, in words. */
  told() {
    return this.keys.map((key, i) => `${this.spec.series[i].label} ${key.value.textContent}`).join(", ");
  }

  /** The chart in words, for screen readers. */
  summary() {
    const parts = this.spec.series.map((series) => {
      const values = (this.data?.columns[series.metric]?.avg ?? []).filter((value) => value !== null && value !== undefined);
      if (!values.length) return `${series.label}: no data`;
      const low = values.reduce((a, b) => Math.min(a, b), Infinity);
      const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
      return `${series.label}: now ${inUnit(values[values.length - 1], this.spec.unit)}, from ${inUnit(low, this.spec.unit)} to ${inUnit(high, this.spec.unit)}`;
    });
    const since = this.since ? ` No data before ${moment(this.since)}.` : "";
    return `${this.spec.title}, ${moment(this.domain[0])} to ${moment(this.domain[1])}. ${parts.join("; ")}.${since}`;
  }
}
