"""Calls: their turn, one engine after another, or beside another, until one begins its answer, and how they end."""

import asyncio
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from ai.core.errors import (
    BackendDown,
    BackendError,
    BackendOverloaded,
    BackendTimeout,
    BadRequest,
    ModelMissing,
    StreamCut,
)
from ai.gateway.admission import Gate
from ai.gateway.answer import Answer, Whole
from ai.gateway.apis.figures import Meter
from ai.gateway.apis.forms import Api, error_body
from ai.gateway.apis.routes import Asked, Route, Turned
from ai.gateway.apis.texts import AnswerText
from ai.gateway.call import Call
from ai.gateway.held import Contexts
from ai.gateway.http.connection import Connection, Request
from ai.gateway.http.upstream import Place, UpstreamConnection, Upstreams, request_bytes
from ai.gateway.link.messages import Done, Limits, NotLent
from ai.gateway.link.pipe import Link
from ai.gateway.race import Attempt, Overtaken, Question, Race
from ai.gateway.routing import Routes, Target
from ai.gateway.silence import Beginnings

_PASSES: Final = 400
"""From this status on an answer may be the request's fault, which no other engine would mend."""
_WELL: Final = 300
"""Statuses below this one are of an engine that is there."""
_OUT_OF_ORDER: Final = 500
"""Those below this one are at least of one that lives, though it may not tell which models it has."""
_FETCH_S: Final = 5.0
_FORM: Final[dict[Api, re.Pattern[bytes]]] = {
    "openai": re.compile(rb'\A\s*\{.{0,2000}?"error"\s*:\s*\{', re.DOTALL),
    "ollama": re.compile(rb"\A\s*\{"),
}
"""What an engine's error looks like that the API's clients read as it is."""
_LONGEST_LOOK_S: Final = 30.0
_LOOKS_AT: Final = 4.0
"""The first look at a silent engine comes after this part of the time it has, and takes as long at most."""
_Sent = tuple[UpstreamConnection, bytes, Turned, str]
"""A connection, the request's bytes, how the answer is read, and the codings that the program reads."""


class Relay:
    """Answers calls with engines.

    Args:
        routes: the engines.
        gate: who may go ahead.
        limits: returns those in force.
        link: for engines that have to be lent.
    """

    def __init__(self, routes: Routes, gate: Gate, limits: Callable[[], Limits], link: Link) -> None:
        self._routes, self._gate, self._limits, self._link = routes, gate, limits, link
        self._upstreams = Upstreams()
        self._looks: dict[str, asyncio.Task[int]] = {}
        self._beginnings = Beginnings()
        self._left: dict[str, asyncio.Task[BackendError | None]] = {}
        """Engines that another one has overtaken: whether they begin at all is waited for."""
        self._contexts = Contexts(lambda target, path, limit_s: self.fetch(target, path, b"", method="GET", limit_s=limit_s))  # fmt: skip

    def close(self) -> None:
        """End the connections that are kept."""
        for task in (*self._looks.values(), *self._left.values()):
            task.cancel()
        self._upstreams.close()

    async def answer(self, call: Call, connection: Connection, request: Request, route: Route) -> None:
        """Answer a call, or say why not; its outcome is written into it."""
        try:
            async with asyncio.timeout(self._limits().deadline_s):
                await self._answer(call, connection, request, route)
        except ModelMissing as error:
            self._refuse(call, connection, ("refused", 404, _said(error)))
        except BadRequest as error:
            self._refuse(call, connection, ("refused", 400, _said(error)))
        except BackendOverloaded as error:
            self._refuse(call, connection, ("refused", 429, _said(error)))
        except TimeoutError:
            self._late(call, connection)
        except asyncio.CancelledError:
            call.outcome, call.message = "cancelled", "The program hung up."
            raise

    async def fetch(
        self, target: Target, path: str, body: bytes, *, method: str = "POST", limit_s: float = _FETCH_S
    ) -> tuple[int, bytes]:
        """A small question to an engine: status and body.

        Raises:
            BackendError: it does not answer in time.
        """
        place = _place_of(target.engine.address)
        upstream = self._upstreams.kept(place) or await self._upstreams.connect(
            place, min(self._limits().connect_s, limit_s)
        )
        question = request_bytes(method, _own_path(target, path), place, target.engine.key, body)
        while True:
            whole = Whole()
            upstream.ask(question, whole)
            try:
                async with asyncio.timeout(limit_s):
                    return await whole.done
            except TimeoutError as error:
                raise BackendTimeout("no answer in time", phase="total", waited_s=limit_s) from error
            except BackendDown:
                if not upstream.used:
                    raise
                upstream = await self._upstreams.connect(place, limit_s)  # the kept one had just been closed
            finally:
                if not whole.done.done() or whole.done.cancelled():
                    upstream.drop()

    async def _answer(self, call: Call, connection: Connection, request: Request, route: Route) -> None:
        asked = route.read(request.body, request.headers.get(b"content-type", b"").decode("latin-1"))
        call.wanted, call.stream = asked.model, asked.stream
        plan = self._routes.plan(asked.model, route.need)
        if (said := route.here(asked, plan[0].engine, plan[0].model)) is not None:
            call.backend, call.model, call.status = plan[0].engine.name, plan[0].model, 200
            connection.respond(200, said, _named(plan[0]))
            return
        accept = request.headers.get(b"accept-encoding", b"").decode("latin-1")
        async with self._gate.turn():
            call.queued_s = time.perf_counter() - call.begun
            targets, again = self._routes.order(plan, streams=asked.stream)
            race, question = Race(), Question(route, asked, accept)
            try:
                for place, target in enumerate(targets):
                    attempt = Attempt(target, place == len(targets) - 1, target is again)
                    call.attempts += 1
                    call.backend, call.model, call.phase = target.engine.name, target.model, "asking"
                    work = self._attempt(call, connection, question, attempt, race)
                    if attempt.last_one and not race.running:
                        self._ended(call, connection, attempt, await work, race)
                        return
                    race.start(attempt, work)
                    if await self._is_over(call, connection, asked, attempt, race):
                        return
            finally:
                race.end()
                if again is not None and again.engine.name not in self._left and self._routes.left_untried(again):
                    self._look_aside(again)

    async def _is_over(self, call: Call, connection: Connection, asked: Asked, newest: Attempt, race: Race) -> bool:
        """Wait for the engines that were asked; False where the next one is to be asked, beside those that are still silent.

        Raises:
            BadRequest: it asks for what cannot be asked of an engine.
        """
        look: asyncio.Task[int] | None = None
        while True:
            await race.moved(self._patience_s(newest, asked, look), look)
            if (winner := race.winner) is not None:
                for attempt in race.losers():
                    self._leave(attempt, asked)
                self._ended(call, connection, winner, await winner.result(), race)
                return True
            for attempt, trouble in race.failed():
                self._note(attempt.target, trouble)
                if isinstance(trouble, BadRequest) or (newest.last_one and not race.running):
                    call.backend, call.model = attempt.target.engine.name, attempt.target.model
                    self._give_up(call, connection, trouble, attempt.answer)
                    return True
            if newest.last_one:
                continue
            if newest not in race.running:
                return False
            look = self._doubt(newest, asked, look)
            if newest.doubted:
                return False

    def _doubt(self, newest: Attempt, asked: Asked, look: "asyncio.Task[int] | None") -> "asyncio.Task[int] | None":
        """Doubt an engine whose time is over, or look whether it lives; the look that is under way afterwards."""
        if look is not None and look.done():
            newest.looked_at(lives=0 < look.result() < _OUT_OF_ORDER)
            look = None
        if self._first_byte_due_s(newest, asked) == 0:
            newest.doubted = True
        elif look is None and self._look_due_s(newest) == 0:
            return self._look_at(newest.target, self._limits().hedge_s / _LOOKS_AT)
        return look

    def _patience_s(self, newest: Attempt, asked: Asked, look: "asyncio.Task[int] | None") -> float | None:
        """How long the engine that was asked last is left in peace from now on; None for as long as there is nothing to do about it."""
        waits = (self._first_byte_due_s(newest, asked), None if look is not None else self._look_due_s(newest))
        return min((wait for wait in waits if wait is not None), default=None)

    def _first_byte_due_s(self, newest: Attempt, asked: Asked) -> float | None:
        """How long it may still be silent; None where nobody else is left to ask, or where it is known why it is silent.

        Of an answer that is no stream nothing comes before its end.
        """
        if not _may_be_hung(newest) or newest.loads or not asked.stream:
            return None
        if newest.probes and self._routes.was_silent(newest.target.engine):
            return 0.0
        patience_s = self._beginnings.patience_s(newest.target, len(asked.body), self._limits().hedge_s)
        return max(newest.since + patience_s - time.perf_counter(), 0.0)

    def _look_due_s(self, newest: Attempt) -> float | None:
        """When it is to be looked whether it lives: early, since it may well have to read or load for much longer than `hedge_s`, and ever later."""
        if not _may_be_hung(newest):
            return None
        pause_s = min(self._limits().hedge_s / _LOOKS_AT * 2.0**newest.looks, _LONGEST_LOOK_S)
        return max(newest.seen + pause_s - time.perf_counter(), 0.0)

    def _ended(
        self, call: Call, connection: Connection, attempt: Attempt, trouble: BackendError | None, race: Race
    ) -> None:
        """The engine whose answer the program got has ended it; or the only one that was left to ask has not answered."""
        if race.winner is not attempt and trouble is not None:
            self._note(attempt.target, trouble)
            self._give_up(call, connection, trouble, attempt.answer)
            return
        first = attempt.answer.first if attempt.answer is not None else None
        if first is not None and call.stream and not attempt.loads:
            self._beginnings.note(attempt.target, call.bytes_in, first - attempt.since)
        self._over(call, connection, attempt.target, trouble)

    def _leave(self, attempt: Attempt, asked: Asked) -> None:
        """An engine has been overtaken. One that was silent for long, and lives, begins some time; the next calls go to others until then."""
        engine, task = attempt.target.engine, attempt.task
        if task is None:
            return
        if attempt.doubted and not asked.stream:
            self._routes.failed(engine, BackendDown("it did not even say which models it has"))
        if not (attempt.doubted and asked.stream) or engine.name in self._left:
            task.cancel()
            return
        self._left[engine.name] = task
        self._routes.doubted.add(engine.name)
        enough = asyncio.get_running_loop().call_later(self._limits().first_byte_s, task.cancel)

        def over(task: "asyncio.Task[BackendError | None]") -> None:
            enough.cancel()
            del self._left[engine.name]
            self._routes.doubted.discard(engine.name)
            if task.cancelled() or task.exception() is not None:
                return
            trouble = task.result()
            if isinstance(trouble, Overtaken):
                self._beginnings.note(attempt.target, len(asked.body), time.perf_counter() - attempt.since)
            if trouble is not None:
                self._note(attempt.target, trouble)

        task.add_done_callback(over)

    def _look_aside(self, target: Target) -> None:
        """Look whether an engine that failed is there again, beside the calls: those without a stream would not try it while others answer."""
        if target.engine.kind != "worker":
            self._look_at(target, _FETCH_S).add_done_callback(
                lambda look: (
                    self._routes.breaker(target.engine).succeeded()
                    if not look.cancelled() and 0 < look.result() < _WELL
                    else None
                )
            )

    def _look_at(self, target: Target, limit_s: float) -> "asyncio.Task[int]":
        """Ask an engine, beside the calls, what any that lives answers at once; one question at a time. The status that it answers, 0 for none."""
        name = target.engine.name
        if name not in self._looks:
            self._looks[name] = asyncio.get_running_loop().create_task(self._look(target, limit_s))
            self._looks[name].add_done_callback(lambda _: self._looks.pop(name, None))
        return self._looks[name]

    async def _look(self, target: Target, limit_s: float) -> int:
        path = "/api/version" if target.engine.kind == "ollama" else "/v1/models"
        try:
            status, _ = await self.fetch(target, path, b"", method="GET", limit_s=limit_s)
        except BackendError:
            return 0
        return status

    def _note(self, target: Target, trouble: BackendError) -> None:
        """What a refusal says about an engine's health."""
        if trouble.outage:
            self._routes.failed(target.engine, trouble)
        else:
            self._routes.breaker(target.engine).succeeded()  # it lives, if only to refuse

    async def _attempt(
        self, call: Call, connection: Connection, question: Question, attempt: Attempt, race: Race
    ) -> BackendError | None:
        """Ask one engine; None when its answer is whole.

        Raises:
            BadRequest: it asks for what cannot be asked of this engine.
        """
        route, asked, target = question.route, question.asked, attempt.target
        context = None
        if route.loads(asked, target.engine):
            held = await self._contexts.kept(target, unsaid=route.native is None)
            context, attempt.loads = held.context, held.loads
        turned = route.turned(asked, target.engine, target.model, context)
        lent_to = f"{call.id} {target.engine.name}"
        try:
            place, key = await self._place(lent_to, target)
            upstream = self._upstreams.kept(place) or await self._upstreams.connect(place, self._limits().connect_s)
            body = request_bytes("POST", _own_path(target, turned.path), place, key, turned.body)
            while True:
                error = await self._asked(call, connection, (upstream, body, turned, question.accept), attempt, race)
                answer = attempt.answer
                if not (
                    upstream.used and isinstance(error, BackendDown) and answer is not None and answer.head is None
                ):
                    return error
                # a kept connection that the engine had just closed: it never saw this request
                upstream = await self._upstreams.connect(place, self._limits().connect_s)
        except BackendError as error:
            return error
        finally:
            if target.engine.kind == "worker":
                self._link.say(Done(lent_to))

    async def _asked(
        self, call: Call, connection: Connection, sent: _Sent, attempt: Attempt, race: Race
    ) -> BackendError | None:
        """The same, over a connection to it."""
        upstream, body, turned, accept = sent
        kept = self._limits().text_chars
        call.meter = attempt.meter = Meter(streams=call.stream)
        call.said = attempt.said = AnswerText(kept) if kept else None
        readers = [attempt.meter.feed, *([attempt.said.feed] if attempt.said is not None else [])]

        def claim() -> None:
            race.claim(attempt)
            connection.on_full = upstream.pause
            call.backend, call.model, call.phase = attempt.target.engine.name, attempt.target.model, "answering"
            call.meter, call.said, call.first = attempt.meter, attempt.said, time.perf_counter()
            call.status = answer.head.status if answer.head is not None else 0

        answer = Answer(connection, readers, _named(attempt.target), turned.translator(), accept=accept, claim=claim)
        attempt.answer = answer
        upstream.ask(body, answer)
        silent_s = self._limits().first_byte_s if call.stream and not attempt.last_one else None
        try:
            return await _followed(answer, silent_s)
        finally:
            if race.winner is attempt:
                connection.on_full = None
            if not answer.whole:
                upstream.drop()

    async def _place(self, lent_to: str, target: Target) -> tuple[Place, str]:
        """Where the engine listens, and its key.

        Raises:
            BackendDown: it cannot be had.
        """
        engine = target.engine
        if engine.kind != "worker":
            try:
                return _place_of(engine.address), engine.key
            except ValueError as error:
                raise BackendDown(str(error)) from error
        lent = await self._link.lend(lent_to, engine.name)
        if isinstance(lent, NotLent):
            raise BackendDown(lent.message)
        return Place(unix=lent.socket), lent.key

    def _over(self, call: Call, connection: Connection, target: Target, error: BackendError | None) -> None:
        """An answer that had begun has ended, well or not."""
        if error is None:
            self._routes.breaker(target.engine).succeeded()
            return
        call.outcome, call.message = "cut", f"{target.engine.name}: {error.message}"
        if isinstance(error, StreamCut | BackendDown):
            self._routes.failed(target.engine, error)
        connection.cut()

    def _give_up(self, call: Call, connection: Connection, error: BackendError, answer: Answer | None) -> None:
        """No engine could answer. What the last one said is passed on where it is an answer of the API that was asked."""
        call.outcome, call.message = "failed", f"{call.backend}: {error.message}"
        head = answer.head if answer is not None else None
        if answer is not None and head is not None and head.status >= _PASSES and head.status not in {401, 403}:
            call.status = head.status
            body = answer.body
            if answer.translated or not _FORM[call.api].search(body):
                body = error_body(call.api, head.status, f"{call.backend} answers {error.message}")
            wait = head.get(b"retry-after")
            connection.respond(head.status, body, [(b"Retry-After", wait.encode("latin-1"))] if wait else [])
            return
        call.status = 504 if isinstance(error, BackendTimeout) else 502
        tried = "" if call.attempts == 1 else f" It was the last of {call.attempts} engines that were tried."
        connection.respond(
            call.status, error_body(call.api, call.status, f"{call.backend} cannot answer: {error.message}.{tried}")
        )

    def _refuse(self, call: Call, connection: Connection, why: tuple[str, int, str]) -> None:
        call.refuse(*why)
        headers = [(b"Retry-After", b"1")] if why[1] == 429 else []
        connection.respond(why[1], error_body(call.api, why[1], why[2]), headers)

    def _late(self, call: Call, connection: Connection) -> None:
        """The deadline has passed."""
        call.outcome, call.message = "late", f"No whole answer within {self._limits().deadline_s:g} s."
        if call.first is not None:
            connection.cut()
            return
        call.status = 504
        connection.respond(504, error_body(call.api, 504, call.message))


async def _followed(answer: Answer, silent_s: float | None) -> BackendError | None:
    """Wait for an answer's beginning and its end."""
    if silent_s is None:
        await answer.decided
    else:
        await asyncio.wait({answer.decided}, timeout=silent_s)
        if answer.stirs:
            await answer.decided
        if not answer.decided.done():
            return BackendTimeout(f"it was silent for {silent_s:g} s", phase="first token", waited_s=silent_s)
    if answer.begun:
        await answer.ended
    return answer.error


def _may_be_hung(newest: Attempt) -> bool:
    """Whether there is a reason to look at it: somebody else could be asked, and it has not stirred. Whoever runs a worker sees whether it lives."""
    return not (newest.last_one or newest.stirs or newest.target.engine.kind == "worker")


@lru_cache(maxsize=64)
def _place_of(address: str) -> Place:
    return Place.of(address)


def _own_path(target: Target, path: str) -> str:
    """Where an engine has a route of OpenAI's API."""
    return f"{target.engine.api}{path.removeprefix('/v1')}" if path.startswith("/v1/") else path


def _said(error: BackendError) -> str:
    return f"{error.message} {error.hint}".strip()


def _named(target: Target) -> list[tuple[bytes, bytes]]:
    """Who answers, for those who look."""
    names = ((b"X-Watchkeeper-Engine", target.engine.name), (b"X-Watchkeeper-Model", target.model))
    return [
        (name, "".join(c if c.isprintable() and ord(c) < 127 else "?" for c in value).encode("ascii"))
        for name, value in names
    ]
