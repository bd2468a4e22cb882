"""The typed client of the agent: the only way in for the pages, the command line and scripts.

`Client` is synchronous and safe to share between threads; `AsyncClient` is for the dashboard's relay. Both answer the
models of `monitor.models`, and raise

    AgentUnreachable   no agent answers on the socket (it is not running, or went away meanwhile)
    AgentRefused       it answered, and said no; `kind` names the class of its error
"""

import functools
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import httpx
from pydantic import ValidationError

from monitor import models
from monitor.client_ai import AiClient
from monitor.client_parts import Model, parsed, path_part
from monitor.endpoint import Endpoint, read_endpoint
from monitor.errors import AgentRefused, AgentUnreachable

if TYPE_CHECKING:
    import pyarrow as pa
    from websockets.asyncio.client import ClientConnection as AsyncConnection
    from websockets.sync.client import ClientConnection

ARROW: Final = "application/vnd.apache.arrow.stream"
KEPT_OPEN_S: Final = 4.0
"""httpx keeps an idle connection for 5 s."""
BASE: Final = "http://agent"
START_HINT: Final = "start one with `watchkeeper` (with the dashboard) or `watchkeeper agent`"
Params = Mapping[str, str | int | float | bool | None]


@functools.cache
def no_authorities() -> ssl.SSLContext:
    """A TLS context that trusts nobody. The agent speaks plain HTTP on this machine; without it every client would read the
    list of the world's authorities first, 19 ms of a core for each tab that opens and each command.
    """
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Refused(AgentRefused):
    """The agent said no: `kind` is the class of its error, `status` the HTTP status, `problems` one sentence a key."""

    def __init__(self, body: models.ErrorBody, status: int) -> None:
        super().__init__(body.message, hint=body.hint)
        self.kind, self.status, self.problems = body.kind, status, body.problems
        self.exit_code = {400: 2, 404: 2, 409: 2, 503: 4}.get(status, 1)


class Client:
    """Speaks with the agent of one data directory.

    Args:
        endpoint: where it listens; see `Client.of`.
        timeout_s: deadline of one request.
    """

    def __init__(self, endpoint: Endpoint, *, timeout_s: float = 35.0) -> None:
        self.endpoint = endpoint
        transport = httpx.HTTPTransport(uds=endpoint.socket, verify=no_authorities())
        self._http = httpx.Client(
            transport=transport,
            base_url=endpoint.url or BASE,
            headers=endpoint.headers,
            timeout=httpx.Timeout(timeout_s, connect=2.0),
            trust_env=False,
        )
        self._answered: float | None = None
        self.ai = AiClient(self)

    @classmethod
    def of(cls, data_dir: Path, *, timeout_s: float = 35.0) -> Self:
        """A client of the agent that owns `data_dir`; whether one runs shows at the first request."""
        return cls(read_endpoint(data_dir), timeout_s=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # --- requests of any kind

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: object = None,
        accept: str = "*/*",
        timeout_s: float | None = None,
    ) -> httpx.Response:
        """One request; `path` begins with `/v1/`; `timeout_s` for an answer that takes longer than others.

        Raises:
            AgentUnreachable, AgentRefused: see the module.
        """
        self._knock()
        self._answered = None
        try:
            answer = self._http.request(
                method,
                path,
                params=_clean(params),
                content=None if body is None else json.dumps(body).encode(),
                headers={"Accept": accept, "Content-Type": "application/json"},
                timeout=httpx.USE_CLIENT_DEFAULT if timeout_s is None else httpx.Timeout(timeout_s, connect=2.0),
            )
        except httpx.HTTPError as error:
            raise _unreachable(self.endpoint, error) from error
        self._answered = time.monotonic()
        return _checked(answer)

    def _knock(self) -> None:
        """See whether anyone listens, before httpx does: it leaves the socket of a failed connection open until it is collected."""
        if self.endpoint.socket is None or (self._answered and time.monotonic() - self._answered < KEPT_OPEN_S):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(2.0)
            try:
                probe.connect(self.endpoint.socket)
            except OSError as error:
                raise _unreachable(self.endpoint, error) from error

    def get_json(self, path: str, params: Params | None = None) -> Any:
        """The parsed answer of a GET, as it came."""
        return self.request("GET", path, params=params).json()

    def _get(self, model: type[Model], path: str, params: Params | None = None) -> Model:
        return parsed(model, self.request("GET", path, params=params))

    def table(self, path: str, params: Params | None = None) -> "pa.Table":
        """The Arrow answer of an endpoint that has one."""
        import pyarrow as pa

        answer = self.request("GET", path, params=params, accept=ARROW)
        with pa.ipc.open_stream(answer.content) as reader:
            return reader.read_all()

    # --- the machine

    def status(self) -> models.Status:
        """Whether the watch itself is well."""
        return self._get(models.Status, "/v1/status")

    def host_latest(self) -> models.HostLatest:
        """The newest reading of the machine."""
        return self._get(models.HostLatest, "/v1/host/latest")

    def host_series(self, metrics: Sequence[str], *, start: int, end: int, points: int = 600) -> models.Series:
        """Metrics of the machine over time (µs), in at most `points` buckets."""
        return self._get(models.Series, "/v1/host/series", _span(start, end, points) | {"metrics": ",".join(metrics)})

    def gpu_series(self, *, start: int, end: int, points: int = 600) -> models.GpuSeries:
        """Metrics of every GPU over time."""
        return self._get(models.GpuSeries, "/v1/gpu/series", _span(start, end, points))

    def processes(self) -> models.Processes:
        """All running processes."""
        return self._get(models.Processes, "/v1/processes")

    def run(self, run: str) -> models.Run:
        """One life of one process, running or ended."""
        return self._get(models.Run, f"/v1/runs/{path_part(run)}")

    def run_series(
        self, run: str, *, start: int, end: int, points: int = 600, metrics: Sequence[str] = ()
    ) -> models.Series:
        """Readings of one run over time."""
        params = _span(start, end, points) | ({"metrics": ",".join(metrics)} if metrics else {})
        return self._get(models.Series, f"/v1/runs/{path_part(run)}/series", params)

    # --- log records; `filters` are those of docs/design.md §4: q, regex, raw, case, level, levels, source, pid, run, since, until

    def log_records(
        self, filters: Params | None = None, *, limit: int = 200, before: str | None = None, after: str | None = None
    ) -> models.LogPage:
        """The newest `limit` records of a filter, oldest first; cursors lead on."""
        params = {**(filters or {}), "limit": limit, "before": before, "after": after}
        return self._get(models.LogPage, "/v1/logs/records", params)

    def log_count(self, filters: Params | None = None) -> models.LogCount:
        """How many records match."""
        return self._get(models.LogCount, "/v1/logs/count", filters)

    def log_histogram(self, filters: Params | None = None, *, buckets: int = 120) -> models.LogHistogram:
        """Matching records over time by level."""
        return self._get(models.LogHistogram, "/v1/logs/histogram", {**(filters or {}), "buckets": buckets})

    def log_facets(self, filters: Params | None = None) -> models.LogFacets:
        """Matching records by level and source."""
        return self._get(models.LogFacets, "/v1/logs/facets", filters)

    def log_record(self, record: str) -> models.RecordDetail:
        """One record with its fields and its whole original."""
        return self._get(models.RecordDetail, f"/v1/logs/records/{path_part(record)}")

    def log_context(self, record: str, *, before: int = 20, after: int = 20) -> models.LogContext:
        """A record's neighbours in its file."""
        path = f"/v1/logs/records/{path_part(record)}/context"
        return self._get(models.LogContext, path, {"before": before, "after": after})

    def log_sources(self) -> models.LogSources:
        """Where records come from, and how far each is read."""
        return self._get(models.LogSources, "/v1/logs/sources")

    def log_errors(self) -> models.LogErrors:
        """How many errors there are, and the newest."""
        return self._get(models.LogErrors, "/v1/logs/errors")

    def ingest(self, paths: Sequence[str | Path], *, format: str | None = None) -> str:  # noqa: A002 - the word of the API
        """Begin to read files into the store; answers the job to ask for."""
        body = {"paths": [str(p) for p in paths], "format": format}
        return parsed(models.IngestStarted, self.request("POST", "/v1/logs/ingest", body=body)).job

    def ingest_job(self, job: str) -> models.IngestJob:
        """How far a job of `ingest` is."""
        return self._get(models.IngestJob, f"/v1/logs/ingest/{path_part(job)}")

    # --- engines, settings, query, end

    def engines(self) -> models.Engines:
        """The model engines, as last looked at."""
        return self._get(models.Engines, "/v1/engines")

    def refresh_engines(self) -> models.Engines:
        """Look at the model engines now."""
        return parsed(models.Engines, self.request("POST", "/v1/engines/refresh"))

    def settings(self) -> models.SettingsInfo:
        """All settings and where each value came from."""
        return self._get(models.SettingsInfo, "/v1/settings")

    def save_settings(self, changes: Mapping[str, Any]) -> models.SettingsInfo:
        """Check and save; None goes back to the default. A `Refused` carries `problems`, one sentence a key."""
        return parsed(models.SettingsInfo, self.request("PUT", "/v1/settings", body=dict(changes)))

    def query(self, sql: str, *, limit: int = 1000) -> models.QueryAnswer:
        """Read-only SQL over the store."""
        return parsed(models.QueryAnswer, self.request("POST", "/v1/query", body={"sql": sql, "limit": limit}))

    def shutdown(self) -> int:
        """Ask the agent to end; answers its pid. It flushes first."""
        return parsed(models.ShutdownAnswer, self.request("POST", "/v1/shutdown")).pid

    # --- live

    @contextmanager
    def live(self, subscription: models.Subscription) -> Iterator["Live"]:
        """A live connection, subscribed; iterate it for frames (dictionaries, see docs/design.md §5)."""
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect, unix_connect

        options: dict[str, Any] = {
            "max_size": 64 * 1024 * 1024,
            "open_timeout": 5,
            "close_timeout": 1,
            "compression": None,
            "additional_headers": self.endpoint.headers,
        }
        try:
            if self.endpoint.socket:
                connection = unix_connect(self.endpoint.socket, "ws://agent/v1/live", **options)
            else:
                connection = connect(_ws_url(self.endpoint), proxy=None, **options)
        except (OSError, WebSocketException) as error:
            raise _unreachable(self.endpoint, error) from error
        with connection:
            live = Live(connection, self.endpoint)
            live.subscribe(subscription)
            yield live


class Live:
    """An open live connection of `Client.live`."""

    def __init__(self, connection: "ClientConnection", endpoint: Endpoint) -> None:
        self._connection, self._endpoint = connection, endpoint

    def subscribe(self, subscription: models.Subscription) -> None:
        """Change what is wanted."""
        self._connection.send(json.dumps({"subscribe": subscription.model_dump(mode="json")}))

    def receive(self, timeout_s: float | None = None) -> dict[str, Any]:
        """The next frame.

        Raises:
            TimeoutError: none came in time.
            AgentUnreachable: the agent went away.
        """
        from websockets.exceptions import ConnectionClosed

        try:
            frame: dict[str, Any] = json.loads(self._connection.recv(timeout_s))
        except ConnectionClosed as error:
            raise _unreachable(self._endpoint, error) from error
        return frame

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:
            yield self.receive()


class AsyncClient:
    """The dashboard's relay: raw answers and raw live frames, passed on as they are."""

    def __init__(self, endpoint: Endpoint, *, timeout_s: float = 35.0) -> None:
        self.endpoint = endpoint
        transport = httpx.AsyncHTTPTransport(uds=endpoint.socket, verify=no_authorities())
        self._http = httpx.AsyncClient(
            transport=transport,
            base_url=endpoint.url or BASE,
            headers=endpoint.headers,
            timeout=httpx.Timeout(timeout_s, connect=2.0),
            trust_env=False,
        )

    @classmethod
    def of(cls, data_dir: Path, *, timeout_s: float = 35.0) -> Self:
        """A client of the agent that owns `data_dir`."""
        return cls(read_endpoint(data_dir), timeout_s=timeout_s)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, path: str, query: str = "", *, accept: str = "application/json") -> httpx.Response:
        """A GET passed on: the answer as the agent gave it, errors included.

        Raises:
            AgentUnreachable: no agent answers.
        """
        try:
            return await self._http.get(f"{path}?{query}" if query else path, headers={"Accept": accept})
        except httpx.HTTPError as error:
            raise _unreachable(self.endpoint, error) from error

    @asynccontextmanager
    async def live(self) -> AsyncIterator["AsyncConnection"]:
        """An open live socket, not yet subscribed: `await ws.send(text)`, `async for text in ws`.

        Raises:
            AgentUnreachable: no agent answers.
        """
        from websockets.asyncio.client import connect, unix_connect
        from websockets.exceptions import WebSocketException

        options: dict[str, Any] = {
            "max_size": 64 * 1024 * 1024,
            "open_timeout": 5,
            "close_timeout": 1,
            "compression": None,
            "additional_headers": self.endpoint.headers,
        }
        try:
            if self.endpoint.socket:
                connection = await unix_connect(self.endpoint.socket, "ws://agent/v1/live", **options)
            else:
                connection = await connect(_ws_url(self.endpoint), proxy=None, **options)
        except (OSError, WebSocketException) as error:
            raise _unreachable(self.endpoint, error) from error
        async with connection:
            yield connection


def _ws_url(endpoint: Endpoint) -> str:
    return f"{(endpoint.url or BASE).replace('http', 'ws', 1)}/v1/live"


def _clean(params: Params | None) -> dict[str, str | int | float]:
    """Parameters without None; booleans as 0 and 1."""
    return {k: int(v) if isinstance(v, bool) else v for k, v in (params or {}).items() if v is not None and v != ""}


def _span(start: int, end: int, points: int) -> dict[str, str | int]:
    return {"from": start, "to": end, "points": points}


def _unreachable(endpoint: Endpoint, error: Exception) -> AgentUnreachable:
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return AgentUnreachable("the agent did not answer in time", hint="`watchkeeper status` shows how it does")
    if isinstance(error, PermissionError) or "Permission denied" in str(error):
        return AgentUnreachable(f"the agent at {endpoint.name} belongs to another user", hint="use your own --data-dir")
    return AgentUnreachable(f"no agent answers at {endpoint.name}", hint=START_HINT)


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    try:
        body = models.ErrorAnswer.model_validate_json(answer.content).error
    except ValidationError:
        body = models.ErrorBody(kind="AgentError", message=f"the agent answered {answer.status_code}", hint="")
    raise Refused(body, answer.status_code)
