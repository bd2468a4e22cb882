"""What the engines in workers share: a supervised process that serves OpenAI's API on a Unix socket."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Final

import httpx

from ai.backends.openai.backend import count_llamacpp, post_json
from ai.backends.openai.request import Flavour
from ai.backends.openai.stream import OpenAIWire
from ai.backends.worker_transport import WorkerTransport
from ai.core.errors import BackendDown, BackendError, BackendOutOfMemory, BackendTimeout, BadRequest, StreamCut
from ai.core.footprint import is_working, memory_of
from ai.core.pacing import Pacer
from ai.core.types import (
    DEFAULT_DEADLINES,
    Deadlines,
    Event,
    Figure,
    GenRequest,
    Health,
    LoadSpec,
    MemoryReport,
    Message,
)
from ai.core.types import (
    Final as FinalEvent,
)
from ai.prompt_integrity.proof import bounded
from ai.worker.budget import RestartPolicy
from ai.worker.messages import WorkerConfig
from ai.worker.supervisor import Running, Supervisor, WatchPolicy

_WHY_S: Final = 1.5


class WorkerBackend:
    """Health, streams, counting and memory of a worker; the engines add how it is loaded.

    Args:
        name: unique among the backends.
        flavour: how the worker's server wants its requests.
        watch: when its worker is killed.
        restarts: how often it is started again.
    """

    restarts_itself = True

    def __init__(
        self, name: str, flavour: Flavour, watch: WatchPolicy | None = None, restarts: RestartPolicy | None = None
    ) -> None:
        self._name = name
        self._flavour = flavour
        self.supervisor = Supervisor(name, watch, restarts)
        self._spec: LoadSpec | None = None
        self._client: httpx.AsyncClient | None = None
        self._client_of = ""
        self._stale: list[httpx.AsyncClient] = []

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    async def health(self, deadline_s: float = 2.0) -> Health:
        """`ready` when the worker answers or none is needed now; `down` when it does not answer."""
        checked, begun = time.time_ns() // 1000, time.perf_counter()
        running = self.supervisor.running
        if running is None:
            error = self.supervisor.last_error
            if error is not None and error.outage:
                return Health("down", error.message, checked, loaded=False)
            return Health("ready", f"{self._name} starts when asked.", checked, loaded=False)
        try:
            async with asyncio.timeout(deadline_s):
                answer = await self._http(running).get("/health")
        except (TimeoutError, httpx.TransportError):
            return Health("down", f"The worker of {self._name} does not answer.", checked, loaded=True)
        state = "ready" if answer.status_code == httpx.codes.OK else "error"
        return Health(
            "ready" if state == "ready" else "error", f"{self._name} is loaded." if state == "ready" else f"It answers {answer.status_code}.",
            checked, round((time.perf_counter() - begun) * 1e3, 2), loaded=True,
        )  # fmt: skip

    async def stream(
        self, request: GenRequest, *, deadlines: Deadlines = DEFAULT_DEADLINES, cancel: asyncio.Event | None = None
    ) -> AsyncGenerator[Event, None]:
        """The answer; the worker is started when it is not there, and a crash says what it was."""
        async with self.supervisor.lease():
            begun = time.perf_counter()
            running = await self._ready(min(deadlines.load_s, deadlines.total_s))
            loaded = time.perf_counter() - begun
            left = replace(deadlines, total_s=max(deadlines.total_s - loaded, 0.0))
            source = OpenAIWire(self._http(running), self._name).events(
                request, running.config.model, self._flavour, deadlines.connect_s
            )
            try:
                async with aclosing(Pacer(self._name, left, cancel).run(source)) as events:
                    async for event in events:
                        yield self._end(event, request, running, loaded) if isinstance(event, FinalEvent) else event
            except (StreamCut, BackendDown) as error:
                raise await self._explained(error) from error
            self.supervisor.served()

    async def count_tokens(self, content: str | tuple[Message, ...]) -> Figure:
        """Counted by the engine itself."""
        return Figure(await count_llamacpp(await self._posting(), "", content), "reported")

    async def _posting(self) -> Callable[[str, dict[str, object]], Awaitable[dict[str, object]]]:
        """Asks the worker's server small questions."""
        client = self._http(await self._ready(DEFAULT_DEADLINES.load_s))

        async def post(path: str, body: dict[str, object]) -> dict[str, object]:
            return await post_json(client, self._name, path, body)

        return post

    async def memory(self) -> MemoryReport:
        """Measured; nothing while no worker runs."""
        running = self.supervisor.running
        if running is None:
            return MemoryReport(note="It is not loaded.")
        return await asyncio.to_thread(memory_of, running.pid)

    async def working(self) -> bool:
        """Whether its worker computes."""
        running = self.supervisor.running
        return running is not None and await is_working(lambda: running.pid)

    async def unload(self) -> None:
        """End the worker: the only way to get all of an engine's memory back."""
        await self._forget_client()
        await self.supervisor.stop()

    async def close(self) -> None:
        """End the worker for good."""
        await self._forget_client()
        await self.supervisor.close()

    async def start(self, spec: LoadSpec, deadline_s: float) -> Running:
        """The worker for `spec`, which later requests use too."""
        config = await self._config(spec)
        running = await self.supervisor.ensure(config, deadline_s)
        self._spec = spec
        return running

    async def _config(self, spec: LoadSpec) -> WorkerConfig:
        raise NotImplementedError

    async def _ready(self, deadline_s: float) -> Running:
        if self._spec is None:
            raise BadRequest(
                f"{self._name} was not told which model to load.", backend=self._name, hint="Call ensure_loaded first."
            )
        return await self.start(self._spec, deadline_s)

    def _http(self, running: Running) -> httpx.AsyncClient:
        """A client for this worker's socket; a new worker has a new socket and key."""
        if self._client is None or self._client_of != running.socket:
            self._stale += [self._client] if self._client is not None else []
            self._client_of = running.socket
            self._client = httpx.AsyncClient(
                transport=WorkerTransport(running.socket),
                base_url="http://worker",
                headers={"Authorization": f"Bearer {running.key}", "Accept-Encoding": "identity"},
                timeout=httpx.Timeout(5.0),
                trust_env=False,
            )
        return self._client

    async def _forget_client(self) -> None:
        stale = [*self._stale, *([self._client] if self._client is not None else [])]
        self._stale, self._client, self._client_of = [], None, ""
        for client in stale:
            await client.aclose()

    async def _explained(self, error: BackendError) -> BackendError:
        """A broken connection says little; the supervisor knows what became of the worker."""
        why = await self.supervisor.why_it_ended(_WHY_S)
        if isinstance(why, BackendOutOfMemory | BackendTimeout):
            return why
        if why is None:
            return error
        return type(error)(f"{error.message.rstrip('.')}: {why.message}", backend=self._name, hint=why.hint)

    def _end(self, final: FinalEvent, request: GenRequest, running: Running, loaded: float) -> FinalEvent:
        timings = replace(final.timings, load=Figure(loaded if running.cold else 0.0, "measured"))
        return bounded(request, replace(final, timings=timings))
