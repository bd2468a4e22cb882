"""Relays the live socket and read-only API requests of components to the agent."""

import asyncio
import contextlib
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from websockets.exceptions import ConnectionClosed

from monitor.client.connection import BASE, DROPPED, no_authorities, unreachable
from monitor.client.relayed import AsyncClient
from monitor.core.endpoint import read_endpoint
from monitor.core.errors import AgentConnecting, AgentUnreachable

LOG: Final = logging.getLogger("watchkeeper.dashboard")
AGAIN_S: Final = 0.1
RETRY_S: Final = 0.5
QUIET_S: Final = 1.5
"""After this time without a frame the agent gets a ping; after the same time again it counts as not reachable."""
MAX_SUBSCRIPTION: Final = 64 * 1024
MAX_QUERY: Final = 16 * 1024
MAX_TABS: Final = 256
ALLOWED: Final = re.compile(
    r"status|activity|engines|events|jobs(/workers|/errors)?|processes(/at)?"
    r"|host/(latest|series)|gpu/series"
    r"|runs(/\d{1,20}(/series)?)?"
    r"|logs/(records|count|histogram|facets|sources|errors|patterns|slowing|changes|query|fields|nothing)"
    r"|logs/records/\d{1,20}:\d{1,20}(/context)?"
    r"|ai/(backends|policy|calls|benchmark|benchmarks)"
)
PASSED_ON: Final = ("content-type", "content-encoding", "content-length")


class LiveRelay:
    """Serves `/wk/live` with one upstream socket for each browser tab.

    Frames pass untouched. Back-pressure reaches the agent: nothing is read from it while the browser has not taken the
    last frame, and the agent drops the oldest and says so.

    Args:
        data_dir: of the agent.
        clock: microseconds since the epoch.
    """

    def __init__(self, data_dir: Path, clock: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        self._data_dir, self._clock = data_dir, clock
        self._tabs = 0

    async def serve(self, browser: WebSocket) -> None:
        """Serve one browser tab until either side ends."""
        if self._tabs >= MAX_TABS:
            await browser.close(1013, "too many tabs")
            return
        await browser.accept()
        self._tabs += 1
        tab = _Tab(browser, self._data_dir, self._clock)
        try:
            await tab.run()
        finally:
            self._tabs -= 1


class _Tab:
    """One browser tab: its subscription, and the socket to the agent, reopened as often as needed."""

    def __init__(self, browser: WebSocket, data_dir: Path, clock: Callable[[], int]) -> None:
        self._browser, self._data_dir, self._clock = browser, data_dir, clock
        self._subscription = asyncio.Event()
        self._wanted = ""
        self._agent: Any = None
        self._away_since: int | None = None
        self._coming = self._said_coming = False
        """Whether the agent runs or is being started again, and what the browser was told of it."""
        self._heard = False
        """Whether a frame came since the last time the socket was lost."""

    async def run(self) -> None:
        """Relay frames both ways until the browser disconnects."""
        listening = asyncio.create_task(self._listen(), name="live-from-browser")
        feeding = asyncio.create_task(self._feed(), name="live-from-agent")
        try:
            done, _ = await asyncio.wait({listening, feeding}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (listening, feeding):
                task.cancel()
            await asyncio.gather(listening, feeding, return_exceptions=True)
        for task in done:
            error = task.exception()
            if error is not None and not isinstance(error, WebSocketDisconnect | RuntimeError):
                LOG.error("the live relay of one tab failed", exc_info=error)
        if self._browser.client_state is WebSocketState.CONNECTED:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await self._browser.close()

    async def _listen(self) -> None:
        """Receive subscriptions from the browser; anything else closes the connection."""
        while True:
            message = await self._browser.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text") or ""  # nothing of ours sends bytes
            if not _is_subscription(text):
                await self._browser.close(1008, "a subscription was expected")
                return
            self._wanted = text
            self._subscription.set()
            if self._agent is not None:
                with contextlib.suppress(ConnectionClosed):
                    await self._agent.send(text)

    async def _feed(self) -> None:
        """Keep a socket to the agent open, and tell the browser when it is lost and when it is back."""
        await self._subscription.wait()
        while True:
            try:
                client = AsyncClient.of(self._data_dir)
                async with contextlib.aclosing(_Closing(client)), client.live() as agent:
                    await self._pass_on(agent)
            except AgentUnreachable as error:
                self._coming = isinstance(error, AgentConnecting)
            except TimeoutError:
                self._coming = True
            except ConnectionClosed:
                self._coming = True
                if self._heard:  # it may only have been dropped: try once before saying so
                    self._heard = False
                    await asyncio.sleep(AGAIN_S)
                    continue
            await self._say_away()
            await asyncio.sleep(RETRY_S)

    async def _pass_on(self, agent: Any) -> None:
        """Send the subscription, then forward frames until the agent is gone or silent."""
        await agent.send(self._wanted)
        self._agent = agent
        try:
            await self._say_back()
            while True:
                try:
                    frame = await asyncio.wait_for(agent.recv(), QUIET_S)
                except TimeoutError:
                    await asyncio.wait_for(await agent.ping(), QUIET_S)
                else:
                    self._heard = True
                    await self._browser.send_text(frame)
        finally:
            self._agent = None

    async def _say_away(self) -> None:
        if self._away_since is None or self._said_coming != self._coming:
            self._away_since, self._said_coming = self._away_since or self._clock(), self._coming
            frame = {"t": "agent", "state": "away", "since": self._away_since, "coming": self._coming}
            await self._browser.send_json(frame)

    async def _say_back(self) -> None:
        if self._away_since is not None:
            since, self._away_since = self._away_since, None
            await self._browser.send_json({"t": "agent", "state": "back", "since": since})


class _Closing:
    """Lets `contextlib.aclosing` close the HTTP connections of the client."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def aclose(self) -> None:
        await self._client.close()


def _is_subscription(text: str) -> bool:
    if len(text) > MAX_SUBSCRIPTION:
        return False
    try:
        message = json.loads(text)
    except ValueError:
        return False
    return isinstance(message, dict) and isinstance(message.get("subscribe"), dict)


class ApiRelay:
    """Serves `GET /wk/api/v1/…` for a closed list of read-only paths, streamed from the agent."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._http: httpx.AsyncClient | None = None
        self._socket: str | None = None

    async def close(self) -> None:
        """Close the connections to the agent."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        path = request.path_params["path"]
        query = request.url.query
        if not ALLOWED.fullmatch(path) or len(query) > MAX_QUERY:
            return _error(
                404,
                "NotFound",
                "this path is not available here",
                "docs/design.md lists the paths that components may read",
            )
        try:
            http = await self._client()
            upstream = http.build_request(
                "GET", f"/v1/{path}?{query}", headers={"Accept": request.headers.get("accept", "application/json")}
            )
            try:
                answer = await http.send(upstream, stream=True)
            except DROPPED:
                answer = await http.send(upstream, stream=True)
        except httpx.TimeoutException:
            return _error(504, "AgentUnreachable", "the agent did not answer in time", "try again, or ask for less")
        except httpx.HTTPError as error:
            why = unreachable(read_endpoint(self._data_dir), error)
            return _error(503, type(why).__name__, why.message, why.hint)
        except AgentUnreachable as error:
            return _error(503, type(error).__name__, error.message, error.hint)
        headers = {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
        return StreamingResponse(
            _stream(answer), status_code=answer.status_code, headers=headers | {"Cache-Control": "no-store"}
        )

    async def _client(self) -> httpx.AsyncClient:
        """The HTTP client of the agent, replaced when the address of the agent changes."""
        endpoint = read_endpoint(self._data_dir)
        if self._http is None or self._socket != endpoint.name:
            await self.close()
            self._socket = endpoint.name
            self._http = httpx.AsyncClient(
                transport=httpx.AsyncHTTPTransport(uds=endpoint.socket, verify=no_authorities()),
                base_url=endpoint.url or BASE,
                headers=endpoint.headers,
                timeout=httpx.Timeout(35.0, connect=2.0, pool=5.0),
                trust_env=False,
            )
        return self._http


async def _stream(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()


def _error(status: int, kind: str, message: str, hint: str) -> JSONResponse:
    body = {"error": {"kind": kind, "message": message, "hint": hint}}
    return JSONResponse(body, status_code=status, headers={"Cache-Control": "no-store"})
