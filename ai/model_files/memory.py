"""How much memory a model will take, before it is loaded; and what to change when that is too much.

    total = weights + cache + compute + overhead

Weights are the bytes of the tensors in the files, the cache follows from the layers exactly; compute and overhead are
fitted to measurements (`tests/integration/ai/test_memory_measured.py`) and marked as estimated.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import psutil

from ai.core.control_groups import MemoryLimit, memory_limits
from ai.core.errors import BadModelFile, BadRequest, ModelMissing
from ai.model_files.gguf import Gguf, read_gguf
from ai.model_files.kv_cache import BITS, UBATCH, CacheShape, padded, shape_of_config, shape_of_gguf

MIB: Final = 1024 * 1024
_WORKER: Final = 60 * MIB
"""Measured: a worker's interpreter, libraries and threads, without model (xllamacpp 2026.10 on Linux)."""
_CUDA: Final = (400 + 256) * MIB
"""A CUDA context takes 300 to 500 MiB; autosplit keeps 256 MiB free for its work."""
_MAX_HEADER: Final = 100 * MIB
_MAX_CONFIG: Final = 4 * MIB
_ABSURD: Final = 2**50
_PART: Final = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
_STEP: Final = 256

Where = Literal["memory", "gpu"]


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """What a model will take, bytes. `context` is tokens a request; `where` is the machine's memory or the GPU's.

    `cache_exact` is false when the architecture keeps a state that is not counted.
    """

    model: str
    weights: int
    cache: int
    compute: int
    overhead: int
    cache_per_token: float
    context: int
    parallel: int
    kv_type: str
    where: Where = "memory"
    cache_exact: bool = True
    trained_context: int | None = None
    parameters: int | None = None
    notes: tuple[str, ...] = ()
    shape: CacheShape = field(default_factory=lambda: CacheShape(()), repr=False)

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.compute + self.overhead

    def with_settings(self, *, context: int, parallel: int, kv_type: str) -> "MemoryPlan":
        """The same model with other settings."""
        mask = (
            2 * UBATCH * (padded(context) * parallel - padded(self.context) * self.parallel)
            if self.where == "memory"
            else 0
        )
        return replace(
            self, context=context, parallel=parallel, kv_type=kv_type, cache=self.shape.size(context, parallel, kv_type),
            cache_per_token=self.shape.per_token(kv_type), compute=self.compute + mask,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a plan fits into what is free, and if not what to change (one sentence; the smallest change first)."""

    fits: bool
    plan: MemoryPlan
    available: int
    remedy: str = ""
    alternatives: tuple[MemoryPlan, ...] = ()


def predict(model: Path, *, n_ctx: int, n_parallel: int = 1, kv_type: str = "f16") -> MemoryPlan:
    """The memory of a GGUF file (llama.cpp) or a folder of safetensors (ExLlama).

    Args:
        model: the file (of a split model its first part) or the folder.
        n_ctx: tokens of context for each request.
        n_parallel: requests at the same time.
        kv_type: element type of the cache.

    Raises:
        ModelMissing: there is nothing at that path.
        BadModelFile: it is damaged or no model.
        BadRequest: the settings are impossible.
    """
    _check(n_ctx, n_parallel, kv_type)
    if model.is_dir():
        return _folder(model, n_ctx, n_parallel, kv_type)
    if not model.is_file():
        raise ModelMissing(f"There is no {model}.", hint="Name a GGUF file or a model folder.")
    return _file(model, n_ctx, n_parallel, kv_type)


def _check(n_ctx: int, n_parallel: int, kv_type: str) -> None:
    if kv_type not in BITS or not 1 <= n_ctx <= 2**31 or not 1 <= n_parallel <= 4096:
        raise BadRequest(
            f"No such cache: {kv_type}, {n_ctx} tokens, {n_parallel} requests.", hint=f"Cache types: {', '.join(BITS)}."
        )


def available_memory(limits: Callable[[], Iterable[MemoryLimit]] = memory_limits) -> int:
    """Bytes a new process may take without swapping, within the limits of this process's control groups."""
    return min((int(psutil.virtual_memory().available), *(one.free for one in limits())))


def most_memory() -> int:
    """Bytes that one worker may hold at most where its need is not known before: nine tenths of the machine, or of its control group."""
    return int(0.9 * min((int(psutil.virtual_memory().total), *(one.limit for one in memory_limits()))))


def fit(plan: MemoryPlan, available: int, *, reserve: int = 128 * MIB) -> Fit:
    """Whether `plan` fits, leaving `reserve` bytes to others; otherwise the remedies that do."""
    room = max(available - reserve, 0)
    if plan.total <= room:
        return Fit(fits=True, plan=plan, available=available)
    options = tuple(dict.fromkeys(option for option in _smaller(plan, room) if option.total <= room))
    if options:
        first = options[0]
        return Fit(
            fits=False, plan=plan, available=available, remedy=_sentence(plan, first, room), alternatives=options
        )
    return Fit(fits=False, plan=plan, available=available, remedy=_too_big(plan, room))


def _smaller(plan: MemoryPlan, room: int) -> Iterator[MemoryPlan]:
    """Smaller settings, the least loss first: a finer cache type, fewer requests, then a shorter context."""
    kinds = ["q8_0", "q4_0"] if plan.kv_type == "f16" else ["q4_0"] if BITS[plan.kv_type] > BITS["q4_0"] else []
    for kind in kinds:
        yield plan.with_settings(context=plan.context, parallel=plan.parallel, kv_type=kind)
    if plan.parallel > 1:
        yield plan.with_settings(context=plan.context, parallel=1, kv_type=plan.kv_type)
    for kind in [plan.kv_type, *kinds]:
        context = _longest(plan, room, kind)
        if context is not None:
            yield plan.with_settings(context=context, parallel=1, kv_type=kind)


def _longest(plan: MemoryPlan, room: int, kv_type: str) -> int | None:
    """The longest context, a multiple of 256, that fits with one request; None when not even the shortest does."""
    low, high = 0, plan.context // _STEP
    while low < high:
        middle = (low + high + 1) // 2
        if plan.with_settings(context=middle * _STEP, parallel=1, kv_type=kv_type).total <= room:
            low = middle
        else:
            high = middle - 1
    return low * _STEP if low else None


def _sentence(plan: MemoryPlan, option: MemoryPlan, available: int) -> str:
    changes = []
    if option.context != plan.context:
        changes.append(f"a context of {option.context} tokens instead of {plan.context}")
    if option.parallel != plan.parallel:
        changes.append(f"{option.parallel} request at a time instead of {plan.parallel}")
    if option.kv_type != plan.kv_type:
        changes.append(f"a cache of type {option.kv_type} instead of {plan.kv_type}")
    return f"It needs {_gib(plan.total)} and {_gib(available)} is available: use {' and '.join(changes)} ({_gib(option.total)})."


def _too_big(plan: MemoryPlan, room: int) -> str:
    smallest = plan.with_settings(context=_STEP, parallel=1, kv_type="q4_0")
    left = room - (smallest.total - smallest.weights)
    if left > 0 and plan.parameters:
        bits = left * 8 / plan.parameters
        if bits >= 2:
            return (
                f"It needs {_gib(plan.total)} and {_gib(room)} is available; its weights alone are too big: use a quantisation of at "
                f"most {bits:.1f} bits a weight, or a smaller model."
            )
    return f"It needs {_gib(plan.total)} and {_gib(room)} is available: use a smaller model."


def _gib(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB" if size >= 1024**3 else f"{size / MIB:.0f} MiB"


def _file(path: Path, n_ctx: int, n_parallel: int, kv_type: str) -> MemoryPlan:
    header = read_gguf(path)
    weights = header.weights + sum(read_gguf(part).weights for part in _other_parts(path))
    return plan_of(header, weights, n_ctx=n_ctx, n_parallel=n_parallel, kv_type=kv_type)


def plan_of(header: Gguf, weights: int, *, n_ctx: int, n_parallel: int = 1, kv_type: str = "f16") -> MemoryPlan:
    """The memory of a model of which the header of its GGUF file is known, and the bytes of its weights.

    Raises:
        BadModelFile: the header lacks what is needed, or says what no model is.
        BadRequest: the settings are impossible.
    """
    _check(n_ctx, n_parallel, kv_type)
    shape = shape_of_gguf(header)
    width, inner = header.number("embedding_length") or 0, max(header.numbers("feed_forward_length") or (0,))
    elements = sum(_product(tensor.shape) for tensor in header.tensors) or header.count("general.parameter_count")
    trained = header.number("context_length")
    notes = [shape.note] if shape.note else []
    if trained and n_ctx > trained:
        notes.append(f"The model was trained for {trained} tokens.")
    known = (width, inner, weights, elements, trained or 0, shape.size(n_ctx, n_parallel, kv_type))
    if min(known) < 0 or max(known) > _ABSURD:
        raise BadModelFile(f"{header.path.name} describes a model that cannot be.", hint="Fetch the model again.")
    return MemoryPlan(
        model=header.path.stem, weights=weights, cache=shape.size(n_ctx, n_parallel, kv_type),
        compute=4 * UBATCH * (2 * inner + 8 * width) + 2 * UBATCH * padded(n_ctx) * n_parallel,
        overhead=_WORKER, cache_per_token=shape.per_token(kv_type), context=n_ctx, parallel=n_parallel, kv_type=kv_type,
        cache_exact=shape.exact, trained_context=trained, parameters=elements or None, notes=tuple(notes), shape=shape,
    )  # fmt: skip


def _other_parts(path: Path) -> list[Path]:
    found = _PART.search(path.name)
    if found is None:
        return []
    count = int(found.group(2))
    names = [f"{path.name[: found.start()]}-{at:05d}-of-{count:05d}.gguf" for at in range(2, min(count, 999) + 1)]
    return [path.with_name(name) for name in names]


def _folder(folder: Path, n_ctx: int, n_parallel: int, kv_type: str) -> MemoryPlan:
    config = _config(folder / "config.json")
    shape = shape_of_config(config)
    weights = embedding = 0
    for file in sorted(folder.glob("*.safetensors")):
        tensors = safetensors_sizes(file)
        weights += sum(tensors.values())
        embedding += sum(size for name, size in tensors.items() if name.endswith("embed_tokens.weight"))
    if not weights:
        raise BadModelFile(f"{folder.name} has no safetensors.", hint="Fetch the whole model again.")
    trained = config.get("max_position_embeddings")
    return MemoryPlan(
        model=folder.name, weights=weights - embedding, cache=shape.size(n_ctx, n_parallel, kv_type), compute=0, overhead=_CUDA,
        cache_per_token=shape.per_token(kv_type), context=n_ctx, parallel=n_parallel, kv_type=kv_type, where="gpu",
        cache_exact=shape.exact, trained_context=trained if isinstance(trained, int) else None, shape=shape,
        notes=("The token embedding stays in the machine's memory.",) if embedding else (),
    )  # fmt: skip


def safetensors_sizes(path: Path) -> dict[str, int]:
    """Bytes of each tensor, from the header alone.

    Raises:
        BadModelFile: the header is damaged or lies about the file's size.
    """
    wrong = BadModelFile(f"{path.name} is no safetensors file.", hint="Fetch the model again.")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, _MAX_HEADER):
                raise wrong
            header = json.loads(file.read(length))
    except (OSError, ValueError, RecursionError) as error:
        raise wrong from error
    if not isinstance(header, dict):
        raise wrong
    sizes = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
        if not isinstance(offsets, list) or len(offsets) != 2 or not all(isinstance(at, int) for at in offsets):
            raise wrong
        if not 0 <= offsets[0] <= offsets[1] <= size - 8 - length:
            raise wrong
        sizes[name] = offsets[1] - offsets[0]
    return sizes


def _config(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(_MAX_CONFIG))
    except (OSError, ValueError, RecursionError) as error:
        raise BadModelFile(f"{path} cannot be read.", hint="Fetch the whole model again.") from error
    if not isinstance(value, dict):
        raise BadModelFile(f"{path} is no object.", hint="Fetch the whole model again.")
    return value


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for extent in shape:
        total *= extent
    return total
