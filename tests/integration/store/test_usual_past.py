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


def _add_flights(store: Store) -> None:
    """Of one worker: two jobs of half a minute each second minute, one of five minutes, one from before all that is kept, and one that is not over."""
    spans = [(minute * 60 + late, 30) for minute in range(0, 10, 2) for late in (0, 45)]
    spans += [(240, 300), (-30 * 86_400, 30 * 86_400 + 60)]
    begun, over = [at for at, _ in spans], [at + seconds for at, seconds in spans]
    same = {"host": "h", "worker": "ship", "worker_run": "f", "job": "j", "outcome": "done"}
    count = {name: [value] * len(spans) for name, value in same.items()}
    store.write([Append("jobs", pa.table({**count, "seq": range(len(spans)), "started": _moments(begun), "ts": _moments(over)}))])  # fmt: skip
    add(store, "job_workers", [FIRST], worker="ship", worker_run="open")
    one = {"host": ["h"], "worker_run": ["open"], "seq": [1], "job": ["j"], "started": _moments([600])}
    store.write([Append("jobs_open", pa.table(one))])


def _moments(seconds: list[int]) -> pa.Array:
    """So long after the first minute."""
    return pa.array([FIRST + at * 1_000_000 for at in seconds], INT).view(pa.timestamp("us"))


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
    _add_flights(shared_store)
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


IN_FLIGHT = [1.75, 0.25, 0.75, 0.25, 1.75, 1.25, 1.75, 1.25, 1.75, 0.25, *[1.0] * 9]
"""Of each minute that somebody looked in: what the jobs of half a minute, the long one and the open one make together."""


@pytest.mark.parametrize(
    ("metric", "found"),
    [
        ("job.in_flight", IN_FLIGHT),
        ("job.stuck", [1.0, *[0.0] * 5, 1.0, 1.0, 1.0, 0.0, 0.0, *[1.0] * 8]),
    ],
)
def test_how_many_jobs_were_in_flight(history: Store, metric: str, found: list[float]) -> None:
    """In the mean of each minute, and how many of them longer than they may be."""
    rule = AlertRule(name="changed", metric=metric, of="SHIP", change=50)
    lines = past(history, "h", rule, NOW, {"ship": 120.0})
    assert list(lines) == ["ship"]
    known = [(ts * 1_000_000 - FIRST) // MINUTE for ts, _ in lines["ship"]]
    assert (known, [value for _, value in lines["ship"]]) == ([*range(10), *range(11, 20)], found)


def test_jobs_of_which_it_is_not_known_when_they_are_stuck_were_not(history: Store) -> None:
    """As the page says of them now."""
    rule = AlertRule(name="changed", metric="job.stuck", change=50)
    assert {value for _, value in past(history, "h", rule, NOW)["ship"]} == {0.0}


@pytest.mark.parametrize(("metric", "of"), [("job.in_flight", "none"), ("job.per_minute", "none"), ("gpu.temp_c", "7")])
def test_what_the_store_does_not_have(history: Store, metric: str, of: str) -> None:
    """Is no past."""
    assert past(history, "h", AlertRule(name="changed", metric=metric, of=of, change=50), NOW) == {}
