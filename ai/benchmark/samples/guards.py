"""What makes a measurement worth less than it looks. A flagged measurement is kept, shown, and left out of the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from ai.core.errors import BackendError
from ai.core.protocol import Completion
from ai.core.types import Final as Final_
from ai.shapes.report import Measure

Flag = Literal[
    "neighbour load", "cpu steal", "throttled", "swapping", "io pressure", "clock jump", "suspended", "gpu shared",
    "prompt cache hit", "prompt truncated", "no answer", "unexpected stop", "context mismatch", "wrong token count", "usage missing", "cold load",
    "queued", "stalled", "in bunches", "timings not believed", "engine restarted", "failed", "out of time",
]  # fmt: skip
ENVIRONMENT: Final[frozenset[Flag]] = frozenset(
    {"neighbour load", "cpu steal", "throttled", "swapping", "io pressure", "gpu shared"}
)
"""Flags about the machine: when all the time is like that, pairs are compared nevertheless, and the report says so."""
OF_NEIGHBOURS: Final[frozenset[Flag]] = frozenset({"stalled"})
"""Flags that the machine raises too where it is busy: pardoned beside one of those about the machine. Left out, they would favour the engine that others slow down more."""
HARMLESS: Final[frozenset[Flag]] = frozenset({"timings not believed", "usage missing"})
"""Flags that do not touch what this program measures itself."""
SPOILED: Final[dict[str, frozenset[Measure]]] = {
    "prompt cache hit": frozenset({"first_token", "total"}),
    "in bunches": frozenset({"generation", "first_token"}),
}
"""Flags that touch some measures alone: an answer that was held back on its way tells when it was complete, and no more; an engine that had the beginning of the prompt read already (it cannot be told not to keep it) answers sooner, and
then generates as always.
"""
_FEW: Final = 1 / 4
"""An answer of free length that has less than this part of its tokens is too short to tell a rate."""


@dataclass(frozen=True, slots=True)
class Readings:
    """The machine at one moment; None = not available. CPU values are seconds since boot, summed over cores.

    `own_s` is the CPU time of the measured engines and of this program, which is no neighbour's. `wall_s`, `mono_s` and `boot_s` are
    the three clocks; `swap_pages` counts pages swapped in and out; `io_stall_s` the time all tasks waited for IO.
    """

    wall_s: float
    mono_s: float
    boot_s: float
    cpus: int
    busy_s: float | None = None
    own_s: float | None = None
    steal_s: float | None = None
    swap_pages: int | None = None
    io_stall_s: float | None = None
    throttle: tuple[str, ...] = ()
    gpu_others: int | None = None
    engine_pids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a reading is a contamination; parts are of one core for load and of the time for stalls."""

    neighbour: float = 0.25
    steal: float = 0.05
    swap_pages: int = 64
    io_stall: float = 0.2
    clock_s: float = 0.25
    queued_s: float = 0.1
    load_s: float = 0.2
    stall_factor: float = 12.0
    stall_s: float = 0.5


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Expected:
    """What a measurement should look like: tokens of the prompt (None: not known), tokens asked for, and whether all of them come.

    `context` is what the engine has in force, `context_wanted` what was asked for.
    """

    prompt_tokens: float | None
    max_tokens: int
    exact_tokens: bool
    context: int | None = None
    context_wanted: int | None = None


def judge_machine(before: Readings, after: Readings, limits: Limits = DEFAULT_LIMITS) -> list[Flag]:
    """Flags about the machine during a measurement."""
    flags: list[Flag] = []
    span = max(after.mono_s - before.mono_s, 1e-6)
    load = neighbour_share(before, after)
    if load is not None and load > limits.neighbour and span > 0.05:
        flags.append("neighbour load")
    steal = _delta(before.steal_s, after.steal_s)
    if steal is not None and steal / (span * after.cpus) > limits.steal and steal > 0.02:
        flags.append("cpu steal")
    if before.throttle or after.throttle:
        flags.append("throttled")
    swapped = _delta(before.swap_pages, after.swap_pages)
    if swapped is not None and swapped > limits.swap_pages:
        flags.append("swapping")
    stalled = _delta(before.io_stall_s, after.io_stall_s)
    if stalled is not None and stalled / span > limits.io_stall:
        flags.append("io pressure")
    if abs((after.wall_s - before.wall_s) - (after.boot_s - before.boot_s)) > limits.clock_s:
        flags.append("clock jump")
    if (after.boot_s - before.boot_s) - span > limits.clock_s:
        flags.append("suspended")
    if max(before.gpu_others or 0, after.gpu_others or 0) > 0:
        flags.append("gpu shared")
    if before.engine_pids and after.engine_pids and not set(before.engine_pids) & set(after.engine_pids):
        flags.append("engine restarted")
    return flags


def neighbour_share(before: Readings, after: Readings) -> float | None:
    """CPU that others used meanwhile, in cores."""
    busy, own = _delta(before.busy_s, after.busy_s), _delta(before.own_s, after.own_s)
    if busy is None or own is None:
        return None
    return max(busy - own, 0.0) / max(after.mono_s - before.mono_s, 1e-6)


def judge_answer(done: Completion, expected: Expected, limits: Limits = DEFAULT_LIMITS) -> list[Flag]:
    """Flags about an answer."""
    final, timings = done.final, done.final.timings
    tests: dict[Flag, bool] = {
        "prompt cache hit": _cached(final),
        "prompt truncated": final.truncated or _prompt_short(final, expected),
        "no answer": bool(final.instead),
        "unexpected stop": not final.instead and _stopped_otherwise(final, expected),
        "context mismatch": None not in (expected.context, expected.context_wanted)
        and expected.context != expected.context_wanted,
        "usage missing": final.usage.completion_tokens is None or final.usage.prompt_tokens is None,
        "wrong token count": _miscounted(done, expected),
        "cold load": timings.load is not None and timings.load.value > limits.load_s,
        "queued": timings.queue is not None and timings.queue.value > limits.queued_s,
        "timings not believed": bool(timings.distrust),
        "stalled": _stalled(done.arrivals, limits),
        "in bunches": _in_bunches(final),
    }
    return [flag for flag, raised in tests.items() if raised]


def _in_bunches(final: Final_) -> bool:
    """Whether the answer came in so few bunches, for its length, that they tell no rate."""
    arrival, made = final.timings.arrival, final.usage.completion_tokens
    return arrival is not None and made is not None and arrival.held_back(made.value)


def _cached(final: Final_) -> bool:
    prompt, cached = final.usage.prompt_tokens, final.usage.cached_tokens
    return cached is not None and prompt is not None and cached.value > max(8, 0.1 * prompt.value)


def _prompt_short(final: Final_, expected: Expected) -> bool:
    prompt, cached = final.usage.prompt_tokens, final.usage.cached_tokens
    if prompt is None or expected.prompt_tokens is None:
        return False
    beside = (
        cached.value if cached is not None and cached.value > prompt.value else 0
    )  # some engines leave cached ones out
    return prompt.value + beside < 0.9 * expected.prompt_tokens - 2


def _stopped_otherwise(final: Final_, expected: Expected) -> bool:
    """Not by the limit; where an engine cannot go past its end token, it may also end by itself, unless it hardly began."""
    made = final.usage.completion_tokens
    short = made is not None and made.value < expected.max_tokens
    if expected.exact_tokens or final.finish_reason == "length":
        return final.finish_reason == "other" or short
    return final.finish_reason != "stop" or (made is not None and made.value < _FEW * expected.max_tokens)


def _miscounted(done: Completion, expected: Expected) -> bool:
    made, prompt = done.final.usage.completion_tokens, done.final.usage.prompt_tokens
    if (
        made is not None
        and made.origin != "estimated"
        and (made.value > expected.max_tokens + 1 or (made.value < 1 and bool(done.text)))
    ):
        return True
    return (
        prompt is not None and bool(expected.prompt_tokens) and prompt.value > 1.25 * (expected.prompt_tokens or 0) + 8
    )


def judge_error(error: BackendError) -> list[Flag]:
    """Flags about a measurement that failed."""
    del error
    return ["failed"]


def unfit(flags: Sequence[str], measure: Measure, *, accept_environment: bool = False) -> bool:
    """Whether a measurement with these flags stays out of a verdict on this measure."""
    pardoned = HARMLESS | ENVIRONMENT if accept_environment else HARMLESS
    if accept_environment and ENVIRONMENT & set(flags):
        pardoned |= OF_NEIGHBOURS
    return any(flag not in pardoned and measure in SPOILED.get(flag, (measure,)) for flag in flags)


def _stalled(arrivals: Sequence[tuple[int, int]], limits: Limits) -> bool:
    gaps = sorted((b[0] - a[0]) / 1e9 for a, b in pairwise(arrivals))
    if len(gaps) < 4:
        return False
    return gaps[-1] > max(limits.stall_s, limits.stall_factor * gaps[len(gaps) // 2])


def _delta(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
