"""Logs: records of all sources, streaming or from a time range. The address holds the whole view."""

from typing import Any

import streamlit as st

from monitor.api_models.ai import ExplainRequest
from monitor.core.errors import AgentError
from monitor.core.process_title import title_of
from pages.ai_parts.explain import Subject, explain_button, explain_panel, is_explaining
from pages.shared.agent import agent_client, guarded, plain, source_names
from pages.shared.log_reading import reading_button
from pages.shared.saved_searches import address_of, known_searches, saved_searches, view_to_save
from pages.ui import components, export
from pages.ui.header import page_header

AROUND = 8
_LONGEST_PID = 7
"""Digits; a run's number has more."""
_SHOWN = 48
"""Characters of a process's title."""
LEVELS = ("fatal", "error", "warn", "info", "debug", "trace", "unknown")


def browser_zone() -> str:
    """The time zone of the browser; empty when it is not known."""
    return str(st.context.timezone or "")


def filters_of(query: str, sources: list[str], process: str) -> dict[str, Any]:
    """The filter boxes as filters of the log API. Without a query, the address may have a text of an earlier version's link."""
    found = components.log_text_filter(st.query_params.get("q", "")) if not query else {}
    if query:
        found = {"query": query, "zone": browser_zone()}
        found |= {name: 1 for name in ("case", "raw") if st.query_params.get(name) == "1"}
    if sources:
        found["source"] = ",".join(sources)
    digits = process.strip()
    if digits.isdigit():
        found["pid" if len(digits) <= _LONGEST_PID else "run"] = digits
    return found


def process_box() -> str:
    """The box for a PID. A run, as links of other pages have it, is named instead, with a way back to all."""
    run = st.query_params.get("run", "").strip()
    if not is_run(run) and is_run(given := st.query_params.get("process", "").strip()):  # an earlier version's link
        del st.query_params["process"]
        st.query_params["run"] = run = given
    if not is_run(run):
        return str(
            st.text_input(
                "Process",
                key="process",
                bind="query-params",
                on_change=take_run,
                placeholder="PID or run",
                label_visibility="collapsed",
                max_chars=20,
                width=120,
            )
            or ""
        )
    if st.button(
        plain(named(run)), icon=":material/close:", key="any_process", help="Show the records of all processes"
    ):
        del st.query_params["run"]
        st.rerun()
    return run


def take_run() -> None:
    """A run that was typed gets a parameter of its own: that of the box goes with it."""
    typed = st.session_state["process"].strip()
    if is_run(typed):
        st.session_state["process"] = ""
        st.query_params["run"] = typed


def is_run(text: str) -> bool:
    """Whether this is the number of a run."""
    return text.isascii() and text.isdigit() and _LONGEST_PID < len(text) < 20


def named(run: str) -> str:
    """Title and PID of a run."""
    try:
        found = agent_client().run(run)
    except AgentError:
        return "One process"
    title = title_of(found.name, found.cmdline, found.member)
    return f"{title if len(title) <= _SHOWN else title[: _SHOWN - 1] + '…'} · {found.pid}"


def subjects(view: dict[str, Any], record: str) -> list[Subject]:
    """What can be explained here: the records of the view and the open record."""
    found = [
        Subject(
            "records",
            "Explain these records",
            "The model receives the newest records of this view, as many as fit, with secrets masked.",
            ExplainRequest(filters=view),
        )
    ]
    if record:
        at = 0 if st.query_params.get("explain") == "record" else 1  # the button in the record itself was clicked
        found.insert(
            at,
            Subject(
                "record",
                "Explain the open record",
                f"The model receives the open record and {AROUND} records before and after it.",
                ExplainRequest(records=[record[:60]], around=AROUND),
            ),
        )
    return found


when = page_header("Logs", live_link_s=86_400)  # live shows the newest records, however old
known = source_names()
query = st.query_params.get("query", "")[:4000].strip()
shown = " ".join(part for part in (components.query_of_text(st.query_params.get("q", "")), query) if part)
searches = known_searches()
components.log_query(
    shown,
    sources=known,
    case=st.query_params.get("case") == "1",
    raw=st.query_params.get("raw") == "1",
    zone=browser_zone(),
    saved=[] if searches is None else [address_of(one) for one in searches.searches],
)
with st.container(horizontal=True, vertical_alignment="center", key="log_filters"):
    sources = st.multiselect(
        "Sources",
        known,
        key="source",
        bind="query-params",
        accept_new_options=True,
        placeholder="All sources",
        label_visibility="collapsed",
        width=230,
    )
    process = process_box()
    tree = st.popover("Sources", icon=":material/account_tree:", key="sources_popover")
    download = st.popover("Download", icon=":material/download:", key="download_popover")
    saved = st.popover("Saved", icon=":material/star:", key="saved_popover")
    reading_button(known, sources)
    explain_button()

if process.strip() and not process.strip().isdigit():
    st.caption(
        f"“{plain(process)}” is not a PID or a run number and is ignored. Search for run:NAME to find records by process."
    )
levels = [level for level in st.query_params.get("levels", "").split(",") if level in LEVELS]
chosen = filters_of(shown if query else "", sources, process)
filters = chosen | when.log_filters() | ({"levels": ",".join(levels)} if levels else {})
with saved, guarded("the saved searches"):
    saved_searches(searches, view_to_save(shown, sources, levels, process))
with tree:
    components.log_sources({name: value for name, value in filters.items() if name != "source"})
with download:
    st.caption(f"Up to {export.MOST:,} of the newest records in this view.")
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
place = (
    st.container(key="explain_place") if is_explaining() else None
)  # filled last, so that the records do not wait for it
components.log_view(
    filters,
    live=not when.fixed,
    filtered=bool(chosen or levels or not when.live),
    order="up" if st.query_params.get("order") == "newest" else "down",
    query=shown,
)
if place is not None:
    with place:
        explain_panel(*subjects(filters, st.query_params.get("record", "")), here="logs")
