"""The gateway: who may ask, what is answered here, and what goes to an engine."""

import asyncio
import os
import re
import socket
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from ai.core.errors import BackendDown, BackendError, ModelMissing
from ai.gateway.admission import Gate
from ai.gateway.apis import forms
from ai.gateway.apis.routes import ROUTES, Route
from ai.gateway.apis.texts import prompt_text
from ai.gateway.call import Call
from ai.gateway.http.connection import Connection, Request
from ai.gateway.http.upstream import MARK
from ai.gateway.link.budgets import Ledger
from ai.gateway.link.keys import hash_of
from ai.gateway.link.messages import (
    CannotListen,
    In,
    Keys,
    Limits,
    Listening,
    Program,
    Start,
    State,
    Table,
    Texts,
)
from ai.gateway.link.pipe import Link
from ai.gateway.peers import Peers
from ai.gateway.relay import Relay
from ai.gateway.routing import AUTO, Routes

_HERE: Final = frozenset({"localhost", "ip6-localhost"})
_STATE_S: Final = 1.0
_HOLD_S: Final = 0.25
"""How long the first byte of an answer waits for its program to be found, which takes a millisecond where the machine is not busy."""
_PROGRAM_S: Final = 2.0
"""How long the record of a call waits for its program to be found."""
_MOST_CURRENT: Final = 50
_MARK: Final = MARK.lower().encode("ascii")
_OPENAIS: Final = frozenset({"/v1/models", *(path for path in ROUTES if path.startswith("/v1/"))})
_VERSIONS: Final = re.compile(r"^(?:/v1)*(?=/)")
_ROOT: Final = b"Watchkeeper's gateway is running"


class Gateway:
    """Answers programs.

    Args:
        gone: called when whoever started this process is at the other end of the pipes no more.
    """

    def __init__(self, gone: Callable[[], None]) -> None:
        self._link = link = Link(self.take, gone)
        self._limits, self._keys = Limits(), Keys()
        self._ledger = Ledger()
        self._routes = Routes()
        self._gate = Gate(lambda: self._limits)
        self._relay = Relay(self._routes, self._gate, lambda: self._limits, link)
        self._peers = Peers()
        self._connections: set[Connection] = set()
        self._calls: dict[str, Call] = {}
        self._records: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._answered = 0
        self._told: State | None = None
        self._since = int(time.time())
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Begin to listen to whoever started this process; it says where to listen to programs."""
        await self._link.open()

    def take(self, message: In) -> None:
        """What whoever started this process says."""
        match message:
            case Start():
                self._ledger.restore(message.used)
                self._tasks.append(asyncio.create_task(self._listen(message)))
            case Table():
                self._routes.take(message)
            case Keys():
                self._keys, self._ledger.budgets = message, message.budgets
            case Limits():
                self._limits = message

    async def close(self) -> None:
        """Stop: what is under way is cut."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.cut()
        for task in [*self._tasks, *self._records]:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._records, return_exceptions=True)
        self._relay.close()
        self._peers.close()
        self._link.flush()

    async def _listen(self, start: Start) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: Connection(self._handle, lambda: self._limits.body_bytes, self._connections, self._meet),
                sock=_bound(start.host, start.port),
                backlog=1024,
            )
        except OSError as error:
            self._link.say(CannotListen(f"port {start.port} cannot be used: {error.strerror or error}"))
            return
        self._link.say(Listening(self._server.sockets[0].getsockname()[1]))
        while True:
            self._tell_state()
            await asyncio.sleep(_STATE_S)

    def _meet(self, connection: Connection) -> None:
        """Look for the program while it is still there: some live no longer than their answer takes."""
        connection.known = self._peers.find(connection.peer, connection.here)

    def _tell_state(self) -> None:
        calls = tuple(call.current() for call in list(self._calls.values())[:_MOST_CURRENT])
        state = State(
            active=self._gate.active, waiting=self._gate.waiting, connections=len(self._connections), answered=self._answered,
            lost=self._link.lost, refused=self._gate.refused, rss=_rss(), calls=calls, resting=self._routes.resting(), used=self._ledger.used(),
            texts_lost=self._link.texts_lost,
        )  # fmt: skip
        if state != self._told:
            self._told = state
            self._link.say(state)

    async def _handle(self, connection: Connection, request: Request) -> None:
        """Answer a request."""
        request.path = _plain_path(request.path)
        key, refusal = self._may_ask(request)
        route = ROUTES.get(request.path)
        if refusal is not None:
            self._say(connection, request, *refusal)
        elif request.path == "/" and request.method in {"GET", "HEAD"}:
            connection.respond(200, _ROOT, [(b"X-Watchkeeper", b"gateway")])
        elif key is None:
            self._say(
                connection, request, 401, "A key of this gateway is needed: watchkeeper gateway key add NAME makes one."
            )
        elif route is not None and request.method == "POST":
            await self._call(connection, request, route, key)
        elif route is not None:
            self._say(connection, request, 405, f"{request.path} is asked with POST.")
        elif (answer := self._local(request)) is not None:
            connection.respond(200, answer)
        elif request.path == "/api/show" and request.method == "POST":
            await self._show(connection, request)
        else:
            hint = " The address of OpenAI's API ends in /v1." if _VERSIONS.sub("/v1", request.path) in _OPENAIS else ""
            said = f"{request.method} {request.path[:100]} is not offered by this gateway.{hint}"
            self._say(connection, request, 404, said)

    def _may_ask(self, request: Request) -> tuple[str | None, tuple[int, str] | None]:
        """The name of the key (see `_key`), and what speaks against any answer: status and sentence."""
        if request.refusal is not None:
            status, why = request.refusal
            return None, (status, f"{why[:1].upper()}{why[1:]}.")
        if not _is_of_here(b"//" + request.headers.get(b"host", b"localhost")):
            return None, (403, "Requests for another host are not answered: a web page may have sent them.")
        if _MARK in request.headers:
            return None, (508, "A gateway asks a gateway: take its address out of the engines in the settings.")
        coding = request.headers.get(b"content-encoding", b"").strip().lower()
        if coding not in {b"", b"identity"}:
            named = coding[:20].decode("latin-1")
            return None, (
                415,
                f"The request is compressed ({named}), which no engine here reads. Send it uncompressed.",
            )
        return self._key(request.headers), None

    def _say(self, connection: Connection, request: Request, status: int, message: str) -> None:
        connection.respond(status, forms.error_body(forms.api_of(request.path), status, message))

    async def _call(self, connection: Connection, request: Request, route: Route, key: str) -> None:
        program: asyncio.Future[Program] = connection.known
        call = Call(forms.api_of(request.path), request.path, key, program, len(request.body))
        connection.hold(program, _HOLD_S)
        spent = self._ledger.spent(key)
        if spent is not None:
            call.refuse("refused", 429, spent.message)
            wait = [(b"Retry-After", str(spent.retry_s).encode("ascii"))]
            connection.respond(429, forms.error_body(call.api, 429, spent.message), wait)
            self._record(call, connection.written)
            return
        self._calls[call.id] = call
        self._ledger.began(key)
        try:
            await self._relay.answer(call, connection, request, route)
        finally:
            self._ledger.ended(key, call.tokens())
            del self._calls[call.id]
            self._answered += call.outcome == "answered"
            self._record(call, connection.written)
            self._hand_over(call, request)

    def _hand_over(self, call: Call, request: Request) -> None:
        """What was asked and answered, where that is kept."""
        kept = self._limits.text_chars
        if not kept:
            return
        prompt, prompt_cut = prompt_text(request.body, kept)
        answer, answer_cut = call.said.text() if call.said is not None else ("", False)
        self._link.say(
            Texts(call=call.id, ts=call.ts, prompt=prompt, answer=answer, prompt_cut=prompt_cut, answer_cut=answer_cut)
        )

    def _record(self, call: Call, written: int) -> None:
        """Hand the call over, once its program is known."""
        row = call.row(written)
        if call.program.done():
            self._link.say(row)
            return

        async def later() -> None:
            await asyncio.wait({call.program}, timeout=_PROGRAM_S)
            self._link.say(msgspec.structs.replace(row, program=call.known_program()))

        task = asyncio.get_running_loop().create_task(later())
        self._records.add(task)
        task.add_done_callback(self._records.discard)

    def _key(self, headers: Mapping[bytes, bytes]) -> str | None:
        """The name of the key that a request shows; empty where none is needed, None where it may not ask."""
        given = headers.get(b"authorization", b"")
        if given[:7].lower() == b"bearer ":
            name = self._keys.names.get(hash_of(given[7:].strip().decode("latin-1")))
            if name is not None:
                return name
        return None if self._keys.required or not _is_of_here(headers.get(b"origin", b"")) else ""

    def _local(self, request: Request) -> bytes | None:
        """What is answered without asking an engine."""
        if request.method not in {"GET", "HEAD"}:
            return None
        table, models = self._routes.table, self._routes.models()
        path, since = request.path, self._since
        listings: dict[str, Callable[[], bytes]] = {
            "/v1/models": lambda: forms.openai_models(table, models, since),
            "/api/tags": lambda: forms.ollama_tags(models, since),
            "/api/version": lambda: forms.ollama_version(table),
            "/api/ps": lambda: b'{"models":[]}',
        }
        if path in listings:
            return listings[path]()
        name = path.removeprefix("/v1/models/")
        owner = models[name][0].label if name in models else "watchkeeper" if name in AUTO else None
        return None if owner is None or name == path else forms.openai_model_body(name, owner, since)

    async def _show(self, connection: Connection, request: Request) -> None:
        """`/api/show`: Ollama's own answer where it has the model."""
        try:
            asked = msgspec.json.decode(request.body)
            wanted = str(asked.get("model") or asked.get("name") or "")
            target = self._routes.plan(wanted, "chat")[0]
        except (msgspec.DecodeError, AttributeError, UnicodeDecodeError):
            connection.respond(400, forms.error_body("ollama", 400, "The request is no JSON object."))
            return
        except ModelMissing as error:
            connection.respond(404, forms.error_body("ollama", 404, f"{error.message} {error.hint}".strip()))
            return
        if target.engine.kind == "ollama":
            try:
                status, body = await self._relay.fetch(
                    target, "/api/show", msgspec.json.encode({**asked, "model": target.model})
                )
            except BackendError as error:
                said = BackendDown(f"{target.engine.name} cannot answer: {error.message}.")
                status, body = 502, forms.error_body("ollama", 502, said.message)
        else:
            known = next((m for m in target.engine.models if m.name == target.model), None)
            status, body = 200, forms.ollama_show(target.engine, known, target.model)
        connection.respond(status, body)


def _plain_path(path: str) -> str:
    """Without the slashes too many that come of addresses put together."""
    return re.sub("/{2,}", "/", path).rstrip("/") or "/" if "//" in path or path.endswith("/") else path


@lru_cache(maxsize=64)
def _is_of_here(address: bytes) -> bool:
    """Whether an address (an `Origin`, or a `Host` behind two slashes) is this machine's by name; so is none at all."""
    try:
        name = urlsplit(address.decode("latin-1")).hostname or ""
    except ValueError:
        return False
    return not address or name in _HERE or name.startswith("127.") or name == "::1"


def _bound(host: str, port: int) -> socket.socket:
    """A listening socket; `IPPROTO_TCP` is said, so that asyncio sends at once.

    Raises:
        OSError: the port is taken, or may not be used.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def _rss() -> int:
    """Resident bytes of this process; 0 where that cannot be read."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


async def serve() -> None:
    """Run until standard input closes."""
    over = asyncio.Event()
    gateway = Gateway(over.set)
    await gateway.open()
    await over.wait()
    await gateway.close()
