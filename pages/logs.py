"""Logs: what every process writes, streaming or searched; the address holds the whole view."""

from typing import Any

import streamlit as st

from monitor.ai_models import ExplainRequest
from monitor.errors import AgentError
from pages._agent import agent_client, guarded, plain
from pages._ai_explain import Subject, explain_button, explain_panel, is_explaining
from pages.ui import components, export
from pages.ui.header import page_header

AROUND = 8
LEVELS = ("fatal", "error", "warn", "info", "debug", "trace", "unknown")


def source_names() -> list[str]:
    """Names to offer; the box takes any other too, so an agent that is away costs only the offer."""
    try:
        return sorted({one.source for one in agent_client().log_sources().sources})
    except AgentError:
        return []


def filters_of(text: str, sources: list[str], process: str) -> dict[str, Any]:
    """What the boxes say, as filters of the log API."""
    found = components.log_text_filter(text)
    if sources:
        found["source"] = ",".join(sources)
    digits = process.strip()
    if digits.isdigit():
        found["pid" if len(digits) <= 7 else "run"] = digits
    return found


def subjects(view: dict[str, Any], record: str) -> list[Subject]:
    """What can be explained here: the records of the view, and the one that is open."""
    found = [
        Subject(
            "records",
            "Explain these records",
            "The newest records of this view that a model can take in are given to it, secrets masked.",
            ExplainRequest(filters=view),
        )
    ]
    if record:
        at = 0 if st.query_params.get("explain") == "record" else 1  # asked for at the record itself
        found.insert(
            at,
            Subject(
                "record",
                "Explain the opened one",
                f"The opened record goes with {AROUND} neighbours on either side.",
                ExplainRequest(records=[record[:60]], around=AROUND),
            ),
        )
    return found


when = page_header("Logs")
with st.container(horizontal=True, vertical_alignment="center", key="log_filters"):
    q = st.text_input(
        "Search",
        key="q",
        type="search",
        live="300ms",
        bind="query-params",
        placeholder="text or /regex/    ( / )",
        label_visibility="collapsed",
        max_chars=1000,
    )
    sources = st.multiselect(
        "Sources",
        source_names(),
        key="source",
        bind="query-params",
        accept_new_options=True,
        placeholder="all sources",
        label_visibility="collapsed",
        width=230,
    )
    process = st.text_input(
        "Process",
        key="process",
        bind="query-params",
        placeholder="pid or run",
        label_visibility="collapsed",
        max_chars=20,
        width=150,
    )
    download = st.popover("Download", icon=":material/download:", key="download_popover")
    explain_button()

if (process or "").strip() and not (process or "").strip().isdigit():
    st.caption(
        f"“{plain(process or '')}” is no pid and no run, and is left out: the table of processes has their numbers."
    )
levels = [level for level in st.query_params.get("levels", "").split(",") if level in LEVELS]
chosen = filters_of(q or "", sources, process or "")
filters = chosen | when.log_filters() | ({"levels": ",".join(levels)} if levels else {})
with download:
    st.caption(f"The newest {export.MOST:,} records of this view at most.")
    with guarded("the download"):
        client = agent_client()
        st.download_button(
            "JSON lines",
            lambda: export.json_lines(client, filters),
            file_name="records.jsonl",
            mime="application/jsonl",
            on_click="ignore",
            icon=":material/data_object:",
        )
        st.download_button(
            "CSV",
            lambda: export.csv_text(client, filters),
            file_name="records.csv",
            mime="text/csv",
            on_click="ignore",
            icon=":material/table:",
        )

components.histogram(chosen, when, levels=levels)
place = st.container(key="explain_place") if is_explaining() else None  # filled last: the records do not wait for it
components.log_view(
    filters,
    live=not when.fixed,
    filtered=bool(chosen or levels or not when.live),
    order="up" if st.query_params.get("order") == "newest" else "down",
)
if place is not None:
    with place:
        explain_panel(*subjects(filters, st.query_params.get("record", "")), here="logs")
