// Once the first page lives, the scripts of the other pages are fetched in a quiet moment: a switch waits for none of them.

const LATEST_MS = 1000;
const soon = globalThis.requestIdleCallback ?? ((work) => setTimeout(work, LATEST_MS)); // Safari has none
let asked = false;

const parts = () => [
  import("./cards.js"),
  import("./charts.js"),
  import("./busiest.js"),
  import("./errors.js"),
  import("./engines.js"),
  import("./quality.js"),
  import("./gpuline.js"),
  import("./proctable.js"),
  import("./hist.js"),
  import("./logview.js"),
  import("./cores.js"),
  import("./devices.js"),
  import("./facts.js"),
  import("./segments.js"),
];

/** Fetch them once a tab, after the first reading was drawn. */
export function prepare(hub) {
  if (asked) return;
  asked = true;
  const off = hub.on("tick", () => {
    off();
    soon(() => Promise.allSettled(parts()), { timeout: LATEST_MS }); // whoever needs a part that failed asks again and says so
  });
}
