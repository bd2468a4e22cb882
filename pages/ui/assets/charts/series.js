// Reads series from the store in the shape that charts draw.

const SECOND = 1e6; // µs

/** Series of `source`: `{kind: "host"}`, `{kind: "run", run}` or `{kind: "gpu"}`. */
export async function seriesOf(source, metrics, { from, to, points }, { get, signal }) {
  const span = { from, to, points };
  if (source.kind === "gpu") return gpus(await get("gpu/series", span, { signal }));
  const path = source.kind === "run" ? `runs/${encodeURIComponent(source.run)}/series` : "host/series";
  const answer = await get(path, { metrics: metrics.join(","), ...span }, { signal });
  return shaped(answer.ts, answer.series, answer.bucket_us, answer.gaps);
}

/** `gaps`: where samples are missing, `[[from, to], …]`, or null when the answer does not say. */
function shaped(ts, series, bucket, gaps = null) {
  const spacing = bucket || spacingOf(ts);
  const kept = full(ts, Object.values(series), bucket, gaps);
  const pick = (values) => (kept.length === ts.length ? values : kept.map((i) => values[i]));
  const columns = {};
  for (const [name, { avg, min, max }] of Object.entries(series)) columns[name] = bucket > SECOND ? { avg: pick(avg), min: pick(min), max: pick(max) } : { avg: pick(avg) };
  return { ts: pick(ts), columns, gapAfter: Math.max(spacing * 2.5, 2.5 * SECOND) };
}

/**
 * Positions of the buckets to draw. Samples come every second but not exactly, so of two buckets of a second one may hold two
 * samples and its neighbour none. Such an empty bucket is no gap, and lines must not break there.
 */
function full(ts, series, bucket, gaps) {
  const missing = (i) => (gaps === null ? bucket > SECOND : gaps.some(([from, to]) => from < ts[i] + bucket && to > ts[i]));
  return ts.map((_, i) => i).filter((i) => series.some(({ avg }) => avg[i] !== null) || missing(i));
}

function spacingOf(ts) {
  return ts.length > 1 ? (ts[ts.length - 1] - ts[0]) / (ts.length - 1) : 1e6;
}

/** The metrics of all GPUs in one set of columns (`gpu0.util_pct`). All GPUs share their times. */
function gpus({ gpus: list, bucket_us: bucket }) {
  const series = {};
  for (const gpu of list) for (const [name, values] of Object.entries(gpu.series)) series[`gpu${gpu.index}.${name}`] = values;
  return shaped(list[0]?.ts ?? [], series, bucket || spacingOf(list[0]?.ts ?? []));
}
