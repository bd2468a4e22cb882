"""Counters become rates; which devices count in the totals; rows that come and go."""

import math
from array import array
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from monitor.sampling.columns import Columns
from monitor.sampling.devices import Devices
from monitor.sampling.parse import CpuTimes, DeviceCounters
from monitor.sampling.rates import DeviceMeter, busy_share, cpu_shares, totals
from monitor.wire import RUN_COLUMNS

TIMES = st.builds(CpuTimes, *[st.integers(0, 10**9)] * 8)


@given(TIMES, TIMES)
def test_shares_are_percent(before: CpuTimes, after: CpuTimes) -> None:
    """Whatever the counters do, shares lie between 0 and 100 and parts never exceed the whole."""
    shares = cpu_shares(before, after)
    if shares is None:
        return
    for value in (shares.busy, shares.user, shares.system, shares.iowait, shares.steal):
        assert -1e-6 <= value <= 100 + 1e-6
    assert shares.user + shares.system + shares.steal <= shares.busy + 1e-6
    assert shares.busy + shares.iowait <= 100 + 1e-6
    assert 0 <= busy_share(before, after) <= 100


def test_no_time_no_shares() -> None:
    """Two readings at the same moment tell nothing."""
    times = CpuTimes(1, 2, 3, 4, 5, 6, 7, 8)
    assert cpu_shares(times, times) is None


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


def _sys(root: Path) -> str:
    for path in ("block/sda", "block/dm-0/slaves/sda", "block/loop0", "block/zram0", "class/net/eth0/device"):
        (root / path).mkdir(parents=True)
    for path in ("class/net/br0", "class/net/lo"):
        (root / path).mkdir(parents=True)
    return str(root)


def test_only_whole_real_disks_count(tmp_path: Path) -> None:
    """Partitions, memory and loops are no disks; what is stacked on a disk is shown but not counted."""
    devices = Devices(_sys(tmp_path))
    names = ("sda", "sda1", "dm-0", "loop0", "zram0", "ram1")
    assert [name for name in names if devices.is_disk(name)] == ["sda", "dm-0"]
    assert devices.counted_disks(frozenset(names)) == {"sda"}


def test_bytes_count_where_they_leave_the_machine(tmp_path: Path) -> None:
    """With hardware interfaces bridges are not counted again; without any all but the loopback count."""
    devices = Devices(_sys(tmp_path))
    assert devices.counted_nics(frozenset({"lo", "eth0", "br0"})) == {"eth0"}
    assert devices.counted_nics(frozenset({"lo", "veth9"})) == {"veth9"}


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
