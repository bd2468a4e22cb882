"""Who is measured against whom: engines, two settings of one engine, or an engine with itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ai.backends.llamacpp_embedded import default_threads
from ai.benchmark import BenchmarkPlan, Contender
from ai.service.candidates import Candidate
from ai.service.options import BenchmarkOptions
from ai.types import LoadSpec

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


def line_up(found: Sequence[Candidate], options: BenchmarkOptions, plan: BenchmarkPlan) -> LineUp | None:
    """The contenders for what was asked; None when there is no engine."""
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
        return LineUp("engines", tuple(_contender(c, c.name, spec) for c in chosen), note)
    only = chosen[0]
    alone = (
        f"{only.label} is the only engine that can be used here"
        if len(found) == 1
        else f"{only.label} alone was chosen"
    )
    threads = default_threads()
    if kind == "settings" and only.engine == "llamacpp":
        return _settings(only, spec, alone, threads)
    note = f"{alone}, so it is measured against itself: no difference should be shown, and one would mean that this machine is too unsteady to trust."
    return LineUp("self-check", (_contender(only, only.name, spec), _contender(only, f"{only.name} again", spec)), note)


def _settings(only: Candidate, spec: LoadSpec, alone: str, threads: int) -> LineUp:
    """All threads against half of them where there are any to give up, else a smaller cache."""
    if threads > 1:
        half = threads // 2
        few = LoadSpec("", context=spec.context, parallel=spec.parallel, threads=half)
        name = f"{only.name}, {half} thread{'s' if half > 1 else ''}"
        note = f"{alone}, so two of its settings are compared: {threads} threads against {half}. Two engines need a second one, such as Ollama."
        return LineUp("settings", (_contender(only, only.name, spec), _contender(only, name, few)), note)
    small = LoadSpec("", context=spec.context, parallel=spec.parallel, kv_type="q8_0")
    note = f"{alone}, so two of its settings are compared: a cache of f16 against one of q8_0."
    return LineUp(
        "settings", (_contender(only, only.name, spec), _contender(only, f"{only.name}, q8_0 cache", small)), note
    )


def _contender(candidate: Candidate, name: str, spec: LoadSpec) -> Contender:
    mine = LoadSpec(
        candidate.model, context=spec.context, parallel=spec.parallel, kv_type=spec.kv_type, threads=spec.threads, gpu_layers=spec.gpu_layers
    )  # fmt: skip
    plan = candidate.plan(mine)
    return Contender(candidate.make(name), mine, plan.total if plan else None)
