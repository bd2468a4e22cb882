"""Turns counters of the machine into rates and percentages, the same way for both readers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from monitor.sampling.parse import CpuTimes, DeviceCounters
from monitor.wire import DeviceRates


@dataclass(frozen=True, slots=True)
class CpuShares:
    """Percent of the time between two readings; the parts of `busy` do not include idle and iowait."""

    busy: float
    user: float
    system: float
    iowait: float
    steal: float


def cpu_shares(before: CpuTimes, after: CpuTimes) -> CpuShares | None:
    """Shares between two readings; None when no time passed.

    Idle and iowait may step back a little (proc(5)); a step back counts as no time.
    """
    spent = {
        name: max(getattr(after, name) - getattr(before, name), 0)
        for name in ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    }
    total = sum(spent.values())
    if total == 0:
        return None
    part = 100.0 / total
    return CpuShares(
        busy=(total - spent["idle"] - spent["iowait"]) * part,
        user=(spent["user"] + spent["nice"]) * part,
        system=(spent["system"] + spent["irq"] + spent["softirq"]) * part,
        iowait=spent["iowait"] * part,
        steal=spent["steal"] * part,
    )


def busy_share(before: CpuTimes, after: CpuTimes) -> float:
    """Busy percent of one core; 0 when no time passed."""
    idle = max(after.idle - before.idle, 0) + max(after.iowait - before.iowait, 0)
    busy = sum(
        max(new - old, 0)
        for new, old in (
            (after.user, before.user),
            (after.nice, before.nice),
            (after.system, before.system),
            (after.irq, before.irq),
            (after.softirq, before.softirq),
            (after.steal, before.steal),
        )
    )
    return 100.0 * busy / (busy + idle) if busy else 0.0


class DeviceMeter:
    """Rates of a changing set of devices. A device seen for the first time, or whose counters went back, has none yet."""

    def __init__(self) -> None:
        self._last: Mapping[str, DeviceCounters] = {}

    def rates(self, now: Mapping[str, DeviceCounters], elapsed_s: float | None) -> list[DeviceRates]:
        """Rates since the last call; empty on the first (`elapsed_s` None)."""
        last, self._last = self._last, now
        if elapsed_s is None:
            return []
        return [
            _rates(name, last[name], counters, elapsed_s)
            for name, counters in now.items()
            if name in last and _went_on(last[name], counters)
        ]


def _went_on(before: DeviceCounters, after: DeviceCounters) -> bool:
    return after.read_bytes >= before.read_bytes and after.write_bytes >= before.write_bytes


def _rates(name: str, before: DeviceCounters, after: DeviceCounters, elapsed_s: float) -> DeviceRates:
    busy = errors = None
    if before.busy_ms is not None and after.busy_ms is not None:
        busy = min(max((after.busy_ms - before.busy_ms) / (elapsed_s * 10), 0.0), 100.0)
    if before.errors is not None and after.errors is not None:
        errors = max(after.errors - before.errors, 0) / elapsed_s
    return DeviceRates(
        name=name,
        read_bps=(after.read_bytes - before.read_bytes) / elapsed_s,
        write_bps=(after.write_bytes - before.write_bytes) / elapsed_s,
        read_ops=max(after.read_ops - before.read_ops, 0) / elapsed_s,
        write_ops=max(after.write_ops - before.write_ops, 0) / elapsed_s,
        busy_pct=busy,
        errors=errors,
    )


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over devices; None when there is none to sum."""

    read_bps: float | None
    write_bps: float | None
    read_ops: float | None
    write_ops: float | None


def totals(rates: Iterable[DeviceRates], counted: frozenset[str]) -> Totals:
    """Sums over the devices named in `counted`."""
    chosen = [rate for rate in rates if rate.name in counted]
    if not chosen:
        return Totals(None, None, None, None)
    return Totals(
        sum(rate.read_bps for rate in chosen),
        sum(rate.write_bps for rate in chosen),
        sum(rate.read_ops for rate in chosen),
        sum(rate.write_ops for rate in chosen),
    )
