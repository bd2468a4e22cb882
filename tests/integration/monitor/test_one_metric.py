"""One metric on its whole way: read from `/proc`, sent, stored, rolled up, answered, drawn. Only reader, catalogue and page name it."""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor.api_models.status import Subscription
from monitor.metrics.catalogue import GPU, HOST, RUN
from monitor.metrics.history import Series
from monitor.store.duckdb import open_store
from monitor.store.series import host_series
from monitor.store.tiers import HOUR, MINUTE
from pages.ui import charts
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]
METRIC = "forks"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="`/proc/stat` counts forks")


def test_a_metric_is_wherever_readings_are(make_agent: Callable[..., Any]) -> None:
    """A real agent counts forks in its answer, its live frames, its memory, its store, and in each tier made of that."""
    agent = make_agent()
    now = time.time_ns() // 1000

    def read() -> float | None:
        subprocess.run(["/bin/true"], check=True)
        return getattr(agent.api.host_latest().host, METRIC)

    def stored() -> bool:
        found = agent.api.get(Series, "/v1/host/series", {"metrics": METRIC, "from": now, "to": now + 10 * MINUTE})
        return any(found.series[METRIC].avg)

    assert wait_until(read) > 0
    with agent.api.live(Subscription(status=False)) as live:
        assert METRIC in live.receive(10)["history"]["series"]
        assert live.receive(10)["host"][METRIC] is not None
    wait_until(stored)
    assert agent.stop() == 0

    later = now + 2 * HOUR
    store = open_store(agent.data_dir, limit_bytes=1 << 30, now=lambda: later)
    try:
        store.enforce_limit()
        (host,) = {row["host"] for row in store.select("SELECT host FROM hosts").to_pylist()}
        for tier, width in (("1m", MINUTE), ("1h", HOUR)):
            rows = store.select(f"SELECT {METRIC}_avg, {METRIC}_max FROM host_samples_{tier}").to_pylist()
            assert max(row[f"{METRIC}_max"] or 0 for row in rows) > 0
            found = host_series(
                store, host=host, metrics=[METRIC], start=now - HOUR, end=later, points=3 * HOUR // width
            )
            assert any(found.series[METRIC].avg)
    finally:
        store.close()


def test_the_metric_has_a_chart() -> None:
    """The page of the machine draws it, with the name and the unit of the catalogue."""
    (panel,) = [p for p in charts.HOST if METRIC in {line["metric"] for line in p["series"]}]
    assert panel["unit"] == "count"


def test_no_other_module_names_it() -> None:
    """A metric of the machine costs three files: its reader, the catalogue, the page."""
    holders = {
        str(path.relative_to(ROOT))
        for folder in ("monitor", "pages")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".sql", ".js"} and re.search(rf"\b{METRIC}\b", path.read_text("utf-8"))
    }
    own_line = {
        "pages/ui/assets/processes/outlook.js",  # says it in words, beside the CPU of short lives
        "monitor/config/alerts.py",  # a rule that watches it
    }
    assert holders - own_line == {
        "monitor/sampling/linux/host.py",
        "monitor/metrics/catalogue.py",
        "pages/ui/charts.py",
    }


def test_names_for_prometheus_are_proper() -> None:
    """Each metric has one OpenMetrics name: base unit at its end, `_total` for counters alone."""
    metrics = [*HOST, *GPU, *RUN]
    named = {metric.openmetrics: metric for metric in metrics}
    assert len(named) == len(metrics)
    assert all(name.endswith("_total") == metric.counter for name, metric in named.items())
    assert {"watchkeeper_host_forks_per_second", "watchkeeper_process_read_bytes_total"} <= set(named)
