"""The live components, one function each. Every one says in its `key` which place it keeps."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from monitor import ai_models
from pages.ui.charts import Panel
from pages.ui.mount import mount
from pages.ui.timerange import TimeRange

ALL_COLUMNS: Final = {
    "name": "Name",
    "pid": "Pid",
    "user": "User",
    "cpu_pct": "CPU %",
    "spark": "Last minute",
    "rss": "Memory",
    "gpu_mem": "VRAM",
    "read_bps": "Read",
    "write_bps": "Write",
    "threads": "Threads",
    "fds": "Open files",
    "status": "Status",
    "start_ts": "Running for",
    "cmdline": "Command",
}
"""Columns of the process table: name → title (which is what stands in the address)."""
COLUMNS: Final = ("name", "pid", "user", "cpu_pct", "spark", "rss", "start_ts", "cmdline")
"""Those shown unless others are chosen."""
CHART_PX: Final = 236
"""Height of one chart with its frame."""


def live_cards(*, key: str = "cards") -> None:
    """CPU, memory, GPU or load, disk, network, errors: value, unit, last minute, change."""
    mount("cards", {}, key=key, height=114)


def live_charts(
    panels: Sequence[Panel],
    when: TimeRange,
    *,
    source: Mapping[str, str] | None = None,
    columns: int = 2,
    key: str = "charts",
) -> None:
    """Charts with one time axis and one crosshair; a brush writes the range to the address.

    Args:
        panels: see `pages.ui.charts`.
        when: what to show; a relative range keeps moving.
        source: `{"kind": "host"}`, `{"kind": "gpu"}` or `{"kind": "run", "run": …}`.
        columns: charts beside each other where there is room.
        key: names the place.
    """
    data = {
        "panels": panels,
        "source": source or {"kind": "host"},
        "range": when.bounds,
        "window_s": when.window_s,
        "columns": columns,
        "brush": True,
    }
    mount("charts", data, key=key, height=-(-len(panels) // columns) * CHART_PX)


def process_table(
    *, q: str, sort: str, tree: bool, scope: str, kernel: bool, columns: Sequence[str], key: str = "processes"
) -> None:
    """The live table of processes.

    Args:
        q: text or `/regex/`.
        sort: a column, with `-` before it to turn the order.
        tree: children under their parents.
        scope: `own-first`, `mine` or `all`.
        kernel: with the kernel's own threads.
        columns: of `ALL_COLUMNS`.
        key: names the place.
    """
    data = {
        "q": q,
        "sort": sort,
        "tree": tree,
        "scope": scope,
        "kernel": kernel,
        "columns": list(columns),
        "height": 640,
    }
    mount("proctable", data, key=key, height=690)


def busiest_processes(*, key: str = "busiest") -> None:
    """The eight busiest processes now."""
    mount("busiest", {}, key=key, height=312)


def newest_errors(*, shown: int = 6, key: str = "errors") -> None:
    """The newest errors; each leads to the logs at its time."""
    mount("errors", {"shown": shown}, key=key, height=176)


def engines(*, key: str = "engines") -> None:
    """Which model engines are here."""
    mount("engines", {}, key=key, height=140)


def data_quality(*, key: str = "quality") -> None:
    """Samples expected and received, lateness, losses, cost."""
    mount("quality", {}, key=key, height=300)


def gpu_line(*, key: str = "gpu") -> None:
    """One sentence when this machine has no GPU that can be read; nothing otherwise."""
    mount("gpuline", {}, key=key, height=20)


def core_strips(*, key: str = "cores") -> None:
    """How busy each core is."""
    mount("cores", {}, key=key, height=96)


def devices(*, key: str = "devices") -> None:
    """Disks, file systems, interfaces and temperatures now."""
    mount("devices", {}, key=key, height=180)


def histogram(filters: Mapping[str, Any], when: TimeRange, *, levels: Sequence[str], key: str = "histogram") -> None:
    """Records over time by level, with a pill a level; a brush sets the range in the address.

    Args:
        filters: of the log API, without levels and times.
        when: the range; live shows the last hour.
        levels: those chosen; none means all.
        key: names the place.
    """
    window = 3600 if when.live else when.window_s
    data = {"filters": filters, "levels": list(levels), "range": when.bounds, "window_s": window}
    mount("hist", data, key=key, height=170)


def log_view(
    filters: Mapping[str, Any],
    *,
    live: bool,
    filtered: bool,
    order: str = "down",
    height: int = 560,
    key: str = "records",
) -> None:
    """Records: newest at the bottom (`order="down"`) or on top (`"up"`); streaming when `live`.

    Args:
        filters: of the log API.
        live: whether new records are appended.
        filtered: whether a person narrowed the view, which decides what an empty one says.
        order: see above.
        height: pixels of the list.
        key: names the place.
    """
    data = {"filters": filters, "live": live, "filtered": filtered, "order": order, "height": height}
    mount("logview", data, key=key, height=height + 46)


def opinion(
    said: ai_models.Opinion | None, measured: Sequence[ai_models.Citation], *, here: str, key: str = "opinion"
) -> None:
    """A model's opinion with what it cites, and what was measured.

    Args:
        said: the opinion, when there is one yet.
        measured: processes and readings.
        here: the page, as in its address; on the logs page a cited record opens beside the list.
        key: names the place.
    """
    data = {
        "opinion": said.model_dump(mode="json") if said else None,
        "measured": [one.model_dump(mode="json") for one in measured],
        "here": here,
    }
    counted = len(said.facts) if said else 0
    mount("opinion", data, key=key, height=40 + (130 if said else 0) + 24 * (len(measured) + counted))


def facts(
    title: str,
    rows: Sequence[tuple[str, Any]],
    *,
    key: str,
    aside: str = "",
    empty: tuple[str, str] = ("Nothing to show.", ""),
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
    mount("facts", data, key=key, height=52 + 31 * max(2, len(rows)))


def log_text_filter(text: str) -> dict[str, Any]:
    """A search box's text as filters of the log API: plain text, or `/regex/` (`/regex/i` ignores case)."""
    query = text.strip()
    pattern = re.fullmatch(r"/(.+)/(i?)", query, flags=re.DOTALL)
    if pattern is None:
        return {"q": query} if query else {}
    found = {"q": pattern[1], "regex": 1}
    return found if pattern[2] else found | {"case": 1}
