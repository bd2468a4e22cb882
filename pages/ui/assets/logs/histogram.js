// Records over time by level. Pills choose levels and a selection sets the time range; both go to the address.

import { follow, pageUrl, param, setParams } from "../core/address.js";
import { get, Latest } from "../core/api.js";
import { colours, component, el, setAttr, setText } from "../core/dom.js";
import { barWidth, count, fixed, moment, NONE, plural } from "../core/format.js";
import { live, markStale } from "../live/hub.js";
import { context, onSize } from "../charts/canvas.js";
import { perHour, queryOf } from "./pattern_model.js";

const LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "unknown"];
const HUES = { fatal: "bad", error: "bad", warn: "warn", info: "neutral", debug: "neutral", trace: "neutral", unknown: "neutral" };
const STRENGTH = { info: 0.6, debug: 0.38, trace: 0.28, unknown: 0.28 }; // common levels stay in the background
const REFRESH_MS = 2000;
const AXIS = 14;

class Histogram {
  constructor(host) {
    this.hub = live();
    this.latest = new Latest();
    this.colour = colours(host);
    this.buttons = Object.fromEntries(LEVELS.map((level) => [level, this.#pill(level)]));
    this.says = el("span", { role: "status" });
    this.links = [follow(el("a", { class: "link", text: "Group by pattern" })), follow(el("a", { class: "link", text: "What changed" })), follow(el("a", { class: "link", text: "Alert on this" }))];
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.area = el("div", { class: "area fades", tabindex: "0", role: "group", "aria-label": "Records over time" }, this.canvas);
    this.left = el("span");
    this.right = el("span");
    host.append(el("div", { class: "pills", role: "group", "aria-label": "Levels" }, el("span", { class: "scroll" }, ...LEVELS.map((level) => this.buttons[level].node), el("span", { class: "links" }, ...this.links)), this.says), el("section", { class: "card hist" }, this.area, el("div", { class: "read" }, this.left, this.right)));
    this.subscription = this.hub.subscribe({ host: true, status: true });
    this.off = [markStale(host), this.hub.on("second", () => this.#second()), this.hub.on("logs", () => (this.dirty = true))];
    this.sized = onSize(this.area, (width, height) => {
      Object.assign(this, { wide: width, tall: height });
      this.#draw();
    });
    this.#pointer();
  }

  #pill(level) {
    const number = el("span", { text: NONE });
    const node = el("button", { type: "button", "aria-pressed": "false", hidden: ["fatal", "trace", "unknown"].includes(level) }, el("span", { class: `lv ${level}`, text: level.toUpperCase() }), number);
    node.onclick = () => this.#toggle(level);
    return { node, number };
  }

  /** `data`: `{filters, levels, window_s, range, live}`. The filters exclude the levels, so that levels that are off have counts too. */
  update(data) {
    const moved = JSON.stringify([data.filters, data.range, data.window_s]) !== JSON.stringify([this.data?.filters, this.data?.range, this.data?.window_s]);
    this.data = data;
    for (const level of LEVELS) setAttr(this.buttons[level].node, "aria-pressed", String(this.#on(level)));
    this.#leads();
    if (moved) this.#load();
    else if (this.answer) this.#counts();
    this.#draw();
  }

  close() {
    this.latest.stop();
    this.sized.disconnect();
    this.subscription.close();
    for (const off of this.off) off();
  }

  /** The same view by pattern, and compared with the time before; and a rule that tells of such records. */
  #leads() {
    const { filters, levels } = this.data;
    const view = { search: queryOf(filters, levels), sources: filters.source ?? null, range: param("range"), from: param("from"), to: param("to") };
    setAttr(this.links[0], "href", pageUrl("patterns", view));
    setAttr(this.links[1], "href", pageUrl("patterns", { ...view, view: "changes" }));
    const query = [view.search, filters.source && `source:${filters.source}`].filter(Boolean).join(" ");
    this.links[2].hidden = !query;
    setAttr(this.links[2], "href", pageUrl("alerts", { new: "records", query }));
  }

  get width() {
    return (this.wide ||= this.area.clientWidth); // read only before the observer reports the first size
  }

  get height() {
    return (this.tall ||= this.area.clientHeight);
  }

  #on(level) {
    return !this.data.levels.length || this.data.levels.includes(level);
  }

  #toggle(level) {
    const shown = this.data.levels.length ? this.data.levels : LEVELS;
    const next = !this.data.levels.length ? [level] : shown.includes(level) ? shown.filter((one) => one !== level) : [...shown, level];
    const all = next.length === 0 || next.length === LEVELS.length;
    setParams({ levels: all ? null : LEVELS.filter((one) => next.includes(one)).join(",") });
  }

  #span() {
    if (this.data.range) return this.data.range;
    const now = this.hub.tick?.ts ?? Date.now() * 1000;
    return [now - this.data.window_s * 1e6, now];
  }

  #load() {
    const [since, until] = this.#span().map(Math.round);
    const buckets = Math.max(24, Math.min(160, Math.floor(this.width / 9) || 100));
    this.askedAt = performance.now();
    this.dirty = false;
    const take = (answer) => {
      Object.assign(this, { answer, domain: [since, until] });
      this.#counts();
      this.#draw();
    };
    const fail = (error) => setText(this.says, `Counts could not be loaded: ${error.message}.`);
    this.latest.ask((signal) => get("logs/histogram", { ...this.data.filters, since, until, buckets }, { signal, seconds: 30 }), take, fail);
  }

  #second() {
    if (!this.data || this.data.range || this.hub.paused || this.brush) return;
    const wait = this.data.window_s <= 3600 ? REFRESH_MS : 15_000;
    if (performance.now() - (this.askedAt ?? 0) > wait) this.#load();
  }

  #counts() {
    const { levels, elapsed_ms: took } = this.answer;
    let total = 0; // of the levels that are shown, as in the list below
    for (const level of LEVELS) {
      const n = (levels[level] ?? []).reduce((a, b) => a + b, 0);
      if (this.#on(level)) total += n;
      setText(this.buttons[level].number, count(n));
      if (n) this.buttons[level].node.hidden = false;
    }
    const when = this.data.range ? "" : ` in the last ${this.data.window_s <= 3600 ? "hour" : this.data.window_s <= 86_400 ? "24 hours" : "7 days"}`;
    setText(this.says, `${plural(total, "record")}${this.data.window_s === 300 ? " in the last 5 minutes" : when}${this.#rate(total)}${this.answer.archived ? " · partly from the archive" : ""} · ${fixed(took, took < 10 ? 1 : 0)} ms`);
    setAttr(this.area, "aria-label", `Records over time, ${plural(total, "record")}. Arrow keys move, Shift with arrow keys selects a time range, Enter applies it.`);
  }

  /** Records an hour, for ranges of which an hour is a part. */
  #rate(total) {
    const hours = (this.domain[1] - this.domain[0]) / 3600e6;
    return hours > 1.01 ? ` · ${perHour(total / hours)} an hour` : "";
  }

  #x(ts) {
    return ((ts - this.domain[0]) / (this.domain[1] - this.domain[0])) * this.width;
  }

  #time(x) {
    const share = Math.min(1, Math.max(0, x / this.width));
    return this.domain[0] + share * (this.domain[1] - this.domain[0]);
  }

  #draw() {
    const { width } = this;
    if (!width || !this.domain || !this.answer) return;
    const { height } = this;
    const pen = context(this.canvas, width, height);
    this.#bars(pen, height - AXIS);
    pen.fillStyle = this.colour("line");
    pen.fillRect(0, height - AXIS, width, 1);
    this.#scale(pen, width, height - AXIS);
    this.#marks(pen, width, height);
    if (this.cursor == null) {
      setText(this.left, `${moment(this.domain[0])} · a bar is ${barWidth(this.answer.bucket_us)}, the highest has ${plural(this.peak, "record")}`);
      setText(this.right, this.data.range ? moment(this.domain[1]) : "now");
    }
  }

  #bars(pen, height) {
    const { ts, levels, bucket_us: bucket } = this.answer;
    const shown = LEVELS.filter((level) => levels[level] && this.#on(level)).reverse();
    const sums = ts.map((_, i) => shown.reduce((sum, level) => sum + levels[level][i], 0));
    this.peak = Math.max(0, ...sums);
    const peak = Math.max(1, this.peak);
    const wide = Math.max(1, this.#x(this.domain[0] + bucket) - 1);
    ts.forEach((at, i) => {
      let y = height;
      for (const level of shown) {
        const n = levels[level][i];
        if (!n) continue;
        const tall = Math.max(1.5, (n / peak) * (height - 4));
        pen.fillStyle = this.colour(HUES[level]);
        pen.globalAlpha = STRENGTH[level] ?? 1;
        pen.fillRect(this.#x(at), y - tall, wide, tall);
        y -= tall;
      }
    });
    pen.globalAlpha = 1;
  }

  /** The height of the bars: their highest and, where there is room, half of it. */
  #scale(pen, width, height) {
    if (!this.peak) return;
    pen.font = "11px system-ui, sans-serif";
    for (const share of this.peak > 1 && height > 34 ? [1, 0.5] : [1]) {
      const y = Math.round(height - share * (height - 4)) + 0.5;
      pen.fillStyle = this.colour("line");
      pen.fillRect(0, y, width, 1);
      pen.fillStyle = this.colour("dim");
      const text = count(Math.round(share * this.peak));
      pen.lineWidth = 3; // bars may stand behind it
      pen.lineJoin = "round";
      pen.strokeStyle = this.colour("surface");
      pen.strokeText(text, 2, y + 10);
      pen.fillText(text, 2, y + 10);
    }
  }

  #marks(pen, width, height) {
    if (this.brush) {
      const [a, b] = this.brush.map((ts) => this.#x(ts));
      pen.fillStyle = pen.strokeStyle = this.colour("cpu");
      pen.globalAlpha = 0.16;
      pen.fillRect(Math.min(a, b), 0, Math.abs(b - a), height - AXIS);
      pen.globalAlpha = 1;
      pen.strokeRect(Math.min(a, b) + 0.5, 0.5, Math.abs(b - a), height - AXIS);
    }
    if (this.cursor != null) {
      pen.fillStyle = this.colour("muted");
      pen.fillRect(Math.round(this.#x(this.cursor)), 0, 1, height - AXIS);
    }
  }

  #hover(ts) {
    this.cursor = ts;
    if (ts !== null && this.answer) {
      const { ts: times, levels, bucket_us: bucket } = this.answer;
      const i = times.findLastIndex((at) => at <= ts);
      const here = i >= 0 && ts - times[i] <= bucket ? LEVELS.filter((level) => levels[level]?.[i]).map((level) => `${level} ${count(levels[level][i])}`) : [];
      setText(this.left, `${moment(ts)}  ${here.join(" · ") || "no records"}`);
      setText(this.right, this.brush ? `${moment(Math.min(...this.brush))} – ${moment(Math.max(...this.brush))}` : "Drag to select a time range");
    }
    this.#draw();
  }

  #set() {
    const [from, to] = [Math.min(...this.brush), Math.max(...this.brush)];
    this.brush = null;
    this.cursor = null;
    if (to - from < 1e5) return;
    setParams({ range: "custom", from: new Date(from / 1000).toISOString(), to: new Date(to / 1000).toISOString() });
  }

  #pointer() {
    let down = null;
    const at = (event) => this.#time(event.clientX - this.area.getBoundingClientRect().left);
    this.area.onpointermove = (event) => {
      if (!this.domain) return;
      if (down && Math.abs(event.clientX - down.x) > 4) this.brush = [down.ts, at(event)];
      this.#hover(at(event));
    };
    this.area.onpointerleave = () => {
      if (!down) this.#hover(null);
    };
    this.area.onpointerdown = (event) => {
      if (event.button !== 0 || !this.domain || event.pointerType === "touch") return;
      down = { x: event.clientX, ts: at(event) };
      this.area.setPointerCapture(event.pointerId);
    };
    this.area.onpointerup = () => {
      down = null;
      if (this.brush) this.#set();
    };
    this.area.onpointercancel = () => {
      down = this.brush = null;
      this.#draw();
    };
    this.area.ondblclick = () => setParams({ range: null, from: null, to: null });
    this.area.onkeydown = (event) => this.#key(event);
  }

  #key(event) {
    if (!this.domain) return;
    const [from, to] = this.domain;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      const was = this.cursor ?? to;
      const next = Math.min(to, Math.max(from, was + (step * (to - from)) / 60));
      this.brush = event.shiftKey ? [this.brush?.[0] ?? was, next] : null;
      this.#hover(next);
    } else if (event.key === "Enter" && this.brush) this.#set();
    else if (event.key === "Escape") {
      this.brush = null;
      this.#hover(null);
      return;
    } else return;
    event.preventDefault();
  }
}

export default component(Histogram);
