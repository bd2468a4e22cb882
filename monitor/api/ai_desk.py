"""The engines at work, put together from the agent's parts."""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ai.service.thread import AiThread
from monitor.api_keys import resolve_keys
from monitor.masking import Masker
from monitor.settings import Settings
from monitor.store.interface import Store
from monitor.world import World
from monitor.writer import StoreWriter

if TYPE_CHECKING:
    from ai.benchmark import GpuHints
    from ai.service.config import AiConfig
    from ai.service.desk import AiDesk

MODELS: Final = "models"
"""In the data directory: models that were fetched."""


def ai_thread(
    *,
    settings: Callable[[], Settings],
    data_dir: Path,
    store: Store,
    writer: StoreWriter,
    world: World,
    host: Callable[[], str],
    engines: Callable[[], Awaitable[Sequence[Mapping[str, Any]]]],
    masker: Masker,
) -> AiThread:
    """The service of an agent; nothing of it is loaded before the first question."""

    def make() -> "AiDesk":
        from ai.service.desk import AiDesk
        from ai.service.records import StoreRecords

        records = StoreRecords(store, lambda build: writer.samples(build, count=0), writer.commit, host)
        return AiDesk(
            lambda: ai_config(settings(), data_dir), engines, records=records, facts=lambda: facts(world), gpu=lambda: gpu_hints(world), masker=masker
        )  # fmt: skip

    return AiThread(make)


def ai_config(settings: Settings, data_dir: Path | None) -> "AiConfig":
    """The user's settings as the service needs them."""
    from ai.service.config import AiConfig, parse_models

    chosen = settings.ai
    return AiConfig(
        log_dir=data_dir,
        model_dir=data_dir / MODELS if data_dir else None,
        model_paths=(
            *(Path(path).expanduser() for path in chosen.model_paths),
            *([data_dir / MODELS] if data_dir else []),
        ),
        models=parse_models(tuple(chosen.models)),
        api_keys=resolve_keys(settings.engines.api_keys, os.environ).keys,
        context=chosen.context,
        idle_s=chosen.idle_s,
        quality_floor=chosen.quality_floor,
        latency_target_s=chosen.latency_target_s or None,
        allow_remote=chosen.allow_remote,
        explain_remote=chosen.explain_remote,
        answer_s=chosen.answer_s,
        benchmark_s=chosen.benchmark_s,
        benchmark_postings=chosen.benchmark_postings,
    )


def facts(world: World) -> dict[str, str | int | float | None]:
    """What a report says of the machine."""
    info = world.host
    if info is None:
        return {}
    gpus = world.tick.gpu.gpus if world.tick else []
    return {
        "host": info.host, "kernel": info.kernel, "platform": info.platform, "cpu_count": info.cpu_count, "mem_total": info.mem_total,
        "gpus": ", ".join(gpu.name for gpu in gpus) or None,
    }  # fmt: skip


def gpu_hints(world: World) -> "GpuHints | None":
    """What NVML last said: throttling, who holds memory on which GPU, energy. None without a GPU or with old readings."""
    from ai.benchmark import GpuHints, GpuHolder

    state = world.tick.gpu if world.tick else None
    if state is None or state.state != "ok":
        return None
    reasons = tuple(sorted({reason for gpu in state.gpus for reason in gpu.throttle or []}))
    energies = [gpu.energy_j for gpu in state.gpus if gpu.energy_j is not None]
    holders = tuple(GpuHolder(held.gpu, held.pid, held.mem_bytes) for held in state.processes)
    return GpuHints(reasons, holders, sum(energies) if energies else None)
