"""The past that rules hold readings against, as the store has it."""

from typing import Any

import pyarrow as pa
import pytest

from monitor.config.alerts import AlertRule
from monitor.health.past import past
from monitor.store.interface import Append, Store
from monitor.store.tiers import MINUTE

FIRST = 1_699_999_980_000_000
"""The begin of a minute."""
NOW = FIRST + 20 * MINUTE
INT = pa.int64()


def add(store: Store, table: str, when: list[int], **values: Any) -> None:
    """Rows of the host, with the same values in each."""
    times = pa.array(when, INT).view(pa.timestamp("us"))
    columns = {name: times if value is ... else [value] * len(when) for name, value in values.items()}
    store.write([Append(table, pa.table({"host": ["h"] * len(when), "ts": times, **columns}))])


@pytest.fixture(scope="module")
def history(shared_store: Store) -> Store:
    """Twenty minutes; nobody looked in the eleventh."""
    seconds = [FIRST + n * 10_000_000 for n in range(120) if not 60 <= n < 66]
    machine = {"cpu_pct": 5.0, "procs_total": 9, "mem_used": 25, "mem_total": 100}
    add(shared_store, "host_samples", seconds, **machine)
    add(shared_store, "gpu_samples", seconds, gpu=1, mem_used=30, mem_total=40, temp_c=50.0)
    add(shared_store, "disk_space", [FIRST, FIRST + MINUTE], mount="/srv", total=110, used=50, free=50)
    jobs = [FIRST + n * MINUTE + 1 for n in range(0, 20, 2) for _ in range(10)]
    add(shared_store, "jobs", jobs, worker="mail", worker_run="r", seq=1, job="j", outcome="failed", seconds=2.0)
    records = [FIRST + n * MINUTE + 1 for n in (0, 3) for _ in range(4)]
    line = {"file_id": 1, "pos": 1, "message": "m", "lines": 1, "ingested": ...}
    add(shared_store, "log_records", records, source="App.log", level=40, **line)
    add(shared_store, "log_records", records, source="other", level=40, **line)
    return shared_store


@pytest.mark.parametrize(
    ("metric", "of", "subject", "found"),
    [
        ("cpu_pct", "", "", (19, {5.0})),
        ("mem.used_pct", "", "", (19, {25.0})),
        ("gpu.mem_pct", "", "gpu1", (19, {75.0})),
        ("gpu.temp_c", "1", "gpu1", (19, {50.0})),
        ("disk.used_pct", "/srv", "/srv", (2, {50.0})),
        ("disk.free", "", "/srv", (2, {50.0})),
        ("job.per_minute", "mai", "mail", (14, {4.0, 6.0})),
        ("job.failed_per_minute", "", "mail", (14, {4.0, 6.0})),
        ("job.p50_s", "", "mail", (10, {2.0})),
        ("log.errors", "app", "", (19, {0.0, 4.0})),
        ("log.errors", "", "", (19, {0.0, 8.0})),
    ],
)
def test_the_past_by_minute(history: Store, metric: str, of: str, subject: str, found: tuple[int, set[float]]) -> None:
    """As the rule's reading was; minutes without samples are not known, those without jobs or records are 0."""
    rule = AlertRule(name="changed", metric=metric, of=of, change=50)
    line = past(history, "h", rule, NOW)[subject]
    assert (len(line), {value for _, value in line}) == found
    assert [ts for ts, _ in line] == sorted({ts for ts, _ in line})
    assert all(FIRST <= ts * 1_000_000 < NOW and ts % 60 == 0 for ts, _ in line)


@pytest.mark.parametrize(("metric", "of"), [("job.in_flight", ""), ("job.per_minute", "none"), ("gpu.temp_c", "7")])
def test_what_the_store_does_not_have(history: Store, metric: str, of: str) -> None:
    """Is no past."""
    assert past(history, "h", AlertRule(name="changed", metric=metric, of=of, change=50), NOW) == {}
