// A picture over a time axis: a canvas for the data and one above it for crosshair, mark and selection; pointer and keyboard.

import { el, setText } from "../core/dom.js";
import { moment } from "../core/format.js";
import { context, onSize } from "./canvas.js";
import { timeMarks } from "./scale.js";

const LEFT = 4;
export const BOTTOM = 18;
export const TOP = 14;
const onLink = (event) => event.target.closest("a,button") !== null;

export class TimeArea {
  /**
   * @param title of the picture
   * @param on `{hover(ts|null), brush(range), select(range, area), pick(ts, area), reset()}` of the group
   * @param colour a token's colour
   * @param height the least height, px
   */
  constructor(title, on, colour, height) {
    this.title = title;
    this.on = on;
    this.colour = colour;
    this.base = el("canvas", { "aria-hidden": "true" });
    this.over = el("canvas", { "aria-hidden": "true" });
    this.note = el("div", { class: "note", hidden: true });
    this.said = el("span", { class: "hidden", "aria-live": "polite" });
    this.area = el("div", { class: "area fades", tabindex: "0", role: "group", "aria-label": title, style: `min-height:${height}px` }, this.base, this.over, this.note, this.said);
    this.size = onSize(this.area, (width, height) => {
      Object.assign(this, { wide: width, tall: height });
      this.draw();
    });
    this.domain = null; // [from, to] in µs, once there is a picture
    this.widths = new Map();
    this.#pointer();
  }

  close() {
    this.size.disconnect();
  }

  /** 0 until the observer reports the first size, which is before anything is painted. */
  get width() {
    return this.wide ?? 0;
  }

  get height() {
    return this.tall ?? 0;
  }

  x(ts) {
    return LEFT + ((ts - this.domain[0]) / (this.domain[1] - this.domain[0])) * (this.width - LEFT * 2);
  }

  time(x) {
    const share = (x - LEFT) / (this.width - LEFT * 2);
    return this.domain[0] + Math.min(1, Math.max(0, share)) * (this.domain[1] - this.domain[0]);
  }

  /** A pen for an empty picture; `bottom` is where the time axis begins. */
  clear() {
    this.bottom = this.height - BOTTOM;
    return context(this.base, this.width, this.height, this.#font());
  }

  #font() {
    this.font ??= `11px ${getComputedStyle(this.area).fontFamily || "sans-serif"}`;
    return this.font;
  }

  textWidth(pen, text) {
    if (this.widths.size > 500) this.widths.clear();
    let width = this.widths.get(text);
    if (width === undefined) this.widths.set(text, (width = pen.measureText(text).width));
    return width;
  }

  /** The marks of the time axis. */
  times(pen) {
    pen.fillStyle = this.colour("dim");
    pen.textBaseline = "alphabetic";
    pen.textAlign = "center";
    for (const [at, text] of timeMarks(this.domain, this.width)) {
      const x = this.x(at);
      const half = this.textWidth(pen, text) / 2;
      if (x - half < 0 || x + half > this.width) continue;
      pen.fillText(text, x, this.bottom + 14);
    }
  }

  /** Show the crosshair of the group at a time, or hide it with null. */
  point(ts) {
    this.cursor = ts;
    if (!this.ready || !this.width) return;
    this.marks();
    this.legend();
  }

  /** Mark a moment with a line that stays, or remove it with null. */
  mark(ts) {
    this.marked_ts = ts;
    this.point(this.cursor ?? null);
  }

  select(range) {
    this.selection = range;
    this.point(this.cursor ?? null);
  }

  /** Draw selection, mark and crosshair; skip a canvas that is blank and stays blank. */
  marks() {
    const ts = this.cursor ?? null;
    const { height } = this;
    const wanted = Boolean(this.selection) || ts !== null || this.marked_ts != null;
    if (!wanted && !this.marked) return;
    this.marked = wanted;
    const pen = context(this.over, this.width, height, this.#font());
    if (this.selection) {
      const [a, b] = this.selection.map((one) => this.x(one));
      pen.fillStyle = pen.strokeStyle = this.colour("cpu");
      pen.globalAlpha = 0.16;
      pen.fillRect(Math.min(a, b), 0, Math.abs(b - a), height - BOTTOM);
      pen.globalAlpha = 1;
      pen.strokeRect(Math.min(a, b) + 0.5, 0.5, Math.abs(b - a), height - BOTTOM - 1);
    }
    if (this.marked_ts != null && this.marked_ts >= this.domain[0] && this.marked_ts <= this.domain[1]) {
      pen.fillStyle = this.colour("text");
      pen.fillRect(Math.round(this.x(this.marked_ts)) - 1, TOP - 8, 2, height - BOTTOM - TOP + 8);
    }
    if (ts !== null && ts >= this.domain[0] && ts <= this.domain[1]) this.#crosshair(pen, ts, height);
  }

  #crosshair(pen, ts, height) {
    const x = Math.round(this.x(ts)) + 0.5;
    pen.strokeStyle = this.colour("muted");
    pen.setLineDash([3, 3]);
    pen.beginPath();
    pen.moveTo(x, 0);
    pen.lineTo(x, height - BOTTOM);
    pen.stroke();
    pen.setLineDash([]);
    this.dots(pen, ts);
    const label = moment(ts);
    const half = pen.measureText(label).width / 2 + 5;
    const middle = Math.min(this.width - half, Math.max(half, x));
    pen.fillStyle = this.colour("raised");
    pen.fillRect(middle - half, height - BOTTOM + 1, half * 2, BOTTOM - 1);
    pen.fillStyle = this.colour("text");
    pen.textAlign = "center";
    pen.fillText(label, middle, height - 5);
  }

  #pointer() {
    let down = null;
    const at = (event) => this.time(event.clientX - this.area.getBoundingClientRect().left);
    this.area.onpointermove = (event) => {
      if (!this.domain) return;
      if (down !== null && Math.abs(event.clientX - down.x) > 5) this.on.brush([down.ts, at(event)]);
      this.on.hover(at(event));
    };
    this.area.onpointerleave = () => this.on.hover(null);
    this.area.onpointerdown = (event) => {
      if (event.button !== 0 || !this.domain || event.pointerType === "touch" || onLink(event)) return;
      down = { x: event.clientX, ts: at(event) };
      this.area.setPointerCapture(event.pointerId);
    };
    this.area.onpointerup = (event) => {
      this.dragged = down !== null && Math.abs(event.clientX - down.x) > 5;
      if (this.dragged) this.on.select([down.ts, at(event)], this);
      down = null;
    };
    this.area.onclick = (event) => {
      if (!this.dragged && this.domain && !onLink(event)) this.on.pick(at(event), this);
      this.dragged = false;
    };
    this.area.onpointercancel = () => {
      down = null;
      this.on.brush(null);
    };
    this.area.ondblclick = () => this.on.reset();
    this.area.onkeydown = (event) => this.#key(event);
  }

  #key(event) {
    if (!this.domain) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      const [from, to] = this.domain;
      const was = this.cursor ?? to;
      const next = Math.min(to, Math.max(from, was + (step * (to - from)) / 60));
      if (event.shiftKey) this.on.brush([this.selection?.[0] ?? was, next]);
      this.on.hover(next);
      setText(this.said, `${moment(next)}: ${this.told()}`);
    } else if (event.key === "Enter" && event.target !== this.area) return; // a link in the chart
    else if (event.key === "Enter" && this.selection) this.on.select(this.selection, this);
    else if (event.key === "Enter" && this.cursor != null) this.on.pick(this.cursor, this);
    else if (event.key === "Escape") {
      this.on.brush(null);
      this.on.hover(null);
      return;
    } else return;
    event.preventDefault();
  }
}
