"""Counters become rates; rows that come and go."""

import dataclasses
import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.metrics.catalogue import RUN_COLUMNS
from monitor.sampling.core.columns import Columns
from monitor.sampling.core.rates import CpuTimes, DeviceCounters, DeviceMeter, busy_share, cpu_shares, totals

TIMES = st.builds(CpuTimes, *[st.integers(0, 10**9)] * 8)


@given(TIMES, TIMES)
def test_shares_are_percent(before: CpuTimes, after: CpuTimes) -> None:
    """Whatever the counters do, shares lie between 0 and 100 and parts never exceed the whole."""
    shares = cpu_shares(before, after)
    if shares is None:
        return
    for value in (shares.busy, shares.user, shares.system, shares.iowait, shares.steal):
        assert 0 <= value <= 100
    assert shares.user + shares.system + shares.steal <= shares.busy + 1e-6
    assert shares.busy + shares.iowait <= 100 + 1e-6
    core = busy_share(before, after)
    assert core is not None
    assert 0 <= core <= 100


def test_no_time_no_shares() -> None:
    """Two readings at the same moment tell nothing."""
    times = CpuTimes(1, 2, 3, 4, 5, 6, 7, 8)
    assert cpu_shares(times, times) is None


IDLE = CpuTimes(700_000, 3_000, 350_000, 3_000_000, 4_000, 0, 4_000, 0)
"""A core that is up for half a day, in ticks of 10 ms."""


def _later(**steps: int) -> CpuTimes:
    return dataclasses.replace(IDLE, **{name: getattr(IDLE, name) + step for name, step in steps.items()})


@pytest.mark.parametrize(
    "steps",
    [
        {"user": 30, "idle": -60_000},
        {"user": 30, "idle": 70, "iowait": -3_000},
        {"user": 4_000, "idle": -60_000, "iowait": 100},
        {"user": -5_000, "idle": 100},
        {"idle": -200},
    ],
)
def test_counters_that_lost_time_tell_nothing(steps: dict[str, int]) -> None:
    """After a suspend idle time is minutes back. That is no full load: nothing is known of such an interval."""
    assert cpu_shares(IDLE, _later(**steps)) is None
    assert busy_share(IDLE, _later(**steps)) is None


def test_a_small_step_back_counts_as_no_time() -> None:
    """The kernel's figures step back by a few ticks, and waiting for IO becomes idle time after it was counted."""
    shares = cpu_shares(IDLE, _later(user=40, system=-2, idle=60))
    assert shares is not None
    assert (shares.busy, shares.system) == (40, 0)
    moved = cpu_shares(IDLE, _later(user=40, idle=90, iowait=-30))
    assert moved is not None
    assert (moved.busy, moved.iowait) == (40, 0)


def test_device_rates() -> None:
    """Bytes, operations, errors and busy time per second; a device that is new or was reset has none yet."""
    meter = DeviceMeter()
    assert meter.rates({"a": DeviceCounters(0, 0, 0, 0, busy_ms=0), "c": DeviceCounters(9, 9, 9, 9)}, None) == []
    [rate] = meter.rates(
        {
            "a": DeviceCounters(200, 100, 20, 10, busy_ms=1000),
            "b": DeviceCounters(1, 1, 1, 1),
            "c": DeviceCounters(0, 0, 0, 0),
        },
        2.0,
    )
    assert (rate.name, rate.read_bps, rate.write_bps, rate.read_ops, rate.write_ops) == ("a", 100, 50, 10, 5)
    assert (rate.busy_pct, rate.errors) == (50, None)
    assert totals([rate], frozenset({"a", "b"})).read_bps == 100
    assert totals([rate], frozenset()).read_bps is None


@given(st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=60))
def test_rows_come_and_go_in_step(actions: list[int | None]) -> None:
    """After any sequence of adding and removing, every column holds the same rows as a plain list would."""
    columns, model, number = Columns(), [], 0
    for action in actions:
        if action is None:
            number += 1
            index = columns.append()
            columns.arrays["run"][index] = number
            columns.arrays["cpu_pct"][index] = number
            model.append(number)
        elif model:
            index = action % len(model)
            columns.remove(index)
            model[index] = model[-1]
            model.pop()
    packed = columns.pack()
    assert array("q", packed.run).tolist() == model
    assert array("f", packed.cpu_pct).tolist() == model
    for name, code in RUN_COLUMNS.items():
        values = array(code, getattr(packed, name))
        assert len(values) == len(model)
        if name not in ("run", "cpu_pct"):
            assert all(math.isnan(value) if code in "fd" else value == -1 for value in values)
