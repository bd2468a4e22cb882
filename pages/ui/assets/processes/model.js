// Which processes the table shows and in which order: filter, sort, tree. Pure functions over the live set.

import { linear, TooSlow, Unsupported } from "../core/linear.js";

export const COLUMNS = {
  name: { title: "Name", width: "minmax(236px, 1.4fr)", text: true, sortAs: "title" },
  pid: { title: "PID", width: "76px" },
  user: { title: "User", width: "84px", text: true },
  cpu_pct: { title: "CPU %", width: "76px" },
  cpu_minute: { title: "CPU, minute", width: "92px" },
  spark: { title: "Last minute", width: "100px", sortAs: "cpu_pct", left: true },
  cpu_seconds: { title: "CPU time", width: "92px", tip: "CPU time that it used since it began." },
  rss: { title: "Memory", width: "88px" },
  mem_pct: { title: "Memory %", width: "88px", sortAs: "rss", tip: "Resident memory, of the memory of the whole machine." },
  growth_10m: { title: "Growth, 10 min", width: "116px", tip: "How fast memory grows, a minute: the median over the last 10 minutes. Known once a process was watched for 5 minutes." },
  growth_1h: { title: "Growth, 1 h", width: "116px", tip: "How fast memory grows, a minute: the median over the last hour. Known once a process was watched for 30 minutes." },
  gpu_mem: { title: "VRAM", width: "88px" },
  read_bps: { title: "Read", width: "92px" },
  write_bps: { title: "Write", width: "92px" },
  threads: { title: "Threads", width: "72px" },
  fds: { title: "Files", width: "64px" },
  nice: { title: "Nice", width: "64px", tip: "Priority, from -20 (first) to 19 (last)." },
  status: { title: "Status", width: "140px", text: true },
  start_ts: { title: "Running for", width: "104px", left: true },
  unit: { title: "Container or unit", width: "minmax(150px, 1fr)", text: true },
  outcome: { title: "Since then", width: "minmax(230px, 1fr)", text: true },
  cmdline: { title: "Command", width: "minmax(220px, 3fr)", text: true },
};

/** A title where there is little room: `python -m monitor agent` and `python -m monitor.sampling` differ only behind what they share. */
export const briefly = (title) => title.replace(/^\S+ -(?:m|jar) (?=\S)/, "");

let newest = { text: null };

/**
 * What a search means: `{match, problem}`. `match` is a test over name, command line, unit, user and PID, and null for a pattern that
 * cannot be used; `problem()` says in `[what, remedy]` why nothing is found, also when a pattern turned out to be too slow.
 */
export function search(text) {
  const query = (text ?? "").trim();
  if (newest.text !== query) newest = { text: query, ...meaning(query) };
  return newest;
}

/** The test alone. */
export const matcher = (text) => search(text).match;

const REMEDY = "Correct the expression between the slashes, or remove the slashes to search for text.";
const SIMPLER = "Make the expression simpler, or remove the slashes to search for text.";

function meaning(query) {
  if (!query) return { match: () => true, problem: () => null };
  const regex = /^\/(.+)\/(i?)$/.exec(query);
  if (regex) return expression(regex[1]);
  const needle = query.toLowerCase();
  const inUnit = /^\d+$/.test(needle) ? (unit) => numbered(unit, needle) : (unit) => unit.includes(needle);
  const match = (one) => one.name.toLowerCase().includes(needle) || (one.cmdline ?? "").toLowerCase().includes(needle) || (one.title ?? "").toLowerCase().includes(needle) || inUnit((one.unit ?? "").toLowerCase()) || (one.user ?? "").toLowerCase() === needle || String(one.pid) === needle;
  return { match, problem: () => null };
}

/** Whether a word of the unit begins with the number, as one types the ID of a container. Inside of an ID any number stands somewhere. */
function numbered(unit, number) {
  return unit.split(/[^\da-z]+/).some((word) => word.startsWith(number));
}

/** A process is judged again only when its texts change: the table asks for all of them every second. */
function expression(source) {
  const refused = (why) => ({ match: null, problem: () => why });
  let pattern;
  try {
    pattern = linear(source, "i");
  } catch (error) {
    if (error instanceof Unsupported) return refused([`This expression cannot be used: ${error.message}`, SIMPLER]);
    return refused(["Invalid regular expression.", REMEDY]);
  }
  const known = new WeakMap();
  let slow = false;
  const match = (one) => {
    const before = known.get(one);
    if (before && before.name === one.name && before.cmdline === one.cmdline && before.title === one.title) return before.found;
    try {
      const found = [one.name, one.cmdline ?? "", one.title ?? ""].some((text) => pattern.test(text));
      known.set(one, { name: one.name, cmdline: one.cmdline, title: one.title, found });
      return found;
    } catch (error) {
      if (!(error instanceof TooSlow)) throw error;
      slow = true;
      return false;
    }
  };
  return { match, problem: () => (slow ? ["This expression takes too long: some processes were not searched.", SIMPLER] : null) };
}

/** Compares by a column: `cpu_pct` sorts down, `-cpu_pct` up; words the other way round. */
export function order(sort) {
  const up = sort.startsWith("-");
  const key = up ? sort.slice(1) : sort;
  const column = COLUMNS[key];
  const field = column?.sortAs ?? key;
  if (column?.text) {
    const sign = up ? -1 : 1;
    return (a, b) => sign * String(a[field] ?? "").localeCompare(String(b[field] ?? "")) || a.pid - b.pid;
  }
  const sign = field === "start_ts" || field === "pid" ? (up ? -1 : 1) : up ? 1 : -1; // longest running first, lowest pid first
  return (a, b) => {
    const [x, y] = [a[field], b[field]];
    const [hasX, hasY] = [x !== null && x !== undefined, y !== null && y !== undefined];
    if (!hasX || !hasY) return hasX === hasY ? a.pid - b.pid : hasX ? -1 : 1; // unknown values come last
    return sign * (x - y) || a.pid - b.pid;
  };
}

/** Readings that are summed up over a process and all its descendants. */
export const SUMMED = ["cpu_pct", "cpu_minute", "cpu_seconds", "rss", "growth_10m", "growth_1h", "gpu_mem", "read_bps", "write_bps", "threads", "fds"];

/** For each process that has children, itself with the sums of its subtree, and `count`, the processes in it. Unknown readings count as none. */
export function subtrees(runs) {
  const byPid = new Map();
  for (const one of runs.values()) byPid.set(one.pid, one);
  const sums = new Map();
  for (const one of runs.values()) {
    const above = new Set([one]); // a pid that was given anew can lead in a circle
    for (let at = byPid.get(one.ppid); at !== undefined && !above.has(at); at = byPid.get(at.ppid)) {
      above.add(at);
      const sum = sums.get(at) ?? { ...at, count: 1 };
      sums.set(at, sum);
      sum.count += 1;
      for (const name of SUMMED) if (one[name] !== null && one[name] !== undefined) sum[name] = (sum[name] ?? 0) + one[name];
    }
  }
  return sums;
}

/** The rows to show, in order: `[{process, level, kids, open, whole}]`; in a tree `whole` is the process with the sums of its subtree. */
export function arrange(runs, { match, sort, tree, scope, kernel, closed }) {
  const compare = ranked(order(sort), scope);
  const visible = [...runs.values()].filter((one) => (kernel || !one.kernel_thread) && (scope !== "mine" || one.mine));
  if (!tree) {
    const rows = visible.filter(match).sort(compare);
    return rows.map((process) => ({ process, level: 1, kids: 0, open: false }));
  }
  const sums = subtrees(runs);
  return branches(visible, match, (a, b) => compare(sums.get(a) ?? a, sums.get(b) ?? b), closed, sums);
}

/** The user's own processes come first, unless the scope is `all`. */
function ranked(compare, scope) {
  if (scope === "all") return compare;
  return (a, b) => Number(Boolean(b.mine)) - Number(Boolean(a.mine)) || compare(a, b);
}

function branches(visible, match, compare, closed, sums) {
  const byPid = new Map(visible.map((one) => [one.pid, one]));
  const kept = new Set();
  for (const one of visible) {
    if (!match(one)) continue;
    for (let at = one; at && !kept.has(at); at = byPid.get(at.ppid)) kept.add(at); // with its ancestors
  }
  const kids = new Map();
  const roots = [];
  for (const one of kept) {
    const parent = byPid.get(one.ppid);
    if (parent === undefined || parent === one) roots.push(one);
    else if (kids.has(parent)) kids.get(parent).push(one);
    else kids.set(parent, [one]);
  }
  const rows = [];
  const walk = (list, level) => {
    for (const process of list.sort(compare)) {
      const own = kids.get(process) ?? [];
      const open = !closed.has(process.run);
      rows.push({ process, level, kids: own.length, open, whole: sums.get(process) });
      if (own.length && open && level < 60) walk(own, level + 1);
    }
  };
  walk(roots, 1);
  return rows;
}
