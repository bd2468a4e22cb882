"""One function for each live component. `key` names the place that the component keeps across reruns."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from monitor.api_models import ai as ai_models
from monitor.api_models.jobs import JobErrors, Jobs, Workers
from monitor.api_models.processes import EndedRun, Lives, ProcessGroup
from pages.server.assets import other_parts
from pages.ui.charts import Panel
from pages.ui.mount import mount
from pages.ui.timerange import TimeRange

ALL_COLUMNS: Final = {
    "name": "Name",
    "pid": "PID",
    "user": "User",
    "cpu_pct": "CPU %",
    "spark": "Last minute",
    "cpu_seconds": "CPU time",
    "rss": "Memory",
    "mem_pct": "Memory %",
    "growth_10m": "Growth, 10 min",
    "growth_1h": "Growth, 1 h",
    "gpu_mem": "VRAM",
    "read_bps": "Read",
    "write_bps": "Write",
    "threads": "Threads",
    "fds": "Open files",
    "nice": "Nice",
    "status": "Status",
    "unit": "Container or unit",
    "start_ts": "Running for",
    "cmdline": "Command",
}
"""Columns of the process table: name → title. The address has the titles."""
PAST_COLUMNS: Final = {
    **{name: title for name, title in ALL_COLUMNS.items() if name not in {"cmdline", "growth_10m", "growth_1h"}},
    "cpu_minute": "CPU, minute",
    "outcome": "Since then",
    "cmdline": "Command",
}
"""Columns of the table of a past moment."""
PAST_SHOWN: Final = ("name", "pid", "user", "cpu_pct", "spark", "rss", "start_ts", "outcome", "cmdline")
"""Those shown by default."""
COLUMNS: Final = ("name", "pid", "user", "cpu_pct", "spark", "rss", "growth_10m", "start_ts", "cmdline")
"""The columns shown by default."""
PLOT_PX: Final = 170
FRAME_PX: Final = 66
"""Height of one chart, and of the frame around it."""
ACTIVITY_PX: Final = 340
"""Height of what happened, with its list."""


def status_strip() -> None:
    """Say whether the machine is fine and how old the data is. The strip also handles the keyboard of the page."""
    mount("frame/strip", {"parts": other_parts()}, key="wk-strip", height=40)


def pause_button() -> None:
    """Pause and resume all live parts of the page."""
    mount("frame/pause", {}, key="wk-pause", height=36, width=104)


def watch_footer() -> None:
    """Counts of processes, errors and engines; the machine; what Watchkeeper itself uses; samples received."""
    mount("frame/footer", {}, key="wk-footer", height=186)


def heal_when_back() -> None:
    """Run the page again when the agent is back, so that its native parts recover without a reload. Shows nothing."""
    mount("frame/healing", {}, key="wk-healing", height=0, triggers=("back",))


def reached_by_keyboard(box: str, name: str) -> None:
    """Let the Tab key reach a container that scrolls, so that the arrow keys do. Shows nothing.

    Args:
        box: the container's key; what grows at its end is read out.
        name: what it holds, for people.
    """
    mount("frame/reached", {"box": box, "name": name}, key=f"wk-reached-{box}", height=0)


def live_cards(*, key: str = "cards") -> None:
    """Cards for CPU, memory, GPU or load, disk, network and errors: value, unit, last minute, change."""
    mount("machine/cards", {}, key=key, height=114)


def live_charts(
    panels: Sequence[Panel],
    when: TimeRange,
    *,
    source: Mapping[str, str] | None = None,
    columns: int = 2,
    pick: str | None = None,
    mark: int | None = None,
    activity: Mapping[str, str] | None = None,
    key: str = "charts",
) -> None:
    """Charts with one time axis and one crosshair. Dragging over a chart writes the range to the address; a click offers the
    processes and the records of that moment.

    Args:
        panels: see `pages.ui.charts`.
        when: the range; a relative one keeps moving.
        source: `{"kind": "host"}`, `{"kind": "gpu"}` or `{"kind": "run", "run": …}`.
        columns: charts in a row where there is room.
        pick: a parameter of the address that a click sets to its moment, instead of offering links.
        mark: µs; a moment that is marked.
        activity: whose records, events, jobs and actions are shown below, on the same axis: `{"run": …}`, or `{}` for the runs that used
            most, once a range is chosen.
        key: names the place.
    """
    data = {
        "panels": panels,
        "pick": pick,
        "mark": mark,
        "source": source or {"kind": "host"},
        "range": when.bounds,
        "window_s": when.window_s,
        "columns": columns,
        "brush": True,
        "activity": None if activity is None else dict(activity),
    }
    rows = sum(panel.get("height", PLOT_PX) + FRAME_PX for panel in panels[::columns] if not panel.get("optional"))
    happens = activity is not None and (when.fixed or "run" in activity)
    mount("charts/charts", data, key=key, height=rows + (ACTIVITY_PX if happens else 0))


def process_table(
    *,
    q: str,
    sort: str,
    tree: bool,
    scope: str,
    kernel: bool,
    columns: Sequence[str],
    at: int | None = None,
    key: str = "processes",
) -> None:
    """The table of processes, live or as they were at a past moment.

    Args:
        q: text or `/regex/`.
        sort: a column, with a leading `-` for the opposite order.
        tree: children under their parents.
        scope: `own-first`, `mine` or `all`.
        kernel: with kernel threads.
        columns: of `ALL_COLUMNS`, or of `PAST_COLUMNS` with `at`.
        at: the moment, µs; now without it.
        key: names the place.
    """
    data = {
        "q": q,
        "sort": sort,
        "tree": tree,
        "scope": scope,
        "kernel": kernel,
        "columns": list(columns),
        "titles": {
            name: title for name, title in (ALL_COLUMNS if at is None else PAST_COLUMNS).items() if name != "name"
        },
        "height": 640,
        **({} if at is None else {"at": at}),
    }
    mount("processes/table", data, key=key, height=690)


def busiest_processes(*, key: str = "busiest") -> None:
    """The eight busiest processes now."""
    mount("processes/busiest", {}, key=key, height=312)


def newest_errors(*, shown: int = 6, key: str = "errors") -> None:
    """The newest errors, each a link to the logs at its time."""
    mount("logs/errors", {"shown": shown}, key=key, height=176)


def engines(*, key: str = "engines") -> None:
    """The model engines of this machine."""
    mount("machine/engines", {}, key=key, height=140)


def data_quality(*, key: str = "quality") -> None:
    """Samples expected and received, delay, losses, and what Watchkeeper uses."""
    mount("machine/quality", {}, key=key, height=300)


def gpu_line(*, key: str = "gpu") -> None:
    """One sentence about the GPUs of this machine."""
    mount("machine/gpuline", {}, key=key, height=20)


def core_strips(*, key: str = "cores") -> None:
    """How busy each core is."""
    mount("machine/cores", {}, key=key, height=96)


def devices(*, key: str = "devices") -> None:
    """Current values of disks, file systems, network interfaces and temperature sensors."""
    mount("machine/devices", {}, key=key, height=180)


def histogram(filters: Mapping[str, Any], when: TimeRange, *, levels: Sequence[str], key: str = "histogram") -> None:
    """Records over time by level, with a toggle for each level. Dragging writes the range to the address.

    Args:
        filters: of the log API, without levels and times.
        when: the range; live shows the last hour.
        levels: the chosen ones; none means all.
        key: names the place.
    """
    window = 3600 if when.live else when.window_s
    data = {"filters": filters, "levels": list(levels), "range": when.bounds, "window_s": window}
    mount("logs/histogram", data, key=key, height=170, narrow_height=101)


def log_sources(filters: Mapping[str, Any], *, key: str = "sources") -> None:
    """The sources as a tree of folders, with the number of records in the view; a click shows only one, or hides it.

    Args:
        filters: of the log API, without sources.
        key: names the place.
    """
    mount("logs/sources", {"filters": filters}, key=key, height=260)


def log_view(
    filters: Mapping[str, Any],
    *,
    live: bool,
    filtered: bool,
    order: str = "down",
    query: str = "",
    height: int = 560,
    key: str = "records",
) -> None:
    """Records: newest at the bottom (`order="down"`) or on top (`"up"`); streaming when `live`.

    Args:
        filters: of the log API.
        live: whether new records are appended.
        filtered: whether the user narrowed the view, which decides what an empty view says.
        order: see above.
        query: what is searched, to which the values of a record can be added.
        height: pixels of the list.
        key: names the place.
    """
    data = {
        "filters": filters,
        "live": live,
        "filtered": filtered,
        "order": order,
        "query": query,
        "height": height,
    }
    mount("logs/view", data, key=key, height=height + 46)


def log_patterns(filters: Mapping[str, Any], when: TimeRange, *, sort: str, key: str = "patterns") -> None:
    """The patterns of a range, each with its count, trend and level; a click leads to its records.

    Args:
        filters: of the log API, without times.
        when: the range; live shows the last hour.
        sort: `count`, `new`, `errors` or `last`.
        key: names the place.
    """
    data = {"filters": filters, "sort": sort, "filtered": bool(filters), **_log_range(when)}
    mount("logs/patterns", data, key=key, height=420)


def log_changes(filters: Mapping[str, Any], when: TimeRange, *, key: str = "changes") -> None:
    """What changed in the logs from the time before a range to the range; live compares the last hour."""
    mount("logs/changes", {"filters": filters, **_log_range(when)}, key=key, height=420)


def _log_range(when: TimeRange) -> dict[str, Any]:
    return {"range": when.bounds, "window_s": 3600 if when.live else when.window_s, "live": when.live}


def opinion(
    said: ai_models.Opinion | None, measured: Sequence[ai_models.Citation], *, here: str, key: str = "opinion"
) -> None:
    """The answer of a model with its citations, and the measured facts.

    Args:
        said: the answer, once there is one.
        measured: processes and readings.
        here: the page, as in its address. On the logs page a cited record opens beside the list.
        key: names the place.
    """
    data = {
        "opinion": said.model_dump(mode="json") if said else None,
        "measured": [one.model_dump(mode="json") for one in measured],
        "here": here,
    }
    counted = len(said.facts) if said else 0
    mount("logs/opinion", data, key=key, height=40 + (130 if said else 0) + 24 * (len(measured) + counted))


def ended_processes(runs: Sequence[EndedRun], total: int, *, filtered: bool, key: str = "ended") -> None:
    """A table of runs that have ended.

    Args:
        runs: the newest first.
        total: how many match; those behind `runs` are not shown.
        filtered: whether the user narrowed the view, which decides what an empty view says.
        key: names the place.
    """
    data = {"runs": [run.model_dump(mode="json") for run in runs], "total": total, "filtered": filtered}
    mount("processes/ended", data, key=key, height=66 + 31 * max(2, min(len(runs), 20)))


def process_groups(groups: Sequence[ProcessGroup], *, key: str = "groups") -> None:
    """A table of containers, units and sessions."""
    data = {"groups": [asdict(group) for group in groups]}
    mount("processes/groups", data, key=key, height=66 + 31 * max(2, min(len(groups), 20)))


def process_events(*, q: str, types: str, run: str = "", key: str = "events") -> None:
    """Events of processes, the newest on top; new ones appear as they come.

    Args:
        q: text in name, message or details.
        types: of events, separated by commas; all without.
        run: only of this run.
        key: names the place.
    """
    mount("processes/events", {"q": q, "types": types, "run": run}, key=key, height=400)


def run_watch(run: str, ended: int | None) -> None:
    """Run this part of the page again when there is news of a run: while it runs, and shortly after its end. Shows nothing.

    Args:
        run: which.
        ended: when it ended, µs; None while it runs.
    """
    mount("processes/watch", {"run": run, "ended": ended}, key="run_watch", height=0, triggers=("changed",))


def workers(found: Workers, *, since: str, every_s: float, chosen: str, window: str, key: str = "workers") -> None:
    """A table of workers that keeps itself fresh. Without a worker it shows nothing, and the page runs again once there is one.

    Args:
        found: as they are now.
        since: when counts and durations begin, for the API; `window` says it in words.
        every_s: least time between two looks.
        chosen: the name of the one whose jobs are listed; empty for all.
        window: see `since`.
        key: names the place.
    """
    data = {
        "workers": [row.model_dump(mode="json") for row in found.workers],
        "trouble": found.trouble,
        "query": {"since": since},
        "every_ms": every_s * 1000,
        "chosen": chosen,
        "window": window,
    }
    height = 86 + 31 * min(len(found.workers), 20) if found.workers else 0
    mount("jobs/workers", data, key=key, height=height, triggers=("appeared",))


def jobs(
    found: Jobs,
    *,
    query: Mapping[str, Any],
    every_s: float,
    here: Mapping[str, str],
    empty: tuple[str, str],
    key: str = "jobs_list",
) -> None:
    """A table of jobs that keeps itself fresh.

    Args:
        found: the first ones, and how many match, as they are now.
        query: with which they were asked for.
        every_s: least time between two looks.
        here: the parameters of the view, which links to a job keep.
        empty: headline and sentence when there are none.
        key: names the place.
    """
    data = {
        "jobs": [row.model_dump(mode="json") for row in found.jobs],
        "total": found.total,
        "query": dict(query),
        "every_ms": every_s * 1000,
        "here": dict(here),
        "empty": list(empty),
    }
    mount("jobs/list", data, key=key, height=66 + 31 * max(2, min(len(found.jobs), 20)), triggers=("repeats",))


def job_errors(
    found: JobErrors, *, query: Mapping[str, Any], every_s: float, here: Mapping[str, str], key: str = "job_errors"
) -> None:
    """A table of the errors with which jobs failed, which keeps itself fresh. Each leads to its jobs.

    Args:
        found: as they are now.
        query: with which they were asked for.
        every_s: least time between two looks.
        here: the parameters of the view, which links keep.
        key: names the place.
    """
    data = {
        "errors": [row.model_dump(mode="json") for row in found.errors],
        "total": found.total,
        "query": dict(query),
        "every_ms": every_s * 1000,
        "here": dict(here),
    }
    mount("jobs/errors", data, key=key, height=66 + 31 * max(2, min(len(found.errors), 20)))


def process_timeline(lives: Lives, *, filtered: bool, key: str = "timeline") -> None:
    """Lives of processes as bars on a time axis.

    Args:
        lives: those to draw; the others are only counted.
        filtered: whether the user narrowed the view, which decides what an empty view says.
        key: names the place.
    """
    data = {**lives.model_dump(mode="json", by_alias=True), "filtered": filtered}
    mount("processes/timeline", data, key=key, height=120 + 26 * max(4, min(len(lives.runs), 24)))


def facts(
    title: str,
    rows: Sequence[tuple[str, Any]],
    *,
    key: str,
    aside: str = "",
    empty: tuple[str, str] = ("No data.", ""),
) -> None:
    """A card of names and values.

    Args:
        title: of the card.
        rows: name and value: text, a mapping `{text, block, page, params, sign}`, or a list of those. Text is shown as text.
        key: names the place.
        aside: small text beside the title.
        empty: headline and sentence when there are no rows.
    """
    data = {"title": title, "rows": [list(row) for row in rows], "aside": aside, "empty": list(empty)}
    mount("processes/facts", data, key=key, height=52 + 31 * max(2, len(rows)))


def log_query(
    query: str,
    *,
    sources: Sequence[str],
    case: bool,
    raw: bool,
    zone: str,
    saved: Sequence[Mapping[str, Any]] = (),
    key: str = "query",
) -> None:
    """The search box of the logs. It writes `query`, `case` and `raw` to the address.

    Args:
        query: what is searched now.
        sources: names to suggest.
        case: whether upper and lower case differ.
        raw: whether the whole original line is searched.
        zone: of the browser, for times without one.
        saved: searches to suggest: `name`, `detail`, and `params` of the address.
        key: names the place.
    """
    data = {"query": query, "sources": list(sources), "case": case, "raw": raw, "zone": zone, "saved": list(saved)}
    mount("logs/query", data, key=key, height=42)


def log_text_filter(text: str) -> dict[str, Any]:
    """The text that links of earlier versions have as `q`, as filters of the log API: plain text, or `/regex/` (`/regex/i` ignores case)."""
    query = text.strip()
    pattern = re.fullmatch(r"/(.+)/(i?)", query, flags=re.DOTALL)
    if pattern is None:
        return {"q": query} if query else {}
    found = {"q": pattern[1], "regex": 1}
    return found if pattern[2] else found | {"case": 1}


def query_of_text(text: str) -> str:
    """The same text as a query: a plain text as it stands, or `/regex/` (`/regex/i` ignores case)."""
    text = text.strip()
    pattern = re.fullmatch(r"/(.+)/(i?)", text, flags=re.DOTALL)
    if pattern is not None:
        return "/" + re.sub(r"(\\.)|/", lambda found: found[1] or "\\/", pattern[1], flags=re.DOTALL) + "/" + pattern[2]
    if not text or (re.fullmatch(r"\w[\w.]*", text) and text not in {"AND", "OR", "NOT"}):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
