"""The AI service of the agent, built from the agent's parts."""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ai.service.thread import AiThread
from monitor.config.api_keys import resolve_keys
from monitor.config.settings import Settings
from monitor.live.snapshot import Snapshot
from monitor.store.interface import Store
from monitor.store.writer import StoreWriter

if TYPE_CHECKING:
    from ai.benchmark import GpuHints
    from ai.service.context.config import AiConfig
    from ai.service.service import AiService

MODELS: Final = "models"
"""Folder of downloaded models in the data directory."""
THREADS: Final = "threads.json"
"""How many threads were measured to be fastest for each model, in the data directory."""


def ai_thread(
    *,
    settings: Callable[[], Settings],
    data_dir: Path,
    store: Store,
    writer: StoreWriter,
    snapshot: Snapshot,
    host: Callable[[], str],
    engines: Callable[[], Awaitable[Sequence[Mapping[str, Any]]]],
    mask: Callable[[str], str],
) -> AiThread:
    """The AI service of an agent. It is loaded with the first question."""

    def make() -> "AiService":
        from ai.service.service import AiService
        from monitor.agent.ai_records import StoreRecords

        records = StoreRecords(store, lambda build: writer.samples(build, count=0), writer.commit, host)
        return AiService(
            lambda: ai_config(settings(), data_dir), engines, records=records, facts=lambda: facts(snapshot), gpu=lambda: gpu_hints(snapshot), mask=mask
        )  # fmt: skip

    return AiThread(make)


def ai_config(settings: Settings, data_dir: Path | None) -> "AiConfig":
    """The settings in the form that the service needs."""
    from ai.discovery.address import parse_models
    from ai.service.context.config import AiConfig

    chosen = settings.ai
    return AiConfig(
        log_dir=data_dir,
        model_dir=data_dir / MODELS if data_dir else None,
        threads_file=data_dir / THREADS if data_dir else None,
        model_paths=(
            *(Path(path).expanduser() for path in chosen.model_paths),
            *([data_dir / MODELS] if data_dir else []),
        ),
        models=parse_models(tuple(chosen.models)),
        api_keys=resolve_keys(settings.engines.api_keys, os.environ, settings.engines.openai_urls).keys,
        context=chosen.context,
        idle_s=chosen.idle_s,
        quality_floor=chosen.quality_floor,
        latency_target_s=chosen.latency_target_s or None,
        allow_remote=chosen.allow_remote,
        explain_remote=chosen.explain_remote,
        answer_s=chosen.answer_s,
        first_token_s=chosen.first_token_s,
        benchmark_s=chosen.benchmark_s,
        benchmark_postings=chosen.benchmark_postings,
    )


def facts(snapshot: Snapshot) -> dict[str, str | int | float | None]:
    """Facts about the machine for a benchmark report."""
    info = snapshot.host
    if info is None:
        return {}
    gpus = snapshot.tick.gpu.gpus if snapshot.tick else []
    return {
        "host": info.host, "kernel": info.kernel, "platform": info.platform, "cpu_count": info.cpu_count, "mem_total": info.mem_total,
        "gpus": ", ".join(gpu.name for gpu in gpus) or None,
    }  # fmt: skip


def gpu_hints(snapshot: Snapshot) -> "GpuHints | None":
    """The latest readings of NVML: throttling, memory per process and GPU, energy. None without a GPU or with old readings."""
    from ai.benchmark import GpuHints, GpuHolder

    state = snapshot.tick.gpu if snapshot.tick else None
    if state is None or state.state != "ok":
        return None
    reasons = tuple(sorted({reason for gpu in state.gpus for reason in gpu.throttle or []}))
    energies = [gpu.energy_j for gpu in state.gpus if gpu.energy_j is not None]
    holders = tuple(GpuHolder(held.gpu, held.pid, held.mem_bytes) for held in state.processes)
    return GpuHints(reasons, holders, sum(energies) if energies else None)
