"""What processes belong to, with the sums of each group and its limits."""

from collections.abc import Iterable

from fastapi import APIRouter, Request
from starlette.responses import Response

from monitor.api.http.answers import blocking, json_answer
from monitor.api.http.context import Context
from monitor.api_models.processes import ProcessGroup, ProcessGroups
from monitor.core.cgroups import limits_of
from monitor.core.units import Unit, unit_of
from monitor.live.snapshot import Snapshot, known, number

_MOST = 500


def routes(context: Context) -> APIRouter:
    """`/v1/groups`."""
    router = APIRouter(prefix="/v1", tags=["processes"])

    @router.get("/groups", response_model=ProcessGroups, summary="Containers, units and sessions with their processes")
    async def groups(request: Request) -> Response:
        """From the newest sample, the greatest memory first. Processes of no group are one group without a name."""
        tick = context.snapshot.tick
        found = summed(context.snapshot)[:_MOST]
        await blocking(request, lambda: _limit(found))
        return json_answer(ProcessGroups(ts=tick.ts if tick else None, groups=found))

    return router


def summed(snapshot: Snapshot) -> list[ProcessGroup]:
    """The groups of the newest sample, without their limits; kernel threads are in none."""
    c = snapshot.columns
    if c is None:
        return []
    gpu = snapshot.gpu_memory()
    found: dict[Unit | None, ProcessGroup] = {}
    names = ("run", "cpu_pct", "rss", "threads", "read_bps", "write_bps")
    for run, cpu, rss, threads, read, write in zip(*(c.column(name) for name in names), strict=True):
        info = snapshot.runs.get(run)
        if info is None or info.kernel_thread:
            continue
        unit = unit_of(info.cgroup)
        group = found.get(unit)
        if group is None:
            kind, name = unit or (None, "")
            group = found[unit] = ProcessGroup(kind=kind, name=name, cgroup=info.cgroup)
        group.cgroup = _common(group.cgroup, info.cgroup)
        group.processes += 1
        group.cpu_pct += number(cpu) or 0.0
        group.rss += known(rss) or 0
        group.threads += known(threads) or 0
        group.read_bps += number(read, 0) or 0.0
        group.write_bps += number(write, 0) or 0.0
        memory = gpu.get(run)
        group.gpu_mem = group.gpu_mem if memory is None else (group.gpu_mem or 0) + memory
    for group in found.values():
        group.cpu_pct = round(group.cpu_pct, 1)
    return sorted(found.values(), key=lambda group: -group.rss)


def _common(first: str | None, second: str | None) -> str | None:
    """The control group that holds both."""
    if first == second or first is None or second is None:
        return first if first == second else None
    shared = []
    for one, other in zip(first.split("/"), second.split("/"), strict=False):
        if one != other:
            break
        shared.append(one)
    return "/".join(shared) or None


def _limit(groups: Iterable[ProcessGroup]) -> None:
    """Add the limits of each group; reads a few small files a group."""
    for group in groups:
        limits = limits_of(group.cgroup or "/")
        group.memory, group.memory_limit, group.memory_limit_hits = (
            limits.memory,
            limits.memory_limit,
            limits.memory_limit_hits,
        )
        group.oom_kills, group.cpu_limit = limits.oom_kills, limits.cpu_limit
        if limits.cpu_periods:
            group.throttled_pct = round(100 * (limits.cpu_throttled or 0) / limits.cpu_periods, 1)
