"""Patterns: what log records have in common, how often each pattern occurs, and what changed. The address holds the whole view."""

from typing import Any

import streamlit as st

from pages.shared.agent import source_names
from pages.shared.pattern_values import pattern_values
from pages.ui import components
from pages.ui.choice import choice, chosen_of
from pages.ui.header import page_header

VIEWS = {"patterns": "Patterns", "values": "Values", "changes": "What changed"}
LEVELS = {"": "All levels", "warn": "Warnings and errors", "error": "Errors"}
SORTS = {"count": "Most frequent", "new": "New first", "errors": "Most errors", "last": "Last seen"}


def filters_of(query: str, sources: list[str], level: str) -> dict[str, Any]:
    """The filter boxes as filters of the log API."""
    zone = str(st.context.timezone or "") if query.strip() else ""  # of the times in the query
    found = {"query": query.strip(), "zone": zone, "source": ",".join(sources), "level": level}
    return {name: value for name, value in found.items() if value}


when = page_header("Patterns")
view, sort, level = chosen_of("view", VIEWS), chosen_of("sort", SORTS), chosen_of("level", LEVELS)
with st.container(horizontal=True, vertical_alignment="center", key="pattern_view"):
    choice("View", "view", VIEWS, view, key="pattern_views")
    choice("Levels", "level", LEVELS, level, key="pattern_levels")
    if view == "patterns":
        choice("Order", "sort", SORTS, sort, key="pattern_order")
with st.container(horizontal=True, vertical_alignment="center", key="pattern_filters"):
    query = st.text_input(
        "Search",
        key="search",  # not `query`: what a widget of this page has bound goes from the address with the page
        type="search",
        live="300ms",
        bind="query-params",
        placeholder="Count matching records only: text, /regex/, level>=warn, -word    ( / )",
        label_visibility="collapsed",
        max_chars=1000,
    )
    sources = st.multiselect(
        "Sources",
        source_names(),
        key="sources",
        bind="query-params",
        accept_new_options=True,
        placeholder="All sources",
        label_visibility="collapsed",
        width=230,
    )
filters = filters_of(query or "", sources, level)
if view == "patterns":
    components.log_patterns(filters, when, sort=sort)
elif view == "values":
    pattern_values(filters | ({"since": "1h"} if when.live else when.log_filters()))
else:
    components.log_changes(filters, when)
