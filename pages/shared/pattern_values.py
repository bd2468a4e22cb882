"""The values of a pattern: what its records have in place of each `<*>`, with percentiles, a curve over time, or the most frequent texts."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import streamlit as st

from monitor.api_models.log_patterns import LogPattern, PatternColumn, PatternValues
from pages.shared.agent import agent_client, empty_state, guarded, plain
from pages.ui.numbers import count, size

_HEIGHT: Final = 240
_QUIET: Final[dict[str, Any]] = {"displayModeBar": False, "displaylogo": False}
_COLOURS: Final = {"p50": "#1f6feb", "p95": "#b35900"}
_NAMES: Final = {"p50": "Median", "p95": "95th percentile"}
_UNITS: Final = {"time": "seconds", "bytes": "bytes", "number": ""}
_LISTED: Final = 200
_TOOK: Final = re.compile(r"(?<![\w.])\d+(?:\.\d+)?\s?(?:[nuµm]s|s|secs?|seconds?)\b")


def pattern_values(filters: Mapping[str, Any]) -> None:
    """Draw the view. The address names the pattern.

    Args:
        filters: of the log API, with their times.
    """
    with guarded("the values of patterns"):
        client = agent_client()
        found = [one for one in client.log_patterns(filters, limit=_LISTED, points=1).patterns if "<*>" in one.text]
        if not found:
            empty_state("No pattern with values in this range.", "Values are what differs between records, such as the 12 in “took 12 ms”.", "Choose a longer range, or clear the filters.")  # fmt: skip
            return
        slower = {one.number: one for one in client.slowing_patterns(filters).patterns}
        for one in slower.values():
            st.warning(
                f"**{plain(one.name)}** grew from {_quantity(one.before, 'time')} to {_quantity(one.after, 'time')} "
                f"({one.ratio:.1f} times): {plain(_text(found, one.number))}",
                icon=":material/trending_up:",
            )
        chosen = _choice(found, set(slower))
        values = client.pattern_values(chosen.number, filters)
        said = f"{count(values.total)} records"
        if values.looked_at < values.total:
            said += f"; an even part of them, {count(values.looked_at)}, is shown"
        st.caption(said)
        for column in sorted(values.columns, key=lambda one: (one.kind != "time", one.kind == "text")):
            _column(values, column)


def _text(found: list[LogPattern], number: int) -> str:
    return next((one.text for one in found if one.number == number), f"pattern {number}")


def _choice(found: list[LogPattern], slower: set[int]) -> LogPattern:
    """The pattern in the address; else one that is slowing, the most frequent that says how long something took, or the most frequent of all."""
    by_number = {one.number: one for one in found}
    wanted = st.query_params.get("pattern", "")
    telling = [one for one in found if one.number in slower] or [one for one in found if _TOOK.search(one.example)]
    chosen = int(wanted) if wanted.isdigit() and int(wanted) in by_number else [*telling, *found][0].number
    if st.session_state.get("pattern_chosen") != chosen:
        st.session_state.pattern_chosen = chosen
    st.selectbox(
        "Pattern",
        list(by_number),
        key="pattern_chosen",
        format_func=lambda number: f"{'slowing: ' if number in slower else ''}{by_number[number].text[:160]}",
        on_change=_chosen,
    )
    return by_number[chosen]


def _chosen() -> None:
    st.query_params["pattern"] = str(st.session_state.pattern_chosen)


def _column(values: PatternValues, column: PatternColumn) -> None:
    with st.container(border=True, key=f"values_{column.place}"):
        st.subheader(plain(column.name), anchor=False)
        if column.stats is None:
            _texts(column)
            return
        words = {"min": "least", "p50": "median", "p95": "p95", "p99": "p99", "max": "greatest"}
        st.markdown(
            " · ".join(
                f"{word} **{_quantity(getattr(column.stats, name), column.kind)}**" for name, word in words.items()
            )
        )
        _curve(values, column)


def _texts(column: PatternColumn) -> None:
    st.caption(f"{count(column.different)} different values; the most frequent:")
    rows = [f"- {plain(one.value)}: {count(one.count)}" for one in column.top]
    st.markdown("\n".join(rows) or "None.")


def _curve(values: PatternValues, column: PatternColumn) -> None:
    import plotly.graph_objects as go

    at = [datetime.fromtimestamp(ts / 1e6).astimezone() for ts in values.ts]
    figure = go.Figure()
    for name, series in (("p50", column.p50), ("p95", column.p95)):
        figure.add_scatter(
            x=at,
            y=series,
            name=_NAMES[name],
            mode="lines+markers",
            line={"color": _COLOURS[name]},
            marker={"size": 4},
            connectgaps=True,
        )
    figure.update_yaxes(title=_UNITS[column.kind], rangemode="tozero", ticksuffix=" s" if column.kind == "time" else "")
    figure.update_layout(
        height=_HEIGHT, margin={"l": 8, "r": 8, "t": 8, "b": 8}, legend={"orientation": "h", "y": 1.15}, dragmode=False
    )
    st.plotly_chart(figure, key=f"curve_{column.place}", config=_QUIET)


def _quantity(value: float, kind: str) -> str:
    """A number of a column with its unit."""
    if kind == "bytes":
        return size(value)
    if kind != "time":
        return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    if value < 1e-3:
        return f"{value * 1e6:.3g} µs"
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:,.3g} s"
