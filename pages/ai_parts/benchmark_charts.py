"""Charts of a finished benchmark."""

import math
from typing import Any, Final

import streamlit as st

from monitor.api_models import ai as ai_models
from pages.ai_parts.benchmark_live import COLOURS

_HEIGHT: Final = 280
_QUIET: Final[dict[str, Any]] = {"displayModeBar": False, "displaylogo": False}


def charts(report: ai_models.FullReport) -> None:
    """Ratios pair by pair, latency distributions, throughput by batch, speed against quality, memory predicted and measured."""
    left, right = st.columns(2)
    with left:
        _ratios(report)
        _batches(report)
    with right:
        _latency(report)
        _memory(report)
    if any(c.quality for c in report.contenders):
        _speed_and_quality(report)


def _show(figure: Any, key: str, title: str, below: str) -> None:
    if not figure.data:
        with st.container(border=True):
            st.subheader(title, anchor=False)
            st.caption("No clean measurements to show.")
        return
    figure.update_layout(
        height=_HEIGHT, margin={"l": 8, "r": 8, "t": 8, "b": 8}, legend={"orientation": "h", "y": 1.12}, dragmode=False
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
    figure.update_xaxes(title="Concurrent requests", type="category")
    _show(figure, "chart_batches", "Concurrent requests", "Total tokens per second of all requests.")


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
