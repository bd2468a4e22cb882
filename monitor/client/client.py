"""The typed client of the agent, for pages, command line and scripts.

    with Client.of(data_dir) as client:
        for process in client.processes().processes:
            print(process.pid, process.cpu_pct)

`Client` is synchronous and safe to share between threads; it returns the models of `monitor.api_models`. It raises

    AgentUnreachable   no agent answers on the socket: it is not running, or stopped meanwhile
    AgentRefused       the agent refused the request; `kind` names the class of its error
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import httpx
from pydantic import ValidationError

from monitor.api_models.activity import Activity
from monitor.api_models.base import ErrorAnswer, ErrorBody, QueryAnswer
from monitor.api_models.endings import RunEnding
from monitor.api_models.events import ProcessEvents
from monitor.api_models.log_patterns import LogChanges, LogPatterns, PatternValues, SlowingPatterns
from monitor.api_models.logs import (
    FormatTried,
    IngestJob,
    IngestStarted,
    LogCount,
    LogPage,
    LogReadings,
    LogSources,
    OwnFormats,
    RecordDetail,
    SavedSearch,
    SavedSearches,
    SearchSaving,
)
from monitor.api_models.machine import Engines, HostLatest
from monitor.api_models.processes import (
    Connections,
    EndedRuns,
    Lives,
    Moment,
    PastProcesses,
    Processes,
    ProcessGroups,
    Run,
)
from monitor.api_models.status import SettingsInfo, ShutdownAnswer, Status, Subscription
from monitor.client.ai import AiClient
from monitor.client.alerts import AlertsClient
from monitor.client.connection import (
    DROPPED,
    Knocker,
    http_options,
    live_options,
    live_url,
    no_authorities,
    unreachable,
)
from monitor.client.gateway import GatewayClient
from monitor.client.jobs import JobsClient
from monitor.client.parsing import Model, Params, parsed, path_part, plain_params
from monitor.client.services import ServicesClient
from monitor.core.endpoint import Endpoint, read_endpoint
from monitor.core.errors import AgentConnecting, AgentRefused

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

RETRY_S: Final = 0.2


class Refused(AgentRefused):
    """The agent refused a request. `kind` is the class of its error, `status` the HTTP status, `problems` one sentence per key."""

    def __init__(self, body: ErrorBody, status: int) -> None:
        super().__init__(body.message, hint=body.hint)
        self.kind, self.status, self.problems = body.kind, status, body.problems
        self.exit_code = {400: 2, 404: 2, 409: 2, 503: 4}.get(status, 1)


class Client:
    """A connection to the agent of one data directory.

    Args:
        endpoint: where the agent listens; see `Client.of`.
        timeout_s: deadline of one request.
        watched: at most so many requests at a time are given up soon if the agent stops answering meanwhile; 0: none.
    """

    def __init__(self, endpoint: Endpoint, *, timeout_s: float = 35.0, watched: int = 0) -> None:
        self.endpoint = endpoint
        transport = httpx.HTTPTransport(uds=endpoint.socket, verify=no_authorities())
        self._http = httpx.Client(transport=transport, **http_options(endpoint, timeout_s))
        self._knocker = Knocker(endpoint, watched)
        self.ai = AiClient(self)
        self.jobs = JobsClient(self)
        self.services = ServicesClient(self)
        self.alerts = AlertsClient(self)
        self.gateway = GatewayClient(self)

    @classmethod
    def of(cls, data_dir: Path | str, *, timeout_s: float = 35.0) -> Self:
        """A client of the agent that owns `data_dir`. Whether it is running shows at the first request."""
        return cls(read_endpoint(Path(data_dir).expanduser()), timeout_s=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._knocker.close()
        self._http.close()

    # --- any request

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
        """Send one request. `path` begins with `/v1/` and may have a query, to which `params` are added; `timeout_s` replaces the deadline of the client.

        Raises:
            AgentUnreachable, AgentRefused: see the module.
        """
        request = self._http.build_request(
            method,
            httpx.URL(path).copy_merge_params(plain_params(params)),
            content=None if body is None else json.dumps(body).encode(),
            headers={"Accept": accept, "Content-Type": "application/json"},
            timeout=httpx.USE_CLIENT_DEFAULT if timeout_s is None else httpx.Timeout(timeout_s, connect=2.0),
        )
        try:
            answer = self._sent(request)
        except httpx.HTTPError as error:
            raise unreachable(self.endpoint, error) from error
        self._knocker.answered()
        return _checked(answer)

    def _sent(self, request: httpx.Request) -> httpx.Response:
        """The answer. A connection that was closed while it was idle, or an agent that is just starting, gets a second try."""
        try:
            self._knocker.knock()
            return self._knocker.send(self._http, request)
        except AgentConnecting as error:
            if isinstance(error.__cause__, TimeoutError):  # it was waited for
                raise
            time.sleep(RETRY_S)
        except DROPPED as error:
            if not _may_repeat(request, error):
                raise
        self._knocker.answered(again=False)
        self._knocker.knock()
        return self._knocker.send(self._http, request)

    def get_json(self, path: str, params: Params | None = None) -> Any:
        """The JSON answer of a GET, without a model."""
        return self.request("GET", path, params=params).json()

    def get(self, model: type[Model], path: str, params: Params | None = None) -> Model:
        """The answer of a GET as a model, for routes without a method: `client.get(Series, "/v1/host/series", {…})`."""
        return parsed(model, self.request("GET", path, params=params))

    # --- the machine

    def status(self) -> Status:
        """Whether the agent is healthy."""
        return self.get(Status, "/v1/status")

    def host_latest(self) -> HostLatest:
        """The newest reading of the machine."""
        return self.get(HostLatest, "/v1/host/latest")

    def processes(self) -> Processes:
        """All running processes."""
        return self.get(Processes, "/v1/processes")

    def processes_at(self, at: str | int, zone: str = "") -> PastProcesses:
        """All processes at a past moment: µs, or a time as people type it, in the time zone of that name or of the agent."""
        return self.get(PastProcesses, "/v1/processes/at", {"at": str(at), "zone": zone or None})

    def moment(self, text: str, zone: str = "") -> int:
        """A past time as people type it, in µs."""
        return self.get(Moment, "/v1/moment", {"at": text, "zone": zone or None}).ts

    def events(self, filters: Params | None = None, *, limit: int = 200) -> ProcessEvents:
        """Events of processes, the newest first. Filters: `q`, `types`, `since`, `until`, `run`."""
        return self.get(ProcessEvents, "/v1/events", {**(filters or {}), "limit": limit})

    def ended_runs(self, filters: Params | None = None, *, limit: int = 200) -> EndedRuns:
        """Runs that have ended, the newest end first. Filters: `q`, `since`, `until`, `mine`, `failed`, `lived_s`."""
        return self.get(EndedRuns, "/v1/runs", {**(filters or {}), "limit": limit})

    def activity(self, start: int, end: int, filters: Params | None = None) -> Activity:
        """What happened in `[start, end)` µs. Filters: `run` (several separated by commas), `limit`, `records`, `buckets`."""
        return self.get(Activity, "/v1/activity", {**(filters or {}), "from": start, "to": end})

    def run(self, run: str) -> Run:
        """One life of one process, running or ended."""
        return self.get(Run, f"/v1/runs/{path_part(run)}")

    def run_connections(self, run: str) -> Connections:
        """What a running process is connected to."""
        return self.get(Connections, f"/v1/runs/{path_part(run)}/connections")

    def run_ending(self, run: str) -> RunEnding:
        """Why a run ended, and what led to it."""
        return self.get(RunEnding, f"/v1/runs/{path_part(run)}/end")

    # --- log records; `filters` are those of docs/design.md §4: q, regex, raw, case, level, levels, source, pid, run, since, until

    def log_records(
        self, filters: Params | None = None, *, limit: int = 200, before: str | None = None, after: str | None = None
    ) -> LogPage:
        """The newest `limit` records of a filter, oldest first, with cursors to older and newer ones."""
        params = {**(filters or {}), "limit": limit, "before": before, "after": after}
        return self.get(LogPage, "/v1/logs/records", params)

    def log_record(self, record: str) -> RecordDetail:
        """One record by its id, with its fields, its original text and its file."""
        return self.get(RecordDetail, f"/v1/logs/records/{path_part(record)}")

    def log_count(self, filters: Params | None = None) -> LogCount:
        """How many records match."""
        return self.get(LogCount, "/v1/logs/count", filters)

    def log_patterns(self, filters: Params | None = None, *, limit: int = 200, points: int = 48) -> LogPatterns:
        """The most frequent patterns of a filter, each with a trend of so many points."""
        return self.get(LogPatterns, "/v1/logs/patterns", {**(filters or {}), "limit": limit, "points": points})

    def log_changes(
        self, filters: Params | None = None, *, before: str | int | None = None, limit: int = 200
    ) -> LogChanges:
        """What changed from the time between `before` and `since` to that between `since` and `until`; without `before` both are as long."""
        return self.get(LogChanges, "/v1/logs/changes", {**(filters or {}), "before": before, "limit": limit})

    def log_sources(self) -> LogSources:
        """The log sources, and how far each one has been read."""
        return self.get(LogSources, "/v1/logs/sources")

    def ingest(self, paths: Sequence[str | Path], *, format: str | None = None) -> str:  # noqa: A002 - the word of the API
        """Start reading files into the store; returns the ID of the job."""
        body = {"paths": [str(p) for p in paths], "format": format}
        return parsed(IngestStarted, self.request("POST", "/v1/logs/ingest", body=body)).job

    def ingest_job(self, job: str) -> IngestJob:
        """The progress of a job of `ingest`."""
        return self.get(IngestJob, f"/v1/logs/ingest/{path_part(job)}")

    def lives(self, start: int, end: int, filters: Params | None = None) -> Lives:
        """The runs that lived between two times (µs)."""
        return self.get(Lives, "/v1/lives", {**(filters or {}), "from": start, "to": end})

    def groups(self) -> ProcessGroups:
        """Containers, units and sessions with the sums of their processes and their limits."""
        return self.get(ProcessGroups, "/v1/groups")

    def slowing_patterns(self, filters: Params | None = None) -> SlowingPatterns:
        """The patterns whose durations grow in the records of a filter."""
        return self.get(SlowingPatterns, "/v1/logs/slowing", filters)

    def pattern_values(self, number: int, filters: Params | None = None) -> PatternValues:
        """The parameters of a pattern in the records of a filter, as columns."""
        return self.get(PatternValues, f"/v1/logs/patterns/{number}/values", filters)

    def log_readings(self, source: str) -> LogReadings:
        """How the files of a source are read."""
        return self.get(LogReadings, "/v1/logs/readings", {"source": source})

    def correct_reading(self, source: str, path: str, read_as: str) -> LogReadings:
        """Read a file of a source in another way from now on: a format, `day-first`, `month-first`, or `detect`."""
        body = {"source": source, "path": path, "read_as": read_as}
        return parsed(LogReadings, self.request("PUT", "/v1/logs/readings", body=body))

    def log_formats(self) -> OwnFormats:
        """The log formats that people described."""
        return self.get(OwnFormats, "/v1/logs/formats")

    def try_format(self, lines: Sequence[str], toml: str | None = None) -> FormatTried:
        """How a format reads these lines; without `toml` one is drafted from them."""
        body = {"lines": list(lines), "toml": toml}
        return parsed(FormatTried, self.request("POST", "/v1/logs/formats/try", body=body))

    def save_format(self, name: str, toml: str, files: Sequence[str]) -> OwnFormats:
        """Keep a format, which reads these files (patterns of paths) from now on."""
        body = {"toml": toml, "files": list(files)}
        return parsed(OwnFormats, self.request("PUT", f"/v1/logs/formats/{path_part(name)}", body=body))

    def remove_format(self, name: str) -> OwnFormats:
        """Forget a format."""
        return parsed(OwnFormats, self.request("DELETE", f"/v1/logs/formats/{path_part(name)}"))

    def saved_searches(self) -> SavedSearches:
        """The searches of logs that people saved."""
        return self.get(SavedSearches, "/v1/logs/searches")

    def save_search(self, search: SavedSearch, *, was: str | None = None, replace: bool = False) -> SavedSearches:
        """Keep a search, or change the one that is named `was`."""
        body = SearchSaving(search=search, was=was, replace=replace).model_dump()
        return parsed(SavedSearches, self.request("PUT", "/v1/logs/searches", body=body))

    def remove_search(self, name: str) -> SavedSearches:
        """Forget a search."""
        return parsed(SavedSearches, self.request("DELETE", "/v1/logs/searches", params={"name": name}))

    # --- engines, settings, query, shutdown

    def engines(self) -> Engines:
        """The model engines at their last check."""
        return self.get(Engines, "/v1/engines")

    def refresh_engines(self) -> Engines:
        """Check the model engines now."""
        return parsed(Engines, self.request("POST", "/v1/engines/refresh"))

    def settings(self) -> SettingsInfo:
        """All settings, and where each value comes from."""
        return self.get(SettingsInfo, "/v1/settings")

    def save_settings(self, changes: Mapping[str, Any]) -> SettingsInfo:
        """Validate and save; None restores the default. `Refused.problems` has one sentence per wrong key."""
        return parsed(SettingsInfo, self.request("PUT", "/v1/settings", body=dict(changes)))

    def query(self, sql: str, *, limit: int = 1000) -> QueryAnswer:
        """Run a read-only SQL query on the store."""
        return parsed(QueryAnswer, self.request("POST", "/v1/query", body={"sql": sql, "limit": limit}))

    def tell_refused(self, action: str, target: str, *, why: str, by: str, run: str | None = None) -> None:
        """Have it in the audit table that an action was refused before the agent was asked for it."""
        body = {"action": action, "target": target, "run": run, "why": why, "by": by}
        self.request("POST", "/v1/actions/refused", body=body)

    def shutdown(self) -> int:
        """Ask the agent to stop; returns its pid. It stores what is pending first."""
        return parsed(ShutdownAnswer, self.request("POST", "/v1/shutdown")).pid

    # --- live

    @contextmanager
    def live(self, subscription: Subscription) -> Iterator["Live"]:
        """A live connection. Iterate it for frames (dictionaries, see docs/design.md §5)."""
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect, unix_connect

        options = live_options(self.endpoint)
        try:
            if self.endpoint.socket:
                connection = unix_connect(self.endpoint.socket, "ws://agent/v1/live", **options)
            else:
                connection = connect(live_url(self.endpoint), proxy=None, **options)
        except (OSError, WebSocketException) as error:
            raise unreachable(self.endpoint, error) from error
        with connection:
            live = Live(connection, self.endpoint)
            live.subscribe(subscription)
            yield live


class Live:
    """An open live connection of `Client.live`."""

    def __init__(self, connection: "ClientConnection", endpoint: Endpoint) -> None:
        self._connection, self._endpoint = connection, endpoint

    def subscribe(self, subscription: Subscription) -> None:
        """Replace the subscription."""
        self._connection.send(json.dumps({"subscribe": subscription.model_dump(mode="json")}))

    def receive(self, timeout_s: float | None = None) -> dict[str, Any]:
        """The next frame.

        Raises:
            TimeoutError: no frame came in time.
            AgentUnreachable: the agent stopped.
        """
        from websockets.exceptions import ConnectionClosed

        try:
            frame: dict[str, Any] = json.loads(self._connection.recv(timeout_s))
        except ConnectionClosed as error:
            raise unreachable(self._endpoint, error) from error
        return frame

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:
            yield self.receive()


def _may_repeat(request: httpx.Request, error: Exception) -> bool:
    """Whether sending it again does nothing twice: it only reads, or was never sent."""
    return request.method == "GET" or isinstance(error, httpx.ConnectError)


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    try:
        body = ErrorAnswer.model_validate_json(answer.content).error
    except ValidationError:
        body = ErrorBody(kind="AgentError", message=f"the agent answered {answer.status_code}", hint="")
    raise Refused(body, answer.status_code)
