"""A report as one HTML file that needs nothing else: no script, no reference to anywhere, all text escaped."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from ai.shapes.report import BenchmarkReport, Comparison, ContenderReport, Metric
from ai.shapes.workload import LoadFigures

_STYLE: Final = """
:root{color-scheme:light dark;--fg:#1f2937;--mut:#6b7280;--line:#d1d5db;--bg:#fff;--acc:#2563eb}
@media (prefers-color-scheme:dark){:root{--fg:#e5e7eb;--mut:#9ca3af;--line:#374151;--bg:#111827;--acc:#60a5fa}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}.verdict{font-size:1.15rem;border-left:4px solid var(--acc);padding-left:1rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right}.mut,small{color:var(--mut)}.scroll{overflow-x:auto}svg{width:100%;height:auto;display:block}
svg text{fill:var(--mut);font-size:11px}svg .l{stroke:var(--line)}svg .a{stroke:var(--acc);fill:var(--acc)}
"""
_NAMES: Final = {
    "load_cold": "load, cold", "load_warm": "load, warm", "first_token": "first token", "first_answer": "first token of the answer, after thoughts", "per_token": "time a token", "total": "whole answer",
    "generation": "generation", "generation_reported": "generation, as the engine says", "prompt": "reading the prompt", "memory": "memory",
    "memory_peak": "memory at its peak", "memory_predicted": "memory predicted", "vram": "GPU memory", "energy": "energy", "quality": "quality",
}  # fmt: skip


def to_html(report: BenchmarkReport) -> str:
    """The page."""
    when = datetime.fromtimestamp(report.started / 1e6, UTC).strftime("%Y-%m-%d %H:%M UTC")
    seconds = (report.ended - report.started) / 1e6
    about = (
        f"{when}; {report.blocks} blocks in {seconds:.0f} s; {escape(report.state)}; stopped because "
        f"{escape(report.stopped_because)}; {sum(c.flagged for c in report.contenders)} measurements left out"
    )
    how = (
        f"Manifest sha256 {escape(report.manifest_sha256)}. Every figure says where it is from: reported by the engine, measured by "
        "this program, or estimated. Ratios compare interleaved blocks; their intervals hold over all looks."
    )
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>",
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>Benchmark {escape(report.id)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Benchmark of model engines</h1><p class='mut'>{about}</p>",
        f"<p class='verdict'>{escape(report.sentence)}</p>",
        *(f"<p class='mut'>{escape(note)}</p>" for note in report.notes),
        "<h2>Ratios of speed</h2>" if report.plan.pairs else "",
        *(_comparison(c) for c in report.comparisons),
        "<h2>Figures</h2>",
        *(_contender(c) for c in report.contenders),
        _flags(report),
        _samples(report),
        f"<h2>How</h2><p class='mut'>{how}</p>",
        f"<pre>{escape(report.plan.model_dump_json(indent=2))}</pre></body></html>",
    ]
    return "".join(parts)


def _comparison(comparison: Comparison) -> str:
    return f"<p>{escape(comparison.sentence)}</p>{_ratio_chart(comparison)}"


def _ratio_chart(comparison: Comparison) -> str:
    """The ratio of every block as a dot, and the interval as a bar."""
    values = comparison.log_ratios
    if not values:
        return ""
    reach = max(0.1, *(abs(v) for v in values)) * 1.15
    width, height = 720, 120

    def y(value: float) -> float:
        return round(height / 2 - max(min(value, reach), -reach) / reach * (height / 2 - 8), 1)

    dots = "".join(
        f"<circle class='a' r='3' cx='{round(40 + (i + 0.5) * (width - 60) / len(values), 1)}' cy='{y(v)}'/>"
        for i, v in enumerate(values)
    )
    bar = ""
    if comparison.low and comparison.high:
        top, bottom = y(math.log(comparison.high)), y(math.log(comparison.low))
        bar = f"<rect class='a' x='40' width='{width - 60}' y='{top}' height='{max(bottom - top, 1)}' opacity='.15'/>"
    label = f"Ratios of {comparison.candidate} to {comparison.reference}, block by block"
    return (
        f"<svg viewBox='0 0 {width} {height}' role='img' aria-label='{escape(label)}'>{bar}"
        f"<line class='l' x1='40' x2='{width - 20}' y1='{height / 2}' y2='{height / 2}'/><text x='4' y='{height / 2 + 4}'>1.00</text>"
        f"<text x='4' y='14'>{math.exp(reach):.2f}</text><text x='4' y='{height - 4}'>{math.exp(-reach):.2f}</text>{dots}</svg>"
    )


def _contender(contender: ContenderReport) -> str:
    head = f"<h3>{escape(contender.name)} <small>{escape(contender.engine)}</small></h3>"
    if contender.unusable:
        return f"{head}<p>{escape(contender.unusable)}</p>"
    load = contender.load
    about = (
        f"<p class='mut'>{escape(' · '.join(str(v) for v in (load.model, load.quantization, load.device, load.engine_version) if v))}</p>"
        if load
        else ""
    )
    rows = "".join(_metric(key, m) for key, m in contender.metrics.items())
    table = (
        "<div class='scroll'><table><tr><th>figure</th><th class='n'>median</th><th class='n'>95 %</th><th class='n'>p90</th>"
        f"<th class='n'>p95</th><th class='n'>p99</th><th class='n'>n</th><th>from</th></tr>{rows}</table></div>"
    )
    table = table if contender.metrics else ""
    return head + about + table + _levels(contender) + _lengths(contender) + _quality(contender)


def _metric(key: str, metric: Metric) -> str:
    name = escape(_NAMES.get(key, key))
    if metric.value is None:
        return f"<tr><td>{name}</td><td colspan='7' class='mut'>{escape(metric.note or 'not measurable')}</td></tr>"
    factor, unit = _readable(metric.value, metric.unit)

    def number(value: float | None) -> str:
        return "" if value is None else _short(value * factor)

    bounds = "" if metric.low is None or metric.high is None else f"{number(metric.low)} – {number(metric.high)}"
    cells = "".join(f"<td class='n'>{number(v)}</td>" for v in (metric.p90, metric.p95, metric.p99))
    return (
        f"<tr><td>{name}</td><td class='n'>{number(metric.value)} {escape(unit)}</td><td class='n'>{bounds}</td>{cells}"
        f"<td class='n'>{metric.n}</td><td>{metric.origin} <small>{escape(metric.note)}</small></td></tr>"
    )


def _readable(value: float, unit: str) -> tuple[float, str]:
    """A factor and a unit in which a figure is a number of few digits: sizes in MiB or GiB, short times in milliseconds."""
    if unit == "bytes":
        return (1 / 1024**3, "GiB") if value >= 1024**3 else (1 / 1024**2, "MiB")
    return (1e3, "ms") if unit == "s" and 0 < value < 1 else (1.0, unit)


def _levels(contender: ContenderReport) -> str:
    """Requests at the same time, and requests a second."""
    at_once = [_level(str(row.batch), row) for row in contender.batches]
    a_second = [_level(f"{row.rate:g}", row, "" if row.kept_up else "did not keep up") for row in contender.rates]
    heads = ("tokens/s", "good/s", "good", "first token p50", "p95", "answer p50", "p95", "")
    return "".join(
        f"<h4>{title}</h4>{_table((first, *heads), rows)}"
        for title, first, rows in (
            ("Requests at the same time", "at once", at_once),
            ("Requests a second", "sent/s", a_second),
        )
        if rows
    )


def _level(name: str, row: LoadFigures, said: str = "") -> list[str]:
    times = (row.ttft_p50_s, row.ttft_p95_s, row.total_p50_s, row.total_p95_s)
    after = "" if row.first_answer_p95_s is None else f"first token after thoughts p95 {_time(row.first_answer_p95_s)}"
    note = "; ".join(part for part in (said, after, row.note) if part)
    return [
        name, _known(row.tokens_per_s), _known(row.goodput_rps), f"{row.good} of {row.requests}",
        *("" if t is None else _time(t) for t in times), note,
    ]  # fmt: skip


def _lengths(contender: ContenderReport) -> str:
    """The table of lengths, as llama-bench has it: mean and standard deviation."""
    heads = ("test", "reading, tokens/s", "generating, tokens/s", "first token", "warm", "answer", "n", "")
    rows = [
        [
            row.test, _spread(row.prompt_rate, row.prompt_deviation), _spread(row.rate, row.deviation),
            *("" if t is None else _time(t) for t in (row.first_token_s, row.warm_first_token_s, row.total_s)), str(row.n), row.note,
        ]
        for row in contender.lengths
    ]  # fmt: skip
    return f"<h4>Lengths</h4>{_table(heads, rows)}" if rows else ""


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Numbers to the right, the last column of words to the left."""
    last = len(heads) - 1
    head = "".join(f"<th{'' if i == last else ' class=n'}>{h}</th>" for i, h in enumerate(heads))
    body = "".join(
        "<tr>" + "".join(f"<td{'' if i == last else ' class=n'}>{escape(c)}</td>" for i, c in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f"<div class='scroll'><table><tr>{head}</tr>{body}</table></div>"


def _known(value: float | None) -> str:
    return "" if value is None else _short(value)


def _spread(value: float | None, deviation: float | None) -> str:
    return "" if value is None else _short(value) if deviation is None else f"{_short(value)} ± {_short(deviation)}"


def _time(seconds: float) -> str:
    factor, unit = _readable(seconds, "s")
    return f"{_short(seconds * factor)} {unit}"


def _quality(contender: ContenderReport) -> str:
    q = contender.quality
    if q is None:
        return ""
    return (
        f"<p>Quality on {q.items} labelled postings: F1 {q.f1_micro:.2f} (95 % between {q.f1_low:.2f} and {q.f1_high:.2f}), "
        f"form valid {_pct(q.schema_valid_rate)}, evidence {_pct(q.evidence_rate)}, empty when absent {_pct(q.null_when_absent)}.</p>"
    )


def _flags(report: BenchmarkReport) -> str:
    if not report.flags:
        return "<h2>Disturbances</h2><p>None was found.</p>"
    rows = "".join(
        f"<tr><td>{escape(flag)}</td><td class='n'>{count}</td></tr>" for flag, count in report.flags.items()
    )
    return f"<h2>Disturbances</h2><table><tr><th>what</th><th class='n'>measurements</th></tr>{rows}</table>"


def _samples(report: BenchmarkReport) -> str:
    head = ("block", "place", "backend", "level", "prompt", "first token s", "total s", "tokens/s", "tokens", "flags")
    rows: list[str] = []
    for s in report.samples:
        cells: Sequence[object] = (
            s.block, s.position, s.backend, s.level, s.prompt, s.ttft_s, s.total_s, s.rate, s.completion_tokens,
            s.error or ", ".join(s.flags),
        )  # fmt: skip
        rows.append(
            "<tr>"
            + "".join(
                f"<td>{escape(_short(c) if isinstance(c, float) else '' if c is None else str(c))}</td>" for c in cells
            )
            + "</tr>"
        )
    titles = "".join(f"<th>{h}</th>" for h in head)
    return f"<h2>Measurements</h2><details><summary>{len(rows)} measurements</summary><div class='scroll'><table><tr>{titles}</tr>{''.join(rows)}</table></div></details>"


def _pct(part: float) -> str:
    return f"{100 * part:.0f} %"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
