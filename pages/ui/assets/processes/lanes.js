// Where each life stands in the timeline: a lane for each program, more where its lives overlap. Pure functions.

const EACH = 5;
const failed = (life) => life.ended !== null && life.failed === true;

/**
 * `[{title, first, last, count, hidden, lives}, …]`, one a lane; `first` marks the lane that carries the title. Programs that lived
 * longest come first. Of a program that runs many times at once a few lanes are shown, and `hidden` counts the other lives,
 * which the `last` lane tells.
 */
export function lanes(runs, [from, to], most = 200) {
  const programs = new Map();
  for (const run of runs) {
    const key = `${run.title}\n${run.user ?? ""}`;
    const program = programs.get(key) ?? { title: run.title, lives: [], total: 0 };
    program.lives.push(run);
    program.total += Math.min(run.ended ?? to, to) - Math.max(run.started ?? from, from);
    programs.set(key, program);
  }
  const result = [];
  for (const { title, lives } of [...programs.values()].sort((a, b) => b.total - a.total)) {
    const ends = [];
    const rows = [];
    for (const life of [...lives].sort((a, b) => (a.started ?? 0) - (b.started ?? 0))) {
      const free = ends.findIndex((end) => end <= (life.started ?? from));
      const lane = free < 0 ? ends.length : free;
      ends[lane] = life.ended ?? Infinity;
      (rows[lane] ??= []).push(life);
    }
    // Of many that live at once the lanes with failures are the ones to see.
    const worst = [...rows].sort((a, b) => Number(b.some(failed)) - Number(a.some(failed))).slice(0, EACH);
    const seen = rows.filter((row) => worst.includes(row));
    seen.forEach((row, at) => result.push({ title, first: at === 0, last: at === seen.length - 1, count: lives.length, hidden: lives.length - seen.flat().length, lives: row }));
    if (result.length >= most) break;
  }
  return result.slice(0, most);
}

/** Left edge and width of a life in percent of the axis; at least a sliver, so that a short one can be seen. */
export function place(life, [from, to]) {
  const whole = Math.max(to - from, 1);
  const begin = Math.min(Math.max((life.started ?? from) - from, 0), whole);
  const end = Math.min(Math.max((life.ended ?? to) - from, begin), whole);
  return [(100 * begin) / whole, (100 * (end - begin)) / whole];
}

/** The class of a life's colour. */
export const outcome = (life) => (life.ended === null ? "runs" : life.asked ? "asked" : life.failed === null ? "unknown" : life.failed ? "failed" : "done");
