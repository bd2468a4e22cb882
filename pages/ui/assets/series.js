// Series of the store in the shape that charts draw.

/** `source`: `{kind: "host"} | {kind: "run", run} | {kind: "gpu"}`. */
export async function seriesOf(source, metrics, { from, to, points }, { get, signal }) {
  const span = { from, to, points };
  if (source.kind === "gpu") return gpus(await get("gpu/series", span, { signal }));
  const path = source.kind === "run" ? `runs/${encodeURIComponent(source.run)}/series` : "host/series";
  const answer = await get(path, { metrics: metrics.join(","), ...span }, { signal });
  return shaped(answer.ts, answer.series, answer.bucket_us);
}

function shaped(ts, series, bucket) {
  const spacing = bucket || spacingOf(ts);
  const columns = {};
  for (const [name, { avg, min, max }] of Object.entries(series)) columns[name] = bucket > 1e6 ? { avg, min, max } : { avg };
  return { ts, columns, gapAfter: Math.max(spacing * 2.5, 2.5e6) };
}

function spacingOf(ts) {
  return ts.length > 1 ? (ts[ts.length - 1] - ts[0]) / (ts.length - 1) : 1e6;
}

/** Every GPU's metrics under one roof: `gpu0.util_pct`. All GPUs share their times. */
function gpus({ gpus: list, bucket_us: bucket }) {
  const series = {};
  for (const gpu of list) for (const [name, values] of Object.entries(gpu.series)) series[`gpu${gpu.index}.${name}`] = values;
  return shaped(list[0]?.ts ?? [], series, bucket || spacingOf(list[0]?.ts ?? []));
}
