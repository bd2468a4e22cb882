"""One call: which engines it may go to, its turn, one engine after another until one begins its answer, and the record of it."""

import asyncio
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
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
from ai.gateway.apis.figures import Figures, Meter
from ai.gateway.apis.forms import Api, error_body
from ai.gateway.apis.routes import Route, Turned
from ai.gateway.apis.texts import AnswerText
from ai.gateway.held import Contexts
from ai.gateway.http.connection import Connection, Request
from ai.gateway.http.upstream import Place, Upstreams, request_bytes
from ai.gateway.link.messages import CallRow, Current, Done, Limits, NotLent, Program
from ai.gateway.link.pipe import Link
from ai.gateway.peers import UNKNOWN
from ai.gateway.routing import Routes, Target

_PASSES: Final = 400
"""From this status on an answer may be the request's fault, which no other engine would mend."""
_WELL: Final = 300
"""Statuses below this one are of an engine that is there."""
_MOST_MESSAGE: Final = 300
_FETCH_S: Final = 5.0
_FORM: Final[dict[Api, re.Pattern[bytes]]] = {
    "openai": re.compile(rb'\A\s*\{.{0,2000}?"error"\s*:\s*\{', re.DOTALL),
    "ollama": re.compile(rb"\A\s*\{"),
}
"""What an engine's error looks like that the API's clients read as it is."""
_BYTES_A_TOKEN: Final = 4


@dataclass(slots=True)
class Call:
    """What is known of a call while it lasts."""

    api: Api
    path: str
    key: str
    program: "asyncio.Future[Program]"
    bytes_in: int
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    ts: int = field(default_factory=lambda: time.time_ns() // 1000)
    begun: float = field(default_factory=time.perf_counter)
    wanted: str = ""
    stream: bool = False
    backend: str = ""
    model: str = ""
    phase: str = "waiting"
    attempts: int = 0
    queued_s: float = 0.0
    status: int = 0
    outcome: str = "answered"
    message: str = ""
    first: float | None = None
    meter: Meter | None = None
    said: AnswerText | None = None
    """The text of its answer, where that is kept."""

    def refuse(self, outcome: str, status: int, message: str) -> None:
        """It ends without an answer of an engine."""
        self.outcome, self.status, self.message = outcome, status, message

    def current(self) -> Current:
        """How it is now."""
        return Current(
            self.id, self.ts, self.phase, self.key, self.known_program(), self.wanted, self.backend, self.model
        )

    def known_program(self) -> Program:
        """The program that made it, as far as it is known by now."""
        return self.program.result() if self.program.done() and not self.program.cancelled() else UNKNOWN

    def tokens(self) -> int:
        """Tokens of its prompt and its answer. Those of a prompt that an engine read without a word about it (the program hung up) are estimated."""
        if self.meter is None:
            return 0
        figures = self.meter.figures()
        read = self.bytes_in // _BYTES_A_TOKEN if figures.prompt_tokens is None else figures.prompt_tokens
        return read + (figures.completion_tokens or 0)

    def _first_token_s(self) -> float | None:
        """Until the first token of a stream was here, which events without one may come before; until the first byte of what has no such token."""
        if self.first is None:
            return None
        seen = self.meter.first if self.meter is not None else 0.0
        return (seen or self.first) - self.begun

    def row(self, bytes_out: int) -> CallRow:
        """Its record."""
        figures = self.meter.figures() if self.meter is not None else Figures()
        return CallRow(
            call=self.id, ts=self.ts, api=self.api, route=self.path, program=self.known_program(), key=self.key, wanted=self.wanted[:200],
            backend=self.backend, model=self.model, stream=self.stream, attempts=self.attempts, outcome=self.outcome, status=self.status,
            message=self.message[:_MOST_MESSAGE], queued_s=self.queued_s, total_s=time.perf_counter() - self.begun,
            ttft_s=self._first_token_s(), prompt_tokens=figures.prompt_tokens,
            completion_tokens=figures.completion_tokens, tokens_origin=figures.origin, tokens_per_s=figures.tokens_per_s,
            bytes_in=self.bytes_in, bytes_out=bytes_out,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Attempt:
    """An engine to ask, how it is asked, how long it may be silent (None where nobody else is left to ask), and the codings that the program reads."""

    target: Target
    turned: Turned
    silent_s: float | None
    accept: str


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
        self._looks: dict[str, asyncio.Task[None]] = {}
        self._contexts = Contexts(lambda target, path, limit_s: self.fetch(target, path, b"", method="GET", limit_s=limit_s))  # fmt: skip

    def close(self) -> None:
        """End the connections that are kept."""
        for task in self._looks.values():
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
        asked = route.read(request.body)
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
            try:
                for place, target in enumerate(targets):
                    last_one = place == len(targets) - 1
                    silent_s = self._limits().first_byte_s if asked.stream and not last_one else None
                    context = None
                    if route.loads(asked, target.engine):
                        context = await self._contexts.kept(target, unsaid=route.native is None)
                    turned = route.turned(asked, target.engine, target.model, context)
                    attempt = _Attempt(target, turned, silent_s, accept)
                    if await self._is_over(call, connection, attempt, last_one=last_one):
                        return
            finally:
                if again is not None and self._routes.left_untried(again):
                    self._look_aside(again)

    async def _is_over(self, call: Call, connection: Connection, attempt: _Attempt, *, last_one: bool) -> bool:
        """Ask one engine; whether the call is answered, or cannot be."""
        target = attempt.target
        call.attempts += 1
        call.backend, call.model, call.phase = target.engine.name, target.model, "asking"
        trouble, answer = await self._try(call, connection, attempt)
        if trouble is None or (answer is not None and answer.begun):
            self._over(call, connection, target, trouble)
            return True
        self._note(target, trouble)
        if last_one or isinstance(trouble, BadRequest):
            self._give_up(call, connection, trouble, answer)
            return True
        return False

    def _look_aside(self, target: Target) -> None:
        """Look whether an engine that failed is there again, beside the calls: those without a stream would not try it while others answer."""
        if target.engine.kind == "worker" or target.engine.name in self._looks:
            return
        task = asyncio.get_running_loop().create_task(self._look(target))
        self._looks[target.engine.name] = task
        task.add_done_callback(lambda _: self._looks.pop(target.engine.name, None))

    async def _look(self, target: Target) -> None:
        path = "/api/version" if target.engine.kind == "ollama" else "/v1/models"
        try:
            status, _ = await self.fetch(target, path, b"", method="GET")
        except BackendError:
            return  # it is tried again after its pause
        if status < _WELL:
            self._routes.breaker(target.engine).succeeded()

    def _note(self, target: Target, trouble: BackendError) -> None:
        """What a refusal says about an engine's health."""
        if trouble.outage:
            self._routes.failed(target.engine, trouble)
        else:
            self._routes.breaker(target.engine).succeeded()  # it lives, if only to refuse

    async def _try(
        self, call: Call, connection: Connection, attempt: _Attempt
    ) -> tuple[BackendError | None, Answer | None]:
        """Ask one engine; the error is None when its answer is whole. An answer that has begun is not tried anywhere else."""
        try:
            return await self._asked(call, connection, attempt)
        except BackendError as error:
            return error, None
        finally:
            if attempt.target.engine.kind == "worker":
                self._link.say(Done(call.id))

    async def _asked(
        self, call: Call, connection: Connection, attempt: _Attempt
    ) -> tuple[BackendError | None, Answer | None]:
        """The same.

        Raises:
            BackendError: no connection to it can be had.
        """
        place, key = await self._place(call, attempt.target)
        upstream = self._upstreams.kept(place) or await self._upstreams.connect(place, self._limits().connect_s)
        body = request_bytes("POST", _own_path(attempt.target, attempt.turned.path), place, key, attempt.turned.body)
        while True:
            call.meter = Meter(streams=call.stream)
            kept = self._limits().text_chars
            call.said = AnswerText(kept) if kept else None
            readers = [call.meter.feed, *([call.said.feed] if call.said is not None else [])]
            answer = Answer(connection, readers, _named(attempt.target), attempt.turned.translator(), attempt.accept)
            connection.on_full = upstream.pause
            upstream.ask(body, answer)
            try:
                error = await self._followed(call, answer, attempt.silent_s)
            finally:
                connection.on_full = None
                if not answer.whole:
                    upstream.drop()
            if not (upstream.used and isinstance(error, BackendDown) and answer.head is None):
                return error, answer
            # a kept connection that the engine had just closed: it never saw this request
            upstream = await self._upstreams.connect(place, self._limits().connect_s)

    async def _followed(self, call: Call, answer: Answer, silent_s: float | None) -> BackendError | None:
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
            call.first, call.phase = answer.first, "answering"
            call.status = answer.head.status if answer.head is not None else 0
            await answer.ended
        return answer.error

    async def _place(self, call: Call, target: Target) -> tuple[Place, str]:
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
        lent = await self._link.lend(call.id, engine.name)
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
