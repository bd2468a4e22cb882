"""Processes: what runs now, the user's own first."""

from typing import Final

import streamlit as st

from pages.ui import components
from pages.ui.components import ALL_COLUMNS, COLUMNS
from pages.ui.header import page_title

SCOPES: Final = {"Own first": "own-first", "Mine": "mine", "All alike": "all"}

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
    shape = st.segmented_control(
        "Shape",
        ["Flat", "Tree"],
        default="Flat",
        required=True,
        key="shape",
        bind="query-params",
        label_visibility="collapsed",
    )
    scope = st.segmented_control(
        "Which",
        list(SCOPES),
        default="Own first",
        required=True,
        key="which",
        bind="query-params",
        label_visibility="collapsed",
    )
    with st.popover("Columns", icon=":material/view_column:", key="columns_popover"):
        chosen = st.pills(
            "Columns",
            [title for name, title in ALL_COLUMNS.items() if name != "name"],
            selection_mode="multi",
            default=[ALL_COLUMNS[name] for name in COLUMNS if name != "name"],
            key="columns",
            bind="query-params",
        )
        kernel = st.toggle("Kernel threads", key="kernel", bind="query-params")

sort = st.query_params.get("sort", "cpu_pct")
components.process_table(
    q=q or "",
    sort=sort if sort.removeprefix("-") in ALL_COLUMNS else "cpu_pct",
    tree=shape == "Tree",
    scope=SCOPES.get(scope or "", "own-first"),
    kernel=kernel,
    columns=["name", *(name for name, title in ALL_COLUMNS.items() if title in chosen)],
)
