// The live set of processes, built from full frames and differences. A process is known by its run, never by its pid.

const MINUTE = 60;

export class Processes {
  constructor() {
    this.runs = new Map();
    this.ts = 0;
  }

  get size() {
    return this.runs.size;
  }

  apply({ full, ts, born = [], gone = [], cols = [], rows = [] }) {
    const before = this.runs;
    if (full) this.runs = new Map();
    for (const one of born) {
      const old = before.get(one.run);
      this.runs.set(one.run, { ...(old ?? { spark: [] }), ...one, title: titleOf(one) });
    }
    for (const row of rows) this.#reading(row, cols, before);
    for (const run of gone) this.runs.delete(run);
    if (ts !== this.ts) for (const process of this.runs.values()) remember(process);
    this.ts = ts;
  }

  #reading(row, cols, before) {
    const run = row[0];
    let process = this.runs.get(run);
    if (process === undefined) {
      process = before.get(run) ?? { run, name: "?", title: "?", spark: [] };
      this.runs.set(run, process);
    }
    for (let i = 1; i < cols.length; i += 1) process[cols[i]] = row[i];
  }
}

function remember(process) {
  process.spark ??= [];
  process.spark.push(process.cpu_pct ?? null);
  if (process.spark.length > MINUTE) process.spark.shift();
}

const INTERPRETER = /^(python|pypy|node|deno|bun|ruby|perl|php|java|bash|dash|zsh|sh)[\d.]*$/;
const TAKES_VALUE = new Set(["-W", "-X", "-r", "--require", "-cp", "-classpath", "--module-path"]);

/** What a person calls a process: an interpreter is named with what it runs, `python worker.py`, `python -m http.server`. */
export function titleOf({ name, cmdline }) {
  if (!name || !INTERPRETER.test(name)) return name || "?";
  const words = (cmdline ?? "").split(" ");
  for (let i = 1; i < words.length; i += 1) {
    const word = words[i];
    if (word === "-m" || word === "-jar") return words[i + 1] ? `${name} ${word} ${words[i + 1].split("/").pop()}` : name;
    if (word === "-c" || word === "-e") return `${name} ${word} …`;
    if (TAKES_VALUE.has(word)) i += 1;
    else if (word && !word.startsWith("-")) return `${name} ${word.split("/").pop() || word}`;
  }
  return name;
}
