// A table of containers, units and sessions, from the page: the sums of their processes, their limits, and how often these were hit.

import { follow, pageUrl } from "../core/address.js";
import { component, el, icon, inert } from "../core/dom.js";
import { bytes, count, fixed, NONE, plural, rate } from "../core/format.js";

const KINDS = { container: "container", unit: "unit", session: "session", group: "control group" };
const COLUMNS = ["Group", "Kind", "Processes", "CPU %", "Memory", "Of its limit", "Limit hit", "CPU limit", "Read", "Write", "VRAM"];
const TEXTS = new Set(["Group", "Kind"]);
const NEAR = 0.9;

class Groups {
  constructor(host) {
    this.says = el("div", { class: "aside-line muted", role: "status" });
    this.body = el("tbody");
    const head = el("tr", {}, ...COLUMNS.map((title) => el("th", { class: TEXTS.has(title) ? "" : "num", scope: "col", text: title })));
    this.table = el("div", { class: "scrolls", tabindex: "0", role: "group", "aria-label": "Containers, units and sessions" }, el("table", { class: "plain groups" }, el("thead", {}, head), this.body));
    this.nothing = el("div", { class: "empty" }, el("b", { text: "No matching groups." }), "Clear the search.");
    host.append(el("section", { class: "card" }, this.says, this.table, this.nothing));
  }

  /** `{groups: [ProcessGroup]}`. */
  update({ groups }) {
    const limited = groups.filter((one) => one.memory_limit !== null || one.cpu_limit !== null).length;
    this.says.textContent = groups.length ? `${plural(groups.length, "group")} · ${limited ? `${count(limited)} with limits` : "none has a limit"}` : "";
    this.body.replaceChildren(...groups.map(row));
    this.table.hidden = !groups.length;
    this.nothing.hidden = groups.length > 0;
  }

  close() {}
}

function row(group) {
  const name = group.kind === null ? el("span", { class: "muted", text: "Outside of containers and units" }) : follow(el("a", { class: "link text", href: pageUrl("processes", { q: group.name, which: "all" }), title: inert(group.cgroup ?? "", 400), text: inert(group.name, 80) }));
  const number = (text) => el("td", { class: "num", text });
  return el(
    "tr",
    {},
    el("td", {}, name),
    el("td", { class: "text muted", text: KINDS[group.kind] ?? NONE }),
    number(count(group.processes)),
    number(fixed(group.cpu_pct, 1)),
    number(bytes(group.memory ?? group.rss)),
    el("td", { class: "num" }, ...share(group)),
    el("td", { class: "num" }, ...hits(group)),
    number(group.cpu_limit === null ? NONE : `${fixed(group.cpu_limit, Number.isInteger(group.cpu_limit) ? 0 : 1)} cores${group.throttled_pct ? `, waits ${fixed(group.throttled_pct, 0)} %` : ""}`),
    number(rate(group.read_bps)),
    number(rate(group.write_bps)),
    number(group.gpu_mem ? bytes(group.gpu_mem) : NONE),
  );
}

/** How much of its memory limit a group uses. */
function share(group) {
  if (group.memory_limit === null || group.memory === null) return [NONE];
  const part = group.memory / group.memory_limit;
  const text = `${fixed(100 * part, 0)} % of ${bytes(group.memory_limit)}`;
  return part >= NEAR ? [icon("warn"), " ", text] : [text];
}

/** How often a group was at its memory limit, and what the kernel killed for it. */
function hits(group) {
  if (group.oom_kills) return [icon("bad"), ` ${plural(group.oom_kills, "process", "processes")} killed`];
  return [group.memory_limit === null || group.memory_limit_hits === null ? NONE : `${count(group.memory_limit_hits)} ×`];
}

export default component(Groups);
