// Which processes are shown and in which order: filter, sort, tree. Pure functions over the live set.

export const COLUMNS = {
  name: { title: "name", width: "minmax(170px, 1.4fr)", text: true, sortAs: "title" },
  pid: { title: "pid", width: "76px" },
  user: { title: "user", width: "96px", text: true },
  cpu_pct: { title: "CPU %", width: "76px" },
  spark: { title: "last minute", width: "100px", sortAs: "cpu_pct", left: true },
  rss: { title: "memory", width: "88px" },
  gpu_mem: { title: "VRAM", width: "88px" },
  read_bps: { title: "read", width: "92px" },
  write_bps: { title: "write", width: "92px" },
  threads: { title: "threads", width: "72px" },
  fds: { title: "files", width: "64px" },
  status: { title: "status", width: "88px", text: true },
  start_ts: { title: "running for", width: "104px", left: true },
  cmdline: { title: "command", width: "minmax(220px, 3fr)", text: true },
};

/** A test for `text` or `/regex/` over name, command line, user and pid; null when the pattern is wrong. */
export function matcher(text) {
  const query = (text ?? "").trim();
  if (!query) return () => true;
  const regex = /^\/(.+)\/(i?)$/.exec(query);
  if (regex) {
    try {
      const pattern = new RegExp(regex[1], "i");
      return (one) => pattern.test(one.name) || pattern.test(one.cmdline ?? "");
    } catch {
      return null;
    }
  }
  const needle = query.toLowerCase();
  return (one) => one.name.toLowerCase().includes(needle) || (one.cmdline ?? "").toLowerCase().includes(needle) || (one.user ?? "").toLowerCase() === needle || String(one.pid) === needle;
}

/** `"cpu_pct"` sorts down, `"-cpu_pct"` up; words sort up first. */
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
    if (!hasX || !hasY) return hasX === hasY ? a.pid - b.pid : hasX ? -1 : 1; // what is not known stands last
    return sign * (x - y) || a.pid - b.pid;
  };
}

/** Rows to show, in order: `[{process, level, kids, open}]`. */
export function arrange(runs, { match, sort, tree, scope, kernel, closed }) {
  const compare = ranked(order(sort), scope);
  const visible = [...runs.values()].filter((one) => (kernel || !one.kernel_thread) && (scope !== "mine" || one.mine));
  if (!tree) {
    const rows = visible.filter(match).sort(compare);
    return rows.map((process) => ({ process, level: 1, kids: 0, open: false }));
  }
  return branches(visible, match, compare, closed);
}

/** The user's own processes stand first unless all are asked for alike. */
function ranked(compare, scope) {
  if (scope === "all") return compare;
  return (a, b) => Number(Boolean(b.mine)) - Number(Boolean(a.mine)) || compare(a, b);
}

function branches(visible, match, compare, closed) {
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
      rows.push({ process, level, kids: own.length, open });
      if (own.length && open && level < 60) walk(own, level + 1);
    }
  };
  walk(roots, 1);
  return rows;
}
