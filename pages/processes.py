"""Processes: all that run now, as a live table; by container and unit; as they were at a past moment; those that have ended; and their events."""

import time
from typing import Final

import streamlit as st

from pages.shared import moment
from pages.shared.agent import agent_client, guarded
from pages.ui import charts, components
from pages.ui.choice import choice, chosen_of
from pages.ui.components import ALL_COLUMNS, COLUMNS, PAST_COLUMNS, PAST_SHOWN
from pages.ui.header import page_title
from pages.ui.timerange import TimeRange, from_address

SCOPES: Final = {"own-first": "Mine first", "mine": "Mine only", "all": "All"}
SHAPES: Final = {"flat": "Flat", "tree": "Tree"}
VIEWS: Final = {
    "now": "Now",
    "groups": "Groups",
    "at": "At a moment",
    "timeline": "Timeline",
    "ended": "Ended",
    "events": "Events",
}
OUTCOMES: Final = {"any": "Any outcome", "failed": "Failed"}
LENGTHS: Final = {"1": "Over 1 s", "0": "Any length"}
OWNERS: Final = {"all": "All users", "mine": "Mine"}
PLACEHOLDERS: Final = {
    "ended": "Name, command, user or PID    ( / )",
    "timeline": "Name, command, user or PID    ( / )",
    "groups": "Container, unit or path    ( / )",
    "events": "Text in name, command or message    ( / )",
}
TYPES: Final = {
    "": "All events",
    "ERROR": "Failures",
    "START": "Starts",
    "COMPLETE,STOP": "Ends",
    "STATUS_CHANGE": "Changes",
    "NEW_PATTERN": "New log patterns",
    "ALERT": "Alerts",
}
SPANS: Final = {"900": "15 min", "3600": "1 h", "21600": "6 h", "86400": "24 h", "604800": "7 d"}
SHOWN: Final = 500
LOOK_S: Final = 3.0
AROUND_US: Final = 900_000_000
"""The charts show the quarter of an hour of the moment, and those beside it."""


def running(q: str, *, at: int | None = None) -> None:
    """The controls and the table of what runs now, or ran at a moment."""
    names, standard, scopes = (
        (ALL_COLUMNS, COLUMNS, SCOPES)
        if at is None
        else (
            PAST_COLUMNS,
            PAST_SHOWN,
            {"all": "All", **{name: title for name, title in SCOPES.items() if name != "all"}},
        )
    )
    shape = chosen_of("shape", SHAPES)
    choice("Layout", "shape", SHAPES, shape, key="shape")
    scope = chosen_of("which", scopes)
    choice("Which processes", "which", scopes, scope, key="which")
    with st.popover("Columns", icon=":material/view_column:", key="columns_popover"):
        chosen = st.multiselect(  # the colour of chosen pills is too pale to read
            "Columns",
            [title for name, title in names.items() if name != "name"],
            default=[names[name] for name in standard if name != "name"],
            key="columns" if at is None else "past_columns",
            bind="query-params",
        )
        kernel = st.toggle("Kernel threads", key="kernel", bind="query-params")
    sort = st.query_params.get("sort", "cpu_pct")
    by = sort.removeprefix("-")
    with table:
        components.process_table(
            q=q,
            sort=sort if by in names else "cpu_pct",
            tree=shape == "tree",
            scope=scope,
            kernel=kernel,
            columns=["name", *(name for name, title in names.items() if title in chosen or name == by != "name")],
            at=at,
            key="processes" if at is None else "past_processes",
        )


def at_moment(q: str) -> None:
    """The controls, the charts around the moment, and the table of what ran then. Without a moment, the last day to choose from."""
    at = moment.controls()
    with table:
        components.live_charts([charts.CPU, charts.MEMORY], _around(at), pick="at", mark=at, key="moment_charts")
    if at is not None:
        running(q, at=at)


def _around(at: int | None) -> TimeRange:
    """The range of the charts: one that was selected in them, else around the moment. It stays while the moment moves a little."""
    address = st.query_params
    try:
        chosen = from_address(address.get("range"), address.get("from"), address.get("to"))
    except ValueError:
        chosen = TimeRange()
    if chosen.fixed and chosen.bounds is not None and (at is None or chosen.bounds[0] <= at <= chosen.bounds[1]):
        return chosen
    if at is None:
        return from_address("24h", None, None)
    first = at - at % AROUND_US - AROUND_US
    last = min(first + 3 * AROUND_US, time.time_ns() // 60_000_000_000 * 60_000_000 + 60_000_000)
    return TimeRange("custom", (last - first) // 1_000_000, (first, max(last, at + 1_000_000)))


def ended(q: str) -> None:
    """The controls and the table of what has ended, looked up again every few seconds."""
    outcome = chosen_of("outcome", OUTCOMES)
    choice("Outcome", "outcome", OUTCOMES, outcome, key="outcome")
    lengths = dict(reversed(LENGTHS.items())) if q else LENGTHS  # who looks for something finds it, however short
    length = chosen_of("lived", lengths)
    choice("Length", "lived", lengths, length, key="lived")
    owner = chosen_of("owner", OWNERS)
    choice("Users", "owner", OWNERS, owner, key="owner")
    with table:
        _ended_table(q, failed=outcome == "failed", mine=owner == "mine", lived_s=int(length))


@st.fragment(run_every=LOOK_S)
def _ended_table(q: str, *, failed: bool, mine: bool, lived_s: int) -> None:
    filters = {"q": q or None, "failed": failed or None, "mine": mine or None, "lived_s": lived_s or None}
    with guarded("processes that have ended"):
        found = agent_client().ended_runs({name: value for name, value in filters.items() if value}, limit=SHOWN)
        components.ended_processes(found.runs, found.total, filtered=any(filters.values()))
        if found.shorter:
            st.caption(f"{found.shorter:,} that lived for less than a second are left out: *Any length* shows them.")


def timeline(q: str) -> None:
    """The controls and the bars of what lived in a time up to now."""
    seconds = chosen_of("span", SPANS)
    choice("Range", "span", SPANS, seconds, key="span")
    length = chosen_of("lived", LENGTHS)
    choice("Length", "lived", LENGTHS, length, key="lived")
    owner = chosen_of("owner", OWNERS)
    choice("Users", "owner", OWNERS, owner, key="owner")
    with table:
        _bars(q, span_s=int(seconds), mine=owner == "mine", lived_s=int(length))


@st.fragment(run_every=LOOK_S)
def _bars(q: str, *, span_s: int, mine: bool, lived_s: int) -> None:
    now = time.time_ns() // 1000
    filters = {"q": q or None, "mine": mine or None, "lived_s": lived_s or None}
    with guarded("the lives of processes"):
        found = agent_client().lives(now - span_s * 1_000_000, now, {k: v for k, v in filters.items() if v})
        components.process_timeline(found, filtered=any(filters.values()))


@st.fragment(run_every=LOOK_S)
def groups(q: str) -> None:
    """The table of containers, units and sessions, looked up again every few seconds."""
    with guarded("the groups of processes"):
        found = agent_client().groups().groups
        wanted = q.casefold()
        components.process_groups([one for one in found if wanted in f"{one.name} {one.cgroup or ''}".casefold()])


def events(q: str) -> None:
    """The controls and the list of what happened to processes."""
    types = chosen_of("types", TYPES)
    choice("Types", "types", TYPES, types, key="types")
    with table:
        components.process_events(q=q, types=types)


view = chosen_of("view", VIEWS)
page_title(
    "Processes",
    actions=lambda: choice(
        "View", "view", VIEWS, view, key="view", clears=("at", "range", "from", "to", "which", "types")
    ),
)
filters_row = st.container(horizontal=True, vertical_alignment="center", key="process_filters")
table = st.container()
with filters_row:
    text = st.text_input(
        "Search",
        key="q",
        type="search",
        live="200ms",
        bind="query-params",
        placeholder=PLACEHOLDERS.get(view, "Name, command, user, PID, unit, or /regex/    ( / )"),
        label_visibility="collapsed",
        max_chars=500,
    )
    if view == "now":
        running(text or "")
    elif view == "timeline":
        timeline(text or "")
    elif view == "groups":
        with table:
            groups(text or "")
    elif view == "at":
        at_moment(text or "")
    elif view == "events":
        events(text or "")
    else:
        ended(text or "")
