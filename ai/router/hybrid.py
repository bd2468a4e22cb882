"""`HybridAIBackend`: one door to several engines, which keeps answering while engines fail."""

import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ai.analysis.analyzer import JobAnalyzer
from ai.analysis.ask import NoAnswer, Reply, failed_attempt
from ai.analysis.schema import Attempt, JobAnalysisResult
from ai.errors import BackendError, BackendTimeout, BadOutput, Cancelled, ContextOverflow
from ai.protocol import Backend, Completion, complete
from ai.records import CallRecord
from ai.router.breaker import BreakerPolicy, BreakerState, CircuitBreaker
from ai.router.drift import DriftAlarm
from ai.router.live import LiveFigures, LiveWindow
from ai.router.noted import Tag, record_of
from ai.router.policy import Choice, Policy, Standing, choose
from ai.types import DEFAULT_DEADLINES, Deadlines, GenRequest, LoadSpec, Message

_PROBE = GenRequest((Message("user", "Say yes."),), max_tokens=1)
_LEAST_TRY_S = 0.05


@dataclass(frozen=True, slots=True)
class Member:
    """A backend and the model it is to have loaded."""

    backend: Backend
    spec: LoadSpec
    standing: Standing = field(default_factory=Standing)


@dataclass(frozen=True, slots=True)
class MemberState:
    """What the page shows of a member."""

    name: str
    engine: str
    model: str
    breaker: BreakerState
    retry_in_s: float
    reason: str
    standing: Standing
    live: LiveFigures
    probes: int


class _Slot:
    """A member with what is known of it now."""

    def __init__(self, member: Member, breaker: CircuitBreaker) -> None:
        self.backend = member.backend
        self.spec = member.spec
        remote = member.standing.remote or member.backend.capabilities().remote
        self.standing = replace(member.standing, remote=remote)
        self.breaker = breaker
        self.live = LiveWindow(member.backend.name)
        self.loading = asyncio.Lock()
        self.context: int | None = member.spec.context
        self.probe: asyncio.Task[None] | None = None


class HybridAIBackend:
    """Answers with the backend that the policy chooses, and with the next ones when it fails.

    Args:
        members: the backends; it closes them with `close`.
        policy: what the user wants.
        breaker: when a failing backend is left alone.
        deadlines: of one call; `total_s` covers all its tries together.
        sink: gets a `CallRecord` for every try (rows of `ai_calls`); must be quick and not raise.
        on_drift: gets an alarm when a backend has become slower than it was.
        purpose: what the calls are for, as noted in the records.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        policy: Policy | None = None,
        breaker: BreakerPolicy | None = None,
        deadlines: Deadlines = DEFAULT_DEADLINES,
        sink: Callable[[CallRecord], None] | None = None,
        on_drift: Callable[[DriftAlarm], None] | None = None,
        purpose: str = "analysis",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        breaker_policy = breaker or BreakerPolicy()
        self._slots = {m.backend.name: _Slot(m, CircuitBreaker(breaker_policy, clock)) for m in members}
        self._policy = policy or Policy(preferred=tuple(self._slots))
        self._deadlines = deadlines
        self._sink = sink
        self._on_drift = on_drift
        self._purpose = purpose
        self._clock = clock
        self._incumbent: str | None = None

    def choice(self) -> Choice:
        """What the policy chooses now, and why; breakers are not considered."""
        return choose({name: slot.standing for name, slot in self._slots.items()}, self._policy, self._incumbent)

    def set_standing(self, name: str, standing: Standing) -> Choice:
        """Take new measurements of a backend; what the policy chooses now.

        Raises:
            KeyError: no such backend.
        """
        slot = self._slots[name]
        slot.standing = replace(standing, remote=standing.remote or slot.standing.remote)
        return self._settle()

    def states(self) -> list[MemberState]:
        """All members, in the order of the policy."""
        order = [*self.choice().order, *(name for name in self._slots if name not in self.choice().order)]
        return [self._state(self._slots[name]) for name in order]

    def remember(self, calls: Sequence[CallRecord]) -> None:
        """Go on from calls of before (oldest first): live figures, and the level from which drift is told; no alarm is raised."""
        for call in calls:
            slot = self._slots.get(call.backend)
            if slot is not None and call.purpose == self._purpose:
                slot.live.add(call)

    async def context(self) -> int | None:
        """Tokens of context of the backend that would be asked first."""
        usable = [n for n in self.choice().order if self._slots[n].breaker.allows()]
        return self._slots[usable[0]].context if usable else None

    def leaves_machine(self) -> bool:
        """Whether a text may be sent to another machine."""
        return self._policy.allow_remote and any(slot.standing.remote for slot in self._slots.values())

    async def analyze_job_content(self, job_description: str) -> JobAnalysisResult:
        """Analyse a posting; rules answer when no backend can."""
        return await JobAnalyzer(self).analyze(job_description)

    async def ask(self, request: GenRequest, *, cancel: asyncio.Event | None = None) -> Reply:
        """One whole answer from the first backend that can give it within the deadline.

        Raises:
            NoAnswer: none could; `attempts` says why each.
            Cancelled: `cancel` was set.
        """
        choice = self._settle()
        call, begun = uuid.uuid4().hex[:12], time.perf_counter()
        attempts: list[Attempt] = []
        last: BackendError | None = None
        order = self._available(choice)
        for place, name in enumerate(order):
            left = self._deadlines.total_s - (time.perf_counter() - begun)
            if left < _LEAST_TRY_S:
                attempts.append(
                    Attempt(backend=name, outcome="skipped", detail="The call's deadline has passed.", seconds=0)
                )
                continue
            share = left if place == len(order) - 1 else max(left * 0.7, _LEAST_TRY_S)
            try:
                done = await self._try(
                    self._slots[name], request, share, cancel, (call, len(attempts) + 1, choice.sentence)
                )
            except Cancelled:
                raise
            except BackendError as error:
                attempts.append(
                    failed_attempt(name, error, time.perf_counter() - begun - sum(a.seconds for a in attempts))
                )
                last = error if not isinstance(last, ContextOverflow) else last
                continue
            seconds = max(time.perf_counter() - begun - sum(a.seconds for a in attempts), 0.0)
            attempts.append(Attempt(backend=name, outcome="answered", seconds=seconds))
            return Reply(done.text, str(self._slots[name].backend.engine), name, done.final, tuple(attempts))
        raise NoAnswer(
            self._nobody(choice, last), attempts, last=last, hint="See the state of each engine on the AI page."
        )

    async def close(self) -> None:
        """End probes and close the backends."""
        probes = [slot.probe for slot in self._slots.values() if slot.probe is not None]
        for probe in probes:
            probe.cancel()
        await asyncio.gather(*probes, return_exceptions=True)
        for slot in self._slots.values():
            await slot.backend.close()

    def _settle(self) -> Choice:
        choice = self.choice()
        self._incumbent = choice.chosen
        return choice

    def _available(self, choice: Choice) -> list[str]:
        """Backends to try now. One whose cool-down is over is probed aside, or asked itself when nobody else is left."""
        usable = [n for n in choice.order if self._slots[n].breaker.allows()]
        for name in choice.order:
            slot = self._slots[name]
            if not slot.breaker.probe_due():
                continue
            if usable:
                slot.breaker.begin_probe()
                slot.probe = asyncio.create_task(self._probe(slot))
            elif slot.breaker.begin_probe():
                return [name]
        return usable

    async def _probe(self, slot: _Slot) -> None:
        """Ask for one token, beside the requests: an outage costs them nothing."""
        limit = min(self._deadlines.first_token_s, self._deadlines.total_s)
        try:
            health = await slot.backend.health(min(self._deadlines.connect_s, limit))
            if health.state in {"down", "error", "missing"}:
                slot.breaker.failed(BackendError(health.detail, backend=slot.backend.name))
                return
            await self._load(slot, limit)
            await complete(slot.backend, _PROBE, deadlines=replace(self._deadlines, total_s=limit))
        except BackendError as error:
            slot.breaker.failed(error)
        except asyncio.CancelledError:
            slot.breaker.abandon_probe()
            raise
        else:
            slot.breaker.succeeded()

    async def _try(
        self, slot: _Slot, request: GenRequest, share_s: float, cancel: asyncio.Event | None, tag: Tag
    ) -> Completion:
        began, ts = time.perf_counter(), time.time_ns() // 1000
        try:
            done = await self._answer(slot, request, share_s, cancel)
        except BackendError as error:
            self._note(slot, tag, ts, time.perf_counter() - began, error=error)
            if not (isinstance(error, BackendTimeout) and self._hurried(share_s)):
                slot.breaker.failed(error)
            else:
                slot.breaker.abandon_probe()
            raise
        except asyncio.CancelledError:
            slot.breaker.abandon_probe()
            raise
        slot.breaker.succeeded()
        self._note(slot, tag, ts, time.perf_counter() - began, done=done)
        return done

    async def _answer(
        self, slot: _Slot, request: GenRequest, share_s: float, cancel: asyncio.Event | None
    ) -> Completion:
        began = time.perf_counter()
        await self._unless_cancelled(self._load(slot, share_s), slot, cancel)
        limits = self._limits(share_s - (time.perf_counter() - began))
        try:
            return await complete(slot.backend, request, deadlines=limits, cancel=cancel)
        except BadOutput:
            limits = self._limits(share_s - (time.perf_counter() - began))
            return await complete(slot.backend, request, deadlines=limits, cancel=cancel)

    async def _load(self, slot: _Slot, limit_s: float) -> None:
        """Load the model; calls that come meanwhile wait for the same load."""
        try:
            async with asyncio.timeout(limit_s), slot.loading:
                report = await slot.backend.ensure_loaded(slot.spec, deadline_s=min(self._deadlines.load_s, limit_s))
        except TimeoutError as error:
            raise BackendTimeout(
                f"{slot.backend.name} did not load its model within {limit_s:.1f} s.",
                phase="load",
                waited_s=limit_s,
                backend=slot.backend.name,
            ) from error
        slot.context = report.context or slot.spec.context

    async def _unless_cancelled(
        self, work: Coroutine[Any, Any, None], slot: _Slot, cancel: asyncio.Event | None
    ) -> None:
        """Do the work, but stop as soon as the caller gives up."""
        if cancel is None:
            await work
            return
        doing, stop = asyncio.create_task(work), asyncio.create_task(cancel.wait())
        try:
            await asyncio.wait({doing, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                raise Cancelled(f"The request to {slot.backend.name} was cancelled.", backend=slot.backend.name)
            doing.result()
        finally:
            for task in (doing, stop):
                task.cancel()
            await asyncio.gather(doing, stop, return_exceptions=True)

    def _limits(self, left_s: float) -> Deadlines:
        left = max(left_s, _LEAST_TRY_S)
        d = self._deadlines
        return replace(
            d, total_s=left, first_token_s=min(d.first_token_s, left), between_tokens_s=min(d.between_tokens_s, left)
        )

    def _hurried(self, share_s: float) -> bool:
        """Whether a try had far less time than a backend may take: being late then tells nothing of its health."""
        return share_s < 0.25 * min(self._deadlines.total_s, self._deadlines.first_token_s)

    def _note(
        self,
        slot: _Slot,
        tag: Tag,
        ts: int,
        seconds: float,
        *,
        done: Completion | None = None,
        error: BackendError | None = None,
    ) -> None:
        record = record_of(
            tag, ts, seconds, purpose=self._purpose, backend=slot.backend, model=slot.spec.model, done=done, error=error
        )
        alarms = slot.live.add(record)
        if self._sink is not None:
            self._sink(record)
        if self._on_drift is not None:
            for alarm in alarms:
                self._on_drift(alarm)

    def _state(self, slot: _Slot) -> MemberState:
        breaker = slot.breaker
        return MemberState(
            slot.backend.name, str(slot.backend.engine), slot.spec.model, breaker.state, breaker.retry_in_s(), breaker.reason,
            slot.standing, slot.live.figures(), breaker.probes,
        )  # fmt: skip

    def _nobody(self, choice: Choice, last: BackendError | None) -> str:
        if last is not None:
            return f"No engine could answer; the last one said: {last.message}"
        if not choice.order:
            return choice.sentence
        return "No engine can answer now: all are resting after failures."
