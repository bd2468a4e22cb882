// "Is it fine?" in one sentence: the worst thing that is so, and how bad it is.

import { fixed, inUnit, plural, span } from "./format.js";

const BUSY_PCT = 95;
const FULL = 0.95;
const STALL_PCT = 20;
const MANY_ERRORS = 10; // one a minute

/** `[level, headline, sentence]`, level one of `ok warn bad wait`, for the hub's present state. */
export function verdict(hub) {
  return connection(hub) ?? watch(hub) ?? machine(hub) ?? ["ok", "All is well.", "Every reading is in its usual bounds."];
}

function connection(hub) {
  const since = (at) => (at ? ` since ${new Date(at).toLocaleTimeString("en-GB")}` : "");
  switch (hub.state) {
    case "offline":
      return ["bad", "The dashboard does not answer", `${since(hub.offlineSince)}. What you see is the last that came; it is tried again by itself. Is watchkeeper still running?`];
    case "away":
      return ["bad", "The agent is away", `${since(hub.agent.since ? hub.agent.since / 1000 : null)}. What you see is the last that came. Start it with “watchkeeper agent”; this heals by itself.`];
    case "silent":
      return ["warn", `No reading for ${span(hub.ageSeconds)}.`, "The sampler may be restarting; what you see is the last that came."];
    case "connecting":
      return ["wait", "Connecting to the agent…", ""];
    default:
      return null;
  }
}

function watch({ status, tick }) {
  const store = status?.store;
  if (store && store.state !== "ok") return ["bad", store.state === "full" ? "The store has no room." : "The store cannot be written.", store.message ?? "New readings are not kept."];
  if (status?.logs?.waiting) return ["bad", "Log records wait to be stored.", status.logs.waiting];
  const { received = 0, expected = 0, missed = 0 } = tick?.samples ?? {};
  if (expected > 60 && missed / expected > 0.05) return ["warn", "Samples are being missed:", `${received} of ${expected} came.`];
  return null;
}

function machine({ tick, ring, status }) {
  const host = tick?.host ?? {};
  const share = host.mem_total ? (host.mem_used ?? 0) / host.mem_total : 0;
  if (share > FULL) return ["bad", "Memory is nearly full:", `${inUnit(host.mem_used, "bytes")} of ${inUnit(host.mem_total, "bytes")}.`];
  if ((host.psi_mem_full ?? 0) > STALL_PCT) return ["bad", "Work waits for memory", `${fixed(host.psi_mem_full, 0)} % of the time.`];
  if ((host.psi_io_full ?? 0) > STALL_PCT) return ["warn", "Work waits for the disk", `${fixed(host.psi_io_full, 0)} % of the time.`];
  const busy = ring.mean("cpu_pct", ring.last - 60e6, ring.last + 1);
  if (busy !== null && busy > BUSY_PCT) return ["warn", "The processors are full:", `${fixed(busy, 0)} % over the last minute.`];
  const lost = (tick?.gpus ?? []).find((gpu) => gpu.error);
  if (lost) return ["warn", `GPU ${lost.index} cannot be read:`, lost.error];
  if (tick?.gpu_state === "stale" || tick?.gpu_state === "error") return ["warn", "The GPUs cannot be read:", tick.gpu_message ?? ""];
  const errors = status?.errors?.last_10_min ?? 0;
  if (errors > MANY_ERRORS) return ["warn", "Errors are being logged:", `${plural(errors, "error")} in the last 10 minutes.`];
  if (errors > 0) return ["ok", "The machine is well.", `${plural(errors, "error")} logged in the last 10 minutes.`];
  return null;
}
