"""The client of the dashboard's relay: what the agent answers goes on as it came.

`AsyncClient` raises `AgentUnreachable` when no agent answers on the socket.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import httpx

from monitor.client.connection import DROPPED, http_options, live_options, live_url, no_authorities, unreachable
from monitor.core.endpoint import Endpoint, read_endpoint

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection


class AsyncClient:
    """The client of the dashboard's relay: answers and live frames are passed on unchanged."""

    def __init__(self, endpoint: Endpoint, *, timeout_s: float = 35.0) -> None:
        self.endpoint = endpoint
        transport = httpx.AsyncHTTPTransport(uds=endpoint.socket, verify=no_authorities())
        self._http = httpx.AsyncClient(transport=transport, **http_options(endpoint, timeout_s))

    @classmethod
    def of(cls, data_dir: Path, *, timeout_s: float = 35.0) -> Self:
        """A client of the agent that owns `data_dir`."""
        return cls(read_endpoint(data_dir), timeout_s=timeout_s)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, path: str, query: str = "", *, accept: str = "application/json") -> httpx.Response:
        """The unchanged answer of a GET, errors included.

        Raises:
            AgentUnreachable: no agent answers.
        """
        url = f"{path}?{query}" if query else path
        try:
            try:
                return await self._http.get(url, headers={"Accept": accept})
            except DROPPED:
                return await self._http.get(url, headers={"Accept": accept})
        except httpx.HTTPError as error:
            raise unreachable(self.endpoint, error) from error

    @asynccontextmanager
    async def live(self) -> AsyncIterator["ClientConnection"]:
        """An open live socket without a subscription: `await ws.send(text)`, `async for text in ws`.

        Raises:
            AgentUnreachable: no agent answers.
        """
        from websockets.asyncio.client import connect, unix_connect
        from websockets.exceptions import WebSocketException

        options = live_options(self.endpoint)
        try:
            if self.endpoint.socket:
                connection = await unix_connect(self.endpoint.socket, "ws://agent/v1/live", **options)
            else:
                connection = await connect(live_url(self.endpoint), proxy=None, **options)
        except (OSError, WebSocketException) as error:
            raise unreachable(self.endpoint, error) from error
        async with connection:
            yield connection
