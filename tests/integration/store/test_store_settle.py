"""Readings put in the order of their runs."""

import itertools
from collections.abc import Callable

import pytest

from monitor.metrics import messages
from monitor.store.duckdb import settle
from monitor.store.duckdb.settle import WINDOW
from monitor.store.interface import Store
from monitor.store.rows import tick_changes
from tests.doubles.stored import stored

SECOND = 1_000_000


@pytest.mark.parametrize("most", [400_000, 100])
def test_old_readings_are_put_in_order_and_none_is_lost(
    store: Store, make_tick: Callable[..., messages.Tick], clock: object, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """After a window has passed its readings lie by run; every one is there once, in one piece or in many."""
    monkeypatch.setattr(settle, "MOST_ROWS", most)
    runs = [5, 3, 9]
    first = make_tick(0).ts
    begin = first - first % WINDOW + WINDOW
    clock.now = begin + 31 * SECOND
    store.enforce_limit()
    changes = []
    for second in range(0, 700, 5):
        seq = (begin - first) // SECOND + second
        changes += tick_changes("h", "b", make_tick(seq, runs=runs, rss=[second, second, second]))
    store.write(changes[: len(changes) // 2])
    store.write(changes[len(changes) // 2 :])
    before = stored(store, "SELECT run, ts, rss FROM run_samples ORDER BY run, ts")
    clock.now = begin + WINDOW + 31 * SECOND
    store.enforce_limit()
    assert stored(store, "SELECT run, ts, rss FROM run_samples ORDER BY run, ts") == before
    sql = f"SELECT run FROM run_samples WHERE wk_us(ts) < {begin + WINDOW} ORDER BY rowid"
    lying = [row["run"] for row in stored(store, sql)]
    assert len(lying) == 360
    assert sum(a != b for a, b in itertools.pairwise(lying)) < 20
