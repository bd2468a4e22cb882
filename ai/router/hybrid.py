"""`HybridAIBackend`: one door to several engines, which keeps answering while engines fail."""

import asyncio
import time
import uuid
from collections.abc import Callable, Collection, Container, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ai.analysis.analyzer import JobAnalyzer
from ai.analysis.ask import NoAnswer, Reply, failed_attempt
from ai.core.breaker import BreakerPolicy, BreakerState, CircuitBreaker
from ai.core.errors import BackendError, BackendLoading, BackendTimeout, BadOutput, Cancelled, ContextOverflow
from ai.core.protocol import Backend, Completion, complete
from ai.core.types import Deadlines, GenRequest, LoadSpec, Message
from ai.router.call_record import CallSink, Tag, record_of
from ai.router.drift import DriftAlarm
from ai.router.patience import begun_in_time, patience
from ai.router.policy import Policy, Score, choose
from ai.router.rolling_metrics import LiveWindow
from ai.shapes.engines import CallRecord, Choice, LiveFigures
from ai.shapes.posting import Attempt, JobAnalysisResult

_PROBE = GenRequest((Message("user", "Say yes."),), max_tokens=1)
_LEAST_TRY_S = 0.05
_PROBE_PATIENCE = 4
ROUTER_DEADLINES = Deadlines(first_token_s=5.0)
"""Of one call, where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Member:
    """A backend and the model it is to have loaded."""

    backend: Backend
    spec: LoadSpec
    score: Score = field(default_factory=Score)


@dataclass(frozen=True, slots=True)
class MemberState:
    """What the page shows of a member."""

    name: str
    engine: str
    model: str
    breaker: BreakerState
    retry_in_s: float
    reason: str
    score: Score
    live: LiveFigures
    probes: int


class _Slot:
    """A member with what is known of it now. `free` is set while no call uses it."""

    def __init__(self, member: Member, breaker: CircuitBreaker) -> None:
        self.backend = member.backend
        self.spec = member.spec
        remote = member.score.remote or member.backend.capabilities().remote
        self.score = replace(member.score, remote=remote)
        self.breaker = breaker
        self.live = LiveWindow(member.backend.name)
        self.loading = asyncio.Lock()
        self.context: int | None = member.spec.context
        self.probe: asyncio.Task[None] | None = None
        self.pending = False
        self.calls = 0
        self.free = asyncio.Event()
        self.free.set()

    def enter(self) -> None:
        """A call begins."""
        self.calls += 1
        self.free.clear()

    def leave(self) -> None:
        """A call ended."""
        self.calls -= 1
        if not self.calls:
            self.free.set()


class HybridAIBackend:
    """Answers with the backend that the policy chooses, and with the next ones when it fails.

    Args:
        members: the backends; it closes them with `close`.
        policy: what the user wants.
        breaker: when a failing backend is left alone.
        deadlines: of one call; `total_s` covers all its tries together, and `first_token_s` is how long an engine may be silent before the
            next one is asked (`ai.router.patience`).
        sink: gets a `CallRecord` for every try (rows of `ai_calls`); must be quick and not raise.
        on_drift: gets an alarm when a backend has become slower than it was.
        purpose: what the calls are for, as written in the records.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        policy: Policy | None = None,
        breaker: BreakerPolicy | None = None,
        deadlines: Deadlines = ROUTER_DEADLINES,
        sink: CallSink | None = None,
        on_drift: Callable[[DriftAlarm], None] | None = None,
        purpose: str = "analysis",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._breaker_policy = breaker or BreakerPolicy()
        self._clock = clock
        self._slots = {m.backend.name: self._slot(m) for m in members}
        self._dropped: list[_Slot] = []
        self._policy = policy or Policy(preferred=tuple(self._slots))
        self._deadlines = deadlines
        self._sink = sink
        self._on_drift = on_drift
        self._purpose = purpose
        self._incumbent: str | None = None

    def choice(self) -> Choice:
        """What the policy chooses now, and why; breakers are not considered."""
        return choose({name: slot.score for name, slot in self._slots.items()}, self._policy, self._incumbent)

    def set_score(self, name: str, score: Score) -> Choice:
        """Take new measurements of a backend; what the policy chooses now.

        Raises:
            KeyError: no such backend.
        """
        slot = self._slots[name]
        slot.score = replace(score, remote=score.remote or slot.score.remote)
        return self._settle()

    def adopt(self, members: Sequence[Member], *, policy: Policy, deadlines: Deadlines) -> None:
        """Go on with these members alone; the next try of any request, one that is under way included, sees no others.

        What is known of a member that stays (the same back end object) is kept. The caller closes those that left, after `released`.
        """
        kept: dict[str, _Slot] = {}
        for member in members:
            slot = self._slots.get(member.backend.name)
            if slot is None or slot.backend is not member.backend:
                slot = self._slot(member)
            slot.spec = member.spec
            kept[member.backend.name] = slot
        gone = [slot for name, slot in self._slots.items() if kept.get(name) is not slot]
        for slot in gone:
            if slot.probe is not None:
                slot.probe.cancel()
        self._dropped += gone
        self._slots, self._policy, self._deadlines = kept, policy, deadlines

    async def released(self, backend: Backend) -> None:
        """Wait until no call uses a back end that is no member any more."""
        for slot in [slot for slot in self._dropped if slot.backend is backend]:
            await asyncio.gather(*([slot.probe] if slot.probe else []), return_exceptions=True)
            await slot.free.wait()
            self._dropped.remove(slot)

    def _slot(self, member: Member) -> _Slot:
        return _Slot(member, CircuitBreaker(self._breaker_policy, self._clock))

    def states(self) -> list[MemberState]:
        """All members, in the order of the policy."""
        order = [*self.choice().order, *(name for name in self._slots if name not in self.choice().order)]
        return [self._state(self._slots[name]) for name in order]

    def remember(self, calls: Sequence[CallRecord], only: Container[str] | None = None) -> None:
        """Start from calls of an earlier run (oldest first): they fill the live figures and set the level that drift is measured from. No alarm is raised.

        Args:
            calls: of any back end.
            only: the members that they are for; None for all.
        """
        for call in calls:
            slot = self._slots.get(call.backend) if only is None or call.backend in only else None
            if slot is not None and call.purpose == self._purpose:
                slot.live.add(call)

    async def context(self) -> int | None:
        """Tokens of context of the backend that would be asked first."""
        usable = [n for n in self.choice().order if self._slots[n].breaker.allows()]
        return self._slots[usable[0]].context if usable else None

    def leaves_machine(self) -> bool:
        """Whether a text may be sent to another machine."""
        return self._policy.allow_remote and any(slot.score.remote for slot in self._slots.values())

    async def analyze_job_content(self, job_description: str) -> JobAnalysisResult:
        """Analyse a posting; rules answer when no backend can."""
        return await JobAnalyzer(self).analyze(job_description)

    def models(self) -> dict[str, str]:
        """The model of each member."""
        return {name: slot.spec.model for name, slot in self._slots.items()}

    async def ask(
        self, request: GenRequest, *, cancel: asyncio.Event | None = None, avoid: Collection[str] = ()
    ) -> Reply:
        """One whole answer from the first backend that can give it within the deadline, and that is not one to avoid.

        Raises:
            NoAnswer: none could; `attempts` says why each.
            Cancelled: `cancel` was set.
        """
        choice = self._settle()
        call, begun = uuid.uuid4().hex[:12], time.perf_counter()
        attempts: list[Attempt] = []
        last: BackendError | None = None
        order = [name for name in self._available(choice) if name not in avoid]
        for place, name in enumerate(order):
            left = self._deadlines.total_s - (time.perf_counter() - begun)
            slot, why = self._slots.get(name), "The call's deadline has passed."
            if slot is None or left < _LEAST_TRY_S:
                why = why if slot is not None else "It was taken out of the settings."
                attempts.append(Attempt(backend=name, outcome="skipped", detail=why, seconds=0))
                continue
            last_one = place == len(order) - 1
            share = left if last_one else max(left * 0.7, _LEAST_TRY_S)
            try:
                done = await self._try(
                    slot, request, share, cancel, (call, len(attempts) + 1, choice.sentence), last_one=last_one
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
            return Reply(done.text, str(slot.backend.engine), name, done.final, (*_left_out(choice), *attempts))
        raise NoAnswer(
            self._nobody(choice, last),
            [*_left_out(choice), *attempts],
            last=last,
            hint="See the state of each engine on the AI page.",
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
        limit = min(_PROBE_PATIENCE * self._deadlines.first_token_s, self._deadlines.total_s)
        try:
            health = await slot.backend.health(min(self._deadlines.connect_s, limit))
            if health.state in {"down", "error", "missing", "loading"}:
                kind = BackendLoading if health.state == "loading" else BackendError
                slot.breaker.failed(kind(health.detail, backend=slot.backend.name))
                return
            await self._load(slot, limit)
            await complete(slot.backend, _PROBE, deadlines=replace(self._deadlines, first_token_s=limit, total_s=limit))
        except BackendError as error:
            slot.breaker.failed(error)
        except asyncio.CancelledError:
            slot.breaker.abandon_probe()
            raise
        else:
            slot.breaker.succeeded()

    async def _try(
        self,
        slot: _Slot,
        request: GenRequest,
        share_s: float,
        cancel: asyncio.Event | None,
        tag: Tag,
        *,
        last_one: bool,
    ) -> Completion:
        began, ts = time.perf_counter(), time.time_ns() // 1000
        slot.enter()
        try:
            done = await self._answer(slot, request, share_s, cancel, last_one=last_one)
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
        finally:
            slot.leave()
        slot.breaker.succeeded()
        self._note(slot, tag, ts, time.perf_counter() - began, done=done)
        return done

    async def _answer(
        self, slot: _Slot, request: GenRequest, share_s: float, cancel: asyncio.Event | None, *, last_one: bool
    ) -> Completion:
        began = time.perf_counter()
        await self._unless_cancelled(self._load(slot, share_s), slot, cancel)

        async def once() -> Completion:
            limits = self._limits(share_s - (time.perf_counter() - began))
            silent = limits.total_s if last_one else self._silence(slot, request)
            return await begun_in_time(slot.backend, request, limits, silent, cancel)

        try:
            return await once()
        except BadOutput:
            return await once()

    def _silence(self, slot: _Slot, request: GenRequest) -> float:
        """How long a back end may be silent while there is another to ask."""
        if slot.pending:
            return self._deadlines.load_s
        return patience(self._deadlines.first_token_s, request, slot.live.reading_s)

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
        slot.context, slot.pending = report.context or slot.spec.context, report.pending

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
        return replace(
            self._deadlines,
            total_s=left,
            first_token_s=left,
            between_tokens_s=min(self._deadlines.between_tokens_s, left),
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
            slot.score, slot.live.figures(), breaker.probes,
        )  # fmt: skip

    def _nobody(self, choice: Choice, last: BackendError | None) -> str:
        if last is not None:
            return f"No engine could answer; the last one said: {last.message}"
        if not choice.order:
            return choice.sentence
        if all(self._slots[name].breaker.state == "busy" for name in choice.order):
            return "No engine can answer now: all are busy. Try again in a few seconds."
        return "No engine can answer now: all are paused after failures."


def _left_out(choice: Choice) -> list[Attempt]:
    """The backends that the policy does not let be asked, each with its reason: nobody should wonder why an engine that is there was passed over."""
    return [
        Attempt(backend=name, outcome="skipped", detail=f"Not asked: {why}.", seconds=0)
        for name, why in choice.excluded.items()
    ]
