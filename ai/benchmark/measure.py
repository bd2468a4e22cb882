"""One measurement: a request, the machine before and after, and what is wrong with it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ai.benchmark.contender import Contender
from ai.benchmark.samples.guards import (
    DEFAULT_LIMITS,
    Expected,
    Limits,
    judge_answer,
    judge_error,
    judge_machine,
    neighbour_share,
    unfit,
)
from ai.benchmark.watch import EnergyMeter, Watch
from ai.core.errors import BackendError, BackendTimeout, Cancelled
from ai.core.protocol import complete
from ai.core.types import DEFAULT_DEADLINES, Deadlines, GenRequest
from ai.shapes.report import Measure, SampleRow


@dataclass(frozen=True, slots=True)
class Place:
    """Where a measurement stands in the benchmark."""

    block: int
    position: int
    prompt: str
    batch: int = 1
    level: str = ""


class Measurer:
    """Takes measurements.

    Args:
        watch: readings of the machine.
        meter: energy.
        idle_w: power of the idle machine, taken off; None when not known.
        limits: from where on something is a contamination.
        deadlines: of one request.
        about: what the verdict is about.
    """

    def __init__(
        self,
        watch: Watch,
        meter: EnergyMeter,
        *,
        limits: Limits = DEFAULT_LIMITS,
        deadlines: Deadlines = DEFAULT_DEADLINES,
        about: Measure = "generation",
    ) -> None:
        self._watch = watch
        self._meter = meter
        self._limits = limits
        self._deadlines = deadlines
        self._about = about
        self.idle_w: float | None = None

    async def learn_idle(self, seconds: float = 0.5) -> None:
        """Measure the power of the machine while no engine works."""
        before, begun = self._meter.read_j(), time.perf_counter()
        if before is None:
            return
        await asyncio.sleep(seconds)
        after = self._meter.read_j()
        if after is not None:
            self.idle_w = (after - before) / (time.perf_counter() - begun)

    async def measure(
        self,
        contender: Contender,
        request: GenRequest,
        place: Place,
        *,
        pids: Sequence[int] = (),
        context: int | None = None,
        cancel: asyncio.Event | None = None,
        count: bool = True,
        limit_s: float | None = None,
    ) -> SampleRow:
        """One measurement; a failure of the engine is a flagged measurement, too.

        `count`: let the engine count the prompt's tokens before. `limit_s`: seconds after which the plan has no more time for it.

        Raises:
            Cancelled: `cancel` was set.
        """
        backend = contender.backend
        row = SampleRow(ts=time.time_ns() // 1000, block=place.block, position=place.position, backend=backend.name, batch=place.batch, prompt=place.prompt, level=place.level)  # fmt: skip
        counted = await self._count(contender, request) if count else None
        before, joules, begun = self._watch.read(pids), self._meter.read_j(), time.perf_counter()
        try:
            done = await complete(backend, request, deadlines=_within(self._deadlines, limit_s), cancel=cancel)
        except Cancelled:
            raise
        except BackendError as error:
            if limit_s is not None and limit_s < self._deadlines.total_s and isinstance(error, BackendTimeout):
                machine = judge_machine(before, self._watch.read(pids), self._limits)
                return row.model_copy(update={"flags": ["out of time", *machine], "used": False})
            flags = list(judge_error(error))
            return row.model_copy(update={"flags": flags, "used": False, "error": error.message})
        after, joules_after = self._watch.read(pids), self._meter.read_j()
        caps = backend.capabilities()
        expected = Expected(
            counted, request.max_tokens, caps.ignore_eos and request.ignore_eos, context, contender.spec.context
        )
        machine = judge_machine(before, after, self._limits)
        if joules is None or joules_after is None:
            energy = None
        else:
            energy = joules_after - joules - (self.idle_w or 0.0) * (time.perf_counter() - begun)
        final = done.final
        rate, made, prompt = final.measured_rate(), final.usage.completion_tokens, final.usage.prompt_tokens
        reported = final.generation_rate()
        prompt_rate = final.prompt_rate()
        share = neighbour_share(before, after)
        answer_flags = judge_answer(done, replace(expected), self._limits)
        flags = list(dict.fromkeys([*machine, *answer_flags]))
        return row.model_copy(
            update={
                "flags": flags,
                "used": not unfit(flags, self._about),
                "error": final.instead or None,
                "total_s": final.timings.total.value if final.timings.total else None,
                "ttft_s": final.timings.ttft.value if final.timings.ttft else None,
                "rate": rate.value if rate else None,
                "rate_origin": rate.origin if rate else None,
                "reported_rate": reported.value if reported and reported.origin == "reported" else None,
                "prompt_rate": prompt_rate.value if prompt_rate else None,
                "prompt_tokens": int(prompt.value) if prompt else None,
                "completion_tokens": int(made.value) if made else None,
                "answer_s": (done.answered_ns - final.sent_ns) / 1e9 if done.answered_ns is not None else None,
                "thought": done.thought,
                "counted": made is not None and made.origin != "estimated" and "wrong token count" not in flags,
                "bunches": final.timings.arrival.bunches if final.timings.arrival else None,
                "energy_j": energy if energy is None else max(energy, 0.0),
                "neighbour_pct": None if share is None else round(100 * share, 1),
            }
        )

    async def _count(self, contender: Contender, request: GenRequest) -> float | None:
        """Tokens of the prompt by the engine's own exact count; None when it only estimates."""
        if not contender.backend.capabilities().counts_tokens:
            return None
        try:
            figure = await contender.backend.count_tokens(request.messages)
        except BackendError:
            return None  # the measurement itself will show what is wrong with the engine
        return figure.value if figure.origin != "estimated" else None


def _within(deadlines: Deadlines, limit_s: float | None) -> Deadlines:
    """These deadlines, none of them later than the limit."""
    if limit_s is None:
        return deadlines
    return replace(
        deadlines, total_s=min(deadlines.total_s, limit_s), first_token_s=min(deadlines.first_token_s, limit_s),
        between_tokens_s=min(deadlines.between_tokens_s, limit_s),
    )  # fmt: skip
