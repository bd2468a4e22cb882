"""Who is measured against whom: engines, two settings of one engine, or an engine with itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from ai.backends.llamacpp_embedded import chosen_threads, default_threads, on_gpu
from ai.benchmark import BenchmarkPlan, BenchmarkReport, Contender
from ai.core.errors import InputError
from ai.core.types import KvType, LoadSpec
from ai.discovery.http import same_endpoint
from ai.model_files.memory import available_memory, fit
from ai.service.context.candidates import Candidate
from ai.shapes.benchmark import BenchmarkRequest
from ai.shapes.workload import EngineSettings

CONTEXT: Final = 2048
_MOST_SLOTS: Final = 4
_LOAD_SLOTS: Final = 8
"""Requests that an embedded engine is ready for at the same time: in a comparison, and where its load is measured."""
_CHARACTERS_A_TOKEN: Final = 2
_TEMPLATE: Final = 256
"""A prompt of so many characters a token at most fits; so many tokens are left to the template."""
_MOST_CONTEXT: Final = 8192
"""Tokens; what a server has in memory is measured as it is, and the others are loaded with the same context, up to here."""
FieldKind = Literal["engines", "settings", "variants", "self-check"]
"""`variants`: settings of one engine that a person named."""


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


def chosen_of(
    found: Sequence[Candidate], wanted: Sequence[str] | None, refused: Mapping[str, str] | None = None
) -> list[Candidate]:
    """The engines that were asked for by name, by kind (`openai` means every such server) or by address; all where none was named.

    Args:
        found: the engines that can be measured.
        wanted: names as a person gives them.
        refused: why other engines that are known cannot be measured, by name.

    Raises:
        InputError: there is no such engine, or it cannot be measured.
    """
    if wanted is None:
        return list(found)
    chosen: dict[str, Candidate] = {}
    for name in wanted:
        low = name.strip().lower().rstrip("/")
        named = [c for c in found if low in {c.name.lower(), c.address.lower()}] or [
            c for c in found if c.engine == low
        ]
        if not named:
            raise _no_such(name, low, found, refused or {})
        chosen |= {c.name: c for c in named}
    return [c for c in found if c.name in chosen]


def _no_such(name: str, low: str, found: Sequence[Candidate], refused: Mapping[str, str]) -> InputError:
    there = ", ".join(c.name for c in found)
    hint = (
        f"Engines that can be measured here: {there}."
        if there
        else "No engine can be measured here: see `watchkeeper ai backends`."
    )
    if low in refused:
        return InputError(f"{name} cannot be measured: {refused[low]}", hint=hint)
    if low == "openai":
        return InputError("No OpenAI-compatible server is configured (setting engines.openai_urls).", hint=hint)
    return InputError(f"There is no engine {name!r}.", hint=hint)


def line_up(
    found: Sequence[Candidate],
    options: BenchmarkRequest,
    plan: BenchmarkPlan,
    used: Used = lambda _, spec: spec,
    refused: Mapping[str, str] | None = None,
) -> LineUp | None:
    """The contenders for what was asked, each with the settings it is used with; None when there is no engine.

    Raises:
        InputError: an engine was named that cannot be measured here.
    """
    chosen = chosen_of(found, options.backends, refused)
    if not chosen:
        return None
    held = [c.loaded_context for c in chosen if c.loaded_context and c.loaded_context <= _MOST_CONTEXT]
    slots = _LOAD_SLOTS if not plan.pairs else _MOST_SLOTS
    spec = LoadSpec(
        "", context=max(CONTEXT, _needed(plan), *held), parallel=max(1, min(max(plan.batches, default=1), slots))
    )
    kind = options.kind
    if plan.settings:
        return _variants(chosen, plan.settings, lambda c: used(c, spec))
    if kind == "auto":
        kind = "engines" if len(chosen) > 1 or not plan.pairs else "settings"
    if kind == "engines":
        note = (
            _one_server(chosen)
            if len(chosen) > 1
            else f"{chosen[0].name} is the only engine that can be used here, so it has nothing to be compared with."
            if plan.pairs
            else ""
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


def _needed(plan: BenchmarkPlan) -> int:
    """Tokens of context that the plan's lengths and the user's own prompts need, with room for a template."""
    lengths = max((length.context for length in plan.lengths), default=0)
    texts = max((len(prompt.text) for prompt in plan.texts), default=0) // _CHARACTERS_A_TOKEN
    needed = max(lengths, texts + plan.max_tokens if texts else 0)
    return needed + _TEMPLATE if needed else 0


def _variants(
    chosen: Sequence[Candidate], settings: Sequence[EngineSettings], used: Callable[[Candidate], LoadSpec]
) -> LineUp:
    """One embedded engine with each of these settings.

    Raises:
        InputError: none was chosen that this program loads by itself.
    """
    only = next((c for c in chosen if c.engine == "llamacpp"), None)
    if only is None:
        raise InputError(
            "Threads, layers, flash attention and cache types can be set on the embedded engine alone.",
            hint="Name it: --backend llamacpp. Servers are measured as they were started.",
        )
    contenders = [_contender(only, f"{only.name}, {one.words()}", one.applied(used(only))) for one in settings]
    return LineUp("variants", tuple(contenders), f"Settings of {only.label} with {only.shown} are compared.")


def _one_server(chosen: Sequence[Candidate]) -> str:
    """What a comparison of two interfaces of one server is about; empty where there are none."""
    for at, one in enumerate(chosen):
        for other in chosen[at + 1 :]:
            if one.engine == other.engine and one.model != other.model:
                continue
            if one.native and other.native and same_endpoint(one.address, other.address):
                return (
                    f"{one.name} and {other.name} are one server, asked in the same way: no difference should be shown."
                )
            if one.address and other.address and same_endpoint(one.address, other.address):
                return f"{one.name} and {other.name} are two interfaces of one server: a difference is one of interfaces, not of engines."
    return ""


def as_reported(report: BenchmarkReport) -> Used:
    """The settings that a benchmark of settings had as its reference: a repetition compares with these, whatever is used since."""
    load = next((c.load for c in report.contenders if c.name == report.reference), None)

    def used(_: Candidate, spec: LoadSpec) -> LoadSpec:
        if load is None or load.threads is None:
            return spec
        return replace(
            spec,
            threads=load.threads,
            yields=load.yields,
            prompt_threads=load.prompt_threads,
            kv_type=kv_type_of(load.kv_type),
        )

    return used


def kv_type_of(kind: str | None) -> KvType:
    """A cache type as a report names it; f16 for what is unknown."""
    known: dict[str, KvType] = {kind: kind for kind in get_args(KvType)}
    return known.get(kind or "", "f16")


def _settings(only: Candidate, spec: LoadSpec, alone: str) -> LineUp:
    """The threads in use against all and against half of them where that is something else, else a smaller cache."""
    every = default_threads()
    now, prompts = every, every
    if only.path is not None:
        now, prompts = chosen_threads(only.path, spec, only.threads_file, measure=True)
    spec = replace(spec, threads=now, prompt_threads=prompts, yields=False)
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
    if (
        remedy and mine.context > CONTEXT
    ):  # as long a context as another engine has is worth less than being measured at all
        return _contender(candidate, name, replace(spec, context=CONTEXT))
    return Contender(candidate.make(name), mine, plan.total, in_memory, remedy)
