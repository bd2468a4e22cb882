"""Who is measured against whom: engines, two settings of one engine, or an engine with itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from ai.backends.llamacpp_embedded import chosen_threads, default_threads, on_gpu
from ai.benchmark import BenchmarkPlan, BenchmarkReport, Contender
from ai.memory import available_memory, fit
from ai.service.candidates import Candidate
from ai.service.options import BenchmarkOptions
from ai.types import KvType, LoadSpec

CONTEXT: Final = 2048
_MOST_SLOTS: Final = 4
FieldKind = Literal["engines", "settings", "self-check"]


@dataclass(frozen=True, slots=True)
class LineUp:
    """The contenders, the first being the reference; `note` says what a reader must know of the comparison."""

    kind: FieldKind
    contenders: tuple[Contender, ...]
    note: str = ""

    @property
    def names(self) -> list[str]:
        """Their names."""
        return [c.backend.name for c in self.contenders]


Used = Callable[[Candidate, LoadSpec], LoadSpec]
"""A specification with the settings that a model is used with."""


def line_up(
    found: Sequence[Candidate], options: BenchmarkOptions, plan: BenchmarkPlan, used: Used = lambda _, spec: spec
) -> LineUp | None:
    """The contenders for what was asked, each with the settings it is used with; None when there is no engine."""
    chosen = [c for c in found if options.backends is None or c.name in options.backends]
    if not chosen:
        return None
    spec = LoadSpec("", context=CONTEXT, parallel=max(1, min(max(plan.batches, default=1), _MOST_SLOTS)))
    kind = options.kind
    if kind == "auto":
        kind = "engines" if len(chosen) > 1 else "settings"
    if kind == "engines":
        note = (
            ""
            if len(chosen) > 1
            else f"{chosen[0].name} is the only engine that can be used here, so it has nothing to be compared with."
        )
        return LineUp("engines", tuple(_contender(c, c.name, used(c, spec)) for c in chosen), note)
    only = chosen[0]
    alone = (
        f"{only.label} is the only engine that can be used here"
        if len(found) == 1
        else f"{only.label} alone was chosen"
    )
    if kind == "settings" and only.engine == "llamacpp":
        return _settings(only, used(only, spec), alone)
    note = f"{alone}, so it is measured against itself: no difference should be shown, and one would mean that this machine is too unsteady to trust."
    spec = used(only, spec)
    return LineUp("self-check", (_contender(only, only.name, spec), _contender(only, f"{only.name} again", spec)), note)


def as_reported(report: BenchmarkReport) -> Used:
    """The settings that a benchmark of settings had as its reference: a repetition compares with these, whatever is used since."""
    load = next((c.load for c in report.contenders if c.name == report.reference), None)

    def used(_: Candidate, spec: LoadSpec) -> LoadSpec:
        if load is None or load.threads is None:
            return spec
        return replace(spec, threads=load.threads, prompt_threads=load.prompt_threads, kv_type=kv_type_of(load.kv_type))

    return used


def kv_type_of(kind: str | None) -> KvType:
    """A cache type as a report names it; f16 for what is unknown."""
    known: dict[str, KvType] = {kind: kind for kind in get_args(KvType)}
    return known.get(kind or "", "f16")


def _settings(only: Candidate, spec: LoadSpec, alone: str) -> LineUp:
    """The threads in use against all and against half of them where that is something else, else a smaller cache."""
    every = default_threads()
    now, prompts = chosen_threads(only.path, spec) if only.path is not None else (every, every)
    spec = replace(spec, threads=now, prompt_threads=prompts)
    reference = _contender(only, only.name, spec)
    others = [count for count in (every, every // 2) if count >= 1 and count != now]
    if others:
        rivals = [_contender(only, f"{only.name}, {_threads(n)}", replace(spec, threads=n)) for n in others]
        shown = " and ".join(str(n) for n in others)
        note = f"{alone}, so settings of it are compared: {_threads(now)}, as it is used, against {shown}. Two engines need a second one, such as Ollama."
        return LineUp("settings", (reference, *rivals), note)
    other: KvType = "q8_0" if spec.kv_type == "f16" else "f16"
    note = f"{alone}, so two of its settings are compared: a cache of {spec.kv_type} against one of {other}."
    small = _contender(only, f"{only.name}, {other} cache", replace(spec, kv_type=other))
    return LineUp("settings", (reference, small), note)


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count != 1 else ''}"


def _contender(candidate: Candidate, name: str, spec: LoadSpec) -> Contender:
    mine = replace(spec, model=candidate.model)
    plan = candidate.plan(mine)
    if plan is None:
        return Contender(candidate.make(name), mine)
    in_memory = candidate.embedded and plan.where == "memory" and not on_gpu()  # a server may hold it already
    remedy = fit(plan, available_memory()).remedy if in_memory else ""
    return Contender(candidate.make(name), mine, plan.total, in_memory, remedy)
