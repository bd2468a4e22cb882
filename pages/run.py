"""Process: one life of one process, running or ended: who it is, what it cost, what it wrote."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import streamlit as st

from monitor.client import Refused
from monitor.errors import AgentError
from monitor.models import Run, RunRef
from monitor.titles import title_of
from pages._agent import agent_client, empty_state, guarded, plain
from pages.ui import charts, components
from pages.ui.header import page_header, page_title
from pages.ui.numbers import NONE, duration, moment, size

SHOWN_CHILDREN = 12
LOOK_S = 2.0
ORDINARY = frozenset({"running", "sleeping", "idle"})
"""States that come and go many times a second and tell a person nothing."""
NOT_FOUND = 404


def link(ref: RunRef) -> dict[str, Any]:
    """A link to another run's page."""
    return {"text": f"{title_of(ref.name, ref.cmdline)} · {ref.pid}", "page": "run", "params": {"run": ref.run}}


def ending(run: Run) -> dict[str, Any]:
    """How it is, or how it ended, in words and a sign."""
    if run.end_ts is None:
        notable = f" ({run.status})" if run.status and run.status not in ORDINARY else ""
        return {"text": f"running{notable}", "sign": "ok"}
    if run.exit_signal:
        return {"text": f"ended {moment(run.end_ts)}, killed by signal {run.exit_signal}", "sign": "bad"}
    if run.exit_code is None:
        return {"text": f"ended {moment(run.end_ts)}, exit not seen", "sign": "off"}
    return {
        "text": f"ended {moment(run.end_ts)} with exit code {run.exit_code}",
        "sign": "bad" if run.exit_code else "off",
    }


def children(refs: Sequence[RunRef]) -> list[dict[str, Any]]:
    """Links to the first of them, and how many more there are."""
    more = [{"text": f"and {len(refs) - SHOWN_CHILDREN} more"}] if len(refs) > SHOWN_CHILDREN else []
    return [*map(link, refs[:SHOWN_CHILDREN]), *more]


def identity(run: Run) -> list[tuple[str, Any]]:
    """The card of facts."""
    until = run.end_ts
    lived = (until - run.start_ts) / 1e6 if until and run.start_ts else None
    return [
        ("state", ending(run)),
        ("pid", str(run.pid)),
        ("user", run.user or NONE),
        ("command", {"text": run.cmdline or run.name, "block": True}),
        ("program", run.exe or NONE),
        ("started", moment(run.start_ts)),
        *([("lived", duration(lived))] if lived is not None else []),
        ("parent", link(run.parent) if run.parent else NONE),
        ("children", children(run.children) or NONE),
        *([("peak memory", size(run.peak_rss))] if run.peak_rss is not None else []),
        *([("CPU time", f"{run.cpu_seconds:,.1f} s")] if run.cpu_seconds is not None else []),
        ("log records", {"text": "search them", "page": "logs", "params": {"process": run.run}}),
        ("run", run.run),
    ]


def cards(shown: Run) -> None:
    """Who it is and its log files, looked at again while it runs; when it has ended, the whole page is drawn anew.

    Args:
        shown: the run as the page knows it.
    """
    run = shown
    if shown.end_ts is None:
        with suppress(AgentError):  # away: what was known stands, and the strip says since when
            run = agent_client().run(shown.run)
        if run.end_ts is not None:
            st.rerun()
    components.facts("Identity", identity(run), key="identity", aside="kernel thread" if run.kernel_thread else "")
    files = [
        (
            file.source,
            [file.path, {"text": f"{size(file.size)}, read to {size(file.stored_to)} · {file.state or NONE}"}],
        )
        for file in run.log_files
    ]
    none = ("It holds no log file open.", "A regular file open for writing would be followed and listed here.")
    components.facts("Its log files", files, key="log_files", empty=none)


def show(run: Run) -> None:
    """The page of a run that is known."""
    when = page_header(plain(f"{title_of(run.name, run.cmdline)} · {run.pid}"))
    left, right = st.columns([2.1, 1], gap="small")
    with right:
        st.fragment(cards, run_every=None if run.end_ts else LOOK_S)(run)
    with left:
        components.live_charts(charts.RUN, when, source={"kind": "run", "run": run.run}, key="run_charts")
        components.log_view(
            {"run": run.run} | when.log_filters(), live=run.end_ts is None and not when.fixed, filtered=True, height=300
        )


def nothing(title: str, why: str) -> None:
    """What stands here when there is no process to show, with the way to those there are."""
    page_title("Process")
    empty_state(title, why, icon=":material/memory:")
    components.facts("What to do", [("open", {"text": "the table of processes", "page": "processes"})], key="nothing")


wanted = st.query_params.get("run", "")
if not wanted.isdigit():
    nothing("No process is chosen.", "A row of the table of processes opens one.")
else:
    with guarded("this process"):
        try:
            found = agent_client().run(wanted)
        except Refused as error:
            if error.status != NOT_FOUND:
                raise
            nothing(
                "This process is not known here.",
                "Its readings are older than what is kept, or the link is of another machine.",
            )
        else:
            show(found)
