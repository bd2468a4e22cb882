"""Process: one run of a process, running or ended: identity, resources, log records."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import streamlit as st

from monitor.api_models.endings import RunEnding
from monitor.api_models.processes import EndedRun, Run, RunRef
from monitor.client.client import Refused
from monitor.core.errors import AgentError
from monitor.core.exit_words import ended_with, failed
from monitor.core.process_title import title_of
from pages.shared.agent import agent_client, empty_state, guarded, plain
from pages.shared.process_actions import process_actions
from pages.shared.process_connections import connections_card
from pages.ui import charts, components
from pages.ui.header import page_header, page_title
from pages.ui.numbers import NONE, count, moment, size, took
from pages.ui.timerange import iso, life_of

SHOWN_CHILDREN = 12
ORDINARY = frozenset({"running", "sleeping", "idle"})
"""States that change many times a second, so that they are not worth showing."""
NOT_FOUND = 404


def link(ref: RunRef) -> dict[str, Any]:
    """A link to the page of another run."""
    return {
        "text": f"{title_of(ref.name, ref.cmdline, ref.member)} · {ref.pid}",
        "page": "run",
        "params": {"run": ref.run},
    }


def ending(run: Run) -> dict[str, Any]:
    """The state, or how the run ended, in words and an icon."""
    if run.end_ts is None and run.status == "zombie":
        return {"text": "ended, and stays as a zombie until its parent asks how", "sign": "warn"}
    if run.end_ts is None:
        notable = f" ({run.status})" if run.status and run.status not in ORDINARY else ""
        return {"text": f"running{notable}", "sign": "ok"}
    known = ended_with(run.exit_code, run.exit_signal, asked=run.asked)
    how = (run.ended_with or known) if known else "exit code unknown"
    return {
        "text": f"ended {moment(run.end_ts)}, {how}",
        "sign": sign_of(failed(run.exit_code, run.exit_signal, run.asked), run.asked),
    }


def sign_of(bad: bool | None, asked: str | None) -> str:  # noqa: FBT001 - the judgement itself
    """The sign of an end: red for a failure, none where somebody asked for it, or nobody knows. As `endSign` of the scripts."""
    return "off" if bad is None or asked is not None else "bad" if bad else "ok"


def children(refs: Sequence[RunRef]) -> list[dict[str, Any]]:
    """Links to the first children, and the number of the others."""
    more = [{"text": f"and {len(refs) - SHOWN_CHILDREN} more"}] if len(refs) > SHOWN_CHILDREN else []
    return [*map(link, refs[:SHOWN_CHILDREN]), *more]


def identity(run: Run) -> list[tuple[str, Any]]:
    """The rows of the identity card."""
    until = run.end_ts
    lived = (until - run.start_ts) / 1e6 if until and run.start_ts else None
    return [
        *([("State", ending(run))] if until is None else []),
        ("Started", moment(run.start_ts)),
        *([("Duration", took(lived))] if lived is not None else []),
        ("PID", str(run.pid)),
        ("User", run.user or NONE),
        ("Container or unit", run.unit or NONE),
        ("Command", {"text": run.cmdline or run.name, "block": True}),
        ("Executable", run.exe or NONE),
        ("Directory", run.cwd or NONE),
        ("Parent", link(run.parent) if run.parent else NONE),
        *([("Above it", [link(one) for one in run.ancestors])] if run.ancestors else []),
        ("Children", children(run.children) or NONE),
        *([("Peak memory", size(run.peak_rss))] if run.peak_rss is not None and until is None else []),
        *([("Memory growth", grown)] if until is None and (grown := growth_of(run)) is not None else []),
        *([("CPU time", f"{run.cpu_seconds:,.1f} s")] if run.cpu_seconds is not None and until is None else []),
        ("Log records", {"text": "Search its records", "page": "logs", "params": {"run": run.run}}),
        *([("Jobs", jobs)] if (jobs := jobs_of(run)) is not None else []),
        *([("Model engine", engine)] if (engine := engine_of(run)) is not None else []),
        ("Run", run.run),
    ]


def growth_of(run: Run) -> str | None:
    """How fast the memory grows, as far as it is known."""
    over = {"10 min": run.growth_10m, "1 h": run.growth_1h}
    told = [
        f"{'+' if value > 0 else ''}{size(value)} a minute over {name}"
        for name, value in over.items()
        if value is not None
    ]
    return ", ".join(told) or None


def jobs_of(run: Run) -> dict[str, Any] | None:
    """The jobs that this process reported, as a link to them; None without any."""
    try:
        client = agent_client().jobs
        over, running = (client.found({"run": run.run, "running": now}, limit=1).total for now in (False, True))
    except AgentError:  # the rest of the card lives
        return None
    if not over + running:
        return None
    words = f"{count(over)} over, {count(running)} in flight"
    return {"text": words, "page": "jobs", "params": {"view": "all", "window": "7d", "run": run.run}}


def engine_of(run: Run) -> dict[str, Any] | None:
    """The model engine that this process serves, as a link to its card."""
    try:
        found = agent_client().engines().engines
    except AgentError:  # the rest of the card lives
        return None
    served = next((e for e in found if e.process is not None and e.process.run == run.run), None)
    return None if served is None else {"text": f"{served.label} at {served.address}", "page": "ai"}


def why_rows(run: Run, end: RunEnding) -> list[tuple[str, Any]]:
    """The rows of the card that says why a run ended."""
    sign = sign_of(end.failed, end.asked)
    rows: list[tuple[str, Any]] = [("State", ending(run)), ("Why", {"text": end.why, "sign": sign})]
    if end.at_least:
        rows.append(("Ended", f"at least until {moment(end.ended)}; its end was not seen"))
    if end.sender is not None:
        rows.append(("Ended by", link(end.sender)))
    if (last := end.last_error or end.last_line) is not None:
        told = {"text": last.text, "page": "logs", "params": {"run": last.run or end.run, "record": last.record}}
        rows.append(("Last error" if end.last_error else "Last line", told))
    if end.peak_rss is not None:
        rows.append(("Peak memory", size(end.peak_rss)))
    if end.cpu_seconds is not None:
        rows.append(("CPU time", f"{end.cpu_seconds:,.2f} s"))
    if end.bytes_read or end.bytes_written:
        rows.append(("Disk", f"{size(end.bytes_read)} read, {size(end.bytes_written)} written"))
    if (minute := end.final) is not None:
        cpu = "CPU unknown" if minute.cpu_pct is None else f"CPU {minute.cpu_pct:.1f} % of a core"
        used = f"{cpu}, memory {size(minute.rss_first)} → {size(minute.rss_last)}"
        then = {"text": "All processes then", "page": "processes", "params": {"view": "at", "at": iso(minute.end)}}
        rows.append(("Final minute", [used, then]))
    if end.earlier_24h:
        how_many = f"{end.earlier_24h} in the 24 hours before"
        rows.append(("Earlier runs", [how_many, *map(earlier, end.earlier)]))
    if sign == "bad":
        again = {"new": "fails", "text": title_of(run.name, run.cmdline)}
        rows.append(("Next time", {"text": "Tell me when it fails again", "page": "alerts", "params": again}))
    return rows


def earlier(run: EndedRun) -> dict[str, Any]:
    """A link to an earlier run of the command, with how it ended."""
    sign = sign_of(run.failed, run.asked)
    return {"text": f"{moment(run.ended)}: {run.outcome}", "page": "run", "params": {"run": run.run}, "sign": sign}


def why_card(run: Run) -> None:
    """Why the run ended, looked up again for a moment: its last records may be stored after its end."""
    with suppress(AgentError):  # the status strip says what is wrong with the agent
        components.facts("Why did it stop?", why_rows(run, agent_client().run_ending(run.run)), key="why")


def cards(shown: Run) -> None:
    """Identity and log files, looked up again while the process runs and shortly after its end. Once it ends, the whole page runs again.

    Args:
        shown: the run when the page was drawn.
    """
    run = shown
    if shown.end_ts is None:
        with suppress(AgentError):  # without an agent the cards keep what they show, and the status strip says why
            run = agent_client().run(shown.run)
        if run.end_ts is not None:
            st.rerun()
    if run.end_ts is not None:
        why_card(run)
    components.facts("Identity", identity(run), key="identity", aside="kernel thread" if run.kernel_thread else "")
    files = [
        (
            file.source,
            [file.path, {"text": f"{size(file.size)}, read up to {size(file.stored_to)} · {file.state or NONE}"}],
        )
        for file in run.log_files
    ]
    none = (
        "No log files.",
        "Regular files that the process writes to are followed and listed here, also after its end.",
    )
    components.facts("Log files", files, key="log_files", empty=none)
    components.run_watch(run.run, run.end_ts)  # below what is seen, because it leaves a gap of its own


def show(run: Run) -> None:
    """The page of a known run."""
    life = life_of(run.start_ts, run.end_ts) if run.start_ts and run.end_ts else None
    when = page_header(plain(f"{title_of(run.name, run.cmdline, run.member)} · {run.pid}"), life=life)
    process_actions(run)
    with st.container(key="beside"):
        left, right = st.columns([2.1, 1], gap="small")
    with right:
        st.fragment(cards)(run)
        if run.end_ts is None and not run.kernel_thread:
            connections_card(run.run)
    with left:
        components.live_charts(
            charts.RUN,
            when,
            source={"kind": "run", "run": run.run},
            columns=1,
            activity={"run": run.run},
            key="run_charts",
        )
        components.log_view(
            {"run": run.run} | when.log_filters(), live=run.end_ts is None and not when.fixed, filtered=True, height=300
        )


def nothing(title: str, why: str) -> None:
    """An empty page, with a link to the processes."""
    page_title("Process")
    empty_state(title, why, icon=":material/memory:")
    components.facts("What to do", [("Open", {"text": "All processes", "page": "processes"})], key="nothing")


wanted = st.query_params.get("run", "")
if not wanted.isdigit():
    nothing("No process selected.", "Select a process on the Processes page.")
else:
    with guarded("this process"):
        try:
            found = agent_client().run(wanted)
        except Refused as error:
            if error.status != NOT_FOUND:
                raise
            nothing(
                "Process not found.",
                "Its data is older than the retention period, or the link is from another machine.",
            )
        except AgentError:
            page_title("Process")
            raise
        else:
            show(found)
