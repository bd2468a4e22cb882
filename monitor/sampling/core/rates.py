"""Turns counters into rates and percentages, in the same way for both readers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from monitor.metrics.catalogue import DeviceRates


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """One `cpu` line of `/proc/stat`, clock ticks. Guest time is inside `user` and `nice`."""

    user: int
    nice: int
    system: int
    idle: int
    iowait: int
    irq: int
    softirq: int
    steal: int


@dataclass(frozen=True, slots=True)
class DeviceCounters:
    """Totals of one disk (`busy_ms`) or one network interface (`errors`); bytes and operations since the boot."""

    read_bytes: int
    write_bytes: int
    read_ops: int
    write_ops: int
    busy_ms: int | None = None
    errors: int | None = None


@dataclass(frozen=True, slots=True)
class CpuShares:
    """Percent of the time between two readings; the parts of `busy` do not include idle and iowait."""

    busy: float
    user: float
    system: float
    iowait: float
    steal: float


_STEP_BACK: Final = 0.1
"""How much of an interval may seem to step back. The inaccuracy of the kernel is a few ticks of a hundred."""
_BUSY: Final = ("user", "nice", "system", "irq", "softirq", "steal")


def cpu_shares(before: CpuTimes, after: CpuTimes) -> CpuShares | None:
    """Shares between two readings; None when no time passed, or when the counters do not tell.

    Time moves from iowait to idle after it was counted (proc(5)), so both together are the time that was left over. After a
    suspend, or when a core comes back, counters lose minutes: then nothing is known of this interval. A small step back
    counts as no time.
    """
    spent = {name: getattr(after, name) - getattr(before, name) for name in _BUSY}
    waited = after.iowait - before.iowait
    left = after.idle - before.idle + waited
    forward = sum(step for step in (left, *spent.values()) if step > 0)
    back = -sum(step for step in (left, *spent.values()) if step < 0)
    if forward == 0 or back > _STEP_BACK * forward:
        return None
    spent = {name: max(step, 0) for name, step in spent.items()}
    return CpuShares(
        busy=sum(spent.values()) * 100.0 / forward,
        user=(spent["user"] + spent["nice"]) * 100.0 / forward,
        system=(spent["system"] + spent["irq"] + spent["softirq"]) * 100.0 / forward,
        iowait=min(max(waited, 0), max(left, 0)) * 100.0 / forward,
        steal=spent["steal"] * 100.0 / forward,
    )


def busy_share(before: CpuTimes, after: CpuTimes) -> float | None:
    """Busy percent of one core; 0 when no time passed, None when the counters do not tell."""
    if before == after:
        return 0.0
    shares = cpu_shares(before, after)
    return None if shares is None else shares.busy


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
