"""Charts of a finished benchmark."""

import math
from typing import Any, Final

import streamlit as st

from monitor.api_models import ai as ai_models
from pages.ai_parts.benchmark_live import COLOURS

_HEIGHT: Final = 280
_DIGITS: Final[dict[str, Any]] = {
    name: st.column_config.NumberColumn(format=form)
    for form, names in (
        ("%.1f", ("Tokens/s", "Reads, tokens/s", "± reading", "Makes, tokens/s", "± making")),
        (
            "%.2f",
            (
                "Good/s",
                "First token p95, s",
                "Answer p50, s",
                "Answer p95, s",
                "First token, s",
                "Warm, s",
                "Answer, s",
            ),
        ),
    )
    for name in names
}
_QUIET: Final[dict[str, Any]] = {"displayModeBar": False, "displaylogo": False}


def charts(report: ai_models.FullReport) -> None:
    """What the plan measured: ratios, latencies, memory and quality of pairs; throughput, latency and goodput under load; lengths."""
    _lengths(report)
    _levels(report)
    pairs, contenders = report.plan.pairs, report.contenders
    fits = {
        _ratios: pairs,
        _latency: pairs,
        _batches: any(c.batches for c in contenders),
        _latency_under_load: any(b.total_p95_s for c in contenders for b in c.batches),
        _goodput: any(c.rates for c in contenders),
        _memory: True,
        _speed_and_quality: any(c.quality for c in contenders),
    }
    drawn = [draw for draw, wanted in fits.items() if wanted]
    for first in range(0, len(drawn), 2):
        row = drawn[first : first + 2]
        for column, draw in zip(st.columns(len(row)), row, strict=True):  # one that is left over has the whole width
            with column:
                draw(report)


def _show(figure: Any, key: str, title: str, below: str) -> None:
    if not figure.data:
        with st.container(border=True):
            st.subheader(title, anchor=False)
            st.caption("No clean measurements to show.")
        return
    figure.update_layout(
        height=_HEIGHT,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        dragmode=False,
    )
    with st.container(border=True):
        st.subheader(title, anchor=False)
        st.plotly_chart(figure, key=key, config=_QUIET)
        st.caption(below)


def _colour(report: ai_models.FullReport, name: str) -> str:
    names = [c.name for c in report.contenders]
    return COLOURS[names.index(name) % len(COLOURS)]


def _ratios(report: ai_models.FullReport) -> None:
    import plotly.graph_objects as go

    figure = go.Figure()
    for comparison in report.comparisons:
        values = [math.exp(v) for v in comparison.log_ratios]
        if not values:
            continue
        colour = _colour(report, comparison.candidate)
        if comparison.low is not None and comparison.high is not None:
            figure.add_hrect(y0=comparison.low, y1=comparison.high, fillcolor=colour, opacity=0.12, line_width=0)
        pairs = list(range(1, len(values) + 1))
        figure.add_scatter(x=pairs, y=values, mode="lines+markers", name=comparison.candidate, line={"color": colour})
    figure.add_hline(y=1, line={"color": "#8b949e", "width": 1})
    figure.update_yaxes(type="log", title="Speed relative to the reference")
    figure.update_xaxes(title="Pair")
    _show(
        figure,
        "chart_ratios",
        f"Speed against {report.reference}, pair by pair",
        "Above 1 the candidate is faster. The band is the 95 % confidence interval.",
    )


def _latency(report: ai_models.FullReport) -> None:
    import plotly.graph_objects as go

    figure = go.Figure()
    for contender in report.contenders:
        used = [s for s in report.samples if s.backend == contender.name and s.used and s.batch == 1 and s.block >= 0]
        seconds = [s.total_s for s in used if s.total_s is not None]
        if seconds:
            figure.add_box(
                x=seconds,
                name=contender.name,
                marker_color=_colour(report, contender.name),
                boxpoints="all",
                jitter=0.4,
                pointpos=0,
            )
    figure.update_xaxes(title="Seconds to a full answer", rangemode="tozero")
    figure.update_layout(showlegend=False)
    _show(
        figure,
        "chart_latency",
        "Time to answer",
        "Each point is an undisturbed measurement. The box spans the first to the third quartile.",
    )


def _batches(report: ai_models.FullReport) -> None:
    import plotly.graph_objects as go

    figure = go.Figure()
    for contender in report.contenders:
        rows = [b for b in contender.batches if b.tokens_per_s is not None]
        if not rows:
            continue
        figure.add_scatter(
            x=[str(b.batch) for b in rows], y=[b.tokens_per_s for b in rows], name=contender.name, mode="lines+markers",
            line={"color": _colour(report, contender.name)},
            customdata=[[b.goodput_rps, b.ttft_p95_s, b.good, b.requests] for b in rows],
            hovertemplate="%{y:.1f} tokens/s together<br>%{customdata[2]} of %{customdata[3]} fast enough<br>first token p95 %{customdata[1]:.2f} s",
        )  # fmt: skip
    figure.update_yaxes(title="Tokens/s in total", rangemode="tozero")
    figure.update_xaxes(title="Requests at the same time", type="category")
    _show(figure, "chart_batches", "Throughput", "Tokens per second of all requests together.")


def _latency_under_load(report: ai_models.FullReport) -> None:
    import plotly.graph_objects as go

    figure = go.Figure()
    for contender in report.contenders:
        colour = _colour(report, contender.name)
        for rows, words, dash in (
            ([(b.batch, b.total_p95_s) for b in contender.batches], "whole answer", "solid"),
            ([(b.batch, b.ttft_p95_s) for b in contender.batches], "first token", "dot"),
        ):
            known = [(size, seconds) for size, seconds in rows if seconds is not None]
            figure.add_scatter(
                x=[str(size) for size, _ in known], y=[seconds for _, seconds in known], name=f"{contender.name}, {words}", mode="lines+markers",
                line={"color": colour, "dash": dash}, hovertemplate="p95 %{y:.2f} s with %{x} at once",
            )  # fmt: skip
    figure.update_yaxes(title="95th percentile, seconds", rangemode="tozero")
    figure.update_xaxes(title="Requests at the same time", type="category")
    _show(figure, "chart_load_latency", "Latency under load", "95 of 100 requests are faster than this.")


def _goodput(report: ai_models.FullReport) -> None:
    import plotly.graph_objects as go

    figure = go.Figure()
    most = max((row.rate for c in report.contenders for row in c.rates), default=0.0)
    figure.add_scatter(
        x=[0, most], y=[0, most], name="all good", mode="lines", line={"color": "#8b949e", "dash": "dot"}
    )
    for contender in report.contenders:
        figure.add_scatter(
            x=[row.rate for row in contender.rates], y=[row.goodput_rps for row in contender.rates], name=contender.name, mode="lines+markers",
            line={"color": _colour(report, contender.name)}, customdata=[[row.good, row.requests] for row in contender.rates],
            hovertemplate="%{x:g}/s sent, %{y:.2f}/s good<br>%{customdata[0]} of %{customdata[1]} within the target",
        )  # fmt: skip
    figure.update_yaxes(title="Good requests/s", rangemode="tozero")
    figure.update_xaxes(title="Requests/s sent", rangemode="tozero")
    _show(figure, "chart_goodput", "Goodput", f"Requests per second {_target(report)}.")


def _target(report: ai_models.FullReport) -> str:
    """What counts as good, in words."""
    slo = report.plan.slo
    whole = f", {slo.total_s:g} s in all" if slo.total_s else ""
    return f"within {slo.first_token_s:g} s to the first token, {slo.per_token_s:g} s a token{whole}"


def _levels(report: ai_models.FullReport) -> None:
    """The table of requests at the same time and a second, where they were measured by themselves."""
    rows = [_level(c.name, f"{row.batch} at once", row, row.note) for c in report.contenders for row in c.batches]
    for contender in report.contenders:
        for row in contender.rates:
            note = row.note if row.kept_up else f"Did not keep up. {row.note}".strip()
            rows.append(_level(contender.name, f"{row.rate:g} a second", row, note))
    if rows and not report.plan.pairs:
        with st.container(border=True):
            st.subheader("Load", anchor=False)
            st.dataframe(rows, key="levels", hide_index=True, column_config=_DIGITS)
            st.caption(f"Good requests are those {_target(report)}.")


def _level(engine: str, requests: str, row: ai_models.LoadFigures, note: str) -> dict[str, Any]:
    thinks = row.first_answer_p95_s is not None
    return {
        "Engine": engine, "Requests": requests, "Tokens/s": row.tokens_per_s, "Good/s": row.goodput_rps, "Good": f"{row.good} of {row.requests}",
        "First token p95, s": row.ttft_p95_s, **({"After thoughts p95, s": row.first_answer_p95_s} if thinks else {}), "Answer p50, s": row.total_p50_s, "Answer p95, s": row.total_p95_s, "Note": note,
    }  # fmt: skip


def _lengths(report: ai_models.FullReport) -> None:
    """The table of lengths, as llama-bench has it."""
    rows = [
        {
            "Engine": contender.name, "Test": row.test, "Reads, tokens/s": row.prompt_rate, "± reading": row.prompt_deviation,
            "Makes, tokens/s": row.rate, "± making": row.deviation, "First token, s": row.first_token_s, "Warm, s": row.warm_first_token_s,
            "Answer, s": row.total_s, "Times": row.n, "Note": row.note,
        }
        for contender in report.contenders
        for row in contender.lengths
    ]  # fmt: skip
    if not rows:
        return
    with st.container(border=True):
        st.subheader("Lengths of prompts and answers", anchor=False)
        st.dataframe(rows, key="lengths", hide_index=True, column_config=_DIGITS)
        st.caption(
            "pp512: reads a prompt of 512 tokens. tg128: generates 128 tokens. d: after so many tokens that it has read before. Mean and standard deviation. Warm: the same prompt again."
        )


def _memory(report: ai_models.FullReport) -> None:
    import plotly.graph_objects as go

    names = [c.name for c in report.contenders if not c.unusable]
    by_name = {c.name: c.metrics for c in report.contenders}
    figure = go.Figure()
    for key, label, colour in (
        ("memory_predicted", "predicted", "#8b949e"),
        ("memory_peak", "peak measured", COLOURS[1]),
        ("vram", "GPU", COLOURS[2]),
    ):
        values = [
            metric.value / 2**20 if (metric := by_name[n].get(key)) is not None and metric.value else None
            for n in names
        ]
        if any(v is not None for v in values):
            figure.add_bar(y=names, x=values, name=label, orientation="h", marker_color=colour)
    figure.update_layout(barmode="group")
    figure.update_xaxes(title="MiB", rangemode="tozero")
    _show(figure, "chart_memory", "Memory, predicted and measured", "The prediction was made before loading.")


def _speed_and_quality(report: ai_models.FullReport) -> None:
    import plotly.graph_objects as go

    figure = go.Figure()
    for contender in report.contenders:
        rate, quality = contender.metrics.get("generation"), contender.quality
        if rate is None or rate.value is None or quality is None:
            continue
        figure.add_scatter(
            x=[rate.value], y=[quality.f1_micro], mode="markers+text", text=[contender.name], textposition="top center", name=contender.name,
            marker={"size": 12, "color": _colour(report, contender.name)},
            error_y={"type": "data", "symmetric": False, "array": [max(quality.f1_high - quality.f1_micro, 0)], "arrayminus": [max(quality.f1_micro - quality.f1_low, 0)]},
        )  # fmt: skip
    figure.update_layout(showlegend=False)
    figure.update_xaxes(title="Tokens/s", rangemode="tozero")
    figure.update_yaxes(title="F1 on labelled postings", range=[0, 1.05])
    _show(
        figure,
        "chart_quality",
        "Speed against quality",
        "Up and to the right is better. The bar is the 95 % confidence interval over postings.",
    )
