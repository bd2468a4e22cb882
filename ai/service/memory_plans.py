"""What a model would take before it is loaded: the plan for a file, a folder, or a model that Ollama serves."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from ai.core.errors import ModelMissing
from ai.core.footprint import is_local
from ai.core.types import LoadSpec
from ai.model_files.memory import MemoryPlan, available_memory, fit, predict
from ai.service.context.ollama_plan import plan_of_ollama
from ai.service.pool import PooledEngine
from ai.shapes.engines import Alternative, MemoryFit


async def memory_fit(
    engines: Iterable[PooledEngine],
    model: str,
    *,
    context: int | None,
    parallel: int | None,
    kv_type: str | None,
    default_context: int,
) -> MemoryFit:
    """Whether a model fits into what is free.

    Args:
        engines: those in use; an empty `model` is the model of one of these.
        model: a name, or an absolute path.
        context: tokens of context for each request; None, here and below, is what the model would be loaded with.
        parallel: requests at the same time.
        kv_type: element type of the cache.
        default_context: tokens of context for a file that no engine uses.

    Raises:
        ModelMissing, BadModelFile, BadRequest: there is no such model, or the settings are impossible.
    """
    known = list(engines)
    served = _served(known, model)
    if served is not None:
        plan, path = await _of_ollama(served, context, parallel, kv_type), ""
    else:
        file, spec = _model_file(known, model, default_context)
        plan = await asyncio.to_thread(
            predict,
            file,
            n_ctx=context or spec.context,
            n_parallel=parallel or spec.parallel,
            kv_type=kv_type or spec.kv_type,
        )
        path = str(file)
    found = fit(plan, await asyncio.to_thread(available_memory))
    return MemoryFit(
        model=plan.model, path=path, fits=found.fits, available=found.available, total=plan.total,
        weights=plan.weights, cache=plan.cache, compute=plan.compute, overhead=plan.overhead,
        cache_per_token=plan.cache_per_token, cache_exact=plan.cache_exact, context=plan.context, parallel=plan.parallel,
        kv_type=plan.kv_type, where=plan.where, trained_context=plan.trained_context, parameters=plan.parameters,
        notes=list(plan.notes), remedy=found.remedy,
        alternatives=[
            Alternative(context=a.context, parallel=a.parallel, kv_type=a.kv_type, total=a.total) for a in found.alternatives
        ],
    )  # fmt: skip


async def _of_ollama(
    served: PooledEngine, context: int | None, parallel: int | None, kv_type: str | None
) -> MemoryPlan:
    where = served.candidate
    plan = await asyncio.to_thread(
        plan_of_ollama, where.address, where.model, default_context=served.spec.context,
        context=context, parallel=parallel, kv_type=kv_type,
    )  # fmt: skip
    if plan is None:
        raise ModelMissing(
            f"{where.label} does not tell what {where.model} consists of.", hint="Name the model's file."
        )
    return plan


def _served(engines: Iterable[PooledEngine], model: str) -> PooledEngine | None:
    """The Ollama on this machine that is meant, by its name or its model's."""
    for engine in engines:
        candidate = engine.candidate
        named = model in {candidate.name, candidate.shown}
        if named and candidate.engine == "ollama" and is_local(candidate.address):
            return engine
    return None


def _model_file(engines: Iterable[PooledEngine], model: str, default_context: int) -> tuple[Path, LoadSpec]:
    """Where a model is, and how an engine would load it."""
    for engine in engines:
        candidate = engine.candidate
        if candidate.path is None:
            continue
        if not model or model in {candidate.name, candidate.shown, candidate.path.name, str(candidate.path)}:
            return candidate.path, engine.spec
    path = Path(model)
    if not model or not path.is_absolute():
        raise ModelMissing(
            f"There is no model {model!r} here." if model else "There is no model file here.",
            hint="Name a GGUF file or a model folder by its absolute path.",
        )
    return path, LoadSpec(str(path), context=default_context)
