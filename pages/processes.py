"""Processes: what runs now, the user's own first."""

from collections.abc import Mapping
from typing import Final

import streamlit as st

from pages.ui import components
from pages.ui.components import ALL_COLUMNS, COLUMNS
from pages.ui.header import page_title
from pages.ui.segments import segments

SCOPES: Final = {"own-first": "Own first", "mine": "Mine", "all": "All alike"}
SHAPES: Final = {"flat": "Flat", "tree": "Tree"}


def chosen_of(param: str, options: Mapping[str, str]) -> str:
    """What the address says, or the first option."""
    value = st.query_params.get(param, "")
    return value if value in options else next(iter(options))


page_title("Processes")
with st.container(horizontal=True, vertical_alignment="center", key="process_filters"):
    q = st.text_input(
        "Search",
        key="q",
        type="search",
        live="200ms",
        bind="query-params",
        placeholder="name, command, user, pid, or /regex/    ( / )",
        label_visibility="collapsed",
        max_chars=500,
    )
    shape = chosen_of("shape", SHAPES)
    segments("Shape", "shape", list(SHAPES.items()), shape, key="shape", width=104)
    scope = chosen_of("which", SCOPES)
    segments("Which processes", "which", list(SCOPES.items()), scope, key="which", width=208)
    with st.popover("Columns", icon=":material/view_column:", key="columns_popover"):
        chosen = st.multiselect(  # pills would show chosen ones in too pale a blue
            "Columns",
            [title for name, title in ALL_COLUMNS.items() if name != "name"],
            default=[ALL_COLUMNS[name] for name in COLUMNS if name != "name"],
            key="columns",
            bind="query-params",
        )
        kernel = st.toggle("Kernel threads", key="kernel", bind="query-params")

sort = st.query_params.get("sort", "cpu_pct")
components.process_table(
    q=q or "",
    sort=sort if sort.removeprefix("-") in ALL_COLUMNS else "cpu_pct",
    tree=shape == "tree",
    scope=scope,
    kernel=kernel,
    columns=["name", *(name for name, title in ALL_COLUMNS.items() if title in chosen)],
)
