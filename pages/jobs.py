"""Jobs: the workers that report jobs, and their jobs: failed, in flight, slowest, all."""

import time
from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from monitor.api_models.jobs import Job, JobDetail, Workers
from monitor.client.client import Refused
from pages.shared.agent import agent_client, coded, guarded, plain
from pages.ui import components
from pages.ui.choice import choice, chosen_of
from pages.ui.header import page_title
from pages.ui.numbers import NONE, duration, moment

VIEWS: Final = {"failed": "Failed", "running": "In flight", "slowest": "Slowest", "all": "All"}
WINDOWS: Final = {"1h": "1 h", "24h": "24 h", "7d": "7 d"}
WORDS: Final = {"1h": "the last hour", "24h": "the last 24 hours", "7d": "the last 7 days"}
EMPTY: Final = {
    "failed": "No job has failed",
    "running": "No job is in flight",
    "slowest": "No job has ended",
    "all": "No job has ended",
}
SHOWN: Final = 200
ERROR_SHOWN: Final = 60
"""Characters of an error on the button that takes it away."""
LOOK_S: Final = {"1h": 1.0, "24h": 5.0, "7d": 15.0}
"""Least time between two looks: a wide window has much to count, and changes little."""
SIGNS: Final = {"done": "ok", "running": "wait"}
MINUTE_S: Final = 60
NOT_FOUND: Final = 404
MODULE: Final = "watchkeeper track --write track.py"
LINES: Final = """from track import track

with track("scraper") as worker:
    for item in items:
        with worker.job(item.id):
            ...  # your work; an exception makes it a failed job
"""


def no_workers(found: Workers) -> None:
    """What to do where no worker has reported a job yet."""
    st.markdown("**No worker has reported a job yet.**")
    st.markdown(
        "A worker is a program that does units of work: pages to fetch, messages to send. It reports each with one file that needs "
        "nothing but Python. Write that file beside your worker:"
    )
    st.code(MODULE, language=None)
    st.markdown("and add three lines to it:")
    st.code(LINES, language=None)
    st.markdown(
        f"Jobs then appear here within two seconds. Programs in other languages append JSON lines to a file in {coded(found.spool)}; "
        "`docs/jobs.md` describes them."
    )


def tables(view: str, window: str, narrowed: Mapping[str, str]) -> None:
    """The workers, and the jobs of the chosen view. Both keep themselves fresh. `narrowed` has `worker`, `run`, `q` and `error`, empty for all."""
    worker, process, q, error = (narrowed[name] for name in ("worker", "run", "q", "error"))
    with guarded("jobs"):
        client = agent_client()
        found = client.jobs.workers(window)
        every_s = LOOK_S[window]
        components.workers(found, since=window, every_s=every_s, chosen=worker, window=WORDS[window])
        if not found.workers:
            if found.trouble:
                st.warning(plain(found.trouble), icon=":material/warning:")
            no_workers(found)
            return
        filters: dict[str, Any] = {"worker": worker or None, "run": process or None, "q": q or None}
        filters |= {"error": error or None} if view == "failed" else {}
        filters |= {view: 1} if view in {"failed", "running", "slowest"} else {}
        filters |= {} if view == "running" else {"since": window}
        query = {**{name: value for name, value in filters.items() if value is not None}, "limit": SHOWN}
        here = {"view": view, "window": window, "worker": worker, "run": process, "find": q, "error": error}
        if view == "failed" and not error:
            errors = client.jobs.errors(filters, limit=SHOWN)
            if errors.total > len(errors.errors):  # else each job has an error of its own
                components.job_errors(errors, query=query, every_s=every_s, here=here)
                return
        jobs = client.jobs.found(filters, limit=SHOWN)
        where = (f" of {worker}" if worker else "") + (" of this process" if process else "")
        why = f"In {WORDS[window]}{where}." if view != "running" else "Jobs appear here while they are at work."
        nothing = "No matching jobs." if q or error else f"{EMPTY[view]}."
        components.jobs(jobs, query=query, every_s=every_s, here=here, empty=(nothing, why))


def rows_of(found: JobDetail) -> list[tuple[str, Any]]:
    """The rows of the card of one job."""
    job = found.job
    rows: list[tuple[str, Any]] = [
        (
            "State",
            {"text": said(job), "sign": "off" if job.asked else "warn" if job.stuck else SIGNS.get(job.state, "bad")},
        ),
        ("Worker", {"text": job.worker, "page": "jobs", "params": {"worker": job.worker}}),
        ("Started", moment(job.started)),
        *([("Ended", moment(job.ended))] if job.ended is not None else []),
        ("Took" if job.state != "running" else "At work for", _took(job.seconds)),
        *(
            [("Reason" if job.state == "interrupted" else "Error", {"text": job.error, "block": True})]
            if job.error
            else []
        ),
        *(
            [("Logged", [{"text": f"{one.level} {one.logger}: {one.message}", "block": True} for one in found.records])]
            if found.records
            else []
        ),
    ]
    if job.run is not None:
        rows.append(("Process", {"text": f"PID {job.pid}", "page": "run", "params": {"run": job.run}}))
        if job.started is not None:
            end = job.ended if job.ended is not None else time.time_ns() // 1000
            span = {"range": "custom", "from": job.started - 1_000_000, "to": end + 3_000_000}
            rows.append(
                (
                    "Log records",
                    {
                        "text": "Records of its process in that time",
                        "page": "logs",
                        "params": {"run": job.run, **span},
                    },
                )
            )
    return rows


def _took(seconds: float | None) -> str:
    """A duration; a short one exactly, a long one also in words that a person reads at once."""
    if seconds is None or seconds < MINUTE_S:
        return NONE if seconds is None else f"{seconds:,.3f} s"
    return f"{duration(seconds)} ({seconds:,.0f} s)"


def said(job: Job) -> str:
    """The state in words."""
    return "stuck" if job.stuck else {"running": "in flight"}.get(job.state, job.state)


def card(worker_run: str, seq: str) -> None:
    """The job that the address names."""
    if not worker_run or not (seq.isascii() and seq.isdigit()):
        return
    with guarded("this job"):
        try:
            found = agent_client().jobs.one(worker_run, int(seq))
        except Refused as error:
            if error.status != NOT_FOUND:
                raise
            st.caption("The job in the address is not known; it may be older than the retention period.")
            return
        components.facts(f"Job {found.job.job or seq}", rows_of(found), key="job")


view = chosen_of("view", VIEWS)
window = chosen_of("window", WINDOWS)
page_title("Jobs", actions=lambda: choice("Counted since", "window", WINDOWS, window, key="window"))
with st.container(horizontal=True, vertical_alignment="center", key="job_filters"):
    text = st.text_input(
        "Search",
        key="find",  # not `q`, as on Processes: what a field of this page has bound is taken from the address that Back leads to
        type="search",
        live="200ms",
        bind="query-params",
        placeholder="Job or error    ( / )",
        label_visibility="collapsed",
        max_chars=500,
    )
    choice("Which jobs", "view", VIEWS, view, key="view", clears=("of", "job", "error"))
    worker = st.query_params.get("worker", "")[:200]
    process = st.query_params.get("run", "")  # not `process`, which a field of Logs has bound
    process = process if process.isascii() and process.isdigit() and len(process) < 20 else ""
    error = st.query_params.get("error", "")[:600] if view == "failed" else ""
    one_error = f"{plain(error[:ERROR_SHOWN])}{'…' if len(error) > ERROR_SHOWN else ''}"
    for name, words in (("worker", plain(worker)), ("run", "One process" if process else ""), ("error", one_error)):
        if words and st.button(words, icon=":material/close:", key=f"any_{name}", help="Show the jobs of all"):
            st.query_params.update({name: []})
            st.rerun()
card(st.query_params.get("of", "")[:500], st.query_params.get("job", "")[:20])
tables(view, window, {"worker": worker, "run": process, "q": text or "", "error": error})
