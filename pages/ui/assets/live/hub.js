// The one live socket of the tab, shared by all components. Their subscriptions are merged into one. A hidden tab receives
// nothing. A lost connection is shown, and the history fills the gap afterwards. All components draw in one animation frame,
// so that a tick costs one layout and one paint.

import { Processes } from "./processes.js";
import { Ring } from "./ring.js";

const LINGER_MS = 4000; // between two pages there is no subscription for a moment
const BACKOFF_MS = [250, 500, 1000, 2000, 3000];
const SILENT_S = 3;
const TOGETHER_MS = 12;
const DRAWN = ["tick", "procs", "status", "second"]; // dispatched within an animation frame, in this order
const HISTORY_S = 330; // only the first subscription is answered with history, so it asks for all of it, whichever component is first

class Hub extends EventTarget {
  constructor() {
    super();
    this.subscriptions = new Set();
    this.socket = null;
    this.tries = 0;
    this.ring = new Ring();
    this.processes = new Processes();
    this.hello = null;
    this.tick = null;
    this.tickAt = 0; // performance.now() of the newest tick
    this.status = null;
    this.lost = 0;
    this.paused = false;
    this.connection = "connecting"; // connecting | open | offline
    this.agent = { state: "unknown", since: null };
    this.offlineSince = null;
    this.asked = "";
    this.logsTag = 0; // the newest `want.logs_tag`; each query of records takes a new one
    this.due = new Set();
    document.addEventListener("visibilitychange", () => this.#visibility());
    addEventListener("online", () => this.#retry());
    setInterval(() => this.#watch(), 1000);
  }

  /** Subscribe to `{host, processes, status, events, jobs, logs, logs_tag, logs_columns, history_s}`. `update(want)` changes the subscription, `close()` ends it. */
  subscribe(want) {
    const subscription = { want };
    this.subscriptions.add(subscription);
    this.#sync();
    return {
      update: (next) => {
        subscription.want = next;
        this.#sync();
      },
      close: () => {
        this.subscriptions.delete(subscription);
        setTimeout(() => this.#sync(), LINGER_MS);
      },
    };
  }

  /**
   * Listen to an event; the returned function removes the listener. `logs`, `events`, `jobs`, `following`, `hello`, `state` and `pause` come at once;
   * `tick`, `procs`, `status` and `second` come in the next animation frame, at most once a frame.
   */
  on(type, listener) {
    const wrapped = (event) => listener(event.detail);
    this.addEventListener(type, wrapped);
    return () => this.removeEventListener(type, wrapped);
  }

  /** The state of the connection: `live`, `connecting`, `away` (no agent), `offline` (no dashboard) or `silent` (no readings). */
  get state() {
    if (this.connection === "offline") return "offline";
    if (this.agent.state === "away") return "away";
    if (this.tick === null) return "connecting";
    return this.ageSeconds > SILENT_S ? "silent" : "live";
  }

  /** The age of the newest reading by the clock of this tab; the clock of the machine may differ. */
  get ageSeconds() {
    return this.tick === null ? null : (performance.now() - this.tickAt) / 1000;
  }

  pause(paused = !this.paused) {
    if (paused === this.paused) return;
    this.paused = paused;
    this.pausedAt = paused ? Date.now() : null;
    this.#emit("pause", paused);
  }

  #merged() {
    const want = { host: false, processes: false, status: false, events: false, jobs: false, logs: null, logs_tag: 0, logs_columns: [], history_s: HISTORY_S };
    for (const { want: one } of this.subscriptions) {
      want.host ||= Boolean(one.host);
      want.processes ||= Boolean(one.processes);
      want.status ||= Boolean(one.status);
      want.events ||= Boolean(one.events);
      want.jobs ||= Boolean(one.jobs);
      if (one.logs && !want.logs) Object.assign(want, { logs: one.logs, logs_tag: one.logs_tag, logs_columns: one.logs_columns ?? [] });
      want.history_s = Math.max(want.history_s, one.history_s ?? 0);
    }
    return want;
  }

  #sync() {
    if (document.hidden) return;
    if (this.subscriptions.size === 0) {
      this.#disconnect();
    } else if (this.socket === null) {
      this.#connect();
    } else if (this.socket.readyState === WebSocket.OPEN) {
      this.#ask();
    }
  }

  #ask() {
    this.wanted = this.#merged();
    const message = JSON.stringify({ subscribe: this.wanted });
    if (message === this.asked) return;
    this.asked = message;
    this.socket.send(message);
  }

  #connect() {
    clearTimeout(this.timer);
    const url = new URL("../../live", import.meta.url);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = "";
    const socket = new WebSocket(url);
    this.socket = socket;
    this.asked = "";
    socket.onopen = () => this.#ask();
    socket.onmessage = (event) => {
      if (socket === this.socket) this.#receive(JSON.parse(event.data));
    };
    socket.onclose = () => {
      if (socket === this.socket) this.#closed();
    };
  }

  #disconnect() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  #closed() {
    this.socket = null;
    if (this.connection !== "offline") this.offlineSince = Date.now();
    this.connection = "offline";
    this.#emit("state", this.state);
    const wait = BACKOFF_MS[Math.min(this.tries, BACKOFF_MS.length - 1)];
    this.tries += 1;
    this.timer = setTimeout(() => this.#sync(), wait * (0.8 + Math.random() * 0.4));
  }

  #retry() {
    if (this.socket !== null) return;
    this.tries = 0;
    this.#sync();
  }

  #visibility() {
    if (document.hidden) this.#disconnect();
    else this.#retry();
  }

  #receive(message) {
    if (this.connection !== "open") {
      this.connection = "open";
      this.tries = 0;
    }
    switch (message.t) {
      case "hello":
        this.hello = message;
        this.agent = { state: "here", since: null };
        if (message.history) this.ring.load(message.history);
        this.#emit("hello", message);
        break;
      case "tick":
        this.#tick(message);
        break;
      case "history":
        this.ring.load(message);
        break;
      case "procs":
        this.processes.apply(message);
        this.#soon("procs");
        break;
      case "status":
        this.status = message;
        if (message.errors?.trend) this.#remember(message.errors.trend);
        this.ring.set("errors_per_minute", this.#errorRate());
        this.#soon("status");
        break;
      case "events":
        this.#emit("events", message.events);
        break;
      case "jobs":
        this.#emit("jobs", message);
        break;
      case "logs":
        this.#emit("logs", message);
        break;
      case "following":
        this.#emit("following", message);
        break;
      case "lost":
        this.lost += message.frames;
        break;
      case "agent":
        this.agent = { state: message.state === "away" ? "away" : "here", since: message.since ?? null, coming: message.coming ?? false };
        break;
      default: // a newer server may send more than this page knows
    }
    this.#watch();
  }

  /** The age of a reading when it was sent, in ms: the first one after the hello may have waited for this tab. */
  #before({ ts }) {
    const said = this.hello?.now ?? 0;
    return ts < said && said - ts < 60e6 ? (said - ts) / 1000 : 0;
  }

  /** Errors per minute from before this tab was opened or while it was hidden: the first status may be of when nobody looked. */
  #remember({ from, step_us: step, per_minute: avg }) {
    this.ring.fill({ ts: avg.map((_, i) => from + i * step), bucket_us: step, series: { errors_per_minute: { avg } } }, true);
  }

  #errorRate() {
    const errors = this.status?.errors?.last_10_min;
    return typeof errors === "number" ? errors / 10 : null;
  }

  #tick(message) {
    if (this.tick !== null && message.seq > this.tick.seq + 1) this.ring.hole(message.ts);
    this.tick = message;
    this.cameAt = performance.now();
    this.tickAt = this.cameAt - this.#before(message);
    this.agent = { state: "here", since: null };
    const values = { ...message.host };
    for (const gpu of (message.gpu_fresh ?? true) ? (message.gpus ?? []) : []) {
      for (const [name, value] of Object.entries(gpu)) if (typeof value === "number") values[`gpu${gpu.index}.${name}`] = value;
    }
    values.errors_per_minute = this.#errorRate();
    this.ring.push(message.ts, values);
    this.#soon("tick");
  }

  #watch() {
    const state = this.state;
    if (state !== this.announced) {
      this.announced = state;
      this.#emit("state", state);
    }
    if (!document.hidden && performance.now() - (this.secondAt ?? 0) > 900) {
      this.secondAt = performance.now();
      this.#soon("second");
    }
  }

  /** Draw in the next frame. A reading waits a moment for the processes of the same second, to be drawn with them. */
  #soon(type) {
    this.due.add(type);
    if (this.wanted?.processes && !this.due.has("procs")) this.together ??= setTimeout(() => this.#draw(), TOGETHER_MS);
    else this.#draw();
  }

  #draw() {
    clearTimeout(this.together);
    this.together = null;
    this.frame ??= requestAnimationFrame(() => {
      const { due } = this;
      this.due = new Set();
      this.frame = null;
      for (const type of DRAWN) if (due.has(type)) this.#emit(type, null);
      if (due.has("tick")) globalThis.__watchkeeperProbe?.(this.tick.ts, this.cameAt); // set by the benchmarks in tests/bench only
    });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

const NAME = Symbol.for("watchkeeper.live");

/** The hub of the tab. It is kept on the window so that two versions of this file never open two sockets. */
export function live() {
  globalThis[NAME] ??= new Hub();
  return globalThis[NAME];
}

/** Mark a component as stale while no readings arrive; the returned function stops that. */
export function markStale(host) {
  const hub = live();
  const show = () => host.toggleAttribute("data-stale", ["away", "offline", "silent"].includes(hub.state));
  show();
  return hub.on("state", show);
}
